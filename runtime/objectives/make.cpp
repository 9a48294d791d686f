#include "runtime/objectives/make.h"

#include "runtime/objectives/elbo.h"
#include "runtime/objectives/posterior_score.h"
#include "runtime/objectives/renyi_bound.h"
#include "runtime/objectives/semi_implicit.h"
#include "runtime/objectives/surrogate_bound.h"
#include "runtime/objectives/weighted_score.h"

namespace vmodel::runtime {

unsigned ObjectiveSettings::needs() const {
  return objective_needs(row(), estimator == EstimatorChoice::stl    ? "stl"
                                : estimator == EstimatorChoice::dreg ? "dreg"
                                                                     : "");
}

InnerSampling ObjectiveSettings::inner_sampling() const {
  InnerSampling result;
  result.proposal = proposal;
  result.samples = inner * batches;
  result.prior_share = prior_share;
  // The score by draws of what is mixed over is that of log q, in expectation, with the value that the particle came
  // from; by the proposal, which is given the particle, without it.
  result.own = proposal == InnerSampling::Proposal::prior;
  return result;
}

int64_t ObjectiveSettings::inner_evaluations() const {
  return method() == ObjectiveMethod::posterior_score ? (burn_in + inner) * leapfrogs : inner_sampling().samples;
}

unsigned missing_needs(const PreparedModel& model, const Family& family, unsigned needs) {
  unsigned missing = 0;
  const auto look = [&](ObjectiveNeed need, const char* kernel) {
    if ((needs & need) != 0 && model.compiled().find(family.name + kernel, model.lanes()) == nullptr)
      missing |= need;
  };
  look(need_pathwise, ".pathwise");
  look(need_score, ".score");
  look(need_density_gradient, ".log_density_gradient");
  look(need_mix_gradient, ".by_mix");
  look(need_proposal_gradient, ".proposal.by_point");
  missing |= needs & (family.mixture ? need_density : need_mixture);
  if (family.mixture && !family.can("fixed_mix"))
    missing |= needs & need_fixed_mix;
  return missing;
}

std::unique_ptr<Objective> make_objective(const PreparedModel& model, const Family& family,
                                          const ObjectiveSettings& settings, ThreadPool& pool) {
  const int64_t particles = settings.particles > 0 ? settings.particles : model.lanes();
  switch (settings.method()) {
  case ObjectiveMethod::elbo:
    return std::make_unique<Elbo>(model, family, particles,
                                  settings.estimator == EstimatorChoice::stl ? Estimator::stl : Estimator::total, pool);
  case ObjectiveMethod::softcvi:
  case ObjectiveMethod::snis_forward_kl: {
    Labelling labelling;
    labelling.kind =
        settings.method() == ObjectiveMethod::softcvi ? Labelling::Kind::softcvi : Labelling::Kind::forward_kl;
    labelling.alpha = settings.alpha;
    labelling.negative = settings.negative;
    labelling.low_variance = settings.low_variance;
    return std::make_unique<WeightedScore>(model, family, particles, labelling, pool);
  }
  case ObjectiveMethod::renyi:
    return std::make_unique<RenyiBound>(model, family, particles, settings.alpha,
                                        settings.estimator == EstimatorChoice::dreg, pool);
  case ObjectiveMethod::semi_implicit:
    return std::make_unique<SemiImplicit>(model, family, particles, settings.inner_sampling(), pool);
  case ObjectiveMethod::surrogate_bound:
    return std::make_unique<SurrogateBound>(model, family, particles, settings.inner, settings.proposal, pool);
  case ObjectiveMethod::posterior_score:
    return std::make_unique<PosteriorScore>(model, family, particles,
                                            ChainSettings{settings.burn_in, settings.inner, settings.leapfrogs}, pool);
  }
  return nullptr;
}

} // namespace vmodel::runtime
