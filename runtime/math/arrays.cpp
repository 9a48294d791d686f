#include "runtime/math/arrays.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#ifdef __x86_64__
#include <immintrin.h>
#endif

// A function with a version for each level of x86-64, one of which is chosen when the program is loaded.
#define FOR_EACH_WIDTH __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))

namespace vmodel::runtime {

FOR_EACH_WIDTH void add(const double* x, double* sums, size_t size) {
  for (size_t i = 0; i < size; ++i)
    sums[i] += x[i];
}

FOR_EACH_WIDTH bool scale(double factor, const double* x, double* y, size_t size) {
  uint64_t not_finite = 0;
  for (size_t i = 0; i < size; ++i) {
    y[i] = factor * x[i];
    not_finite |= std::fabs(y[i]) <= std::numeric_limits<double>::max() ? 0 : 1;
  }
  return not_finite == 0;
}

FOR_EACH_WIDTH void multiply(const double* factors, const double* x, double* y, size_t size) {
  for (size_t i = 0; i < size; ++i)
    y[i] = factors[i] * x[i];
}

FOR_EACH_WIDTH void multiply_add(const double* factors, const double* x, const double* start, double* y, size_t size) {
  for (size_t i = 0; i < size; ++i)
    y[i] = start[i] + factors[i] * x[i];
}

// x = n log 2 + r, |r| <= log(2) / 2: exp(r) by its Taylor polynomial, whose rest is below 1e-17, times 2^n.
FOR_EACH_WIDTH void exponentials(const double* x, double* y, size_t size) {
  constexpr double round = 0x1.8p52, log2_high = 0x1.62e42fefa3800p-1, log2_low = 0x1.ef35793c76730p-45;
  constexpr double least = -708.39, most = 709.78;
  constexpr double reciprocals[] = {
      1.0,        1.0,         1.0 / 2,      1.0 / 6,       1.0 / 24,       1.0 / 120,       1.0 / 720,
      1.0 / 5040, 1.0 / 40320, 1.0 / 362880, 1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800.0};
  for (size_t i = 0; i < size; ++i) {
    const double within = x[i] < least ? least : x[i] > most ? most : x[i];
    const double shifted = within * 1.4426950408889634 + round;
    const double n = shifted - round;
    const double r = (within - n * log2_high) - n * log2_low;
    // Even and odd powers apart: half of the latency.
    const double square = r * r;
    double odd = reciprocals[13], even = reciprocals[12];
    for (int k = 11; k > 0; k -= 2) {
      odd = odd * square + reciprocals[k];
      even = even * square + reciprocals[k - 1];
    }
    const double sum = odd * r + even;
    // 2^n in two factors, since n may be 1024.
    const auto whole = static_cast<int64_t>(std::bit_cast<uint64_t>(shifted) - std::bit_cast<uint64_t>(round));
    const int64_t half = whole >> 1;
    const double scaled = sum * std::bit_cast<double>(static_cast<uint64_t>(half + 1023) << 52) *
                          std::bit_cast<double>(static_cast<uint64_t>(whole - half + 1023) << 52);
    y[i] = x[i] < least ? 0.0 : x[i] > most ? std::numeric_limits<double>::infinity() : scaled;
  }
}

FOR_EACH_WIDTH double euclidean_norm(const double* x, size_t size) {
  // So many sums fill the widest vectors and do not wait for each other.
  constexpr size_t count = 32;
  double sums[count] = {};
  size_t i = 0;
  for (; i + count <= size; i += count) {
    for (size_t k = 0; k < count; ++k)
      sums[k] += x[i + k] * x[i + k];
  }
  for (size_t k = 0; i < size; ++i, ++k)
    sums[k] += x[i] * x[i];
  for (size_t width = count / 2; width > 0; width /= 2) {
    for (size_t k = 0; k < width; ++k)
      sums[k] += sums[k + width];
  }
  return std::sqrt(sums[0]);
}

namespace {

// Elements from `begin` on.
FOR_EACH_WIDTH void adam_from(size_t begin, const AdamUpdate& update, const double* gradient, double* first,
                              double* second, const double* from, double* to, size_t size) {
  const AdamUpdate u = update;
  const double rest1 = 1 - u.beta1, rest2 = 1 - u.beta2;
  for (size_t i = begin; i < size; ++i) {
    const double g = u.gradient_factor * gradient[i];
    first[i] = u.beta1 * first[i] + rest1 * g;
    second[i] = u.beta2 * second[i] + rest2 * g * g;
    to[i] = from[i] + u.rate * first[i] / (std::sqrt(u.correction * second[i]) + u.epsilon);
  }
}

#ifdef __x86_64__
#define WITH_AVX512 __attribute__((target("avx512f")))

// Of a number below the first the root vanishes beside an epsilon from the second on. Above, no square of a root loses
// bits to underflow.
constexpr double least_square = 0x1p-900, least_epsilon = 0x1p-390;

// The roots of eight numbers from `least_square` on as the instruction gives them, which keeps the divider busy longer
// than the division that follows: here other units do the work. From 14 bits of 1 / sqrt(x) a step of Newton's method
// gives a root g and h = 1 / (2 sqrt(x)) to 27 bits, and two corrections by what g misses, which an FMA has exactly
// (Markstein 1990), a root that is rounded correctly but for one in some ten millions. It is where x lies above the
// product of g with the number below it, and not above that with the number above it (Tuckerman's test).
// Where it is not, or x is not finite, the instruction decides.
WITH_AVX512 inline __m512d roots(__m512d x) {
  const __m512d half = _mm512_set1_pd(0.5);
  const __m512d y = _mm512_rsqrt14_pd(x);
  __m512d g = _mm512_mul_pd(x, y), h = _mm512_mul_pd(half, y);
  const __m512d e = _mm512_fnmadd_pd(h, g, half);
  g = _mm512_fmadd_pd(g, e, g);
  h = _mm512_fmadd_pd(h, e, h);
  g = _mm512_fmadd_pd(_mm512_fnmadd_pd(g, g, x), h, g);
  g = _mm512_fmadd_pd(_mm512_fnmadd_pd(g, g, x), h, g);
  const __m512i bits = _mm512_castpd_si512(g);
  const __m512d below = _mm512_castsi512_pd(_mm512_add_epi64(bits, _mm512_set1_epi64(-1))),
                above = _mm512_castsi512_pd(_mm512_add_epi64(bits, _mm512_set1_epi64(1)));
  const __m512d zero = _mm512_setzero_pd();
  const __mmask8 enough = _mm512_cmp_pd_mask(_mm512_fnmadd_pd(g, below, x), zero, _CMP_GT_OQ);
  const __mmask8 exact = _mm512_mask_cmp_pd_mask(enough, _mm512_fnmadd_pd(g, above, x), zero, _CMP_LE_OQ);
  return __builtin_expect(exact == 0xff, 1) ? g : _mm512_sqrt_pd(x);
}

// As adam_from, of whole vectors; the first element that is left.
WITH_AVX512 size_t adam_of_eight(const AdamUpdate& update, const double* gradient, double* first, double* second,
                                 const double* from, double* to, size_t size) {
  const __m512d factor = _mm512_set1_pd(update.gradient_factor), rate = _mm512_set1_pd(update.rate),
                beta1 = _mm512_set1_pd(update.beta1), rest1 = _mm512_set1_pd(1 - update.beta1),
                beta2 = _mm512_set1_pd(update.beta2), rest2 = _mm512_set1_pd(1 - update.beta2),
                correction = _mm512_set1_pd(update.correction), epsilon = _mm512_set1_pd(update.epsilon),
                least = _mm512_set1_pd(least_square);
  size_t i = 0;
  for (; i + 8 <= size; i += 8) {
    const __m512d g = _mm512_mul_pd(factor, _mm512_loadu_pd(gradient + i));
    const __m512d m = _mm512_add_pd(_mm512_mul_pd(beta1, _mm512_loadu_pd(first + i)), _mm512_mul_pd(rest1, g));
    const __m512d v =
        _mm512_add_pd(_mm512_mul_pd(beta2, _mm512_loadu_pd(second + i)), _mm512_mul_pd(_mm512_mul_pd(rest2, g), g));
    _mm512_storeu_pd(first + i, m);
    _mm512_storeu_pd(second + i, v);
    // Of a NaN the maximum is the second, the NaN. Zeros, of what no draw has reached, are common.
    const __m512d square = _mm512_max_pd(least, _mm512_mul_pd(correction, v));
    const __m512d step = _mm512_div_pd(_mm512_mul_pd(rate, m), _mm512_add_pd(roots(square), epsilon));
    _mm512_storeu_pd(to + i, _mm512_add_pd(_mm512_loadu_pd(from + i), step));
  }
  return i;
}
#endif

} // namespace

void adam_update(const AdamUpdate& update, const double* gradient, double* first, double* second, const double* from,
                 double* to, size_t size) {
  size_t done = 0;
#ifdef __x86_64__
  static const bool has_avx512 = __builtin_cpu_supports("avx512f") != 0;
  if (has_avx512 && update.epsilon >= least_epsilon)
    done = adam_of_eight(update, gradient, first, second, from, to, size);
#endif
  adam_from(done, update, gradient, first, second, from, to, size);
}

} // namespace vmodel::runtime
