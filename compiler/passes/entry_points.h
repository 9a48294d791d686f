// From master functions to kernels (the table in docs/architecture.md).
#pragma once

#include "compiler/ir/module.h"
#include "compiler/passes/derivatives.h"

#include <string>
#include <vector>

namespace vmodel::passes {

/// Index parameters of the master functions that hold the number of observed and of reported values;
/// empty: the extent of the outputs is the caller's business.
struct KernelSizes {
  std::string observed;
  std::string reported;
};

/// True if a kernel is wanted; `wanted` empty: all are.
bool is_wanted(const std::string& kernel, const std::vector<std::string>& wanted);

/// FAMILY of a kernel named FAMILY and an ending such as `.draw`; empty: the name is another one.
std::string family_of_kernel(const std::string& name, const std::string& ending);

/// Replaces the master functions `model`, `FAMILY.draw` and `FAMILY.density` by the kernels that need
/// no derivatives; other functions stay as they are (if they are wanted). A kernel that is needed to
/// derive a wanted one is made too. Functions are inlined.
ir::Module entry_points(const ir::Module& module, const KernelSizes& sizes, const std::vector<std::string>& wanted);

/// Whether a kernel is one of a family that runs at every step: FAMILY.draw, FAMILY.pathwise, FAMILY.score.
bool is_step_kernel(const std::string& name);

/// Adds the kernels that are derivatives of others (log_density_gradient, FAMILY.pathwise, ...), then
/// removes those that were made only for them. A kernel whose derivative does not exist is left out,
/// and the errors name it. `without`: endings of kernels of families that are not made.
ir::Module derivative_kernels(ir::Module module, const std::vector<std::string>& wanted,
                              const std::vector<std::string>& without, std::vector<DerivativeError>& errors);

/// hessian_vector from the (simplified) kernel log_density_gradient; errors as above.
ir::Module second_derivative_kernels(ir::Module module, const std::vector<std::string>& wanted,
                                     std::vector<DerivativeError>& errors);

} // namespace vmodel::passes
