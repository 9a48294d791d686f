// Particles in blocks of as many as there are lanes.
#pragma once

#include "runtime/abi/vmodel_abi.h"

#include <algorithm>
#include <cstdint>

namespace vmodel::runtime {

struct LaneBlocks {
  int64_t particles = 0, lanes = 1;

  int64_t count() const { return (particles + lanes - 1) / lanes; }
  // Lanes of a block that hold a particle; the others of the last block run along.
  int64_t active(int64_t block) const { return std::min(lanes, particles - block * lanes); }
  // The random numbers of a block.
  vmodel_random random(const vmodel_random& base, int64_t block) const {
    vmodel_random result = base;
    result.first_particle += static_cast<uint32_t>(block * lanes);
    return result;
  }
};

} // namespace vmodel::runtime
