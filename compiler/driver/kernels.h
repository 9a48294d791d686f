// Which kernels an executable has: for how many lanes, and how well compiled.
#pragma once

#include "compiler/codegen/codegen.h"

#include <array>
#include <map>
#include <string>
#include <string_view>

namespace vmodel::driver {

/// The model's density and its gradient are asked for single points too (a line search, `log-density`, `benchmark
/// --lanes 1`) and exist for one lane and for the target's width; all others for the width only: a caller with one
/// point fills the lanes with it. Hot are the kernels that a fit or a sample runs at every step; code for the others is
/// generated quickly.
std::map<std::string, codegen::KernelCode> kernel_code(const ir::Module& kernels, const codegen::Target& target);

/// The objectives that executables can have: all need the kernels that a family has anyway.
inline constexpr std::array<std::string_view, 1> known_objectives = {"elbo"};

} // namespace vmodel::driver
