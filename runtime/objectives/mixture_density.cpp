#include "runtime/objectives/mixture_density.h"

#include "runtime/math/arrays.h"

#include <algorithm>
#include <cmath>

namespace vmodel::runtime {
StreamedMean::StreamedMean(int64_t size, int64_t lanes)
    : size_(size), lanes_(lanes), greatest_(static_cast<size_t>(lanes)), sum_(greatest_), squares_(greatest_),
      vector_(static_cast<size_t>(size * lanes)), weight_(2 * greatest_.size()) {
  clear();
}

void StreamedMean::clear() {
  count_ = 0;
  std::fill(greatest_.begin(), greatest_.end(), -INFINITY);
  for (auto* array : {&sum_, &squares_, &vector_})
    std::fill(array->begin(), array->end(), 0.0);
}

void StreamedMean::add(const double* term, const double* vector, const double* factor) {
  ++count_;
  double *weight = weight_.data(), *shrink = weight + lanes_;
  bool shrinks = false;
  for (int64_t l = 0; l < lanes_; ++l) {
    double& greatest = greatest_[static_cast<size_t>(l)];
    const bool more = term[l] > greatest;
    shrink[l] = more ? greatest - term[l] : 0;
    greatest = more ? term[l] : greatest;
    // Also of NaN, which then is in every sum.
    weight[l] = term[l] == -INFINITY ? -INFINITY : term[l] - greatest;
    shrinks = shrinks || more;
  }
  exponentials(weight, weight, weight_.size());
  for (int64_t l = 0; l < lanes_; ++l) {
    const size_t k = static_cast<size_t>(l);
    if (factor != nullptr)
      weight[l] *= factor[l];
    sum_[k] = sum_[k] * shrink[l] + weight[l];
    squares_[k] = squares_[k] * shrink[l] * shrink[l] + weight[l] * weight[l];
  }
  double* at = vector_.data();
  if (shrinks) {
    for (int64_t i = 0; i < size_; ++i, at += lanes_) {
      for (int64_t l = 0; l < lanes_; ++l)
        at[l] *= shrink[l];
    }
    at = vector_.data();
  }
  for (int64_t i = 0; i < size_; ++i, at += lanes_, vector += lanes_) {
    // A vector without weight may be anything.
    for (int64_t l = 0; l < lanes_; ++l)
      at[l] += weight[l] == 0 ? 0 : weight[l] * vector[l];
  }
}

double StreamedMean::log_mean(int64_t lane) const {
  const size_t k = static_cast<size_t>(lane);
  return greatest_[k] + std::log(sum_[k] / static_cast<double>(count_));
}

double StreamedMean::effective(int64_t lane) const {
  const size_t k = static_cast<size_t>(lane);
  return sum_[k] * sum_[k] / squares_[k];
}

double StreamedMean::log_mean_error(int64_t lane) const {
  const double count = static_cast<double>(count_);
  // Var(mean) / mean^2 = (count sum w^2 / (sum w)^2 - 1) / (count - 1)
  return std::sqrt(std::max(count / effective(lane) - 1, 0.0) / std::max(count - 1, 1.0));
}

PooledDensity pool_lanes(const StreamedMean& mean, int64_t lanes) {
  double greatest = -INFINITY;
  for (int64_t l = 0; l < lanes; ++l)
    greatest = std::max(greatest, mean.log_mean(l));
  if (greatest == -INFINITY)
    return {greatest, 0, 0};
  double sum = 0, variance = 0, squares = 0;
  for (int64_t l = 0; l < lanes; ++l) {
    const double value = std::exp(mean.log_mean(l) - greatest), error = value * mean.log_mean_error(l);
    sum += value;
    variance += value > 0 ? error * error : 0;
    squares += value > 0 ? value * value / mean.effective(l) : 0;
  }
  return {greatest + std::log(sum / static_cast<double>(lanes)), std::sqrt(variance) / sum, sum * sum / squares};
}

MixtureDensity::MixtureDensity(const PreparedModel& model, const Family& family, double* phi, double* z)
    : lanes_(model.lanes()), size_(model.size(family.mixture->size)), dimension_(model.dimension()),
      point_size_(StagedKernel::point_size(model, family.name + ".log_density_gradient")),
      mean_(dimension_ + point_size_, lanes_) {
  const size_t w = static_cast<size_t>(lanes_);
  mix_.resize(static_cast<size_t>(size_ + 1) * w);
  gradient_.resize(static_cast<size_t>(dimension_ + point_size_ + 1) * w);
  by_point_.resize(static_cast<size_t>(point_size_ + 1) * w);
  score_.resize(static_cast<size_t>(dimension_ + 1) * w);
  for (auto* array : {&log_joint_, &log_mix_, &log_proposal_, &unused_, &term_, &factor_})
    array->resize(w);
  const std::string& name = family.name;
  from_prior_ = NoisyDraw(
      model, name + ".mix", family.mixture->mix_noise,
      {{"phi", phi}, {"z", z}, {"mix", mix_.data()}, {"log_q", log_mix_.data()}, {"entropy", unused_.data()}});
  from_proposal_ = NoisyDraw(model, name + ".proposal", family.mixture->proposal_noise,
                             {{"phi", phi},
                              {"theta", phi},
                              {"z", z},
                              {"mix", mix_.data()},
                              {"log_q", log_proposal_.data()},
                              {"entropy", unused_.data()}});
  proposal_density_ =
      StagedKernel(model, name + ".proposal.log_density",
                   {{"phi", phi}, {"theta", phi}, {"z", z}, {"mix", mix_.data()}, {"log_q", log_proposal_.data()}});
  joint_ = StagedKernel(model, name + ".log_density_gradient",
                        {{"phi", phi},
                         {"z", z},
                         {"mix", mix_.data()},
                         {"log_q", log_joint_.data()},
                         {"log_mix", log_mix_.data()},
                         {"gradient", gradient_.data()},
                         {"d_point", gradient_.data() + dimension_ * lanes_}});
  if (point_size_ > 0)
    chain_ = joint_.other(model, name + ".log_density_gradient.chain",
                          {{"gradient", score_.data()}, {"d_point", by_point_.data()}});
}

void MixtureDensity::step() {
  for (StagedKernel* kernel : {&from_prior_.kernel(), &from_proposal_.kernel(), &proposal_density_, &joint_})
    kernel->step();
}

void MixtureDensity::estimate(const InnerSampling& sampling, const vmodel_random& random, int64_t stride,
                              const double* own, std::vector<double>* terms) {
  mean_.clear();
  for (StagedKernel* kernel : {&from_prior_.kernel(), &from_proposal_.kernel(), &proposal_density_, &joint_})
    kernel->point();
  const bool learned = sampling.proposal == InnerSampling::Proposal::learned;
  const int64_t first = sampling.own ? 1 : 0, drawn = sampling.samples - first;
  // Strata of fixed sizes: as many of the prior in every estimate.
  int64_t of_prior = drawn;
  if (learned) {
    of_prior = std::llround(sampling.prior_share * static_cast<double>(drawn));
    if (sampling.prior_share > 0)
      of_prior = std::clamp<int64_t>(of_prior, 1, std::max<int64_t>(drawn - 1, 1));
  }
  const double share = drawn > 0 ? static_cast<double>(of_prior) / static_cast<double>(drawn) : 1;
  const double log_prior_share = std::log(share), log_learned_share = std::log1p(-share);
  if (sampling.own) {
    std::copy_n(own, size_ * lanes_, mix_.begin());
    if (learned && share < 1)
      proposal_density_();
    add(learned, log_prior_share, log_learned_share, terms);
  }
  vmodel_random numbers = random;
  for (int64_t j = 0; j < drawn; ++j, numbers.first_particle += static_cast<uint32_t>(stride)) {
    if (j < of_prior) {
      from_prior_(numbers);
      if (learned && share < 1)
        proposal_density_();
    } else {
      from_proposal_(numbers);
    }
    add(learned, log_prior_share, log_learned_share, terms);
  }
  find_score();
}

void MixtureDensity::replay(const InnerSampling& sampling, const vmodel_random& random, int64_t stride,
                            const double* own, const std::function<void(int64_t)>& each) {
  vmodel_random numbers = random;
  for (int64_t j = 0; j < sampling.samples; ++j) {
    if (j == 0 && sampling.own) {
      std::copy_n(own, size_ * lanes_, mix_.begin());
    } else {
      (sampling.proposal == InnerSampling::Proposal::learned ? from_proposal_ : from_prior_)(numbers);
      numbers.first_particle += static_cast<uint32_t>(stride);
    }
    each(j);
  }
}

void MixtureDensity::begin() {
  mean_.clear();
  joint_.point();
}

void MixtureDensity::add(const double* mix) {
  std::copy_n(mix, size_ * lanes_, mix_.begin());
  joint_();
  std::fill(term_.begin(), term_.end(), 0.0);
  mean_.add(term_.data(), gradient_.data());
}

// The chain rule is linear: the weighted mean goes through it, in the place of every sample.
void MixtureDensity::find_score() {
  if (point_size_ > 0) {
    for (int64_t i = 0; i < point_size_; ++i) {
      for (int64_t l = 0; l < lanes_; ++l)
        by_point_[static_cast<size_t>(i * lanes_ + l)] = mean_.mean(dimension_ + i, l);
    }
    chain_();
  } else {
    std::fill(score_.begin(), score_.end(), 0.0);
  }
  for (int64_t i = 0; i < dimension_; ++i) {
    for (int64_t l = 0; l < lanes_; ++l)
      score_[static_cast<size_t>(i * lanes_ + l)] += mean_.mean(i, l);
  }
}

// The sample in mix_, with the proposal's density at it.
void MixtureDensity::add(bool learned, double log_prior_share, double log_learned_share, std::vector<double>* terms) {
  joint_();
  const size_t lanes = static_cast<size_t>(lanes_);
  // Against a mixture without one of its parts no exponential is taken.
  if (!learned || log_learned_share == -INFINITY || log_prior_share == -INFINITY) {
    const AlignedVector<double>& log_drawn = !learned || log_learned_share == -INFINITY ? log_mix_ : log_proposal_;
    for (size_t l = 0; l < lanes; ++l)
      term_[l] = log_joint_[l] - log_drawn[l];
    mean_.add(term_.data(), gradient_.data());
    if (terms != nullptr)
      terms->insert(terms->end(), term_.begin(), term_.end());
    return;
  }
  // The mixture's density is exp(most) (1 + exp(least - most)).
  for (size_t l = 0; l < lanes; ++l) {
    const double of_prior = log_prior_share + log_mix_[l], of_learned = log_learned_share + log_proposal_[l];
    const double most = std::max(of_prior, of_learned);
    term_[l] = log_joint_[l] - most;
    factor_[l] = std::min(of_prior, of_learned) - most;
  }
  exponentials(factor_.data(), factor_.data(), lanes);
  for (size_t l = 0; l < lanes; ++l)
    factor_[l] = 1 / (1 + factor_[l]);
  mean_.add(term_.data(), gradient_.data(), factor_.data());
  for (size_t l = 0; terms != nullptr && l < lanes; ++l)
    terms->push_back(term_[l] + std::log(factor_[l]));
}

} // namespace vmodel::runtime
