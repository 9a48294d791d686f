// Terms that are zero but for their derivative have served when all derivatives are made.
#include "compiler/passes/pass.h"
#include "compiler/passes/passes.h"

namespace vmodel::passes {

Module only_derivatives(Module module) {
  for (Function& function : module.functions) {
    bool any = false;
    Function result = ir::rewrite(function, [&](Rewriter& r, const Op& op) {
      if (op.opcode != Opcode::only_derivative_)
        return false;
      any = true;
      r.set(op.results[0], r.builder().constant(0));
      return true;
    });
    if (any)
      function = simplify(result);
  }
  return module;
}

} // namespace vmodel::passes
