// Builds go into their uses, reduces over the same extents become one.
#include "compiler/passes/fuse.h"

#include "compiler/passes/passes.h"

namespace vmodel::passes {

ir::ValueId iterations(const ir::Definitions& definitions, ir::ValueId extent) {
  const ir::Op* larger = definitions.as(extent, ir::Opcode::max);
  if (!larger)
    return extent;
  for (const std::size_t side : {0, 1}) {
    const ir::Op* bound = definitions.as(larger->operands[side], ir::Opcode::constant_);
    if (bound && bound->integer == 0)
      return iterations(definitions, larger->operands[1 - side]);
  }
  return extent;
}

ir::Module fuse(ir::Module module) {
  for (ir::Function& function : module.functions) {
    function = stores_to_builds(function);
    function = simplify(fuse_builds(function));
    function = fuse_reduces(function);
  }
  return module;
}

} // namespace vmodel::passes
