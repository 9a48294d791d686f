#include "runtime/objectives/posterior_score.h"

#include "runtime/random/philox.h"

#include <algorithm>
#include <cmath>

namespace vmodel::runtime {
namespace {

constexpr double first_step_size = 0.2, least_step_size = 1e-3, greatest_step_size = 2;
// What is accepted in the end, and the share of the difference by which the logarithm of the step size moves.
constexpr double wanted_acceptance = 0.9, adaptation = 0.1;
// Steps are this much shorter or longer, at random, so that no orbit closes.
constexpr double jitter = 0.2;
// No site of a model or family has this number.
constexpr uint32_t site = 0xFFFE;

} // namespace

PosteriorScore::PosteriorScore(const PreparedModel& model, const Family& family, int64_t particles,
                               const ChainSettings& chain, ThreadPool& pool)
    : MixtureObjective(model, family, particles, {}, pool), chain_(chain), mixed_(model.size(family.mixture->size)),
      step_size_(first_step_size), chains_(workers_.size()) {
  const size_t w = static_cast<size_t>(lanes_), size = static_cast<size_t>(mixed_ + 1) * w;
  for (size_t i = 0; i < workers_.size(); ++i) {
    Chain& c = chains_[i];
    for (auto* array : {&c.mix, &c.kept, &c.momentum, &c.gradient, &c.kept_gradient})
      array->resize(size);
    for (auto* array : {&c.log_joint, &c.log_mix, &c.kept_log_joint, &c.energy, &c.step})
      array->resize(w);
    c.joint = model.call(family.name + ".by_mix", model.lanes(),
                         {{"phi", phi_.data()},
                          {"z", workers_[i]->z.data()},
                          {"mix", c.mix.data()},
                          {"log_q", c.log_joint.data()},
                          {"log_mix", c.log_mix.data()},
                          {"gradient", c.gradient.data()}});
  }
}

void PosteriorScore::transition(Chain& c, const vmodel_random& random, int64_t number, double* accepted) {
  const size_t lanes = static_cast<size_t>(lanes_), count = static_cast<size_t>(mixed_);
  // Two elements share a block of random bits, of which a normal number takes all: uniform ones have one of their own.
  const size_t uniform = (count + 1) / 2 * 2;
  const auto address = [&](size_t lane, size_t element) {
    return RandomAddress{random.seed,
                         random.stream,
                         random.step,
                         random.first_particle + static_cast<uint32_t>(lane),
                         site,
                         0,
                         static_cast<uint32_t>(static_cast<size_t>(number) * (uniform + 2) + element)};
  };
  c.kept = c.mix;
  c.kept_gradient = c.gradient;
  c.kept_log_joint = c.log_joint;
  for (size_t l = 0; l < lanes; ++l) {
    c.energy[l] = -c.log_joint[l];
    c.step[l] = step_size_ * (1 - jitter + 2 * jitter * uniform_at(address(l, uniform)));
  }
  for (size_t i = 0; i < count; ++i) {
    for (size_t l = 0; l < lanes; ++l) {
      double& p = c.momentum[i * lanes + l];
      p = normal_at(address(l, i));
      c.energy[l] += 0.5 * p * p;
      p += 0.5 * c.step[l] * c.gradient[i * lanes + l];
    }
  }
  for (int64_t k = 1; k <= chain_.leapfrogs; ++k) {
    for (size_t i = 0; i < count; ++i) {
      for (size_t l = 0; l < lanes; ++l)
        c.mix[i * lanes + l] += c.step[l] * c.momentum[i * lanes + l];
    }
    c.joint();
    const double share = k < chain_.leapfrogs ? 1 : 0.5;
    for (size_t i = 0; i < count; ++i) {
      for (size_t l = 0; l < lanes; ++l)
        c.momentum[i * lanes + l] += share * c.step[l] * c.gradient[i * lanes + l];
    }
  }
  for (size_t l = 0; l < lanes; ++l) {
    double gain = c.energy[l] + c.log_joint[l];
    for (size_t i = 0; i < count; ++i)
      gain -= 0.5 * c.momentum[i * lanes + l] * c.momentum[i * lanes + l];
    // Not where it is no number.
    if (std::log(uniform_at(address(l, uniform + 1))) < gain) {
      accepted[l] += 1;
      continue;
    }
    for (size_t i = 0; i < count; ++i) {
      c.mix[i * lanes + l] = c.kept[i * lanes + l];
      c.gradient[i * lanes + l] = c.kept_gradient[i * lanes + l];
    }
    c.log_joint[l] = c.kept_log_joint[l];
  }
}

void PosteriorScore::run_chain(Worker& k, Chain& c, int64_t block, const vmodel_random& random) {
  std::copy_n(k.mix.begin(), mixed_ * lanes_, c.mix.begin());
  c.joint();
  double* log_q = log_q_.data() + block * lanes_;
  double* accepted = effective_.data() + block * lanes_;
  for (int64_t l = 0; l < lanes_; ++l)
    log_q[l] = c.log_joint[static_cast<size_t>(l)] - c.log_mix[static_cast<size_t>(l)];
  k.mixture->begin();
  std::fill_n(accepted, lanes_, 0.0);
  for (int64_t t = 0; t < chain_.burn_in + chain_.samples; ++t) {
    if (t == chain_.burn_in)
      std::fill_n(accepted, lanes_, 0.0);
    transition(c, random, t, accepted);
    if (t >= chain_.burn_in)
      k.mixture->add(c.mix.data());
  }
  k.mixture->finish();
}

Evaluation PosteriorScore::evaluate(const double* phi, const vmodel_random& base, double* gradient) {
  const Evaluation result = run(phi, gradient, [&](int number, int64_t block, double* sums) {
    Worker& k = *workers_[static_cast<size_t>(number)];
    const vmodel_random random = blocks_.random(base, block);
    k.draw(random);
    k.density(random);
    prepare(k);
    run_chain(k, chains_[static_cast<size_t>(number)], block, random);
    record(k, block, sums);
    const int64_t count = blocks_.active(block);
    add_path(k, block, random, sums, [&](int64_t lane) { return lane < count; });
  });
  const double accepted = result.label_size / static_cast<double>(chain_.samples);
  if (std::isfinite(accepted))
    step_size_ = std::clamp(step_size_ * std::exp(adaptation * (accepted - wanted_acceptance)), least_step_size,
                            greatest_step_size);
  return result;
}

} // namespace vmodel::runtime
