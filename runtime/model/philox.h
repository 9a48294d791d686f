// Random numbers that the runtime itself needs (starting points, points of checks and benchmarks).
#pragma once

#include <cmath>
#include <cstdint>

#include "runtime/random/philox.h"

namespace vmodel::runtime {

// The standard normal number of an element of a particle. The site 0xFFFF is no site of a model or
// family, so that these numbers are not theirs.
inline double runtime_normal(uint64_t seed, uint32_t stream, uint32_t step, uint32_t particle,
                             uint32_t element) {
  const PhiloxBlock bits = philox(
      {element, 0xFFFF, particle, step},
      {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32 & 0xFFFF) | stream << 16});
  const auto uniform = [](uint32_t high, uint32_t low) {
    return (static_cast<double>((uint64_t{high} << 32 | low) >> 12) + 0.5) * 0x1p-52;
  };
  const double radius = std::sqrt(-2 * std::log(uniform(bits[0], bits[1])));
  return radius * std::cos(6.283185307179586 * uniform(bits[2], bits[3]));
}

}  // namespace vmodel::runtime
