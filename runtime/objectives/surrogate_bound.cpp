#include "runtime/objectives/surrogate_bound.h"

#include <cmath>

namespace vmodel::runtime {
namespace {

InnerSampling with_own(int64_t samples) {
  InnerSampling result;
  result.proposal = InnerSampling::Proposal::prior;
  result.samples = samples + 1;
  result.own = true;
  return result;
}

} // namespace

SurrogateBound::SurrogateBound(const PreparedModel& model, const Family& family, int64_t particles, int64_t samples,
                               ThreadPool& pool)
    : MixtureObjective(model, family, particles, with_own(samples), pool), reverses_(workers_.size()) {
  const size_t w = static_cast<size_t>(lanes_);
  for (size_t i = 0; i < workers_.size(); ++i) {
    Worker& k = *workers_[i];
    Reverse& r = reverses_[i];
    for (auto* array : {&r.weight, &r.log_joint, &r.log_mix})
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
  }
}

bool SurrogateBound::counts(int64_t block, int64_t lane) const {
  const size_t at = static_cast<size_t>(block * lanes_ + lane);
  return lane < blocks_.active(block) && std::isfinite(power_ * log_p_[at] - log_q_[at]);
}

void SurrogateBound::add_densities(Worker& k, Reverse& r, int64_t block, const vmodel_random& random, double* sums) {
  const StreamedMean& q = k.mixture->result();
  k.mixture->replay(inner_, random, blocks_.count() * lanes_, k.mix.data(), [&](int64_t sample) {
    for (int64_t l = 0; l < lanes_; ++l) {
      const double share = std::exp(r.terms[static_cast<size_t>(sample * lanes_ + l)] - q.log_mean(l));
      r.weight[static_cast<size_t>(l)] = counts(block, l) ? -share / static_cast<double>(inner_.samples) : 0;
    }
    r.score();
    add(k.d_phi.data(), sums, static_cast<size_t>(size_));
  });
}

Evaluation SurrogateBound::evaluate(const double* phi, const vmodel_random& base, double* gradient) {
  return run(phi, gradient, [&](int number, int64_t block, double* sums) {
    Worker& k = *workers_[static_cast<size_t>(number)];
    Reverse& r = reverses_[static_cast<size_t>(number)];
    const vmodel_random random = blocks_.random(base, block);
    k.draw(random);
    k.density(random);
    r.terms.clear();
    sample(k, block, random, sums, &r.terms);
    add_path(k, block, random, sums, [&](int64_t lane) { return counts(block, lane); });
    add_densities(k, r, block, random, sums);
  });
}

} // namespace vmodel::runtime
