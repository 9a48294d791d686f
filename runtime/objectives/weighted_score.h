// Objectives whose gradient is a weighted sum of scores: SoftCVI and the forward KL divergence. Particles are
// constants; of the model its values are enough.
#pragma once

#include "runtime/objectives/competing_objective.h"

#include <memory>
#include <vector>

namespace vmodel::runtime {

// How labels and the classifier come from log p and log q.
struct Labelling {
  enum class Kind { softcvi, forward_kl } kind = Kind::softcvi;
  double alpha = 0.75;                    // softcvi
  Negative negative = Negative::proposal; // softcvi
  bool low_variance = false;              // forward_kl
};

// Minimised; the gradient of minus the loss is sum_k (label_k - guide_k) grad log q_k. A step costs a draw and a value
// of every particle and one reverse pass of the weighted log q.
class WeightedScore final : public CompetingObjective {
public:
  WeightedScore(const PreparedModel& model, const Family& family, int64_t particles, const Labelling& labelling,
                ThreadPool& pool);

  bool minimised() const override { return true; }
  Evaluation evaluate(const double* phi, const vmodel_random& random, double* gradient) override;
  ParticleRecord last() const override;

private:
  struct Reverse {
    AlignedVector<double> weight, log_q, d_phi;
    KernelCall score;
  };

  Labelling labelling_;
  std::vector<double> label_, guide_;
  std::vector<std::unique_ptr<Reverse>> reverse_;
};

} // namespace vmodel::runtime
