// Eight particles in two AVX2 registers, for gradients written by hand.
#pragma once

#include "worker.h"

#include <nlohmann/json.hpp>

#include <bit>
#include <cstring>
#include <immintrin.h>

namespace bench {

constexpr std::size_t particles = 8;

using Half = double __attribute__((vector_size(32)));
using Bits = long long __attribute__((vector_size(32)));

/// One number of each of eight particles. Plain operators; g++ fuses products and sums (-ffp-contract=fast).
struct Eight {
  Half a, b;
};

inline Half half(double x) {
  return Half{x, x, x, x};
}
inline Eight eight(double x) {
  return {half(x), half(x)};
}

inline Eight operator+(Eight x, Eight y) {
  return {x.a + y.a, x.b + y.b};
}
inline Eight operator-(Eight x, Eight y) {
  return {x.a - y.a, x.b - y.b};
}
inline Eight operator*(Eight x, Eight y) {
  return {x.a * y.a, x.b * y.b};
}
inline Eight operator/(Eight x, Eight y) {
  return {x.a / y.a, x.b / y.b};
}
/// x y + z and z - x y with one rounding.
inline Eight fma(Eight x, Eight y, Eight z) {
  return {_mm256_fmadd_pd(x.a, y.a, z.a), _mm256_fmadd_pd(x.b, y.b, z.b)};
}
inline Eight fnma(Eight x, Eight y, Eight z) {
  return {_mm256_fnmadd_pd(x.a, y.a, z.a), _mm256_fnmadd_pd(x.b, y.b, z.b)};
}

/// Applies a function of one number to each particle: for what happens once a call.
template <typename Function>
Eight each(Eight x, Function f) {
  for (int i = 0; i < 4; ++i) {
    x.a[i] = f(x.a[i]);
    x.b[i] = f(x.b[i]);
  }
  return x;
}

/// A product of many positive normal numbers for its logarithm: mantissas multiplied, exponents added, one log at the
/// end. Good for up to 1000 factors.
class Product {
public:
  void multiply(Eight factor) {
    step(factor.a, product_.a, exponents_a_);
    step(factor.b, product_.b, exponents_b_);
    ++factors_;
  }
  Eight log() const {
    Eight result = each(product_, [](double x) { return std::log(x); });
    for (int i = 0; i < 4; ++i) {
      result.a[i] += 0.693147180559945309417 * static_cast<double>(exponents_a_[i] - 1023 * factors_);
      result.b[i] += 0.693147180559945309417 * static_cast<double>(exponents_b_[i] - 1023 * factors_);
    }
    return result;
  }

private:
  static void step(Half factor, Half& product, Bits& exponents) {
    const Bits bits = std::bit_cast<Bits>(factor);
    exponents += (bits >> 52); // positive numbers: no sign bit
    const Bits mantissa = (bits & ((1LL << 52) - 1)) | (1023LL << 52);
    product *= std::bit_cast<Half>(mantissa);
  }

  Eight product_ = eight(1);
  Bits exponents_a_ = {}, exponents_b_ = {};
  long long factors_ = 0;
};

/// Coordinate i of eight particles from points [point][coordinate]; missing ones repeat the last.
inline Eight gather(const Points& points, std::size_t first, std::size_t count, std::size_t i) {
  double x[particles];
  for (std::size_t k = 0; k < particles; ++k)
    x[k] = points.values[(first + std::min(k, count - 1)) * points.dimension + i];
  Eight result;
  std::memcpy(&result, x, sizeof x);
  return result;
}

/// The first `count` numbers to memory, `stride` apart.
inline void scatter(Eight x, double* to, std::size_t count, std::size_t stride) {
  double numbers[particles];
  std::memcpy(numbers, &x, sizeof numbers);
  for (std::size_t k = 0; k < count; ++k)
    to[k * stride] = numbers[k];
}

inline nlohmann::json read_json(const char* path) {
  std::ifstream file(path);
  return nlohmann::json::parse(file);
}

} // namespace bench
