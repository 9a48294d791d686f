// Random numbers of draws as an array.
#pragma once

#include "compiler/ir/module.h"

#include <cstdint>
#include <string>
#include <vector>

namespace vmodel::passes {

/// A family with a kernel FAMILY.noise, and the number of the entry of `sizes` that holds how many numbers it writes.
struct FamilyNoise {
  std::string family;
  std::int64_t size = 0;
};

/// Takes the random numbers out of every kernel FAMILY.draw that has some: it reads them from a parameter `noise`,
/// which a new kernel FAMILY.noise writes. `sizes` gets an entry for each, behind those that it has; a module without
/// `sizes` stays as it is. Before derivatives are taken.
ir::Module split_noise(ir::Module module, std::vector<FamilyNoise>& made);

} // namespace vmodel::passes
