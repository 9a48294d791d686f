// What objectives have in common in which particles compete: all are drawn and weighed, then each block goes backwards.
#pragma once

#include "runtime/math/arrays.h"
#include "runtime/objectives/block_sums.h"
#include "runtime/objectives/particle_blocks.h"
#include "runtime/objectives/weights.h"

#include <algorithm>
#include <cmath>

namespace vmodel::runtime {

class CompetingObjective : public Objective {
public:
  int64_t size() const override { return size_; }
  void temper(double power) override { blocks_.temper(power); }

protected:
  CompetingObjective(const PreparedModel& model, const Family& family, int64_t particles,
                     ParticleBlocks::Gradient gradient, ThreadPool& pool)
      : size_(model.size(family.phi)), pool_(pool), blocks_(model, family, particles, gradient, pool),
        sums_(blocks_.blocks(), blocks_.blocks() > 1 ? size_ : 0) {}

  // The evaluation with this value, and as gradient sign times the sum over blocks of what backward(block, worker)
  // gives: the derivative by phi of a kernel. Weights that are not defined leave a gradient of NaN, and nothing is run.
  template <typename Backward>
  Evaluation collect(const Weighing& w, double value, double sign, double* gradient, const Backward& backward) {
    Evaluation result;
    result.value = value;
    result.not_finite = w.not_finite;
    result.impossible = w.impossible;
    result.usable = w.defined;
    result.label_size = w.label_size;
    result.guide_size = w.guide_size;
    if (!w.defined) {
      std::fill(gradient, gradient + size_, NAN);
      return result;
    }
    const size_t size = static_cast<size_t>(size_);
    // A single block is its own sum.
    const double* sums =
        blocks_.blocks() == 1 ? backward(0, 0).data() : sums_.run(pool_, [&](int64_t block, int worker, double* chunk) {
          add(backward(block, worker).data(), chunk, size);
        });
    result.usable = scale(sign, sums, gradient, size) && result.usable;
    return result;
  }

  const int64_t size_;
  ThreadPool& pool_;
  ParticleBlocks blocks_;

private:
  BlockSums sums_;
};

} // namespace vmodel::runtime
