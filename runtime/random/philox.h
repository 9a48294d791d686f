// Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2,
// 3", SC 2011), and the uniform and normal numbers that compiled models make of it.
//
// A number is a function of (seed, stream, step, particle, site, attempt, element) and of nothing else; the layout of
// key and counter is that of runtime/abi/vmodel_abi.h. Two elements share a block: 2 k and 2 k + 1. Uniform numbers are
// the same bits as those of compiled models; normal numbers differ by rounding only (compiled models have their own
// logarithm and cosine).
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

namespace vmodel::runtime {

using PhiloxBlock = std::array<std::uint32_t, 4>;

/// One block of 128 bits for a counter and a key.
inline PhiloxBlock philox(PhiloxBlock counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t first = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t second = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<std::uint32_t>(second >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(second),
               static_cast<std::uint32_t>(first >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(first)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

/// Which number: see the top of the file. `seed` is below 2^48, `stream`, `site` and `attempt` below 2^16.
struct RandomAddress {
  std::uint64_t seed = 0;
  std::uint32_t stream = 0;
  std::uint32_t step = 0;
  std::uint32_t particle = 0;
  std::uint32_t site = 0;
  std::uint32_t attempt = 0;
  std::uint32_t element = 0;
};

/// The two words of 64 bits of the block of an address.
inline std::array<std::uint64_t, 2> random_words(const RandomAddress& at) {
  const PhiloxBlock block = philox(
      {at.element >> 1, at.site | at.attempt << 16, at.particle, at.step},
      {static_cast<std::uint32_t>(at.seed), (static_cast<std::uint32_t>(at.seed >> 32) & 0xFFFF) | at.stream << 16});
  return {std::uint64_t{block[0]} << 32 | block[1], std::uint64_t{block[2]} << 32 | block[3]};
}

/// The upper 52 bits k of a word as (k + 1/2) / 2^52: between 0 and 1, never either, symmetric about 1/2.
inline double uniform_from(std::uint64_t word) {
  return (static_cast<double>(word >> 12) + 0.5) * 0x1p-52;
}

/// The uniform number of an address: a word of its own.
inline double uniform_at(const RandomAddress& at) {
  return uniform_from(random_words(at)[at.element & 1]);
}

/// The standard normal number of an address (Box and Muller 1958): the cosine for an even element, the sine for an odd
/// one, of both words of the block.
inline double normal_at(const RandomAddress& at) {
  const std::array<std::uint64_t, 2> words = random_words(at);
  const double radius = std::sqrt(-2 * std::log(uniform_from(words[0])));
  // The sine is the cosine a quarter of a turn earlier, and cos(2 pi v) = sin(2 pi (|v - 1/2| - 1/4)): the argument is
  // exact, and the result accurate near its zeros.
  const double v = uniform_from(words[1]);
  const double turns = (at.element & 1) != 0 ? std::fabs(v - 0.25) : v;
  return radius * std::sin(6.283185307179586477 * (std::fabs(turns - 0.5) - 0.25));
}

} // namespace vmodel::runtime
