// y - (a + b c + ...) becomes y - a - b c - ...: every product is then subtracted in one operation, and the chain
// starts from the number that has just been loaded instead of from one that is needed again.
#include "compiler/ir/axes.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/passes.h"

#include <map>
#include <set>

namespace vmodel::passes {

namespace {

class Subtractions {
public:
  explicit Subtractions(const Function& function)
      : from_(function), axis_(ir::axes(function)), uses_(ir::count_uses(function)) {
    find(function.body, false);
  }

  bool any() const { return !sums_.empty() || !negated_.empty(); }

  Function run() {
    return ir::rewrite(from_, [this](Rewriter& r, const Op& op) {
      if (op.results.size() != 1)
        return false;
      if (sums_.contains(op.results[0]))
        return true; // subtracted term by term
      if (negated_.contains(op.results[0])) {
        ValueId sum;
        add_to(r, sum, op.operands[1], op.operands[0]);
        r.set(op.results[0], r.builder().neg(sum));
        return true;
      }
      if (op.opcode != Opcode::sub || !sums_.contains(op.operands[1]))
        return false;
      r.set(op.results[0], without(r, r(op.operands[0]), op.operands[1]));
      return true;
    });
  }

private:
  /// Sums that are used once, to be subtracted in the region where they stand.
  void find(const Region& region, bool in_loop) {
    std::map<ValueId, const Op*> here;
    std::set<ValueId> loaded; // numbers of data
    for (const Op& op : region.ops) {
      for (const Region& inner : op.regions)
        find(inner, in_loop || op.opcode == Opcode::reduce_ || op.opcode == Opcode::loop_);
      if (op.opcode == Opcode::load_ && axis_[op.results[0].id] == Axis::load)
        loaded.insert(op.results[0]);
      if (op.opcode == Opcode::sub && from_.type(op.results[0]).element == ir::Element::f64) {
        take(op.operands[1], here);
        const bool alone = uses_[op.operands[0].id] == 1 && loaded.contains(op.operands[0]);
        if (in_loop && alone && axis_[op.operands[1].id] == Axis::particle)
          negated_.insert(op.results[0]);
      }
      // What follows from data alone is computed as it is written.
      if (op.opcode == Opcode::add && from_.type(op.results[0]).element == ir::Element::f64 &&
          axis_[op.results[0].id] != Axis::load)
        here[op.results[0]] = &op;
    }
  }

  void take(ValueId sum, const std::map<ValueId, const Op*>& here) {
    const auto found = here.find(sum);
    if (found == here.end() || uses_[sum.id] != 1 || found->second->operands[0] == found->second->operands[1])
      return;
    sums_[sum] = found->second;
    for (ValueId term : found->second->operands)
      take(term, here);
  }

  /// Adds the terms of a sum to `to`; from the first of them, `less` is subtracted.
  void add_to(Rewriter& r, ValueId& to, ValueId sum, ValueId less) const {
    const auto found = sums_.find(sum);
    if (found != sums_.end()) {
      for (ValueId term : found->second->operands)
        add_to(r, to, term, less);
      return;
    }
    to = to ? r.builder().add(to, r(sum)) : r.builder().sub(r(sum), r(less));
  }

  ValueId without(Rewriter& r, ValueId from, ValueId sum) const {
    const auto found = sums_.find(sum);
    if (found == sums_.end())
      return r.builder().sub(from, r(sum));
    for (ValueId term : found->second->operands)
      from = without(r, from, term);
    return from;
  }

  const Function& from_;
  std::vector<Axis> axis_;
  std::vector<int> uses_;
  std::map<ValueId, const Op*> sums_;
  std::set<ValueId> negated_; // differences that are computed with the other sign
};

} // namespace

Module subtractions(Module module) {
  return rewritten<Subtractions>(std::move(module));
}

} // namespace vmodel::passes
