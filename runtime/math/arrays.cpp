#include "runtime/math/arrays.h"

#include <cmath>
#include <cstdint>
#include <limits>

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

FOR_EACH_WIDTH void adam_update(const AdamUpdate& update, const double* gradient, double* first, double* second,
                                const double* from, double* to, size_t size) {
  const AdamUpdate u = update;
  const double rest1 = 1 - u.beta1, rest2 = 1 - u.beta2;
  for (size_t i = 0; i < size; ++i) {
    const double g = u.gradient_factor * gradient[i];
    first[i] = u.beta1 * first[i] + rest1 * g;
    second[i] = u.beta2 * second[i] + rest2 * g * g;
    to[i] = from[i] + u.rate * first[i] / (std::sqrt(u.correction * second[i]) + u.epsilon);
  }
}

} // namespace vmodel::runtime
