// Eight particles in two AVX2 registers, and the functions of them that gradients written by hand need.
#pragma once

#include <bit>
#include <immintrin.h>

namespace bench {

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

inline Eight least(Eight x, double bound) {
  return {_mm256_min_pd(x.a, half(bound)), _mm256_min_pd(x.b, half(bound))};
}
inline Eight greatest(Eight x, double bound) {
  return {_mm256_max_pd(x.a, half(bound)), _mm256_max_pd(x.b, half(bound))};
}

/// exp(x) for -700 <= x <= 700: x = n log 2 + r, a polynomial in r, n added to the exponent.
inline Half exponential(Half x) {
  const Half magic = half(0x1.8p52); // its last bits hold an integer after an addition
  const Half shifted = _mm256_fmadd_pd(x, half(1.4426950408889634074), magic);
  const Half n = shifted - magic;
  Half r = _mm256_fnmadd_pd(n, half(0x1.62e42fefa3800p-1), x);
  r = _mm256_fnmadd_pd(n, half(0x1.ef35793c76730p-45), r);
  // Taylor's coefficients 1/k!: at |r| < 0.35 the first one left out is below 1e-14 of the result.
  double factorials[12] = {1, 1};
  for (int k = 2; k < 12; ++k)
    factorials[k] = factorials[k - 1] * k;
  Half p = half(1 / factorials[11]);
#pragma GCC unroll 11
  for (int k = 10; k >= 0; --k)
    p = _mm256_fmadd_pd(p, r, half(1 / factorials[k]));
  return std::bit_cast<Half>(std::bit_cast<Bits>(p) + (std::bit_cast<Bits>(shifted) << 52));
}
inline Eight exponential(Eight x) {
  return {exponential(x.a), exponential(x.b)};
}

/// log(x) of positive normal numbers: x = 2^n m with m between sqrt(1/2) and sqrt(2), log(m) = 2 atanh((m - 1) / (m +
/// 1)).
inline Half logarithm(Half x) {
  const Bits bits = std::bit_cast<Bits>(x), to_root = Bits{} + 0x3fe6a09e667f3bcdLL; // sqrt(1/2)
  const Bits n = (bits - to_root + (Bits{} + (1024LL << 52))) >> 52;                 // the exponent, plus 1024
  const Half m = std::bit_cast<Half>(bits - ((n - 1024) << 52));
  const Half s = (m - 1) / (m + 1), squared = s * s;
  Half p = half(1.0 / 21);
#pragma GCC unroll 10
  for (int k = 19; k >= 1; k -= 2)
    p = _mm256_fmadd_pd(p, squared, half(1.0 / k));
  return _mm256_fmadd_pd(__builtin_convertvector(n - 1024, Half), half(0.693147180559945309417), 2 * s * p);
}
inline Eight logarithm(Eight x) {
  return {logarithm(x.a), logarithm(x.b)};
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
    const Eight exponents = {__builtin_convertvector(exponents_a_ - 1023 * factors_, Half),
                             __builtin_convertvector(exponents_b_ - 1023 * factors_, Half)};
    return fma(exponents, eight(0.693147180559945309417), logarithm(product_));
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

} // namespace bench
