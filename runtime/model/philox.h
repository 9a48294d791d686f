// Random numbers that the runtime itself needs (starting points, points of checks and benchmarks).
// Philox4x32-10: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

namespace vmodel::runtime {

using PhiloxCounter = std::array<uint32_t, 4>;

// One block of four 32-bit numbers for a counter and a key.
inline PhiloxCounter philox4x32(PhiloxCounter counter, uint32_t key0, uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53} * counter[0];
    const uint64_t b = uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<uint32_t>(b >> 32) ^ counter[1] ^ key0, static_cast<uint32_t>(b),
               static_cast<uint32_t>(a >> 32) ^ counter[3] ^ key1, static_cast<uint32_t>(a)};
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
  return counter;
}

// The standard normal number of an element of a particle. The site 0xFFFF is no site of a model or
// family, so that these numbers are not theirs.
inline double runtime_normal(uint64_t seed, uint32_t stream, uint32_t step, uint32_t particle,
                             uint32_t element) {
  const PhiloxCounter bits = philox4x32({element, 0xFFFF, particle, step},
                                        static_cast<uint32_t>(seed),
                                        static_cast<uint32_t>(seed >> 32 & 0xFFFF) | stream << 16);
  const auto uniform = [](uint32_t high, uint32_t low) {
    return (static_cast<double>((uint64_t{high} << 32 | low) >> 12) + 0.5) * 0x1p-52;
  };
  const double radius = std::sqrt(-2 * std::log(uniform(bits[0], bits[1])));
  return radius * std::cos(6.283185307179586 * uniform(bits[2], bits[3]));
}

}  // namespace vmodel::runtime
