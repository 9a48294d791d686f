#include "runtime/model/compiled_model.h"

#include "runtime/io/error.h"

#include <algorithm>
#include <cpuid.h>
#include <cstring>

namespace vmodel::runtime {
namespace {

Metadata checked_metadata(const vmodel_model& model) {
  if (model.abi_version != VMODEL_ABI_VERSION || model.struct_size < sizeof(vmodel_model)) {
    throw InternalError("the compiled model has interface version " + std::to_string(model.abi_version) +
                        ", this runtime has version " + std::to_string(VMODEL_ABI_VERSION) +
                        ": compile the model again");
  }
  return parse_metadata(model.metadata);
}

} // namespace

CompiledModel::CompiledModel(const vmodel_model& model) : model_(model), metadata_(checked_metadata(model)) {
  if (static_cast<int32_t>(metadata_.data.size()) != model.data_count ||
      static_cast<int32_t>(metadata_.sizes.size()) != model.size_count) {
    throw InternalError("the metadata of the compiled model do not fit its slots");
  }
}

const vmodel_kernel* CompiledModel::find(std::string_view name, int lanes) const {
  for (int32_t i = 0; i < model_.kernel_count; ++i) {
    if (model_.kernels[i].lanes == lanes && name == model_.kernels[i].name) {
      return &model_.kernels[i];
    }
  }
  return nullptr;
}

const vmodel_kernel* CompiledModel::find(std::string_view name) const {
  for (int32_t i = 0; i < model_.kernel_count; ++i) {
    if (name == model_.kernels[i].name)
      return &model_.kernels[i];
  }
  return nullptr;
}

std::vector<int> CompiledModel::lanes_of(std::string_view name) const {
  std::vector<int> result;
  for (int32_t i = 0; i < model_.kernel_count; ++i) {
    if (name == model_.kernels[i].name)
      result.push_back(model_.kernels[i].lanes);
  }
  std::sort(result.begin(), result.end());
  return result;
}

std::string missing_cpu_feature(const Metadata& metadata) {
  __builtin_cpu_init();
  // __builtin_cpu_supports takes literals only. A feature that is not listed here is one that this
  // runtime knows nothing of: better refused than an illegal instruction later.
  const std::pair<const char*, bool> known[] = {
#define FEATURE(name) {name, __builtin_cpu_supports(name) != 0}
      FEATURE("sse3"),       FEATURE("ssse3"),        FEATURE("sse4.1"),
      FEATURE("sse4.2"),     FEATURE("popcnt"),       FEATURE("avx"),
      FEATURE("avx2"),       FEATURE("fma"),          FEATURE("bmi"),
      FEATURE("bmi2"),       FEATURE("lzcnt"),        FEATURE("f16c"),
      FEATURE("movbe"),      FEATURE("avx512f"),      FEATURE("avx512dq"),
      FEATURE("avx512vl"),   FEATURE("avx512bw"),     FEATURE("avx512cd"),
      FEATURE("avx512ifma"), FEATURE("avx512vbmi"),   FEATURE("avx512vbmi2"),
      FEATURE("avx512vnni"), FEATURE("avx512bitalg"), FEATURE("avx512vpopcntdq"),
      FEATURE("avx512fp16"), FEATURE("avx512bf16"),   FEATURE("avxvnni"),
#undef FEATURE
      {"sse", true},         {"sse2", true},          {"cx8", true},
      {"cmov", true},        {"fxsr", true},          {"mmx", true},
      {"x87", true}};
  for (const std::string& feature : metadata.cpu_features) {
    bool present = false;
    for (const auto& [name, has] : known)
      present = present || (feature == name && has);
    if (!present)
      return feature;
  }
  return "";
}

vmodel_random random_state(uint64_t seed, Stream stream, uint32_t step, uint32_t first) {
  return {seed, static_cast<uint32_t>(stream), step, first};
}

KernelCall::KernelCall(const CompiledModel& model, const vmodel_slot* slots, std::string_view name, int lanes,
                       const std::vector<Argument>& arguments)
    : kernel_(lanes > 0 ? model.find(name, lanes) : model.find(name)), slots_(slots) {
  if (kernel_ == nullptr) {
    throw InternalError("the compiled model has no entry point `" + std::string(name) + "`" +
                        (lanes > 0 ? " for " + std::to_string(lanes) + " lanes" : ""));
  }
  for (int32_t i = 0; i < kernel_->argument_count; ++i) {
    const auto given = std::find_if(arguments.begin(), arguments.end(), [&](const Argument& a) {
      return std::strcmp(a.name, kernel_->arguments[i].name) == 0;
    });
    if (given == arguments.end()) {
      throw InternalError("the entry point `" + std::string(name) + "` has an argument `" + kernel_->arguments[i].name +
                          "` that this runtime does not know");
    }
    arguments_.push_back(given->memory);
  }
  const int64_t bytes = kernel_->workspace_bytes ? kernel_->workspace_bytes(slots) : 0;
  workspace_.resize(static_cast<size_t>(std::max<int64_t>(bytes, 64)));
}

} // namespace vmodel::runtime
