#include "runtime/fit/proposal.h"

#include <algorithm>
#include <cmath>

namespace vmodel::runtime {
namespace {

// Of the proposal for the result.
constexpr int64_t refining_steps = 1000;
constexpr double longest_gradient = 10;

} // namespace

ProposalLearner::ProposalLearner(FitContext& fit)
    : score_(fit.model, fit.family, std::max<int64_t>(fit.settings.objective.particles, fit.model.lanes()), fit.pool),
      adam_(static_cast<size_t>(score_.size()), AdamSettings{.clip = longest_gradient}),
      rate_(fit.settings.objective.proposal_rate), gradient_(static_cast<size_t>(score_.size())) {}

void ProposalLearner::step(std::vector<double>& phi, const vmodel_random& random, double share) {
  double* learned = phi.data() + score_.offset();
  if (std::isfinite(score_.evaluate(phi.data(), random, gradient_.data())))
    adam_.step(learned, gradient_.data(), share * rate_, learned);
}

void ProposalLearner::copy(const std::vector<double>& from, std::vector<double>& to) const {
  const auto first = from.begin() + static_cast<long>(score_.offset());
  std::copy_n(first, score_.size(), to.begin() + static_cast<long>(score_.offset()));
}

void refine_proposal(FitContext& fit) {
  fit.begin("proposal");
  ProposalLearner learner(fit);
  RateSchedule schedule;
  for (int64_t i = 0; i < refining_steps; ++i) {
    fit.alive();
    learner.step(fit.state.phi, fit.random(step_of_proposal + 0x800000 + static_cast<uint32_t>(i)),
                 schedule.at(i, refining_steps) / schedule.rate);
  }
}

} // namespace vmodel::runtime
