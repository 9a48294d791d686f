#include "compiler/driver/kernels.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace vmodel::driver {

namespace {

bool is_hot(std::string_view kernel) {
  if (kernel.starts_with("data_shape.") || kernel.starts_with("data_bounds."))
    return false; // NAME may be anything
  if (kernel == "log_density" || kernel == "log_density_gradient" || kernel == "hessian_vector")
    return true;
  constexpr std::array<std::string_view, 3> endings = {".draw", ".pathwise", ".log_density_gradient"};
  return std::any_of(endings.begin(), endings.end(), [&](std::string_view ending) { return kernel.ends_with(ending); });
}

} // namespace

std::map<std::string, codegen::KernelCode> kernel_code(const ir::Module& kernels, const codegen::Target& target) {
  std::map<std::string, codegen::KernelCode> result;
  for (const ir::Function& kernel : kernels.functions) {
    codegen::KernelCode& code = result[kernel.name];
    const bool single = kernel.name == "log_density" || kernel.name == "log_density_gradient";
    code.lanes = single && target.lanes > 1 ? std::vector{1, target.lanes} : std::vector{target.lanes};
    code.cold = !is_hot(kernel.name);
  }
  result["prepare"].cold = true;
  return result;
}

} // namespace vmodel::driver
