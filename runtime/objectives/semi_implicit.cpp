#include "runtime/objectives/semi_implicit.h"

#include "runtime/math/arrays.h"
#include "runtime/model/family_draw.h"

#include <algorithm>
#include <cmath>

namespace vmodel::runtime {
namespace {

// A particle of whose many inner samples fewer count has no score to follow: what stands for it is that of one sample,
// far too steep where the proposal has missed.
constexpr double least_inner_size = 2, many_samples = 8;

} // namespace

SemiImplicit::SemiImplicit(const PreparedModel& model, const Family& family, int64_t particles,
                           const InnerSampling& inner, ThreadPool& pool)
    : MixtureObjective(model, family, particles, inner, pool) {
  for (const auto& k : workers_)
    densities_.push_back(
        model.call("log_density", model.lanes(),
                   {{"z", k->z.data()}, {"value", k->value.data()}, {"jacobian", k->jacobian.data()}}));
}

Evaluation SemiImplicit::evaluate(const double* phi, const vmodel_random& base, double* gradient) {
  return run(phi, gradient, [&](int number, int64_t block, double* sums) {
    Worker& k = *workers_[static_cast<size_t>(number)];
    const vmodel_random random = blocks_.random(base, block);
    k.draw(random);
    k.density(random);
    sample(k, block, random, sums);
    const int64_t count = blocks_.active(block);
    const double* effective = effective_.data() + block * lanes_;
    const double least = inner_.own || inner_.samples < many_samples ? 0 : least_inner_size;
    add_path(k, block, random, sums, [&](int64_t lane) { return lane < count && !(effective[lane] < least); });
  });
}

Evaluation SemiImplicit::value(const double* phi, const vmodel_random& base, std::vector<double>* terms) {
  const Evaluation result = run(phi, nullptr, [&](int number, int64_t block, double* sums) {
    Worker& k = *workers_[static_cast<size_t>(number)];
    const vmodel_random random = blocks_.random(base, block);
    k.draw(random);
    densities_[static_cast<size_t>(number)](random);
    sample(k, block, random, sums);
  });
  if (terms != nullptr) {
    terms->resize(static_cast<size_t>(blocks_.particles));
    for (size_t i = 0; i < terms->size(); ++i)
      (*terms)[i] = power_ * log_p_[i] - log_q_[i];
  }
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
