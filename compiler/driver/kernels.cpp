#include "compiler/driver/kernels.h"

#include "compiler/passes/passes.h"
#include "compiler/passes/stages.h"
#include "runtime/abi/objectives.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace vmodel::driver {

namespace {

/// The name of a kernel without `.plain`.
std::string_view base_name(std::string_view kernel) {
  const std::string_view suffix = passes::plain_suffix;
  return kernel.ends_with(suffix) ? kernel.substr(0, kernel.size() - suffix.size()) : kernel;
}

/// Kernels that are made for one lane, too.
bool is_single(std::string_view kernel) {
  return base_name(kernel) == "log_density" || base_name(kernel) == "log_density_gradient";
}

bool is_hot(std::string_view kernel, unsigned needs) {
  if (kernel.starts_with("data_shape.") || kernel.starts_with("data_bounds."))
    return false; // NAME may be anything
  if (is_single(kernel))
    return true;
  if (kernel.ends_with(".round_trip.step"))
    return false;
  if (kernel.ends_with(".step") || kernel.ends_with(".point") || kernel.ends_with(passes::chain_suffix))
    return true;
  if (kernel.ends_with(".proposal.score") || kernel.ends_with(".proposal.log_density"))
    return true;
  // Starts by maximum likelihood use the score, too, but a few hundred times only.
  if (kernel.ends_with(".score"))
    return (needs & need_score) != 0;
  constexpr std::array<std::string_view, 6> endings = {
      ".noise", ".draw", ".pathwise", ".log_density_gradient", ".by_mix", ".proposal.by_point"};
  return std::any_of(endings.begin(), endings.end(), [&](std::string_view ending) { return kernel.ends_with(ending); });
}

} // namespace

std::map<std::string, codegen::KernelCode> kernel_code(const ir::Module& kernels, int lanes, unsigned needs) {
  std::map<std::string, codegen::KernelCode> result;
  for (const ir::Function& kernel : kernels.functions) {
    codegen::KernelCode& code = result[kernel.name];
    code.lanes = is_single(kernel.name) && lanes > 1 ? std::vector{1, lanes} : std::vector{lanes};
    code.cold = !is_hot(kernel.name, needs);
  }
  // Statistics go through all data in nested loops.
  result["prepare"].cold = !kernels.find(std::string("log_density") + passes::plain_suffix);
  return result;
}

unsigned needs_of(const std::vector<std::string>& objectives) {
  // Estimators by the point's derivative are a choice of every ELBO.
  unsigned needs = find_objective("elbo")->needs | need_density_gradient;
  for (const std::string& name : objectives) {
    if (const ObjectiveRow* row = find_objective(name))
      needs |= row->needs;
  }
  return needs;
}

std::vector<std::string> served_objectives(unsigned needs) {
  std::vector<std::string> names;
  for (const ObjectiveRow& row : objective_rows) {
    if ((row.needs & ~needs) == 0)
      names.emplace_back(row.name);
  }
  return names;
}

} // namespace vmodel::driver
