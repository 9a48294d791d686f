// What objectives have in common whose family has a density that is an integral: particles, and for each of them inner
// samples.
#pragma once

#include "runtime/math/arrays.h"
#include "runtime/objectives/block_sums.h"
#include "runtime/objectives/lane_blocks.h"
#include "runtime/objectives/mixture_density.h"
#include "runtime/objectives/objective.h"
#include "runtime/objectives/thread_pool.h"

#include <algorithm>
#include <memory>
#include <vector>

namespace vmodel::runtime {

class MixtureObjective : public Objective {
public:
  int64_t size() const override { return size_; }
  ParticleRecord last() const override;

protected:
  // What a thread computes in.
  struct Worker {
    // `gradient` is by z, of the model's density first, then the weights of the path derivative.
    AlignedVector<double> z, mix, log_q, entropy, value, jacobian, gradient, zero, d_phi;
    FamilyDraw draw;
    KernelCall density, pathwise;
    std::unique_ptr<MixtureDensity> mixture;
    int64_t evaluation = 0; // for which the mixture knows phi
  };

  MixtureObjective(const PreparedModel& model, const Family& family, int64_t particles, const InnerSampling& inner,
                   ThreadPool& pool);

  // The mean over particles of what work(number of the worker, block, sums) adds; label_size: how many of the inner
  // samples count. `gradient` may be null.
  template <typename Work>
  Evaluation run(const double* phi, double* gradient, const Work& work) {
    std::copy(phi, phi + size_, phi_.begin());
    ++evaluation_;
    const double* sums = sums_.run(pool_, [&](int64_t block, int number, double* into) { work(number, block, into); });
    Evaluation result = mean_over_particles(sums, size_, blocks_.particles, gradient);
    result.label_size = sums[size_ + 3] / static_cast<double>(blocks_.particles);
    return result;
  }

  // Lets the worker's mixture know phi, once an evaluation. False: it did.
  bool prepare(Worker& worker);
  // The inner samples of a block whose particles and log p are there, what they make of the value, and the records.
  // `terms`: as in MixtureDensity::estimate.
  void sample(Worker& worker, int64_t block, const vmodel_random& random, double* sums,
              std::vector<double>* terms = nullptr);

  // What log p, log q and the effective sizes of a block, and its score, make of the value, and the records.
  void record(Worker& worker, int64_t block, double* sums);

  // After `record` adds the derivative of draws, weighted by grad log p - grad log q, of the lanes for which
  // follows(lane). `more`, where given, is added to these weights, [coordinate][lane].
  template <typename Follows>
  void add_path(Worker& worker, int64_t block, const vmodel_random& random, double* sums, const Follows& follows,
                const double* more = nullptr) {
    const double* score = score_.data() + block * lanes_ * dimension_;
    for (int64_t i = 0; i < dimension_; ++i) {
      double* by_z = worker.gradient.data() + i * lanes_;
      for (int64_t l = 0; l < lanes_; ++l)
        by_z[l] = follows(l) ? power_ * by_z[l] - score[i * lanes_ + l] : 0.0;
      for (int64_t l = 0; more != nullptr && l < lanes_; ++l)
        by_z[l] += more[i * lanes_ + l];
    }
    worker.pathwise(random);
    add(worker.d_phi.data(), sums, static_cast<size_t>(size_));
  }

  int64_t size_, dimension_;
  LaneBlocks blocks_;
  int64_t lanes_;
  InnerSampling inner_;
  AlignedVector<double> phi_;
  std::vector<std::unique_ptr<Worker>> workers_;
  // Of every particle of the last evaluation.
  std::vector<double> log_p_, log_q_, effective_;

private:
  int64_t evaluation_ = 0;
  ThreadPool& pool_;
  std::vector<double> z_, score_;
  // The gradient, then value, squares, particles that are not finite, effective sizes.
  BlockSums sums_;
};

} // namespace vmodel::runtime
