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
        sums_(blocks_.blocks(), size_) {}

  // The evaluation with this value, and sign times the sums of what add(block, worker, sums) adds as gradient. Weights
  // that are not defined leave a gradient of NaN, and nothing is added.
  template <typename Add>
  Evaluation collect(const Weighing& w, double value, double sign, double* gradient, const Add& add) {
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
    const double* sums = sums_.run(pool_, add);
    result.usable = scale(sign, sums, gradient, static_cast<size_t>(size_)) && result.usable;
    return result;
  }

  // Adds what a kernel gave by phi to the sums.
  void add_to(double* sums, const AlignedVector<double>& d_phi) const {
    add(d_phi.data(), sums, static_cast<size_t>(size_));
  }

  const int64_t size_;
  ThreadPool& pool_;
  ParticleBlocks blocks_;

private:
  BlockSums sums_;
};

} // namespace vmodel::runtime
