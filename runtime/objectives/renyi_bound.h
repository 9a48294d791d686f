// The variational Renyi bound with pathwise gradients; among its orders are the importance weighted bound (0) and the
// chi-square upper bound (-1).
#pragma once

#include "runtime/objectives/competing_objective.h"

#include <memory>
#include <vector>

namespace vmodel::runtime {

// log mean_k exp(n r_k) / n with n = 1 - alpha and r = log p - log q (Li and Turner 2016, equation 9). For alpha >= 0 a
// lower bound of the evidence (in expectation, up to the bias of K particles) that is maximised, for alpha < 0 an upper
// bound that is minimised.
//   total: sum_k v_k d r_k, v = softmax(n r), through draws and parameters.
//   doubly reparameterised: the term of the score is rewritten as a path derivative again (Tucker, Lawson, Gu and
//     Maddison 2019, who give n = 1): E[v_k grad log q_k] = E[n v_k (1 - v_k) path_k], so that
//     sum_k ((1 - n) v_k + n v_k^2) path_k, path_k being the derivative of r_k through the draw alone. It has no
//     variance where q is the posterior.
class RenyiBound final : public CompetingObjective {
public:
  RenyiBound(const PreparedModel& model, const Family& family, int64_t particles, double alpha,
             bool doubly_reparameterised, ThreadPool& pool);

  bool minimised() const override { return alpha_ < 0; }
  Evaluation evaluate(const double* phi, const vmodel_random& random, double* gradient) override;
  ParticleRecord last() const override;

private:
  struct Reverse {
    AlignedVector<double> d_log_q, d_entropy, d_phi;
    KernelCall pathwise;
  };

  const AlignedVector<double>& backward(int64_t block, int number);

  int64_t dimension_;
  double alpha_;
  bool doubly_;
  std::vector<double> weight_;
  std::vector<std::unique_ptr<Reverse>> reverse_;
};

} // namespace vmodel::runtime
