// Invariant addends of the numbers that a loop computes; of single functions, for the pipeline.
#pragma once

#include "compiler/ir/module.h"

namespace vmodel::passes {

/// What is added to a number in every iteration is one invariant number.
ir::Function invariant_addends(ir::Function function);
ir::Module invariant_addends(ir::Module module);

/// Loop-invariant code of one function out of its loops.
ir::Function hoist_loops(ir::Function function);

} // namespace vmodel::passes
