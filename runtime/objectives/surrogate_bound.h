// Surrogate bounds of semi-implicit variational inference (Yin and Zhou 2018; Sobolev and Vetrov 2019).
#pragma once

#include "runtime/objectives/mixture_objective.h"

#include <vector>

namespace vmodel::runtime {

// E[log p(z) - log 1/(K+1) (w_0 + ... + w_K)], w_k = q(z, e_k) / t(e_k | z), where z is drawn given e_0, which comes
// from the distribution of what is mixed over; this must not depend on what is learned. A lower bound of the ELBO for
// every K and t. SIVI has that distribution as t, and e_1 to e_K from it; IWHVI the learned proposal (the reverse
// model). The gradient is that of the mean of the estimate, by the draws and by what is learned in each density; t as a
// function of e and z is held fixed, since it is learned otherwise. Samples are drawn twice, for their weights and for
// derivatives, so that memory does not grow with what is learned times their number.
class SurrogateBound final : public MixtureObjective {
public:
  // `samples`: K.
  SurrogateBound(const PreparedModel& model, const Family& family, int64_t particles, int64_t samples,
                 InnerSampling::Proposal proposal, ThreadPool& pool);

  Evaluation evaluate(const double* phi, const vmodel_random& random, double* gradient) override;

private:
  // The derivatives of the densities of a worker's particles.
  struct Reverse {
    AlignedVector<double> weight, log_joint, log_mix;
    std::vector<double> terms; // log w_k, [sample][lane]
    KernelCall score;
    // Of a learned proposal: its density by the point, and what all samples make of it, both [coordinate][lane].
    AlignedVector<double> log_proposal, by_point, path, d_theta;
    StagedKernel proposal;
    KernelCall proposal_gradient;
  };

  void add_densities(Worker& worker, Reverse& reverse, int64_t block, const vmodel_random& random, double* sums);
  void add_proposal(Reverse& reverse, int64_t block, int64_t sample);
  // Whether a particle's value is finite.
  bool counts(int64_t block, int64_t lane) const;
  // w_k / sum w, and the logarithm of what is left without it.
  double share(const Reverse& reverse, int64_t block, int64_t sample, int64_t lane) const;
  double log_rest(const Reverse& reverse, int64_t block, int64_t sample, int64_t lane) const;

  bool learned_;
  std::vector<Reverse> reverses_;
};

} // namespace vmodel::runtime
