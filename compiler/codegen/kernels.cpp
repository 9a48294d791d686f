#include "compiler/codegen/kernels.h"

#include "compiler/ir/typing.h"

#include <algorithm>
#include <array>
#include <functional>

namespace vmodel::codegen {

std::vector<bool> used_values(const ir::Function& function) {
  std::vector<bool> used(function.values.size(), false);
  const auto use = [&](ir::ValueId value) {
    used[value.id] = true;
    for (const ir::Dim& dim : function.type(value).dims)
      if (dim.value)
        used[dim.value.id] = true;
  };
  const std::function<void(const ir::Region&)> visit = [&](const ir::Region& region) {
    for (const ir::Op& op : region.ops) {
      for (const ir::ValueId operand : op.operands)
        use(operand);
      for (const ir::ValueId result : op.results)
        use(result);
      for (const ir::Region& inner : op.regions)
        visit(inner);
    }
    for (const ir::ValueId yield : region.yields)
      use(yield);
  };
  visit(function.body);
  return used;
}

bool is_density(std::string_view kernel) {
  constexpr std::string_view plain = ".plain"; // without sufficient statistics
  if (kernel.ends_with(plain))
    kernel.remove_suffix(plain.size());
  return kernel == "log_density" || kernel == "log_density_gradient" || kernel == "log_likelihood";
}

bool is_step(std::string_view kernel) {
  constexpr std::array<std::string_view, 8> endings = {
      ".draw", ".pathwise", ".score", ".log_density_gradient", ".proposal.log_density", ".step", ".point", ".chain"};
  return std::any_of(endings.begin(), endings.end(), [&](std::string_view ending) { return kernel.ends_with(ending); });
}

std::size_t operations(const ir::Region& region) {
  std::size_t count = region.ops.size();
  for (const ir::Op& op : region.ops)
    for (const ir::Region& inner : op.regions)
      count += operations(inner);
  return count;
}

bool has_temporaries(const ir::Region& region) {
  for (const ir::Op& op : region.ops) {
    if (op.opcode == ir::Opcode::alloc_ || op.opcode == ir::Opcode::build_)
      return true;
    for (const ir::Region& inner : op.regions)
      if (has_temporaries(inner))
        return true;
  }
  return false;
}

bool has_particle_arguments(const ir::Function& function) {
  for (const ir::Parameter& parameter : function.parameters)
    if (parameter.axis == ir::Axis::particle)
      return true;
  return false;
}

} // namespace vmodel::codegen
