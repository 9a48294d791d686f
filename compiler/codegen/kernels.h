// What code generation asks about a kernel as a whole.
#pragma once

#include "compiler/ir/module.h"

#include <cstddef>
#include <string_view>
#include <vector>

namespace vmodel::codegen {

/// Which values of a function are used in operations, or as an extent of something that is.
std::vector<bool> used_values(const ir::Function& function);

/// The kernels that are called for single points in earnest; with lanes, the particles fill the registers.
bool is_density(std::string_view kernel);

/// The kernels of a family that run at every step: what they compute of the learned numbers alone has no lanes.
bool is_step(std::string_view kernel);

/// How many operations there are, those in regions included.
std::size_t operations(const ir::Region& region);

/// Whether a function may need a workspace.
bool has_temporaries(const ir::Region& region);

/// Whether anything that a kernel is given differs between particles.
bool has_particle_arguments(const ir::Function& function);

} // namespace vmodel::codegen
