// Unbiased implicit variational inference (Titsias and Ruiz 2019).
#pragma once

#include "runtime/objectives/mixture_objective.h"

#include <vector>

namespace vmodel::runtime {

// How what is mixed over is drawn given a point: Hamiltonian Monte Carlo from the value by which the point was drawn.
struct ChainSettings {
  int64_t burn_in = 5, samples = 5; // transitions before those that count, and these
  int64_t leapfrogs = 5;            // steps of a transition
};

// The path gradient of KL(q || p) with grad log q(z) = E[grad_z log q(z, e)], e from q(e | z). Transitions leave q(e |
// z) as it is, and the value by which z was drawn is from it: every state is, so that the score has no bias at a given
// z; transitions before take away that it depends on this value, by which the path is weighted. Steps have one size, by
// what was accepted in earlier evaluations, so that it knows nothing of the states. The value is the mean of
// log p(z) - log q(z | e), which is below the ELBO.
class PosteriorScore final : public MixtureObjective {
public:
  PosteriorScore(const PreparedModel& model, const Family& family, int64_t particles, const ChainSettings& chain,
                 ThreadPool& pool);

  Evaluation evaluate(const double* phi, const vmodel_random& random, double* gradient) override;

private:
  // A chain in every lane; arrays are [coordinate][lane].
  struct Chain {
    AlignedVector<double> mix, kept, momentum, gradient, kept_gradient; // `mix`, `gradient`: of the kernel
    AlignedVector<double> log_joint, log_mix, kept_log_joint, energy, step;
    KernelCall joint; // with its gradient by `mix`
  };

  void run_chain(Worker& worker, Chain& chain, int64_t block, const vmodel_random& random);
  // One transition of all lanes; adds to accepted[lane].
  void transition(Chain& chain, const vmodel_random& random, int64_t number, double* accepted);

  ChainSettings chain_;
  int64_t mixed_; // coordinates of what is mixed over
  double step_size_;
  std::vector<Chain> chains_;
};

} // namespace vmodel::runtime
