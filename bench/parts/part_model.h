// A small model that is compiled by vmodelc when a benchmark of a part asks for it.
#pragma once

#include "runtime/model/prepared_model.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace bench {

/// A model with its data, kernels ready to be called. Stops the program where vmodelc or the data refuse it: parts are
/// written here, not by users.
class PartModel {
public:
  /// `source` is a model in the language, `data` JSON, `families` those to compile. Compiled by the vmodelc beside this
  /// program, for this machine.
  PartModel(const std::string& source, const std::string& data, const std::string& families = "mean_field");

  int native_lanes() const { return compiled_->lanes(); }
  const vmodel::runtime::PreparedModel& prepared() const { return *prepared_; }

private:
  std::unique_ptr<vmodel::runtime::CompiledModel> compiled_;
  std::unique_ptr<vmodel::runtime::PreparedModel> prepared_;
};

/// One call of a density kernel with all that it needs: coordinates within (0.05, 0.95), value, Jacobian, gradient.
class DensityCall {
public:
  DensityCall(const PartModel& model, const std::string& kernel, int lanes);
  void operator()() { call_({}); }

private:
  vmodel::runtime::AlignedVector<double> z_, value_, jacobian_, gradient_;
  vmodel::runtime::KernelCall call_;
};

/// Registers benchmarks of a model's density and of its gradient, for one lane and for the machine's lanes. `elements`
/// are those of one particle: the time of an item is that of one of them for one particle.
void add_density(const std::string& name, const std::string& source, const std::string& data, std::int64_t elements);

/// JSON of an object with sizes and arrays of made-up numbers in (0, 1).
std::string made_up_data(const std::vector<std::pair<std::string, std::int64_t>>& integers,
                         const std::vector<std::pair<std::string, std::vector<std::int64_t>>>& arrays);

} // namespace bench
