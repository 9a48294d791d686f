// Costly functions of elements that a loop meets again and again are computed once for each element: a build before the
// loop, of which the loop loads. Such are elements that an index from data picks, as in log(phi[word[n]]), and those
// that a loop inside goes through for every turn of the one around it. The derivative follows: rows add to the adjoint
// of the function's value, and the function is differentiated once for each element.
//
// The array may have more elements than are met. Each of them has cost a map, a prior and their derivatives already, so
// the loss is bounded by a part of what the model does anyway; the gain is not.
#include "compiler/ir/axes.h"
#include "compiler/ir/definitions.h"
#include "compiler/passes/cost.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/passes.h"

#include <map>
#include <set>
#include <tuple>

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
      const Op& load = *pick->second;
      r.set(op.results[0],
            r.builder().load(arrays_.at(key_of(op, load)), r({load.operands.begin() + 1, load.operands.end()})));
      return true;
    });
  }

private:
  using Key = std::tuple<Opcode, ValueId>; // the function and the array

  static Key key_of(const Op& op, const Op& load) { return {op.opcode, load.operands[0]}; }

  void find(const Op& loop) {
    const ir::Definitions inside(loop.regions[0]);
    std::set<ValueId> indices;
    visit(loop, loop, inside, indices);
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
    const Op* load = inside.as(op.operands[0], Opcode::load_);
    if (!load || from_.type(load->operands[0]).reference || !outside_.contains(load->operands[0]) ||
        !is_met_again(*load, inside, indices))
      return;
    picks_[&op] = load;
    if (known_.insert(key_of(op, *load)).second)
      before_[&loop].push_back(key_of(op, *load));
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
    const auto& [opcode, array] = key;
    std::vector<Dim> extents;
    for (const Dim& dim : from_.type(array).dims)
      extents.push_back(r(dim));
    return r.builder().build(extents, Element::f64, [&](Builder::Indices at) {
      return r.builder().unary(opcode, r.builder().load(r(array), at));
    });
  }

  const Function& from_;
  const std::vector<Axis> axis_;
  std::set<ValueId> outside_;                    // values from before the loop that is looked at
  std::map<const Op*, const Op*> picks_;         // by the function's operation, the load of its argument
  std::set<Key> known_;                          // what is built before this or an earlier loop
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
