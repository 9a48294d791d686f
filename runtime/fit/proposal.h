// Learns the proposal of a semi-implicit family beside the family.
#pragma once

#include "runtime/fit/context.h"
#include "runtime/objectives/semi_implicit.h"
#include "runtime/optimizers/adam.h"

#include <vector>

namespace vmodel::runtime {

// Adam on the likelihood of pairs of what is mixed over and what is drawn, at a fixed family.
class ProposalLearner {
public:
  explicit ProposalLearner(FitContext& fit);

  // One step in the proposal's part of phi, at `share` of the settings' rate. Steps that are not finite are left out.
  void step(std::vector<double>& phi, const vmodel_random& random, double share);
  // The proposal's part.
  void copy(const std::vector<double>& from, std::vector<double>& to) const;

private:
  ProposalScore score_;
  Adam adam_;
  double rate_;
  std::vector<double> gradient_;
};

// Fits the proposal at the family of state.phi, by which its densities are estimated from then on.
void refine_proposal(FitContext& fit);

} // namespace vmodel::runtime
