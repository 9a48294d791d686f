#include "runtime/objectives/surrogate_bound.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace vmodel::runtime {
namespace {

InnerSampling with_own(int64_t samples, InnerSampling::Proposal proposal) {
  InnerSampling result;
  result.proposal = proposal;
  result.prior_share = 0;
  result.samples = samples + 1;
  result.own = true;
  return result;
}

} // namespace

SurrogateBound::SurrogateBound(const PreparedModel& model, const Family& family, int64_t particles, int64_t samples,
                               InnerSampling::Proposal proposal, ThreadPool& pool)
    : MixtureObjective(model, family, particles, with_own(samples, proposal), pool),
      learned_(proposal == InnerSampling::Proposal::learned), reverses_(workers_.size()) {
  const size_t w = static_cast<size_t>(lanes_), d = static_cast<size_t>(dimension_ + 1) * w;
  for (size_t i = 0; i < workers_.size(); ++i) {
    Worker& k = *workers_[i];
    Reverse& r = reverses_[i];
    for (auto* array : {&r.weight, &r.log_joint, &r.log_mix, &r.log_proposal})
      array->resize(w);
    r.terms.reserve(static_cast<size_t>(inner_.samples) * w);
    // Of the density of z together with a sample, whose own does not depend on phi.
    r.score = model.call(family.name + ".score", model.lanes(),
                         {{"phi", phi_.data()},
                          {"z", k.z.data()},
                          {"mix", k.mixture->sample()},
                          {"weight", r.weight.data()},
                          {"log_q", r.log_joint.data()},
                          {"log_mix", r.log_mix.data()},
                          {"d_phi", k.d_phi.data()}});
    if (!learned_)
      continue;
    for (auto* array : {&r.by_point, &r.path})
      array->resize(d);
    r.d_theta.resize(static_cast<size_t>(size_ + 1));
    // Of the derivatives by theta only the stage is used.
    r.proposal = StagedKernel(model, family.name + ".proposal.score",
                              {{"phi", phi_.data()},
                               {"theta", phi_.data()},
                               {"z", k.z.data()},
                               {"mix", k.mixture->sample()},
                               {"weight", r.weight.data()},
                               {"log_q", r.log_proposal.data()},
                               {"d_theta", r.d_theta.data()}});
    r.proposal_gradient =
        r.proposal.other(model, family.name + ".proposal.by_point", {{"gradient", r.by_point.data()}});
  }
}

bool SurrogateBound::counts(int64_t block, int64_t lane) const {
  const size_t at = static_cast<size_t>(block * lanes_ + lane);
  return lane < blocks_.active(block) && std::isfinite(power_ * log_p_[at] - log_q_[at]);
}

double SurrogateBound::share(const Reverse& r, int64_t block, int64_t sample, int64_t lane) const {
  const double log_mean = log_q_[static_cast<size_t>(block * lanes_ + lane)];
  return std::exp(r.terms[static_cast<size_t>(sample * lanes_ + lane)] - log_mean) /
         static_cast<double>(inner_.samples);
}

double SurrogateBound::log_rest(const Reverse& r, int64_t block, int64_t sample, int64_t lane) const {
  const double of_sample = share(r, block, sample, lane);
  if (of_sample < 0.5)
    return std::log1p(-of_sample);
  // Where one sample outweighs all others, their sum would be lost in a difference from 1.
  double rest = 0;
  for (int64_t j = 0; j < inner_.samples; ++j)
    rest += j == sample ? 0 : share(r, block, j, lane);
  return std::log(std::max(rest, std::numeric_limits<double>::min()));
}

void SurrogateBound::add_densities(Worker& k, Reverse& r, int64_t block, const vmodel_random& random, double* sums) {
  std::fill(r.path.begin(), r.path.end(), 0.0);
  k.mixture->replay(inner_, random, blocks_.count() * lanes_, k.mix.data(), [&](int64_t sample) {
    for (int64_t l = 0; l < lanes_; ++l)
      r.weight[static_cast<size_t>(l)] = counts(block, l) ? -share(r, block, sample, l) : 0;
    r.score();
    add(k.d_phi.data(), sums, static_cast<size_t>(size_));
    if (learned_)
      add_proposal(r, block, sample);
  });
}

// With F = log mean w, by z: of log t(e_k | z) in each weight, and of the distribution of e_1 to e_K by its score,
// whose factor F may be less any number that does not depend on e_k: log of the mean of the other weights (Mnih and
// Rezende 2016). What is left, -(v + log(1 - v)) of a share v, is of the order of its square.
void SurrogateBound::add_proposal(Reverse& r, int64_t block, int64_t sample) {
  r.proposal_gradient();
  for (int64_t l = 0; l < lanes_; ++l) {
    if (!counts(block, l))
      continue;
    const double own = share(r, block, sample, l), factor = sample == 0 ? own : own + log_rest(r, block, sample, l);
    for (int64_t i = 0; i < dimension_; ++i) {
      const size_t at = static_cast<size_t>(i * lanes_ + l);
      r.path[at] += factor == 0 ? 0 : factor * r.by_point[at];
    }
  }
}

Evaluation SurrogateBound::evaluate(const double* phi, const vmodel_random& base, double* gradient) {
  return run(phi, gradient, [&](int number, int64_t block, double* sums) {
    Worker& k = *workers_[static_cast<size_t>(number)];
    Reverse& r = reverses_[static_cast<size_t>(number)];
    const vmodel_random random = blocks_.random(base, block);
    k.draw(random);
    k.density(random);
    if (prepare(k) && learned_)
      r.proposal.step();
    r.terms.clear();
    sample(k, block, random, sums, &r.terms);
    add_densities(k, r, block, random, sums);
    add_path(
        k, block, random, sums, [&](int64_t lane) { return counts(block, lane); }, learned_ ? r.path.data() : nullptr);
  });
}

} // namespace vmodel::runtime
