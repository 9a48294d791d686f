#include "runtime/objectives/surrogate_bound.h"

#include "runtime/math/arrays.h"
#include "runtime/model/family_draw.h"

#include <algorithm>
#include <cmath>

namespace vmodel::runtime {
namespace {

constexpr int64_t extra = 4; // value, squares, particles that are not finite, effective sizes

} // namespace

struct SurrogateBound::Worker {
  // `gradient` is by z, of the model's density first, then the weights of the path derivative.
  AlignedVector<double> z, mix, log_q, entropy, value, jacobian, gradient, zero, d_phi, counts, weight, log_joint,
      log_mix;
  FamilyDraw draw;
  KernelCall density, pathwise, score;
  std::unique_ptr<MixtureDensity> mixture;
  std::vector<double> terms;
  int64_t evaluation = 0; // for which the mixture knows phi
};

SurrogateBound::SurrogateBound(const PreparedModel& model, const Family& family, int64_t particles, int64_t samples,
                               ThreadPool& pool)
    : size_(model.size(family.phi)), dimension_(model.dimension()), blocks_{particles, model.lanes()}, pool_(pool),
      phi_(static_cast<size_t>(size_ + 1)), log_p_(static_cast<size_t>(blocks_.count() * blocks_.lanes)),
      log_q_(log_p_), effective_(log_p_), z_(static_cast<size_t>(blocks_.count() * blocks_.lanes * dimension_ + 1)),
      score_(z_), sums_(blocks_.count(), size_ + extra) {
  inner_.proposal = InnerSampling::Proposal::prior;
  inner_.samples = samples + 1;
  inner_.own = true;
  const int lanes = model.lanes();
  const size_t w = static_cast<size_t>(lanes), d = static_cast<size_t>(dimension_) * w;
  for (int i = 0; i < pool.threads(); ++i) {
    auto worker = std::make_unique<Worker>();
    Worker& k = *worker;
    k.z.resize(d + w);
    k.gradient.resize(d + w);
    k.mix.resize(static_cast<size_t>(model.size(family.mixture->size) + 1) * w);
    for (auto* array :
         {&k.log_q, &k.entropy, &k.value, &k.jacobian, &k.zero, &k.counts, &k.weight, &k.log_joint, &k.log_mix})
      array->resize(w);
    k.d_phi.resize(static_cast<size_t>(size_ + 1));
    k.terms.reserve(static_cast<size_t>(inner_.samples) * w);
    k.draw = FamilyDraw(model, family, phi_.data(), k.z.data(), k.log_q.data(), k.entropy.data(), k.mix.data());
    k.density = model.call("log_density_gradient", lanes,
                           {{"z", k.z.data()},
                            {"value", k.value.data()},
                            {"jacobian", k.jacobian.data()},
                            {"gradient", k.gradient.data()}});
    k.pathwise = model.call(family.name + ".pathwise", lanes,
                            {{"phi", phi_.data()},
                             {"noise", k.draw.noise()},
                             {"d_z", k.gradient.data()},
                             {"d_log_q", k.zero.data()},
                             {"d_entropy", k.zero.data()},
                             {"d_phi", k.d_phi.data()}});
    k.mixture = std::make_unique<MixtureDensity>(model, family, phi_.data(), k.z.data());
    // Of the density of z together with a sample, whose own does not depend on phi.
    k.score = model.call(family.name + ".score", lanes,
                         {{"phi", phi_.data()},
                          {"z", k.z.data()},
                          {"mix", k.mixture->sample()},
                          {"weight", k.weight.data()},
                          {"log_q", k.log_joint.data()},
                          {"log_mix", k.log_mix.data()},
                          {"d_phi", k.d_phi.data()}});
    workers_.push_back(std::move(worker));
  }
}

SurrogateBound::~SurrogateBound() = default;

void SurrogateBound::run_block(Worker& k, int64_t block, const vmodel_random& base, double* sums) {
  const vmodel_random random = blocks_.random(base, block);
  const int64_t lanes = blocks_.lanes, count = blocks_.active(block), first = block * lanes;
  const int64_t stride = blocks_.count() * lanes;
  k.draw(random);
  k.density(random);
  k.terms.clear();
  k.mixture->estimate(inner_, random, stride, k.mix.data(), &k.terms);
  const StreamedMean& q = k.mixture->result();
  for (int64_t l = 0; l < lanes; ++l) {
    const size_t lane = static_cast<size_t>(l), at = static_cast<size_t>(first + l);
    log_p_[at] = k.value[lane] + k.jacobian[lane];
    log_q_[at] = q.log_mean(l);
    effective_[at] = q.effective(l);
    const double term = power_ * log_p_[at] - log_q_[at];
    const bool counts = l < count && std::isfinite(term);
    for (int64_t i = 0; i < dimension_; ++i) {
      double& by_z = k.gradient[static_cast<size_t>(i * lanes + l)];
      const size_t stored = static_cast<size_t>(first * dimension_ + i * lanes + l);
      z_[stored] = k.z[static_cast<size_t>(i * lanes + l)];
      score_[stored] = k.mixture->score(i, l);
      by_z = counts ? power_ * by_z - score_[stored] : 0.0;
    }
    k.counts[lane] = counts ? 1 : 0;
    if (l >= count)
      continue;
    if (!counts) {
      sums[size_ + 2] += 1;
      continue;
    }
    sums[size_] += term;
    sums[size_ + 1] += term * term;
    sums[size_ + 3] += effective_[at];
  }
  k.pathwise(random);
  add(k.d_phi.data(), sums, static_cast<size_t>(size_));
  k.mixture->replay(inner_, random, stride, k.mix.data(), [&](int64_t sample) {
    for (int64_t l = 0; l < lanes; ++l) {
      const size_t lane = static_cast<size_t>(l);
      const double share = std::exp(k.terms[static_cast<size_t>(sample * lanes + l)] - q.log_mean(l));
      k.weight[lane] = k.counts[lane] == 0 ? 0 : -share / static_cast<double>(inner_.samples);
    }
    k.score();
    add(k.d_phi.data(), sums, static_cast<size_t>(size_));
  });
}

Evaluation SurrogateBound::evaluate(const double* phi, const vmodel_random& base, double* gradient) {
  std::copy(phi, phi + size_, phi_.begin());
  ++evaluation_;
  const double* sums = sums_.run(pool_, [&](int64_t block, int number, double* into) {
    Worker& k = *workers_[static_cast<size_t>(number)];
    if (k.evaluation != evaluation_) {
      k.mixture->step();
      k.evaluation = evaluation_;
    }
    run_block(k, block, base, into);
  });
  Evaluation result = mean_over_particles(sums, size_, blocks_.particles, gradient);
  result.label_size = sums[size_ + 3] / static_cast<double>(blocks_.particles);
  return result;
}

ParticleRecord SurrogateBound::last() const {
  ParticleRecord result;
  result.count = blocks_.particles;
  result.log_p = log_p_.data();
  result.log_q = log_q_.data();
  result.inner_size = effective_.data();
  result.score = score_.data();
  result.z = z_.data();
  result.dimension = dimension_;
  result.lanes = blocks_.lanes;
  return result;
}

} // namespace vmodel::runtime
