#include "runtime/objectives/elbo.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace vmodel::runtime {
namespace {

// Sums are collected by chunk, in order within a chunk and by a fixed tree over chunks. The number
// of chunks bounds the memory and the threads that can share a step.
constexpr int64_t most_chunks = 64;
constexpr int64_t extra = 3;

} // namespace

struct Elbo::Worker {
  AlignedVector<double> z, log_q, entropy, value, jacobian, gradient, q_gradient, d_z, d_log_q, d_entropy, d_phi;
  KernelCall draw, value_only, density, pathwise, family_gradient;
};

Elbo::Elbo(const PreparedModel& model, const Family& family, int64_t particles, Estimator estimator, ThreadPool& pool)
    : model_(model), family_(family), size_(model.size(family.phi)), dimension_(model.dimension()),
      particles_(particles), lanes_(model.lanes()), blocks_((particles + lanes_ - 1) / lanes_),
      chunks_(std::min(blocks_, most_chunks)), estimator_(estimator), pool_(pool),
      phi_(static_cast<size_t>(size_ + 1)) {
  const size_t w = static_cast<size_t>(lanes_), d = static_cast<size_t>(dimension_) * w;
  const int lanes = model.lanes();
  const std::string prefix = family.name + ".";
  for (int i = 0; i < pool.threads(); ++i) {
    auto worker = std::make_unique<Worker>();
    Worker& k = *worker;
    for (auto* array : {&k.z, &k.gradient, &k.q_gradient, &k.d_z})
      array->resize(d + w);
    for (auto* array : {&k.log_q, &k.entropy, &k.value, &k.jacobian, &k.d_log_q, &k.d_entropy}) {
      array->resize(w);
    }
    k.d_phi.resize(static_cast<size_t>(size_ + 1));
    k.draw =
        model.call(prefix + "draw", lanes,
                   {{"phi", phi_.data()}, {"z", k.z.data()}, {"log_q", k.log_q.data()}, {"entropy", k.entropy.data()}});
    k.value_only = model.call("log_density", lanes,
                              {{"z", k.z.data()}, {"value", k.value.data()}, {"jacobian", k.jacobian.data()}});
    k.density = model.call("log_density_gradient", lanes,
                           {{"z", k.z.data()},
                            {"value", k.value.data()},
                            {"jacobian", k.jacobian.data()},
                            {"gradient", k.gradient.data()}});
    k.pathwise = model.call(prefix + "pathwise", lanes,
                            {{"phi", phi_.data()},
                             {"d_z", k.d_z.data()},
                             {"d_log_q", k.d_log_q.data()},
                             {"d_entropy", k.d_entropy.data()},
                             {"d_phi", k.d_phi.data()}});
    if (estimator == Estimator::stl) {
      k.family_gradient = model.call(
          prefix + "log_density_gradient", lanes,
          {{"phi", phi_.data()}, {"z", k.z.data()}, {"log_q", k.log_q.data()}, {"gradient", k.q_gradient.data()}});
    }
    workers_.push_back(std::move(worker));
  }
  sums_.resize(static_cast<size_t>(chunks_ * (size_ + extra)));
}

Elbo::~Elbo() = default;

template <typename Work>
Evaluation Elbo::run(const double* phi, const Work& work) {
  std::copy(phi, phi + size_, phi_.begin());
  const int64_t stride = size_ + extra;
  pool_.run(chunks_, [&](int64_t chunk, int worker) {
    double* sums = sums_.data() + chunk * stride;
    std::fill(sums, sums + stride, 0.0);
    const int64_t end = (chunk + 1) * blocks_ / chunks_;
    for (int64_t block = chunk * blocks_ / chunks_; block < end; ++block)
      work(*workers_[static_cast<size_t>(worker)], block, sums);
  });
  for (int64_t width = 1; width < chunks_; width *= 2) {
    for (int64_t left = 0; left + width < chunks_; left += 2 * width) {
      double* a = sums_.data() + left * stride;
      const double* b = sums_.data() + (left + width) * stride;
      for (int64_t i = 0; i < stride; ++i)
        a[i] += b[i];
    }
  }
  const double count = static_cast<double>(particles_);
  Evaluation result;
  result.value = sums_[static_cast<size_t>(size_)] / count;
  const double variance = sums_[static_cast<size_t>(size_ + 1)] / count - result.value * result.value;
  result.spread = std::sqrt(std::max(variance, 0.0));
  result.not_finite = static_cast<int64_t>(sums_[static_cast<size_t>(size_ + 2)]);
  if (result.not_finite > 0)
    result.value = NAN;
  return result;
}

Evaluation Elbo::evaluate(const double* phi, const vmodel_random& random, double* gradient) {
  const Evaluation result =
      run(phi, [&](Worker& worker, int64_t block, double* sums) { run_block(worker, block, random, sums); });
  const double count = static_cast<double>(particles_);
  for (int64_t i = 0; i < size_; ++i)
    gradient[i] = sums_[static_cast<size_t>(i)] / count;
  return result;
}

Evaluation Elbo::value(const double* phi, const vmodel_random& base, Estimator form, std::vector<double>* terms) {
  if (terms != nullptr)
    terms->resize(static_cast<size_t>(particles_));
  return run(phi, [&](Worker& k, int64_t block, double* sums) {
    vmodel_random random = base;
    random.first_particle = base.first_particle + static_cast<uint32_t>(block * lanes_);
    k.draw(random);
    k.value_only(random);
    add_terms(k, block, form, sums, terms == nullptr ? nullptr : terms->data() + block * lanes_);
  });
}

// Lanes beyond the last particle run along with weight zero.
int64_t Elbo::active(int64_t block) const {
  return std::min(lanes_, particles_ - block * lanes_);
}

void Elbo::add_terms(const Worker& k, int64_t block, Estimator form, double* sums, double* terms) const {
  const size_t count = static_cast<size_t>(active(block));
  for (size_t l = 0; l < count; ++l) {
    const double term = k.value[l] + k.jacobian[l] + (form == Estimator::total ? k.entropy[l] : -k.log_q[l]);
    if (terms != nullptr)
      terms[l] = term;
    if (!std::isfinite(term)) {
      sums[size_ + 2] += 1;
      continue;
    }
    sums[size_] += term;
    sums[size_ + 1] += term * term;
  }
}

void Elbo::run_block(Worker& k, int64_t block, const vmodel_random& base, double* sums) {
  vmodel_random random = base;
  random.first_particle = base.first_particle + static_cast<uint32_t>(block * lanes_);
  const int64_t count = active(block);
  k.draw(random);
  k.density(random);
  if (estimator_ == Estimator::stl)
    k.family_gradient(random);
  add_terms(k, block, estimator_, sums, nullptr);
  for (int64_t lane = 0; lane < lanes_; ++lane) {
    const size_t l = static_cast<size_t>(lane);
    k.d_log_q[l] = 0;
    k.d_entropy[l] = estimator_ == Estimator::total && lane < count ? 1 : 0;
  }
  for (int64_t i = 0; i < dimension_; ++i) {
    const size_t row = static_cast<size_t>(i * lanes_);
    for (int64_t lane = 0; lane < lanes_; ++lane) {
      const size_t at = row + static_cast<size_t>(lane);
      const double g = k.gradient[at] - (estimator_ == Estimator::stl ? k.q_gradient[at] : 0.0);
      k.d_z[at] = lane < count ? g : 0.0;
    }
  }
  k.pathwise(random);
  bool finite = true;
  for (int64_t i = 0; i < size_; ++i) {
    const double g = k.d_phi[static_cast<size_t>(i)];
    finite = finite && std::isfinite(g);
    sums[i] += g;
  }
  if (!finite && sums[size_ + 2] == 0)
    sums[size_ + 2] += 1;
}

} // namespace vmodel::runtime
