#include "runtime/objectives/semi_implicit.h"

#include "runtime/math/arrays.h"
#include "runtime/model/family_draw.h"

#include <algorithm>
#include <cmath>

namespace vmodel::runtime {
namespace {

constexpr int64_t extra = 4;
// A particle of whose many inner samples fewer count has no score to follow: what stands for it is that of one sample,
// far too steep where the proposal has missed.
constexpr double least_inner_size = 2, many_samples = 8;

} // namespace

struct SemiImplicit::Worker {
  // `gradient` is by z, of the model's density first, then the weights of the path derivative.
  AlignedVector<double> z, mix, log_q, entropy, value, jacobian, gradient, zero, d_phi;
  FamilyDraw draw;
  KernelCall density, value_only, pathwise;
  std::unique_ptr<MixtureDensity> mixture;
  int64_t evaluation = 0; // for which the mixture knows phi
};

SemiImplicit::SemiImplicit(const PreparedModel& model, const Family& family, int64_t particles,
                           const InnerSampling& inner, ThreadPool& pool)
    : size_(model.size(family.phi)), dimension_(model.dimension()), blocks_{particles, model.lanes()},
      lanes_(blocks_.lanes), inner_(inner), pool_(pool), phi_(static_cast<size_t>(size_ + 1)),
      log_p_(static_cast<size_t>(blocks_.count() * lanes_)), log_q_(log_p_), effective_(log_p_),
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
    k.value_only = model.call("log_density", lanes,
                              {{"z", k.z.data()}, {"value", k.value.data()}, {"jacobian", k.jacobian.data()}});
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

SemiImplicit::~SemiImplicit() = default;

template <typename Work>
Evaluation SemiImplicit::run(const double* phi, double* gradient, const Work& work) {
  std::copy(phi, phi + size_, phi_.begin());
  ++evaluation_;
  const double* sums = sums_.run(pool_, [&](int64_t block, int worker, double* into) {
    work(*workers_[static_cast<size_t>(worker)], block, into);
  });
  Evaluation result = mean_over_particles(sums, size_, blocks_.particles, gradient);
  result.label_size = sums[size_ + 3] / static_cast<double>(blocks_.particles);
  return result;
}

// A block of particles and their inner samples; log p is there already.
void SemiImplicit::draw(Worker& k, int64_t block, const vmodel_random& base, double* sums) {
  const int64_t count = blocks_.active(block), first = block * lanes_;
  if (k.evaluation != evaluation_) {
    k.mixture->step();
    k.evaluation = evaluation_;
  }
  k.mixture->estimate(inner_, blocks_.random(base, block), blocks_.count() * lanes_, k.mix.data());
  const StreamedMean& q = k.mixture->result();
  for (int64_t l = 0; l < count; ++l) {
    const size_t lane = static_cast<size_t>(l), at = static_cast<size_t>(first + l);
    log_p_[at] = k.value[lane] + k.jacobian[lane];
    log_q_[at] = q.log_mean(l);
    effective_[at] = q.effective(l);
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

Evaluation SemiImplicit::evaluate(const double* phi, const vmodel_random& base, double* gradient) {
  return run(phi, gradient, [&](Worker& k, int64_t block, double* sums) {
    const vmodel_random random = blocks_.random(base, block);
    k.draw(random);
    k.density(random);
    draw(k, block, base, sums);
    const int64_t count = blocks_.active(block);
    const double* score = score_.data() + block * lanes_ * dimension_;
    const double* effective = effective_.data() + block * lanes_;
    const double least = inner_.own || inner_.samples < many_samples ? 0 : least_inner_size;
    for (int64_t i = 0; i < dimension_; ++i) {
      double* by_z = k.gradient.data() + i * lanes_;
      for (int64_t l = 0; l < lanes_; ++l)
        by_z[l] = l < count && !(effective[l] < least) ? power_ * by_z[l] - score[i * lanes_ + l] : 0.0;
    }
    k.pathwise(random);
    add(k.d_phi.data(), sums, static_cast<size_t>(size_));
  });
}

Evaluation SemiImplicit::value(const double* phi, const vmodel_random& base, std::vector<double>* terms) {
  const Evaluation result = run(phi, nullptr, [&](Worker& k, int64_t block, double* sums) {
    const vmodel_random random = blocks_.random(base, block);
    k.draw(random);
    k.value_only(random);
    draw(k, block, base, sums);
  });
  if (terms != nullptr) {
    terms->resize(static_cast<size_t>(blocks_.particles));
    for (size_t i = 0; i < terms->size(); ++i)
      (*terms)[i] = power_ * log_p_[i] - log_q_[i];
  }
  return result;
}

ParticleRecord SemiImplicit::last() const {
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

struct ProposalScore::Worker {
  AlignedVector<double> z, mix, log_q, entropy, weight, log_proposal, d_theta;
  FamilyDraw draw;
  StagedKernel score;
  int64_t evaluation = 0; // for which its step is
};

ProposalScore::ProposalScore(const PreparedModel& model, const Family& family, int64_t particles, ThreadPool& pool)
    : size_(model.size(family.phi)), offset_(model.size(family.mixture->learned)), blocks_{particles, model.lanes()},
      pool_(pool), phi_(static_cast<size_t>(size_ + 1)), sums_(blocks_.count(), size_ - offset_ + 1) {
  const size_t w = static_cast<size_t>(blocks_.lanes);
  for (int i = 0; i < pool.threads(); ++i) {
    auto worker = std::make_unique<Worker>();
    Worker& k = *worker;
    k.z.resize(static_cast<size_t>(model.dimension() + 1) * w);
    k.mix.resize(static_cast<size_t>(model.size(family.mixture->size) + 1) * w);
    for (auto* array : {&k.log_q, &k.entropy, &k.weight, &k.log_proposal})
      array->resize(w);
    k.d_theta.resize(static_cast<size_t>(size_ + 1));
    k.draw = FamilyDraw(model, family, phi_.data(), k.z.data(), k.log_q.data(), k.entropy.data(), k.mix.data());
    k.score = StagedKernel(model, family.name + ".proposal.score",
                           {{"phi", phi_.data()},
                            {"theta", phi_.data()},
                            {"z", k.z.data()},
                            {"mix", k.mix.data()},
                            {"weight", k.weight.data()},
                            {"log_q", k.log_proposal.data()},
                            {"d_theta", k.d_theta.data()}});
    workers_.push_back(std::move(worker));
  }
}

ProposalScore::~ProposalScore() = default;

double ProposalScore::evaluate(const double* phi, const vmodel_random& base, double* gradient) {
  std::copy(phi, phi + size_, phi_.begin());
  ++evaluation_;
  const double share = 1 / static_cast<double>(blocks_.particles);
  const double* sums = sums_.run(pool_, [&](int64_t block, int worker, double* into) {
    Worker& k = *workers_[static_cast<size_t>(worker)];
    const vmodel_random random = blocks_.random(base, block);
    const int64_t count = blocks_.active(block);
    if (k.evaluation != evaluation_) {
      k.score.step();
      k.evaluation = evaluation_;
    }
    k.draw(random);
    for (int64_t l = 0; l < blocks_.lanes; ++l)
      k.weight[static_cast<size_t>(l)] = l < count ? share : 0.0;
    k.score(random);
    for (int64_t l = 0; l < count; ++l)
      into[size()] += share * k.log_proposal[static_cast<size_t>(l)];
    add(k.d_theta.data() + offset_, into, static_cast<size_t>(size()));
  });
  bool finite = std::isfinite(sums[size()]);
  for (int64_t i = 0; i < size(); ++i) {
    gradient[i] = sums[i];
    finite = finite && std::isfinite(gradient[i]);
  }
  return finite ? sums[size()] : NAN;
}

} // namespace vmodel::runtime
