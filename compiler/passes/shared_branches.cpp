// What several branches on data compute is computed once, before them; branches on data that are cheap become selects.
//
// `r == 0 ? 0 : r * log_inv_logit(x)` and `r == n ? 0 : (n - r) * log_inv_logit(-x)` share an exponential, a division
// and a polynomial, and so do their derivatives. Conditions on data are not known to compilers, which must take each
// for all; which sides are taken changes from observation to observation, and mostly one of them is.
#include "compiler/ir/axes.h"
#include "compiler/ir/typing.h"
#include "compiler/passes/cost.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/passes.h"

#include <algorithm>
#include <bit>
#include <map>
#include <set>
#include <tuple>

namespace vmodel::passes {

namespace {

// A branch saves no more than so much.
constexpr double cheap_branch = 8;

/// Finds what the branches on data of one region share.
class BranchSharing {
public:
  explicit BranchSharing(const Function& function) : from_(function), axis_(ir::axes(function)) {
    ir::for_each_op(function.body, [&](const Op& op) {
      if (op.opcode == Opcode::reduce_)
        visit(op.regions[0]);
    });
  }

  bool any() const { return !hoisted_.empty(); }

  Function run() {
    return ir::rewrite(from_, [this](Rewriter& r, const Op& op) {
      if (const auto before = before_.find(&op); before != before_.end())
        for (const Op* shared : before->second)
          compute(r, *shared);
      const auto found = place_.find(&op);
      if (found == place_.end() || !hoisted_.contains(found->second))
        return false;
      r.set(op.results[0], made_.at(found->second));
      return true;
    });
  }

private:
  using Number = int; // equal expressions have equal numbers

  bool is_branch_on_data(const Op& op) const {
    return op.opcode == Opcode::if_ && axis_[op.operands[0].id] == Axis::load;
  }

  /// Where an expression is computed: of a loop's body, all branches are one place.
  using Place = std::pair<const Region*, Number>;

  /// The operations of branches with one number, and the conditions of these branches with their sides.
  struct Computed {
    std::vector<const Op*> ops;
    std::set<std::pair<ValueId, std::size_t>> sides;
  };

  void visit(const Region& body) {
    std::map<Number, Computed> computed;
    std::set<ValueId> conditions;
    for (const Op& op : body.ops) {
      if (!is_branch_on_data(op))
        continue;
      conditions.insert(op.operands[0]);
      for (std::size_t side = 0; side < op.regions.size(); ++side)
        collect(body, op, side, computed);
    }
    // In the order of their numbers, operands come before what needs them.
    for (const auto& [number, found] : computed) {
      if (!is_shared(found, conditions.size()) || !operands_outside(body, *found.ops[0]))
        continue;
      hoisted_.insert({&body, number});
      before_[branch_.at(found.ops[0])].push_back(found.ops[0]);
    }
  }

  /// Both sides of a condition compute it, or most conditions lead to it: not one rare case and its derivative.
  static bool is_shared(const Computed& computed, std::size_t conditions) {
    std::set<ValueId> different;
    for (const auto& [condition, side] : computed.sides)
      different.insert(condition);
    return computed.sides.size() > different.size() || (different.size() > 1 && 2 * different.size() >= conditions);
  }

  void collect(const Region& body, const Op& branch, std::size_t side, std::map<Number, Computed>& computed) {
    for (const Op& op : branch.regions[side].ops) {
      if (op.opcode == Opcode::constant_)
        constants_[op.results[0]] = &op;
      if (op.opcode == Opcode::constant_ || !ir::is_pure_scalar(op.opcode) || op.results.size() != 1)
        continue;
      const Number number = number_of(op);
      place_[&op] = {&body, number};
      branch_[&op] = &branch;
      computed[number].ops.push_back(&op);
      computed[number].sides.insert({branch.operands[0], side});
    }
  }

  Number number_of(const Op& op) {
    std::vector<std::int64_t> operands;
    for (ValueId v : op.operands) {
      const auto constant = constants_.find(v);
      const auto known = by_value_.find(v);
      // Numbers of expressions, numbers of constants, and values: three kinds that do not meet.
      if (constant != constants_.end())
        operands.push_back(3 * constant_number(*constant->second));
      else if (known != by_value_.end())
        operands.push_back(3 * known->second + 1);
      else
        operands.push_back(3 * static_cast<std::int64_t>(v.id) + 2);
    }
    const auto element = static_cast<int>(from_.type(op.results[0]).element);
    const auto [found, is_new] = numbers_.try_emplace({op.opcode, element, op.symbol, op.integer, operands}, next_);
    next_ += is_new;
    return by_value_[op.results[0]] = found->second;
  }

  int constant_number(const Op& op) {
    const auto element = static_cast<int>(from_.type(op.results[0]).element);
    return constant_numbers_
        .try_emplace({element, std::bit_cast<std::int64_t>(op.number), op.integer},
                     static_cast<int>(constant_numbers_.size()))
        .first->second;
  }

  // What the branch itself defines must be shared as well.
  bool operands_outside(const Region& body, const Op& op) const {
    const Op* branch = branch_.at(&op);
    return std::all_of(op.operands.begin(), op.operands.end(), [&](ValueId v) {
      if (constants_.contains(v))
        return true;
      if (const auto number = by_value_.find(v); number != by_value_.end())
        return hoisted_.contains({&body, number->second});
      return !defines(*branch, v);
    });
  }

  static bool defines(const Op& branch, ValueId v) {
    return std::any_of(branch.regions.begin(), branch.regions.end(), [&](const Region& side) {
      return std::any_of(side.ops.begin(), side.ops.end(), [&](const Op& op) {
        return std::find(op.results.begin(), op.results.end(), v) != op.results.end();
      });
    });
  }

  void compute(Rewriter& r, const Op& op) {
    const Place place = place_.at(&op);
    for (ValueId v : op.operands) {
      if (const auto constant = constants_.find(v); constant != constants_.end())
        r.copy(*constant->second, false);
      else if (const auto number = by_value_.find(v); number != by_value_.end())
        r.set(v, made_.at({place.first, number->second}));
    }
    r.copy(op, false);
    made_[place] = r(op.results[0]);
  }

  using Key = std::tuple<Opcode, int, std::string, std::int64_t, std::vector<std::int64_t>>;

  const Function& from_;
  std::vector<Axis> axis_;
  std::map<ValueId, const Op*> constants_;
  std::map<std::tuple<int, std::int64_t, std::int64_t>, int> constant_numbers_;
  std::map<Key, Number> numbers_;
  std::map<ValueId, Number> by_value_;
  std::map<const Op*, Place> place_;      // these are looked up only, never walked
  std::map<const Op*, const Op*> branch_; // around an operation
  std::map<const Op*, std::vector<const Op*>> before_;
  std::set<Place> hoisted_;
  std::map<Place, ValueId> made_;
  Number next_ = 0;
};

/// Branches on data inside of loops, all of whose sides are cheap and safe.
class Selects {
public:
  explicit Selects(const Function& function) : from_(function), axis_(ir::axes(function)) {
    visit(function.body, false);
  }

  bool any() const { return !chosen_.empty(); }

  Function run() {
    return ir::rewrite(from_, [this](Rewriter& r, const Op& op) {
      if (!chosen_.contains(&op))
        return false;
      for (const Region& side : op.regions)
        r.copy_ops(side);
      for (std::size_t i = 0; i < op.results.size(); ++i) {
        const ValueId sides[2] = {r(op.regions[0].yields[i]), r(op.regions[1].yields[i])};
        r.set(op.results[i], r.builder().select(r(op.operands[0]), sides[0], sides[1]));
      }
      return true;
    });
  }

private:
  void visit(const Region& region, bool in_loop) {
    for (const Op& op : region.ops) {
      const bool is_loop = op.opcode == Opcode::reduce_;
      if (is_loop)
        for (std::size_t i = 0; i < op.operands.size(); ++i)
          extent_[op.regions[0].arguments[i]] = op.operands[i];
      for (const Region& inner : op.regions)
        visit(inner, in_loop || is_loop);
      if (in_loop && op.opcode == Opcode::if_ && axis_[op.operands[0].id] == Axis::load && is_cheap(op))
        chosen_.insert(&op);
    }
  }

  bool is_cheap(const Op& op) const {
    double total = 0;
    for (const Region& side : op.regions)
      for (const Op& inner : side.ops) {
        const bool can = inner.opcode == Opcode::constant_ || ir::is_pure_scalar(inner.opcode) || is_safe(inner);
        if (!can)
          return false;
        total += cost(from_, inner);
      }
    return total <= cheap_branch;
  }

  // A load at the indices of loops over the array's extents.
  bool is_safe(const Op& op) const {
    if (op.opcode != Opcode::load_ || from_.type(op.operands[0]).reference)
      return false;
    const ir::Type& type = from_.type(op.operands[0]);
    for (std::size_t i = 0; i < type.rank(); ++i) {
      const auto extent = extent_.find(op.operands[i + 1]);
      if (extent == extent_.end() || !type.dims[i].value || type.dims[i].value != extent->second)
        return false;
    }
    return true;
  }

  const Function& from_;
  std::vector<Axis> axis_;
  std::map<ValueId, ValueId> extent_; // of a loop's index
  std::set<const Op*> chosen_;        // looked up only, never walked
};

bool has_branches(const Function& function) {
  bool found = false;
  ir::for_each_op(function.body, [&](const Op& op) { found |= op.opcode == Opcode::if_; });
  return found;
}

} // namespace

Function shared_branches(Function function) {
  if (!has_branches(function))
    return function;
  if (BranchSharing sharing(function); sharing.any())
    function = remove_dead_code(sharing.run());
  if (Selects selects(function); selects.any())
    function = simplify(selects.run());
  return function;
}

ir::Module shared_branches(ir::Module module) {
  for (Function& function : module.functions)
    function = shared_branches(std::move(function));
  return module;
}

} // namespace vmodel::passes
