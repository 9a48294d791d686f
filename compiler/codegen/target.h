// The machines for which code is generated. Interface header.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace vmodel::codegen {

/// One value of `--march`. Code uses nothing beyond a level of the x86-64 psABI (v2, v3, v4), so that the check at the
/// start of an executable is short and complete; `native` is the highest level of this machine, scheduled for it.
struct Target {
  std::string march;                 // as the user wrote it: native, x86-64-v2, x86-64-v3, x86-64-v4
  std::string level;                 // x86-64-v2, x86-64-v3 or x86-64-v4
  std::string tune;                  // the processor to schedule for, by LLVM's name
  int lanes = 1;                     // doubles in a vector register: 2, 4 or 8
  bool fused = false;                // has fused multiply-add
  std::vector<std::string> features; // what the machine must have, by the names of gcc's __builtin_cpu_supports
};

/// The values of `--march`, for messages.
const std::vector<std::string>& target_names();

/// Finds a target. An unknown name, or `native` on a machine below x86-64-v2, gives a target whose `level` is empty.
Target find_target(std::string_view march);

/// Whether code for this target can run on this machine.
bool runs_here(const Target& target);

} // namespace vmodel::codegen
