// Logarithms of sums of exponentials inside of sums over data become something that varies plainly and log1p of what
// lies in [0, 1]: such a sum needs one logarithm for hundreds of terms (code generation multiplies them).
#include "compiler/ir/definitions.h"
#include "compiler/passes/expand_functions.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/passes.h"

#include <set>

namespace vmodel::passes {

namespace {

/// The logarithms that are terms of a `reduce add`, with invariant factors or without.
class SummedLogarithms {
public:
  explicit SummedLogarithms(const Function& function) { visit(function.body); }

  bool any() const { return !found_.empty(); }
  bool contains(const Op& op) const { return found_.contains(&op); }

private:
  void visit(const Region& region) {
    for (const Op& op : region.ops)
      for (const Region& inner : op.regions) {
        visit(inner);
        if (op.opcode == Opcode::reduce_ && op.symbol == "add")
          terms(inner);
      }
  }

  void terms(const Region& body) {
    const ir::Definitions definitions = ir::Definitions::directly_in(body);
    std::set<ValueId> seen;
    const auto walk = [&](auto&& self, ValueId v) -> void {
      const Op* op = definitions.of(v);
      if (!op || !seen.insert(v).second)
        return;
      switch (op->opcode) {
      case Opcode::add:
      case Opcode::sub:
      case Opcode::neg:
        for (ValueId operand : op->operands)
          self(self, operand);
        return;
      case Opcode::mul:
        for (const std::size_t factor : {0, 1})
          if (const Op* scale = definitions.of(op->operands[factor]); !scale || scale->opcode == Opcode::constant_)
            self(self, op->operands[1 - factor]);
        return;
      case Opcode::log1p_exp:
      case Opcode::log_inv_logit:
      case Opcode::log_add_exp: found_.insert(op); return;
      default: return;
      }
    };
    for (ValueId v : body.yields)
      walk(walk, v);
  }

  std::set<const Op*> found_; // looked up only, never walked
};

/// log(1 + exp(-|x|)).
ValueId log1p_of_smaller(Builder& b, ValueId x) {
  return b.unary(Opcode::log1p, b.unary(Opcode::exp, b.neg(b.unary(Opcode::abs, x))));
}

} // namespace

// The larger of two numbers by one comparison: where one of them is NaN, the logarithm beside it is.
ValueId log_add_exp(Builder& b, ValueId x, ValueId y) {
  const ValueId gap = b.select(b.compare(Opcode::eq, x, y), b.constant(0), b.sub(x, y));
  return b.add(b.select(b.compare(Opcode::gt, x, y), x, y), log1p_of_smaller(b, gap));
}

Module logarithms(Module module) {
  for (Function& function : module.functions) {
    const SummedLogarithms summed(function);
    if (!summed.any())
      continue;
    function = ir::rewrite(function, [&](Rewriter& r, const Op& op) {
      if (!summed.contains(op))
        return false;
      Builder& b = r.builder();
      const ValueId x = r(op.operands[0]);
      const ValueId zero = b.constant(0);
      switch (op.opcode) {
      case Opcode::log1p_exp:
        r.set(op.results[0], b.add(b.select(b.compare(Opcode::gt, x, zero), x, zero), log1p_of_smaller(b, x)));
        return true;
      case Opcode::log_inv_logit:
        r.set(op.results[0], b.sub(b.select(b.compare(Opcode::lt, x, zero), x, zero), log1p_of_smaller(b, x)));
        return true;
      default: r.set(op.results[0], log_add_exp(b, x, r(op.operands[1]))); return true;
      }
    });
  }
  return module;
}

} // namespace vmodel::passes
