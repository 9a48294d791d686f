// Sums over blocks of particles that do not depend on the number of threads, and what they make of an objective.
#pragma once

#include "runtime/math/arrays.h"
#include "runtime/objectives/objective.h"
#include "runtime/objectives/thread_pool.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace vmodel::runtime {

// Sums are collected by chunk: in order within a chunk, and by a fixed tree over chunks.
class BlockSums {
public:
  BlockSums(int64_t blocks, int64_t size)
      : blocks_(blocks), size_(size), chunks_(std::min(blocks, most_chunks)),
        sums_(static_cast<size_t>(chunks_ * size)) {}

  // Calls add(block, worker, sums), which adds what a block contributes to `size` numbers. Returns all sums.
  // Does not allocate.
  template <typename Add>
  const double* run(ThreadPool& pool, const Add& add) {
    pool.run(chunks_, [&](int64_t chunk, int worker) {
      double* sums = sums_.data() + chunk * size_;
      std::fill(sums, sums + size_, 0.0);
      const int64_t end = (chunk + 1) * blocks_ / chunks_;
      for (int64_t block = chunk * blocks_ / chunks_; block < end; ++block)
        add(block, worker, sums);
    });
    for (int64_t width = 1; width < chunks_; width *= 2) {
      for (int64_t left = 0; left + width < chunks_; left += 2 * width) {
        double* a = sums_.data() + left * size_;
        vmodel::runtime::add(a + width * size_, a, static_cast<size_t>(size_));
      }
    }
    return sums_.data();
  }

private:
  // Bounds the memory and the threads that can share a step.
  static constexpr int64_t most_chunks = 64;

  int64_t blocks_, size_, chunks_;
  std::vector<double> sums_;
};

// The estimate of an objective that is a mean over particles, from sums of: the gradient's `size` numbers, the value,
// its square, and particles that were not finite. The gradient is left alone where it is null.
inline Evaluation mean_over_particles(const double* sums, int64_t size, int64_t particles, double* gradient) {
  const double count = static_cast<double>(particles);
  Evaluation result;
  result.value = sums[size] / count;
  result.spread = std::sqrt(std::max(sums[size + 1] / count - result.value * result.value, 0.0));
  result.not_finite = static_cast<int64_t>(sums[size + 2]);
  bool finite = result.not_finite == 0;
  if (gradient != nullptr)
    finite = scale(1 / count, sums, gradient, static_cast<size_t>(size)) && finite;
  if (!finite) {
    // A sum is finite only if all its terms are.
    result.not_finite = std::max<int64_t>(result.not_finite, 1);
    result.value = NAN;
  }
  result.usable = std::isfinite(result.value);
  return result;
}

} // namespace vmodel::runtime
