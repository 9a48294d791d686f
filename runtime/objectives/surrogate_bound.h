// The surrogate bound of semi-implicit variational inference (Yin and Zhou 2018).
#pragma once

#include "runtime/objectives/mixture_objective.h"

#include <vector>

namespace vmodel::runtime {

// E[log p(z) - log 1/(K+1) (q(z | e_0) + ... + q(z | e_K))], where z is drawn given e_0 and all e_k come from the
// distribution of what is mixed over, which must not depend on what is learned. A lower bound of the ELBO for every K.
// The gradient is that of the estimate itself: by the draws and by what is learned in each density. Samples are drawn
// twice, for their weights and for the derivative, so that memory does not grow with what is learned times their
// number.
class SurrogateBound final : public MixtureObjective {
public:
  // `samples`: K.
  SurrogateBound(const PreparedModel& model, const Family& family, int64_t particles, int64_t samples,
                 ThreadPool& pool);

  Evaluation evaluate(const double* phi, const vmodel_random& random, double* gradient) override;

private:
  // The derivative of the densities of a worker's particles by what is learned.
  struct Reverse {
    AlignedVector<double> weight, log_joint, log_mix;
    std::vector<double> terms; // log q(z | e_k), [sample][lane]
    KernelCall score;
  };

  void add_densities(Worker& worker, Reverse& reverse, int64_t block, const vmodel_random& random, double* sums);
  // Whether a particle's value is finite.
  bool counts(int64_t block, int64_t lane) const;

  std::vector<Reverse> reverses_;
};

} // namespace vmodel::runtime
