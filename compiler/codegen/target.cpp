#include "compiler/codegen/target.h"

#include <llvm/ADT/StringMap.h>
#include <llvm/TargetParser/Host.h>

namespace vmodel::codegen {

namespace {

/// One level of the x86-64 psABI: what it adds to the one before, by LLVM's names and by gcc's.
struct Level {
  const char* name;
  std::vector<std::string> llvm_features;
  std::vector<std::string> features;
  int lanes;
};

const std::vector<Level>& levels() {
  static const std::vector<Level> list = {
      {"x86-64-v2",
       {"cx16", "popcnt", "sse3", "sse4.1", "sse4.2", "ssse3"},
       {"popcnt", "sse3", "sse4.1", "sse4.2", "ssse3"},
       2},
      {"x86-64-v3",
       {"avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe"},
       {"avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe"},
       4},
      {"x86-64-v4",
       {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"},
       {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"},
       8},
  };
  return list;
}

/// How many levels this machine has, from the first on.
std::size_t levels_here() {
  const llvm::StringMap<bool> host = llvm::sys::getHostCPUFeatures();
  std::size_t count = 0;
  for (const Level& level : levels()) {
    for (const std::string& feature : level.llvm_features)
      if (!host.lookup(feature))
        return count;
    ++count;
  }
  return count;
}

Target make_target(std::string_view march, std::size_t count, std::string tune) {
  Target target;
  target.march = march;
  target.tune = std::move(tune);
  for (std::size_t i = 0; i < count; ++i) {
    const Level& level = levels()[i];
    target.level = level.name;
    target.lanes = level.lanes;
    target.features.insert(target.features.end(), level.features.begin(), level.features.end());
  }
  target.fused = target.lanes >= 4;
  return target;
}

} // namespace

const std::vector<std::string>& target_names() {
  static const std::vector<std::string> names = {"native", "x86-64-v2", "x86-64-v3", "x86-64-v4"};
  return names;
}

Target find_target(std::string_view march) {
  if (march == "native")
    return make_target(march, levels_here(), llvm::sys::getHostCPUName().str());
  for (std::size_t i = 0; i < levels().size(); ++i)
    if (march == levels()[i].name)
      return make_target(march, i + 1, i == 0 ? "generic" : i == 1 ? "haswell" : "icelake-server");
  Target none;
  none.march = march;
  return none;
}

bool runs_here(const Target& target) {
  const std::size_t here = levels_here();
  for (std::size_t i = 0; i < levels().size(); ++i)
    if (target.level == levels()[i].name)
      return i < here;
  return false;
}

} // namespace vmodel::codegen
