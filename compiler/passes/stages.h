// Kernels that are called many times with the same of some arguments, and what they compute of those alone.
#pragma once

#include "compiler/ir/module.h"
#include "compiler/passes/noise.h"

#include <vector>

namespace vmodel::passes {

/// Functions from which derivatives are made, and which are no kernels: FAMILY.proposal and FAMILY with these endings.
inline constexpr const char* whole_suffix = ".proposal.whole";
inline constexpr const char* conditional_suffix = ".conditional";
/// The kernel that takes a derivative by `point` to the points.
inline constexpr const char* chain_suffix = ".chain";

/// Of the kernels that a semi-implicit family runs once for each inner sample (draws and densities of its proposal, the
/// gradient of its density): what depends on what is learned alone goes to KERNEL.step, which is run once a step, and
/// what depends on the points beside to KERNEL.point, which is run once for them. KERNEL then reads the arrays `step`
/// and `point` that these write. Stages that would be empty are not made. `made` gets KERNEL.step and KERNEL.point with
/// the sizes of their arrays (numbers of the table `sizes`).
///
/// For derivatives: FAMILY.proposal.whole is the proposal's density, of which only what does not depend on theta is in
/// a step, from which its score is made, and FAMILY.conditional the family's with its stages, from which the gradient
/// by the points is made: that by `z` where it reads it and that by `point`, which FAMILY.log_density_gradient.chain
/// takes to `z`.
ir::Module split_stages(ir::Module module, std::vector<FamilyNoise>& made);

} // namespace vmodel::passes
