// Kernels that are run many times with the same of some arguments.
#pragma once

#include "runtime/model/prepared_model.h"

#include <string>
#include <vector>

namespace vmodel::runtime {

// NAME with the kernels NAME.step and NAME.point, where it has such, which compute what depends on phi alone and what
// depends on the points beside (docs/architecture.md). One thread at a time.
class StagedKernel {
public:
  StagedKernel() = default;
  // `arguments`: of NAME, for the native number of lanes.
  StagedKernel(const PreparedModel& model, const std::string& name, std::vector<Argument> arguments) {
    make(model, name + ".step", 1, step_memory_, arguments, "step", step_);
    make(model, name + ".point", model.lanes(), point_memory_, arguments, "point", point_);
    kernel_ = model.call(name, model.lanes(), arguments);
    arguments_ = std::move(arguments);
  }
  StagedKernel(StagedKernel&&) = default;
  StagedKernel& operator=(StagedKernel&&) = default;

  // phi is another one. The points follow.
  void step() {
    if (!step_memory_.empty())
      step_();
  }
  // The points are others.
  void point() {
    if (!point_memory_.empty())
      point_();
  }
  void operator()(const vmodel_random& random = {}) { kernel_(random); }

  // Numbers of a lane that the stage of points computes; 0: there is none.
  static int64_t point_size(const PreparedModel& model, const std::string& name) {
    const auto size = model.metadata().stages.find(name + ".point");
    return size == model.metadata().stages.end() ? 0 : model.size(size->second);
  }
  // Another kernel of these stages, which reads the same and `more`.
  KernelCall other(const PreparedModel& model, const std::string& kernel, std::vector<Argument> more) const {
    more.insert(more.end(), arguments_.begin(), arguments_.end());
    return model.call(kernel, model.lanes(), more);
  }

private:
  static void make(const PreparedModel& model, const std::string& stage, int64_t lanes, AlignedVector<double>& memory,
                   std::vector<Argument>& arguments, const char* name, KernelCall& call) {
    const auto size = model.metadata().stages.find(stage);
    if (size == model.metadata().stages.end())
      return;
    memory.resize(static_cast<size_t>((model.size(size->second) + 1) * lanes));
    arguments.push_back({name, memory.data()});
    call = model.call(stage, lanes == 1 ? 0 : static_cast<int>(lanes), arguments);
  }

  AlignedVector<double> step_memory_, point_memory_;
  std::vector<Argument> arguments_;
  KernelCall step_, point_, kernel_;
};

} // namespace vmodel::runtime
