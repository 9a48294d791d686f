// Terms of a sum that data alone make minus infinity: whether any is, is a question to the data, answered at load. The
// loop over the observations then has no condition.
#include "compiler/ir/axes.h"
#include "compiler/ir/definitions.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/recompute.h"

#include <algorithm>
#include <limits>
#include <map>
#include <set>

namespace vmodel::passes {

namespace {

class DataConditions {
public:
  explicit DataConditions(const Function& function)
      : from_(function), axis_(ir::axes(function)), uses_(ir::count_uses(function)) {
    ir::for_each_op(function.body, [&](const Op& op) {
      if (op.opcode == Opcode::constant_ && op.number == -std::numeric_limits<double>::infinity())
        minus_infinities_.insert(op.results[0]);
    });
    // A sum inside of a loop or a condition would ask once a turn; it stays.
    for (const Op& op : function.body.ops)
      find(op);
  }

  bool any() const { return !sums_.empty(); }

  Function run() {
    return ir::rewrite(from_, [this](Rewriter& r, const Op& op) { return rewrite(r, op); });
  }

private:
  struct Term {
    ValueId condition;
    int side; // the region or the operand that is taken where all is well
  };
  using Terms = std::map<const Op*, Term>;

  /// An `if` or a `select` between a number and minus infinity whose other side may be computed for any data.
  bool is_conditional(const Op& op, Term& term) const {
    if ((op.opcode != Opcode::if_ && op.opcode != Opcode::select_) || op.results.size() != 1 ||
        uses_[op.results[0].id] != 1)
      return false;
    term.condition = op.operands[0];
    if (axis_[term.condition.id] != Axis::load || axis_[op.results[0].id] == Axis::load)
      return false;
    const auto given = [&](std::size_t side) {
      return op.opcode == Opcode::if_ ? op.regions[side].yields[0] : op.operands[side + 1];
    };
    if (minus_infinities_.contains(given(1)) == minus_infinities_.contains(given(0)))
      return false;
    term.side = minus_infinities_.contains(given(1)) ? 0 : 1;
    if (op.opcode == Opcode::if_)
      for (const Op& inner : op.regions[static_cast<std::size_t>(term.side)].ops)
        if (inner.opcode != Opcode::constant_ && (!ir::is_pure_scalar(inner.opcode) || is_index(inner)))
          return false;
    return true;
  }
  // Integer division may trap.
  bool is_index(const Op& op) const { return from_.type(op.results[0]).element == ir::Element::index; }

  void find(const Op& sum) {
    if (sum.opcode != Opcode::reduce_ || sum.symbol != "add" || sum.results.empty() || ir::has_effects(sum))
      return;
    const Region& body = sum.regions[0];
    const ir::Definitions definitions = ir::Definitions::directly_in(body);
    std::vector<Terms> found(sum.results.size());
    bool any = false;
    for (std::size_t i = 0; i < found.size(); ++i) {
      const auto walk = [&](auto&& self, ValueId v) -> void {
        const Op* op = definitions.of(v);
        if (!op)
          return;
        Term term;
        if (op->opcode == Opcode::add || op->opcode == Opcode::sub) {
          self(self, op->operands[0]);
          if (op->opcode == Opcode::add)
            self(self, op->operands[1]);
        } else if (is_conditional(*op, term) && can_stand_alone(term.condition, definitions)) {
          found[i].emplace(op, term);
        }
      };
      walk(walk, body.yields[i]);
      any |= !found[i].empty();
    }
    if (any)
      sums_[&sum] = std::move(found);
  }

  /// Whether the condition needs nothing of the body but scalars and loads of data.
  bool can_stand_alone(ValueId v, const ir::Definitions& definitions) const {
    const Op* op = definitions.of(v);
    if (!op)
      return true;
    if (!op->regions.empty() || (op->opcode == Opcode::load_ && from_.type(op->operands[0]).reference))
      return false;
    if (op->opcode != Opcode::load_ && !ir::is_pure_scalar(op->opcode))
      return false;
    return std::all_of(op->operands.begin(), op->operands.end(),
                       [&](ValueId operand) { return can_stand_alone(operand, definitions); });
  }

  bool rewrite(Rewriter& r, const Op& op) {
    if (const auto term = replaced_.find(&op); term != replaced_.end()) {
      const auto side = static_cast<std::size_t>(term->second.side);
      if (op.opcode == Opcode::if_) {
        r.copy_ops(op.regions[side]);
        r.set(op.results[0], r(op.regions[side].yields[0]));
      } else {
        r.set(op.results[0], r(op.operands[side + 1]));
      }
      return true;
    }
    const auto found = sums_.find(&op);
    if (found == sums_.end())
      return false;
    Builder& b = r.builder();
    std::vector<Dim> extents;
    for (ValueId v : op.operands)
      extents.push_back(b.dim(r(v)));
    const Region& body = op.regions[0];
    const ir::Definitions definitions = ir::Definitions::directly_in(body);
    std::vector<ValueId> results;
    for (const Terms& terms : found->second) {
      if (terms.empty()) {
        results.emplace_back();
        continue;
      }
      // The least of ones and zeros is one where all conditions hold, and infinite where there are none.
      const ValueId least = b.reduce("min", extents, [&](Builder::Indices at) {
        for (std::size_t i = 0; i < at.size(); ++i)
          r.set(body.arguments[i], at[i]);
        ValueId all = b.boolean(true);
        for (const Op& inner : body.ops)
          if (const auto term = terms.find(&inner); term != terms.end()) {
            const ValueId condition = recompute(r, term->second.condition, definitions);
            all = b.logical_and(all, term->second.side == 0 ? condition : b.logical_not(condition));
          }
        return std::vector{b.select(all, b.constant(1), b.constant(0))};
      })[0];
      results.push_back(b.compare(Opcode::gt, least, b.constant(0)));
      replaced_.insert(terms.begin(), terms.end());
    }
    r.copy(op, false);
    for (std::size_t i = 0; i < results.size(); ++i)
      if (results[i])
        r.set(op.results[i],
              b.select(results[i], r(op.results[i]), b.constant(-std::numeric_limits<double>::infinity())));
    return true;
  }

  const Function& from_;
  std::vector<Axis> axis_;
  std::vector<int> uses_;
  std::set<ValueId> minus_infinities_;
  std::map<const Op*, std::vector<Terms>> sums_; // looked up only, never walked
  Terms replaced_;                               // looked up only, never walked
};

} // namespace

Function data_conditions(Function function) {
  return rewritten<DataConditions>(std::move(function));
}

Module data_conditions(Module module) {
  return rewritten<DataConditions>(std::move(module));
}

} // namespace vmodel::passes
