#include "runtime/objectives/mixture_objective.h"

#include "runtime/model/family_draw.h"

#include <cmath>

namespace vmodel::runtime {
namespace {

constexpr int64_t extra = 4;

} // namespace

MixtureObjective::MixtureObjective(const PreparedModel& model, const Family& family, int64_t particles,
                                   const InnerSampling& inner, ThreadPool& pool)
    : size_(model.size(family.phi)), dimension_(model.dimension()), blocks_{particles, model.lanes()},
      lanes_(blocks_.lanes), inner_(inner), phi_(static_cast<size_t>(size_ + 1)),
      log_p_(static_cast<size_t>(blocks_.count() * lanes_)), log_q_(log_p_), effective_(log_p_), pool_(pool),
      z_(static_cast<size_t>(blocks_.count() * lanes_ * dimension_ + 1)), score_(z_),
      sums_(blocks_.count(), size_ + extra) {
  const size_t w = static_cast<size_t>(lanes_), d = static_cast<size_t>(dimension_) * w;
  const int lanes = model.lanes();
  for (int i = 0; i < pool.threads(); ++i) {
    auto worker = std::make_unique<Worker>();
    Worker& k = *worker;
    k.z.resize(d + w);
    k.gradient.resize(d + w);
    k.mix.resize(static_cast<size_t>(model.size(family.mixture->size) + 1) * w);
    for (auto* array : {&k.log_q, &k.entropy, &k.value, &k.jacobian, &k.zero})
      array->resize(w);
    k.d_phi.resize(static_cast<size_t>(size_ + 1));
    k.draw = FamilyDraw(model, family, phi_.data(), k.z.data(), k.log_q.data(), k.entropy.data(), k.mix.data());
    k.density = model.call("log_density_gradient", lanes,
                           {{"z", k.z.data()},
                            {"value", k.value.data()},
                            {"jacobian", k.jacobian.data()},
                            {"gradient", k.gradient.data()}});
    // Weights on log q and entropies are zero: only the path counts.
    k.pathwise = model.call(family.name + ".pathwise", lanes,
                            {{"phi", phi_.data()},
                             {"noise", k.draw.noise()},
                             {"d_z", k.gradient.data()},
                             {"d_log_q", k.zero.data()},
                             {"d_entropy", k.zero.data()},
                             {"d_phi", k.d_phi.data()}});
    k.mixture = std::make_unique<MixtureDensity>(model, family, phi_.data(), k.z.data());
    workers_.push_back(std::move(worker));
  }
}

bool MixtureObjective::prepare(Worker& k) {
  if (k.evaluation == evaluation_)
    return false;
  k.mixture->step();
  k.evaluation = evaluation_;
  return true;
}

void MixtureObjective::sample(Worker& k, int64_t block, const vmodel_random& random, double* sums,
                              std::vector<double>* terms) {
  prepare(k);
  k.mixture->estimate(inner_, random, blocks_.count() * lanes_, k.mix.data(), terms);
  const StreamedMean& q = k.mixture->result();
  for (int64_t l = 0; l < blocks_.active(block); ++l) {
    const size_t at = static_cast<size_t>(block * lanes_ + l);
    log_q_[at] = q.log_mean(l);
    effective_[at] = q.effective(l);
  }
  record(k, block, sums);
}

void MixtureObjective::record(Worker& k, int64_t block, double* sums) {
  const int64_t count = blocks_.active(block), first = block * lanes_;
  for (int64_t l = 0; l < count; ++l) {
    const size_t lane = static_cast<size_t>(l), at = static_cast<size_t>(first + l);
    log_p_[at] = k.value[lane] + k.jacobian[lane];
    const double term = power_ * log_p_[at] - log_q_[at];
    if (!std::isfinite(term)) {
      sums[size_ + 2] += 1;
      continue;
    }
    sums[size_] += term;
    sums[size_ + 1] += term * term;
    sums[size_ + 3] += effective_[at];
  }
  std::copy_n(k.z.begin(), dimension_ * lanes_, z_.begin() + first * dimension_);
  for (int64_t i = 0; i < dimension_; ++i) {
    for (int64_t l = 0; l < lanes_; ++l)
      score_[static_cast<size_t>(first * dimension_ + i * lanes_ + l)] = k.mixture->score(i, l);
  }
}

ParticleRecord MixtureObjective::last() const {
  ParticleRecord result;
  result.count = blocks_.particles;
  result.log_p = log_p_.data();
  result.log_q = log_q_.data();
  result.inner_size = effective_.data();
  result.score = score_.data();
  result.z = z_.data();
  result.dimension = dimension_;
  result.lanes = lanes_;
  return result;
}

} // namespace vmodel::runtime
