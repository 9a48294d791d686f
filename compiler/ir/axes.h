// Which values vary over what: data, family parameters, particles.
#pragma once

#include "compiler/ir/module.h"

#include <vector>

namespace vmodel::ir {

inline Axis later(Axis a, Axis b) {
  return a < b ? b : a;
}

/// The axis of every value, by its id: the latest of what it is computed from. Memory (alloc) has the
/// latest axis of what is stored in it, of the indices, and of the conditions around the stores;
/// parameters have the axis that they declare. `random` is particle, `lane_sum` at most step.
/// Calls count as the latest of their arguments, and as particle if the callee draws random numbers,
/// which is known only with a module.
std::vector<Axis> axes(const Function& function, const Module* module = nullptr);

} // namespace vmodel::ir
