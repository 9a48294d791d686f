// Which kernels an executable has: for how many lanes, and how well compiled.
#pragma once

#include "compiler/codegen/codegen.h"

#include <map>
#include <string>
#include <vector>

namespace vmodel::driver {

/// The model's density and its gradient are asked for single points too (a line search, `log-density`, `benchmark
/// --lanes 1`) and exist for one lane and for `lanes`; all others for `lanes` only: a caller with one
/// point fills the lanes with it. Hot are the kernels that a fit or a sample runs at every step, with `needs` those of
/// its objectives (runtime/abi/objectives.h); code for the others is generated quickly.
std::map<std::string, codegen::KernelCode> kernel_code(const ir::Module& kernels, int lanes, unsigned needs);

/// What the objectives of these names need together, and elbo, which every executable has.
unsigned needs_of(const std::vector<std::string>& objectives);
/// The objectives that are served by kernels for these needs.
std::vector<std::string> served_objectives(unsigned needs);

} // namespace vmodel::driver
