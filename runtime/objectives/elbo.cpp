#include "runtime/objectives/elbo.h"

#include "runtime/math/arrays.h"
#include "runtime/model/family_draw.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace vmodel::runtime {
namespace {

constexpr int64_t extra = 3;

} // namespace

struct Elbo::Worker {
  // `gradient` is by z, of the density first, then the weights of the path derivative.
  AlignedVector<double> z, log_q, entropy, value, jacobian, gradient, q_gradient, d_log_q, d_entropy, d_phi;
  FamilyDraw draw;
  KernelCall value_only, density, pathwise, family_gradient;
  int64_t active = 0; // lanes for which d_entropy is set
};

Elbo::Elbo(const PreparedModel& model, const Family& family, int64_t particles, Estimator estimator, ThreadPool& pool)
    : model_(model), family_(family), size_(model.size(family.phi)), dimension_(model.dimension()),
      blocks_{particles, model.lanes()}, lanes_(blocks_.lanes), estimator_(estimator), pool_(pool),
      phi_(static_cast<size_t>(size_ + 1)), sums_(blocks_.count(), size_ + extra) {
  const size_t w = static_cast<size_t>(lanes_), d = static_cast<size_t>(dimension_) * w;
  const int lanes = model.lanes();
  const std::string prefix = family.name + ".";
  for (int i = 0; i < pool.threads(); ++i) {
    auto worker = std::make_unique<Worker>();
    Worker& k = *worker;
    for (auto* array : {&k.z, &k.gradient, &k.q_gradient})
      array->resize(d + w);
    for (auto* array : {&k.log_q, &k.entropy, &k.value, &k.jacobian, &k.d_log_q, &k.d_entropy}) {
      array->resize(w);
    }
    k.d_phi.resize(static_cast<size_t>(size_ + 1));
    k.draw = FamilyDraw(model, family, phi_.data(), k.z.data(), k.log_q.data(), k.entropy.data());
    k.value_only = model.call("log_density", lanes,
                              {{"z", k.z.data()}, {"value", k.value.data()}, {"jacobian", k.jacobian.data()}});
    k.density = model.call("log_density_gradient", lanes,
                           {{"z", k.z.data()},
                            {"value", k.value.data()},
                            {"jacobian", k.jacobian.data()},
                            {"gradient", k.gradient.data()}});
    if (model.compiled().find(prefix + "pathwise", lanes) != nullptr) {
      k.pathwise = model.call(prefix + "pathwise", lanes,
                              {{"phi", phi_.data()},
                               {"noise", k.draw.noise()},
                               {"d_z", k.gradient.data()},
                               {"d_log_q", k.d_log_q.data()},
                               {"d_entropy", k.d_entropy.data()},
                               {"d_phi", k.d_phi.data()}});
    }
    if (estimator == Estimator::stl) {
      k.family_gradient = model.call(
          prefix + "log_density_gradient", lanes,
          {{"phi", phi_.data()}, {"z", k.z.data()}, {"log_q", k.log_q.data()}, {"gradient", k.q_gradient.data()}});
    }
    workers_.push_back(std::move(worker));
  }
}

Elbo::~Elbo() = default;

template <typename Work>
Evaluation Elbo::run(const double* phi, double* gradient, const Work& work) {
  std::copy(phi, phi + size_, phi_.begin());
  const double* sums = sums_.run(pool_, [&](int64_t block, int worker, double* into) {
    work(*workers_[static_cast<size_t>(worker)], block, into);
  });
  return mean_over_particles(sums, size_, blocks_.particles, gradient);
}

Evaluation Elbo::evaluate(const double* phi, const vmodel_random& random, double* gradient) {
  return run(phi, gradient,
             [&](Worker& worker, int64_t block, double* sums) { run_block(worker, block, random, sums); });
}

Evaluation Elbo::value(const double* phi, const vmodel_random& base, Estimator form, std::vector<double>* terms) {
  if (terms != nullptr)
    terms->resize(static_cast<size_t>(blocks_.particles));
  return run(phi, nullptr, [&](Worker& k, int64_t block, double* sums) {
    const vmodel_random random = blocks_.random(base, block);
    k.draw(random);
    k.value_only(random);
    add_terms(k, block, form, sums, terms == nullptr ? nullptr : terms->data() + block * lanes_);
  });
}

void Elbo::add_terms(const Worker& k, int64_t block, Estimator form, double* sums, double* terms) const {
  const size_t count = static_cast<size_t>(blocks_.active(block));
  const double* family = form == Estimator::total ? k.entropy.data() : k.log_q.data();
  const double sign = form == Estimator::total ? 1 : -1;
  const auto term = [&](size_t l) { return power_ * (k.value[l] + k.jacobian[l]) + sign * family[l]; };
  double sum = 0, squares = 0;
  for (size_t l = 0; l < count; ++l) {
    const double t = term(l);
    sum += t;
    squares += t * t;
  }
  if (terms != nullptr) {
    for (size_t l = 0; l < count; ++l)
      terms[l] = term(l);
  }
  if (!std::isfinite(squares)) {
    // Particles that are not finite are counted and left out.
    sum = squares = 0;
    for (size_t l = 0; l < count; ++l) {
      const double t = term(l);
      if (!std::isfinite(t)) {
        sums[size_ + 2] += 1;
        continue;
      }
      sum += t;
      squares += t * t;
    }
  }
  sums[size_] += sum;
  sums[size_ + 1] += squares;
}

void Elbo::run_block(Worker& k, int64_t block, const vmodel_random& base, double* sums) {
  const vmodel_random random = blocks_.random(base, block);
  const int64_t count = blocks_.active(block);
  k.draw(random);
  k.density(random);
  double* gradient = k.gradient.data();
  if (power_ != 1) {
    for (int64_t i = 0; i < dimension_ * lanes_; ++i)
      gradient[i] *= power_;
  }
  if (estimator_ == Estimator::stl) {
    k.family_gradient(random);
    const double* of_family = k.q_gradient.data();
    for (int64_t i = 0; i < dimension_ * lanes_; ++i)
      gradient[i] -= of_family[i];
  }
  add_terms(k, block, estimator_, sums, nullptr);
  if (k.active != count) {
    k.active = count;
    const double weight = estimator_ == Estimator::total ? 1 : 0;
    for (int64_t lane = 0; lane < lanes_; ++lane)
      k.d_entropy[static_cast<size_t>(lane)] = lane < count ? weight : 0.0;
  }
  if (count < lanes_) {
    for (int64_t i = 0; i < dimension_; ++i)
      std::fill(gradient + i * lanes_ + count, gradient + (i + 1) * lanes_, 0.0);
  }
  k.pathwise(random);
  add(k.d_phi.data(), sums, static_cast<size_t>(size_));
}

} // namespace vmodel::runtime
