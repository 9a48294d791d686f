// Rough costs of operations, to decide what is worth being moved or kept.
#pragma once

#include "compiler/ir/module.h"

namespace vmodel::passes {

/// In units of an addition; regions count once an iteration of an unknown extent (16).
double cost(const ir::Function& function, const ir::Op& op);

/// What is recomputed rather than kept: a few additions or loads.
inline constexpr double cheap = 4;

} // namespace vmodel::passes
