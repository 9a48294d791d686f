// Random numbers that the runtime itself needs (starting points, points of checks and benchmarks).
#pragma once

#include "runtime/random/philox.h"

#include <cstdint>

namespace vmodel::runtime {

// The standard normal number of an element of a particle. The site 0xFFFF is no site of a model or
// family, so that these numbers are not theirs.
inline double runtime_normal(uint64_t seed, uint32_t stream, uint32_t step, uint32_t particle, uint32_t element) {
  return normal_at({seed, stream, step, particle, 0xFFFF, 0, element});
}

} // namespace vmodel::runtime
