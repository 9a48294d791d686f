// Builds go into their uses, reduces over the same extents become one.
#include "compiler/passes/fuse.h"

#include "compiler/passes/passes.h"

namespace vmodel::passes {

ir::Module fuse(ir::Module module) {
  for (ir::Function& function : module.functions) {
    function = stores_to_builds(function);
    function = simplify(fuse_builds(function));
    function = fuse_reduces(function);
  }
  return module;
}

} // namespace vmodel::passes
