// Semi-implicit variational inference: the reverse KL divergence of a family whose density is an integral.
#pragma once

#include "runtime/objectives/mixture_objective.h"

#include <memory>
#include <vector>

namespace vmodel::runtime {

// E_q[log p(z) - log q(z)] with K particles, and its gradient by the path alone: the derivative of draws, weighted by
// grad log p(z) - grad log q(z), where the score of q is estimated (MixtureDensity) and constant. AISIVI samples what
// is mixed over from the learned proposal (Pielok, Bischl and Rügamer 2025, algorithm 2), BSIVI from the prior, with
// the value by which the particle was drawn (there, section 3).
class SemiImplicit final : public MixtureObjective {
public:
  SemiImplicit(const PreparedModel& model, const Family& family, int64_t particles, const InnerSampling& inner,
               ThreadPool& pool);

  Evaluation evaluate(const double* phi, const vmodel_random& random, double* gradient) override;
  // The value alone. `terms`, where given, gets each particle's contribution.
  Evaluation value(const double* phi, const vmodel_random& random, std::vector<double>* terms = nullptr);

private:
  std::vector<KernelCall> densities_; // without gradients, by worker
};

// Learns the proposal of what a semi-implicit family mixes over: maximum likelihood of pairs (e, z) that the family
// draws.
class ProposalScore {
public:
  ProposalScore(const PreparedModel& model, const Family& family, int64_t particles, ThreadPool& pool);
  ~ProposalScore();

  // Where in phi begins what is learned, and how much it is.
  int64_t offset() const { return offset_; }
  int64_t size() const { return size_ - offset_; }
  // The mean of log t(e | z), and its gradient, size() numbers. NaN where a particle is not finite.
  double evaluate(const double* phi, const vmodel_random& random, double* gradient);

private:
  struct Worker;

  int64_t size_, offset_;
  LaneBlocks blocks_;
  int64_t evaluation_ = 0;
  ThreadPool& pool_;
  AlignedVector<double> phi_;
  std::vector<std::unique_ptr<Worker>> workers_;
  BlockSums sums_;
};

} // namespace vmodel::runtime
