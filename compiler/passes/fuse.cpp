// Builds go into their uses, reduces over the same extents become one.
#include "compiler/passes/fuse.h"

#include "compiler/passes/passes.h"

namespace vmodel::passes {

ir::ValueId iterations(const std::map<ir::ValueId, const ir::Op*>& producer, ir::ValueId extent) {
  const auto found = producer.find(extent);
  if (found == producer.end() || found->second->opcode != ir::Opcode::max)
    return extent;
  const std::vector<ir::ValueId>& sides = found->second->operands;
  for (std::size_t side = 0; side < 2; ++side) {
    const auto bound = producer.find(sides[side]);
    if (bound != producer.end() && bound->second->opcode == ir::Opcode::constant_ && bound->second->integer == 0)
      return iterations(producer, sides[1 - side]);
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
