// The parts of the pass `fuse`.
#pragma once

#include "compiler/ir/definitions.h"

namespace vmodel::passes {

/// Write-once memory that one loop fills at its own indices becomes a `build`.
ir::Function stores_to_builds(const ir::Function& function);
/// Builds are substituted into their loads where that costs nothing.
ir::Function fuse_builds(const ir::Function& function);
/// Independent reduces over the same extents in the same region become one.
ir::Function fuse_reduces(const ir::Function& function);

/// The shortest value that says how often a loop of this extent runs. An array has max(0, n) elements where a loop
/// simply ends before n: of both, n. Constants and others are returned as they are.
ir::ValueId iterations(const ir::Definitions& definitions, ir::ValueId extent);

} // namespace vmodel::passes
