// Terms of a sum that are the same number in every iteration in which a condition on data holds: the iterations are
// counted at load, and the number is computed once and taken so many times. Of a model that sums out whether an animal
// that was never seen exists, or whether a zero is structural, all such rows together then cost as much as one.
//
// It runs before derivatives are made, which follow. Where no iteration meets the condition, the number is not
// computed, as before.
#include "compiler/ir/axes.h"
#include "compiler/ir/definitions.h"
#include "compiler/passes/cost.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/recompute.h"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

namespace vmodel::passes {

namespace {

// A branch that costs less may as well be computed.
constexpr double least_cost = 10;

class InvariantBranches {
public:
  explicit InvariantBranches(const Function& function)
      : from_(function), axis_(ir::axes(function)), uses_(ir::count_uses(function)) {
    // A sum inside of a loop or a condition would count once a turn; it stays.
    for (const Op& op : function.body.ops)
      if (op.opcode == Opcode::reduce_ && op.symbol == "add" && !ir::has_effects(op))
        find(op);
  }

  bool any() const { return !sums_.empty(); }

  Function run() {
    return ir::rewrite(from_, [this](Rewriter& r, const Op& op) { return rewrite(r, op); });
  }

private:
  /// A side of an `if` that is the same in all iterations, and the sign with which it is part of a sum.
  struct Term {
    const Op* branches;
    std::size_t side;
    bool negative;
  };
  using Terms = std::vector<Term>;

  void find(const Op& sum) {
    const Region& body = sum.regions[0];
    const ir::Definitions definitions = ir::Definitions::directly_in(body);
    std::set<ValueId> inside(body.arguments.begin(), body.arguments.end());
    for (const Op& op : body.ops)
      inside.insert(op.results.begin(), op.results.end());
    std::vector<Terms> found(sum.results.size());
    bool any = false;
    for (std::size_t i = 0; i < found.size(); ++i) {
      const auto walk = [&](auto&& self, ValueId v, bool negative) -> void {
        const Op* op = definitions.of(v);
        if (!op || uses_[v.id] != 1)
          return;
        if (op->opcode == Opcode::add || op->opcode == Opcode::sub) {
          self(self, op->operands[0], negative);
          self(self, op->operands[1], negative != (op->opcode == Opcode::sub));
        } else if (op->opcode == Opcode::if_ && can_be_counted(op->operands[0], definitions)) {
          for (const std::size_t side : {0, 1})
            if (is_invariant(op->regions[side], inside))
              found[i].push_back({op, side, negative});
        }
      };
      walk(walk, body.yields[i], false);
      any |= !found[i].empty();
    }
    if (any)
      sums_[&sum] = std::move(found);
  }

  /// Whether a condition follows from data, by what can be computed apart from the rest of the body.
  bool can_be_counted(ValueId v, const ir::Definitions& body) const {
    if (axis_[v.id] != Axis::load)
      return false;
    const Op* op = body.of(v);
    if (!op)
      return true;
    const std::vector<ValueId> needed = ir::free_values(from_, *op);
    return !ir::has_effects(*op) && !from_.type(v).reference &&
           std::all_of(needed.begin(), needed.end(), [&](ValueId u) { return can_be_counted(u, body); });
  }

  /// Whether a side computes a number of particles from values of the outside alone, at some cost.
  bool is_invariant(const Region& side, const std::set<ValueId>& inside) const {
    if (side.yields.size() != 1 || axis_[side.yields[0].id] == Axis::load)
      return false;
    double total = 0;
    for (const Op& op : side.ops) {
      const std::vector<ValueId> needed = ir::free_values(from_, op);
      if (ir::has_effects(op) ||
          std::any_of(needed.begin(), needed.end(), [&](ValueId v) { return inside.contains(v); }))
        return false;
      total += cost(from_, op);
    }
    return total >= least_cost;
  }

  bool rewrite(Rewriter& r, const Op& op) {
    if (const auto sides = emptied_.find(&op); sides != emptied_.end()) {
      const auto side = [&](std::size_t k) {
        return [&, k] {
          if (sides->second.contains(k))
            return std::vector{r.builder().constant(0)};
          r.copy_ops(op.regions[k]);
          return r(op.regions[k].yields);
        };
      };
      r.set(op.results[0], r.builder().if_(r(op.operands[0]), side(0), side(1))[0]);
      return true;
    }
    const auto found = sums_.find(&op);
    if (found == sums_.end())
      return false;
    for (const Terms& terms : found->second)
      for (const Term& term : terms)
        emptied_[term.branches].insert(term.side);
    r.copy(op, false);
    for (std::size_t i = 0; i < op.results.size(); ++i)
      for (const Term& term : found->second[i]) {
        const ValueId part = times(r, op, term);
        r.set(op.results[i],
              term.negative ? r.builder().sub(r(op.results[i]), part) : r.builder().add(r(op.results[i]), part));
      }
    return true;
  }

  /// The number of iterations that take a side, times what it computes; zero where none does.
  ValueId times(Rewriter& r, const Op& sum, const Term& term) {
    Builder& b = r.builder();
    std::vector<Dim> extents;
    for (ValueId v : sum.operands)
      extents.push_back(b.dim(r(v)));
    const Region& body = sum.regions[0];
    const ir::Definitions definitions = ir::Definitions::directly_in(body);
    const ValueId count = b.sum(extents, [&](Builder::Indices at) {
      for (std::size_t k = 0; k < at.size(); ++k)
        r.set(body.arguments[k], at[k]);
      const ValueId condition = recompute(r, term.branches->operands[0], definitions);
      return term.side == 0 ? b.select(condition, b.constant(1), b.constant(0))
                            : b.select(condition, b.constant(0), b.constant(1));
    });
    const Region& side = term.branches->regions[term.side];
    return b.if_(
        b.compare(Opcode::gt, count, b.constant(0)),
        [&] {
          for (const Op& inner : side.ops)
            r.copy(inner, false);
          return std::vector{b.mul(count, r(side.yields[0]))};
        },
        [&] { return std::vector{b.constant(0)}; })[0];
  }

  const Function& from_;
  const std::vector<Axis> axis_;
  const std::vector<int> uses_;
  std::map<const Op*, std::vector<Terms>> sums_;       // looked up only, never walked
  std::map<const Op*, std::set<std::size_t>> emptied_; // looked up only, never walked
};

} // namespace

Function invariant_branches(Function function) {
  return rewritten<InvariantBranches>(std::move(function));
}

Module invariant_branches(Module module) {
  return rewritten<InvariantBranches>(std::move(module));
}

} // namespace vmodel::passes
