// Sums over blocks of particles that do not depend on the number of threads.
#pragma once

#include "runtime/math/arrays.h"
#include "runtime/objectives/thread_pool.h"

#include <algorithm>
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

} // namespace vmodel::runtime
