#include "runtime/io/sha256.h"

#include <bit>
#include <cmath>
#include <cstring>

namespace vmodel::runtime {
namespace {

// FIPS 180-4, 4.2.2: the first 32 bits of the fractional parts of the cube roots of the first 64
// primes. Computed rather than listed; long double is precise enough (a test checks the digests).
std::array<uint32_t, 64> round_constants() {
  std::array<uint32_t, 64> result{};
  int found = 0;
  for (int n = 2; found < 64; ++n) {
    bool prime = true;
    for (int d = 2; d * d <= n; ++d)
      prime = prime && n % d != 0;
    if (!prime)
      continue;
    const long double root = std::cbrt(static_cast<long double>(n));
    result[found++] = static_cast<uint32_t>(std::floor((root - std::floor(root)) * 4294967296.0L));
  }
  return result;
}

} // namespace

void Sha256::add(const void* bytes, size_t count) {
  if (count == 0)
    return; // an empty array may have no address
  const auto* at = static_cast<const unsigned char*>(bytes);
  total_ += count;
  if (buffered_ > 0) {
    const size_t part = std::min(count, 64 - buffered_);
    std::memcpy(buffer_ + buffered_, at, part);
    buffered_ += part;
    at += part;
    count -= part;
    if (buffered_ < 64)
      return;
    block(buffer_);
    buffered_ = 0;
  }
  for (; count >= 64; at += 64, count -= 64)
    block(at);
  std::memcpy(buffer_, at, count);
  buffered_ = count;
}

std::string Sha256::finish() {
  const uint64_t bits = total_ * 8;
  const unsigned char one = 0x80, zero = 0;
  add(&one, 1);
  while (buffered_ != 56)
    add(&zero, 1);
  unsigned char length[8];
  for (int i = 0; i < 8; ++i)
    length[i] = static_cast<unsigned char>(bits >> (56 - 8 * i));
  add(length, 8);
  std::string result;
  for (uint32_t word : state_) {
    for (int shift = 28; shift >= 0; shift -= 4)
      result += "0123456789abcdef"[(word >> shift) & 15];
  }
  return result;
}

void Sha256::block(const unsigned char* bytes) {
  static const std::array<uint32_t, 64> constants = round_constants();
  uint32_t w[64];
  for (size_t t = 0; t < 16; ++t) {
    w[t] = uint32_t{bytes[4 * t]} << 24 | uint32_t{bytes[4 * t + 1]} << 16 | uint32_t{bytes[4 * t + 2]} << 8 |
           uint32_t{bytes[4 * t + 3]};
  }
  for (int t = 16; t < 64; ++t) {
    const uint32_t x = w[t - 15], y = w[t - 2];
    w[t] = w[t - 16] + w[t - 7] + (std::rotr(x, 7) ^ std::rotr(x, 18) ^ (x >> 3)) +
           (std::rotr(y, 17) ^ std::rotr(y, 19) ^ (y >> 10));
  }
  auto [a, b, c, d, e, f, g, h] = state_;
  for (int t = 0; t < 64; ++t) {
    const uint32_t t1 =
        h + (std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25)) + ((e & f) ^ (~e & g)) + constants[t] + w[t];
    const uint32_t t2 = (std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    h = g;
    g = f;
    f = e;
    e = d + t1;
    d = c;
    c = b;
    b = a;
    a = t1 + t2;
  }
  const uint32_t next[8] = {a, b, c, d, e, f, g, h};
  for (int i = 0; i < 8; ++i)
    state_[i] += next[i];
}

} // namespace vmodel::runtime
