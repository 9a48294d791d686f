// A divisor that does not change in a loop, that is known from data, or by which several numbers are divided, is
// inverted once.
#include "compiler/ir/axes.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/passes.h"

#include <map>
#include <set>
#include <vector>

namespace vmodel::passes {

namespace {

class Reciprocals {
public:
  explicit Reciprocals(const Function& function)
      : from_(function), axis_(ir::axes(function)), depth_(function.values.size()) {
    visit(function.body, 0);
  }

  /// True if any division is worth changing.
  bool any() const { return !replaced_.empty(); }

  Function run() {
    return ir::rewrite(from_, [this](Rewriter& r, const Op& op) {
      if (!replaced_.contains(&op))
        return false;
      // Equal reciprocals become one, and leave the loop, in the passes that follow.
      ir::Builder& b = r.builder();
      r.set(op.results[0], b.mul(r(op.operands[0]), b.div(b.constant(1), r(op.operands[1]))));
      return true;
    });
  }

private:
  // What is computed from data only is done once, and stays a division to the last bit.
  bool is_division(const Op& op) const {
    return op.opcode == Opcode::div && from_.type(op.results[0]).element == ir::Element::f64 &&
           axis_[op.results[0].id] != Axis::load;
  }

  void visit(const Region& region, int loops) {
    for (ValueId v : region.arguments)
      depth_[v.id] = loops;
    std::map<ValueId, std::vector<const Op*>> by_divisor;
    for (const Op& op : region.ops) {
      for (ValueId v : op.results)
        depth_[v.id] = loops;
      for (const Region& inner : op.regions)
        visit(inner, loops + (is_counted_loop(op) ? 1 : 0));
      if (op.opcode == Opcode::constant_)
        constants_[op.results[0]] = op.number;
      if (!is_division(op))
        continue;
      const ValueId x = op.operands[0], divisor = op.operands[1];
      by_divisor[divisor].push_back(&op);
      const bool invariant = depth_[divisor.id] < loops && depth_[x.id] == loops;
      if ((invariant || axis_[divisor.id] == Axis::load) && !constants_.contains(x))
        replaced_.insert(&op);
    }
    for (const auto& [divisor, divisions] : by_divisor)
      if (divisions.size() > 1)
        for (const Op* op : divisions) {
          const auto found = constants_.find(op->operands[0]);
          if (found == constants_.end() || found->second != 1)
            replaced_.insert(op);
        }
  }

  const Function& from_;
  std::vector<Axis> axis_;
  std::vector<int> depth_; // loops around the definition
  std::map<ValueId, double> constants_;
  std::set<const Op*> replaced_; // looked up only, never walked
};

} // namespace

Module reciprocals(Module module) {
  return rewritten<Reciprocals>(std::move(module));
}

} // namespace vmodel::passes
