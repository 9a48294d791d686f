// The surrogate bound of semi-implicit variational inference (Yin and Zhou 2018).
#pragma once

#include "runtime/objectives/block_sums.h"
#include "runtime/objectives/lane_blocks.h"
#include "runtime/objectives/mixture_density.h"
#include "runtime/objectives/objective.h"
#include "runtime/objectives/thread_pool.h"

#include <memory>
#include <vector>

namespace vmodel::runtime {

// E[log p(z) - log 1/(K+1) (q(z | e_0) + ... + q(z | e_K))], where z is drawn given e_0 and all e_k come from the
// distribution of what is mixed over, which must not depend on what is learned. A lower bound of the ELBO for every K.
// The gradient is that of the estimate itself: by the draws and by what is learned in each density. Samples are drawn
// twice, for their weights and for the derivative, so that memory does not grow with what is learned times their
// number.
class SurrogateBound final : public Objective {
public:
  // `samples`: K.
  SurrogateBound(const PreparedModel& model, const Family& family, int64_t particles, int64_t samples,
                 ThreadPool& pool);
  ~SurrogateBound() override;

  int64_t size() const override { return size_; }
  // label_size: how many of the K + 1 count, a mean over particles.
  Evaluation evaluate(const double* phi, const vmodel_random& random, double* gradient) override;
  ParticleRecord last() const override;

private:
  struct Worker;

  void run_block(Worker& worker, int64_t block, const vmodel_random& random, double* sums);

  int64_t size_, dimension_;
  LaneBlocks blocks_;
  InnerSampling inner_;
  int64_t evaluation_ = 0;
  ThreadPool& pool_;
  AlignedVector<double> phi_;
  std::vector<std::unique_ptr<Worker>> workers_;
  // Of every particle of the last evaluation.
  std::vector<double> log_p_, log_q_, effective_, z_, score_;
  BlockSums sums_;
};

} // namespace vmodel::runtime
