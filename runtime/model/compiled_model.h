// A C++ view of vmodel_model: metadata, kernels by name and lanes, and calls of them.
#pragma once

#include "runtime/abi/vmodel_abi.h"
#include "runtime/model/memory.h"
#include "runtime/model/metadata.h"

#include <string>
#include <string_view>
#include <vector>

namespace vmodel::runtime {

class CompiledModel {
public:
  // Throws InternalError when the model speaks another version of the interface.
  explicit CompiledModel(const vmodel_model& model);

  const vmodel_model& abi() const { return model_; }
  const Metadata& metadata() const { return metadata_; }
  // The native number of lanes.
  int lanes() const { return metadata_.lanes; }
  // The kernel of that name for that many lanes, or nullptr.
  const vmodel_kernel* find(std::string_view name, int lanes) const;
  // For any number of lanes: for kernels whose arguments do not vary by particle.
  const vmodel_kernel* find(std::string_view name) const;
  // The numbers of lanes that a kernel exists for, ascending.
  std::vector<int> lanes_of(std::string_view name) const;

private:
  const vmodel_model& model_;
  Metadata metadata_;
};

// The first feature that this machine's processor lacks, or an empty text.
std::string missing_cpu_feature(const Metadata& metadata);

// The streams of random numbers: different uses never share a number.
enum class Stream : uint32_t { init = 0, fit = 1, sample = 2, predict = 3, simulate = 4 };

vmodel_random random_state(uint64_t seed, Stream stream, uint32_t step = 0, uint32_t first = 0);

// One argument of a call, by the name that docs/abi.md gives.
struct Argument {
  const char* name;
  void* memory;
};

// A kernel with its arguments and workspace, ready to be called any number of times by one thread.
class KernelCall {
public:
  KernelCall() = default;
  // Throws InternalError when the kernel is missing or wants an argument that is not given.
  KernelCall(const CompiledModel& model, const vmodel_slot* slots, std::string_view name, int lanes,
             const std::vector<Argument>& arguments);

  void operator()(const vmodel_random& random = {}) {
    kernel_->run(slots_, arguments_.data(), workspace_.data(), &random);
  }
  int64_t workspace_bytes() const { return static_cast<int64_t>(workspace_.size()); }

private:
  const vmodel_kernel* kernel_ = nullptr;
  const vmodel_slot* slots_ = nullptr;
  std::vector<void*> arguments_;
  AlignedVector<char> workspace_;
};

} // namespace vmodel::runtime
