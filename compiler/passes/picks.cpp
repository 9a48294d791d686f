// Costly functions of elements that a loop meets again and again are computed once for each element: a build before the
// loop, of which the loop loads. Such are elements that an index from data picks, as in log(phi[word[n]]), and those
// that a loop inside goes through for every turn of the one around it, as in log1p(-p[t]). The derivative follows: rows
// add to the adjoint of the function's value, and the function is differentiated once for each element.
//
// The array may have more elements than are met. Each of them has cost a map, a prior and their derivatives already, so
// the loss is bounded by a part of what the model does anyway; the gain is not.
#include "compiler/ir/axes.h"
#include "compiler/ir/definitions.h"
#include "compiler/passes/cost.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/passes.h"

#include <algorithm>
#include <bit>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace vmodel::passes {

namespace {

// A function that costs less is not worth an array.
constexpr double least_cost = 10;

class Picks {
public:
  explicit Picks(const Function& function) : from_(function), axis_(ir::axes(function)) {
    for (const ir::Parameter& parameter : function.parameters)
      outside_.insert(parameter.value);
    for (const Op& op : function.body.ops) {
      if (op.opcode == Opcode::reduce_ || op.opcode == Opcode::loop_)
        find(op);
      outside_.insert(op.results.begin(), op.results.end());
    }
  }

  bool any() const { return !picks_.empty(); }

  Function run() {
    return ir::rewrite(from_, [this](Rewriter& r, const Op& op) {
      if (const auto before = before_.find(&op); before != before_.end())
        for (const Key& key : before->second)
          arrays_[key] = build(r, key);
      const auto pick = picks_.find(&op);
      if (pick == picks_.end())
        return false;
      r.set(op.results[0], r.builder().load(arrays_.at(pick->second.key), r(pick->second.indices())));
      return true;
    });
  }

private:
  /// What is computed, but for the indices of elements: operations with their operands behind them, arrays, and values
  /// from before the loop.
  using Key = std::vector<std::tuple<Opcode, Element, std::string, std::int64_t, std::int64_t>>;

  /// A function of elements that are all at the same indices, of arrays of the same extents.
  struct Pick {
    Key key;
    const Op* load = nullptr; // the first element
    std::vector<ValueId> indices() const { return {load->operands.begin() + 1, load->operands.end()}; }
  };

  /// The first occurrence of a function of elements.
  using Expression = std::tuple<const Op*, const Op* /* the first element */, const ir::Definitions*>;

  void find(const Op& loop) {
    const ir::Definitions& inside = inside_of_.emplace(&loop, loop.regions[0]).first->second;
    visit(loop, loop, inside, {});
  }

  /// `indices`: of the loops around the operation, up to the loop of the top level.
  void visit(const Op& loop, const Op& op, const ir::Definitions& inside, const std::set<ValueId>& indices) {
    if (op.regions.empty()) {
      consider(loop, op, inside, indices);
      return;
    }
    std::set<ValueId> around = indices;
    if (is_counted_loop(op)) {
      const std::vector<ValueId>& arguments = op.regions[0].arguments;
      around.insert(arguments.begin(), op.opcode == Opcode::loop_ ? arguments.begin() + 1 : arguments.end());
    }
    for (const Region& region : op.regions)
      for (const Op& inner : region.ops)
        visit(loop, inner, inside, around);
  }

  void consider(const Op& loop, const Op& op, const ir::Definitions& inside, const std::set<ValueId>& indices) {
    if (!ir::is_unary(op.opcode) || cost(from_, op) < least_cost || axis_[op.results[0].id] == Axis::load ||
        from_.type(op.results[0]).element != Element::f64)
      return;
    Pick pick;
    if (!describe(op, inside, pick) || !pick.load || !is_met_again(*pick.load, inside, indices))
      return;
    if (expressions_.try_emplace(pick.key, &op, pick.load, &inside).second)
      before_[&loop].push_back(pick.key);
    picks_[&op] = std::move(pick);
  }

  /// Adds an operation and all that it is made of to the pick's key; false where that is more than a function of
  /// elements.
  bool describe(const Op& op, const ir::Definitions& inside, Pick& pick) const {
    if (op.opcode == Opcode::load_) {
      if (from_.type(op.operands[0]).reference || !outside_.contains(op.operands[0]))
        return false;
      pick.load = pick.load ? pick.load : &op;
      pick.key.emplace_back(op.opcode, Element::f64, "", op.operands[0].id, 0);
      return op.operands.size() == pick.load->operands.size() &&
             std::equal(op.operands.begin() + 1, op.operands.end(), pick.load->operands.begin() + 1) &&
             from_.type(op.operands[0]).dims == from_.type(pick.load->operands[0]).dims;
    }
    if (!op.regions.empty() || !ir::is_pure_scalar(op.opcode))
      return false;
    pick.key.emplace_back(op.opcode, from_.type(op.results[0]).element, op.symbol, op.integer,
                          std::bit_cast<std::int64_t>(op.number));
    return std::all_of(op.operands.begin(), op.operands.end(), [&](ValueId v) {
      if (const Op* operand = inside.of(v))
        return describe(*operand, inside, pick);
      pick.key.emplace_back(Opcode::load_, Element::f64, "outside", v.id, 0);
      return outside_.contains(v);
    });
  }

  /// Whether an index comes from data, or some of the loops around have no part in the indices. What has no loop in its
  /// indices at all is the same for all turns, and leaves the loops elsewhere.
  static bool is_met_again(const Op& load, const ir::Definitions& inside, const std::set<ValueId>& indices) {
    bool is_picked = false;
    std::set<ValueId> used;
    const auto visit = [&](auto&& self, ValueId v) -> void {
      const Op* op = inside.of(v);
      if (!op) {
        if (indices.contains(v))
          used.insert(v);
        return;
      }
      is_picked |= op->opcode == Opcode::load_;
      for (const ValueId operand : op->operands)
        self(self, operand);
    };
    for (std::size_t i = 1; i < load.operands.size(); ++i)
      visit(visit, load.operands[i]);
    return is_picked || (!used.empty() && used.size() < indices.size());
  }

  ValueId build(Rewriter& r, const Key& key) {
    const auto& [op, element, inside] = expressions_.at(key);
    std::vector<Dim> extents;
    for (const Dim& dim : from_.type(element->operands[0]).dims)
      extents.push_back(r(dim));
    return r.builder().build(extents, Element::f64, [&](Builder::Indices at) { return compute(r, *op, *inside, at); });
  }

  /// The operation of the elements at some indices.
  ValueId compute(Rewriter& r, const Op& op, const ir::Definitions& inside, Builder::Indices at) const {
    if (op.opcode == Opcode::load_)
      return r.builder().load(r(op.operands[0]), at);
    for (const ValueId v : op.operands)
      if (const Op* operand = inside.of(v))
        r.set(v, compute(r, *operand, inside, at));
    r.copy(op, false);
    return r(op.results[0]);
  }

  const Function& from_;
  const std::vector<Axis> axis_;
  std::set<ValueId> outside_;                      // values from before the loop that is looked at
  std::map<const Op*, ir::Definitions> inside_of_; // by loops of the top level
  std::map<const Op*, Pick> picks_;
  std::map<Key, Expression> expressions_;        // what is built
  std::map<const Op*, std::vector<Key>> before_; // looked up only, never walked
  std::map<Key, ValueId> arrays_;
};

} // namespace

Function picks(Function function) {
  return rewritten<Picks>(std::move(function));
}

Module picks(Module module) {
  return rewritten<Picks>(std::move(module));
}

} // namespace vmodel::passes
