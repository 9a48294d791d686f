// What several loops over the same extents compute is kept in an array by the first of them.
//
// A density and its derivative meet the same costly expressions of an element, such as exp(z[k]) of a scale, in loops
// that cannot become one: a sum over all elements, or a product with a matrix, stands between them.
#include "compiler/ir/axes.h"
#include "compiler/ir/definitions.h"
#include "compiler/passes/cost.h"
#include "compiler/passes/fuse.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/passes.h"

#include <algorithm>
#include <bit>
#include <map>
#include <set>
#include <tuple>

namespace vmodel::passes {

namespace {

// To store and to load an element costs as much as some additions; less than this is computed again.
constexpr double least_cost = 10;
// What is loaded now, as it was kept, makes more expressions equal.
constexpr int max_rounds = 3;

/// Numbers the expressions in the bodies of loops: equal numbers, equal values at equal indices.
class SharedLoops {
public:
  SharedLoops(const Function& function, bool nested)
      : from_(function), definitions_(function.body), axis_(ir::axes(function)) {
    visit(function.body, nested);
    choose();
  }

  bool any() const { return !chosen_.empty(); }

  Function run() {
    return ir::rewrite(from_, [this](Rewriter& r, const Op& op) {
      if (const auto before = before_.find(&op); before != before_.end())
        for (const Number number : before->second)
          keep(r, number);
      const auto use = op.results.size() == 1 ? replaced_.find(op.results[0]) : replaced_.end();
      if (use == replaced_.end())
        return false;
      const Loop& loop = loops_[use->second.loop];
      r.set(op.results[0], r.builder().load(arrays_.at(use->second.number), r(loop.op->regions[0].arguments)));
      return true;
    });
  }

private:
  using Number = std::size_t; // an operand's number is smaller than that of what uses it

  struct Loop {
    const Op* op;
    std::map<ValueId, Number> numbers;      // of results in the body
    std::map<Number, const Op*> operations; // the first one of the body with a number
    std::set<Number> needed;                // by what has no number
  };

  /// An expression: an operation of the first loop that has it.
  struct Expression {
    const Op* op;
    std::vector<Number> operands; // those with numbers
    double cost;                  // of all of it
    bool varies;                  // from element to element
    std::vector<std::size_t> loops;
  };

  static bool is_map(const Op& op) {
    return (op.opcode == Opcode::reduce_ || op.opcode == Opcode::build_) && !op.operands.empty();
  }

  bool can_be_numbered(const Op& op) const {
    if (op.results.size() != 1 || !op.regions.empty())
      return false;
    return op.opcode == Opcode::load_ ? !from_.type(op.operands[0]).reference : ir::is_pure_scalar(op.opcode);
  }

  // Loops are compared with those of their own region.
  void visit(const Region& region, bool nested) {
    numbers_.clear();
    for (const Op& op : region.ops)
      if (is_map(op))
        number_loop(op);
    if (!nested)
      return;
    for (const Op& op : region.ops)
      for (const Region& inner : op.regions)
        visit(inner, true);
  }

  void number_loop(const Op& op) {
    Loop loop{&op, {}, {}, {}};
    std::map<ValueId, std::int64_t> position; // of the indices
    std::vector<ValueId> extents;
    for (ValueId extent : op.operands)
      extents.push_back(iterations(definitions_, extent));
    const Region& body = op.regions[0];
    for (std::size_t i = 0; i < body.arguments.size(); ++i)
      position[body.arguments[i]] = static_cast<std::int64_t>(i);
    std::set<ValueId> inside(body.arguments.begin(), body.arguments.end());
    const auto need = [&](ValueId v) {
      if (const auto found = loop.numbers.find(v); found != loop.numbers.end())
        loop.needed.insert(found->second);
    };
    for (const Op& inner : body.ops) {
      bool numbered = can_be_numbered(inner);
      std::vector<std::int64_t> key;
      std::vector<Number> operands;
      double total = numbered ? cost(from_, inner) : 0;
      bool varies = false;
      for (ValueId v : inner.operands) {
        // Numbers, indices and values of the outside are three kinds that do not meet.
        if (const auto number = loop.numbers.find(v); number != loop.numbers.end()) {
          key.push_back(3 * static_cast<std::int64_t>(number->second));
          operands.push_back(number->second);
          total += expressions_[number->second].cost;
          varies |= expressions_[number->second].varies;
        } else if (const auto index = position.find(v); index != position.end()) {
          key.push_back(3 * index->second + 1);
          varies = true;
        } else {
          numbered &= !inside.contains(v);
          key.push_back(3 * static_cast<std::int64_t>(v.id) + 2);
        }
      }
      inside.insert(inner.results.begin(), inner.results.end());
      if (!numbered) {
        for (ValueId v : ir::free_values(from_, inner))
          need(v);
        continue;
      }
      const auto element = static_cast<int>(from_.type(inner.results[0]).element);
      const Key whole{inner.opcode, element, inner.symbol, inner.integer, std::bit_cast<std::int64_t>(inner.number),
                      extents,      key};
      const auto [found, is_new] = numbers_.try_emplace(whole, expressions_.size());
      if (is_new)
        expressions_.push_back({&inner, operands, total, varies, {}});
      Expression& expression = expressions_[found->second];
      if (expression.loops.empty() || expression.loops.back() != loops_.size())
        expression.loops.push_back(loops_.size());
      loop.numbers[inner.results[0]] = found->second;
      loop.operations.try_emplace(found->second, &inner);
    }
    for (ValueId v : body.yields)
      need(v);
    loops_.push_back(std::move(loop));
  }

  // From the largest expressions down: what two loops need of one is kept, and its operands are then no need of theirs.
  void choose() {
    for (Number number = expressions_.size(); number-- > 0;) {
      const Expression& expression = expressions_[number];
      std::vector<std::size_t> where;
      for (const std::size_t loop : expression.loops)
        if (loops_[loop].needed.contains(number))
          where.push_back(loop);
      if (where.size() < 2 || !is_worth(expression)) {
        for (const std::size_t loop : where)
          loops_[loop].needed.insert(expression.operands.begin(), expression.operands.end());
        continue;
      }
      chosen_.insert(number);
      for (const std::size_t loop : where)
        for (const auto& [value, other] : loops_[loop].numbers)
          if (other == number)
            replaced_[value] = {loop, number};
    }
    for (const Number number : chosen_)
      before_[loops_[expressions_[number].loops.front()].op].push_back(number);
  }

  // What follows from data alone is taken to `prepare`, what is the same for all elements out of the loops.
  bool is_worth(const Expression& expression) const {
    const ValueId result = expression.op->results[0];
    return expression.cost >= least_cost && expression.varies && axis_[result.id] != Axis::load &&
           from_.type(result).element == Element::f64;
  }

  /// A build of the expression, from the first loop that has it.
  void keep(Rewriter& r, Number number) {
    const Loop& loop = loops_[expressions_[number].loops.front()];
    std::vector<Dim> extents;
    for (ValueId extent : loop.op->operands)
      extents.push_back(r.builder().dim(r(extent)));
    arrays_[number] = r.builder().build(extents, Element::f64, [&](ir::Builder::Indices indices) {
      for (std::size_t i = 0; i < indices.size(); ++i)
        r.set(loop.op->regions[0].arguments[i], indices[i]);
      return compute(r, number, loop, indices, true);
    });
  }

  ValueId compute(Rewriter& r, Number number, const Loop& loop, ir::Builder::Indices indices, bool is_root) {
    if (!is_root && chosen_.contains(number))
      return r.builder().load(arrays_.at(number), indices);
    const Op& op = *loop.operations.at(number);
    std::size_t next = 0;
    for (ValueId v : op.operands)
      if (loop.numbers.contains(v))
        r.set(v, compute(r, expressions_[number].operands[next++], loop, indices, false));
    r.copy(op, false);
    return r(op.results[0]);
  }

  struct Replacement {
    std::size_t loop;
    Number number;
  };
  using Key =
      std::tuple<Opcode, int, std::string, std::int64_t, std::int64_t, std::vector<ValueId>, std::vector<std::int64_t>>;

  const Function& from_;
  const ir::Definitions definitions_;
  const std::vector<Axis> axis_;
  std::vector<Loop> loops_;
  std::vector<Expression> expressions_;
  std::map<Key, Number> numbers_;
  std::set<Number> chosen_;
  std::map<ValueId, Replacement> replaced_;
  std::map<const Op*, std::vector<Number>> before_; // looked up only, never walked
  std::map<Number, ValueId> arrays_;
};

} // namespace

Function shared_loops(Function function, bool nested) {
  for (int round = 0; round < max_rounds; ++round) {
    SharedLoops shared(function, nested);
    if (!shared.any())
      break;
    // A build of nothing but a kept expression is that.
    function = simplify(fuse_builds(shared.run()));
  }
  return function;
}

ir::Module shared_loops(ir::Module module) {
  for (Function& function : module.functions)
    function = shared_loops(std::move(function), true);
  return module;
}

} // namespace vmodel::passes
