#include "runtime/optimizers/adam.h"

#include "runtime/math/arrays.h"

#include <algorithm>
#include <cmath>

namespace vmodel::runtime {

double RateSchedule::at(int64_t step, int64_t steps) const {
  double result = rate;
  if (kind == Kind::cosine && steps > 1) {
    const double share = static_cast<double>(step) / static_cast<double>(steps - 1);
    result *= last + (1 - last) * 0.5 * (1 + std::cos(3.141592653589793 * share));
  }
  if (step < warm_up)
    result *= static_cast<double>(step + 1) / static_cast<double>(warm_up);
  return result;
}

double Adam::step(const double* from, const double* gradient, double rate, double* to) {
  const size_t size = first_.size();
  const double norm = euclidean_norm(gradient, size);
  ++steps_;
  const double t = static_cast<double>(steps_);
  AdamUpdate update;
  update.beta1 = settings_.beta1;
  update.beta2 = settings_.beta2;
  update.gradient_factor = settings_.clip > 0 && norm > settings_.clip ? settings_.clip / norm : 1;
  update.rate = rate / (1 - std::pow(settings_.beta1, t));
  update.correction = 1 / (1 - std::pow(settings_.beta2, t));
  update.epsilon = settings_.epsilon;
  adam_update(update, gradient, first_.data(), second_.data(), from, to, size);
  return norm;
}

void Adam::restart() {
  std::fill(first_.begin(), first_.end(), 0.0);
  std::fill(second_.begin(), second_.end(), 0.0);
  steps_ = 0;
}

IterateAverage::IterateAverage(size_t size, int64_t iterates, int64_t batches)
    : size_(size), batches_(std::min(batches, iterates / 2 * 2)) {
  if (batches_ < 2)
    batches_ = iterates > 0 ? 1 : 0;
  if (batches_ == 0)
    return;
  batch_length_ = iterates / batches_;
  skip_ = iterates - batch_length_ * batches_;
  sums_.assign(static_cast<size_t>(batches_) * size, 0.0);
}

void IterateAverage::add(const double* x) {
  if (skip_ > 0) {
    --skip_;
    return;
  }
  if (filled_ == batches_)
    return;
  runtime::add(x, sums_.data() + static_cast<size_t>(filled_) * size_, size_);
  if (++in_batch_ == batch_length_) {
    in_batch_ = 0;
    ++filled_;
  }
}

std::vector<double> IterateAverage::mean() const {
  std::vector<double> result(size_, 0.0);
  for (int64_t b = 0; b < batches_; ++b) {
    for (size_t i = 0; i < size_; ++i)
      result[i] += sums_[static_cast<size_t>(b) * size_ + i];
  }
  const double count = static_cast<double>(std::max<int64_t>(filled_ * batch_length_ + in_batch_, 1));
  for (double& x : result)
    x /= count;
  return result;
}

std::vector<double> IterateAverage::errors() const {
  std::vector<double> result(size_, 0.0);
  if (filled_ < 2)
    return result;
  const double count = static_cast<double>(filled_);
  const double length = static_cast<double>(batch_length_);
  for (size_t i = 0; i < size_; ++i) {
    double mean = 0, squares = 0;
    for (int64_t b = 0; b < filled_; ++b) {
      mean += sums_[static_cast<size_t>(b) * size_ + i] / length / count;
    }
    for (int64_t b = 0; b < filled_; ++b) {
      const double d = sums_[static_cast<size_t>(b) * size_ + i] / length - mean;
      squares += d * d;
    }
    result[i] = std::sqrt(squares / (count - 1) / count);
  }
  return result;
}

double IterateAverage::halves_apart(double negligible) const {
  const int64_t half = filled_ / 2;
  if (half < 4)
    return 0;
  const double length = static_cast<double>(batch_length_), count = static_cast<double>(half);
  double worst = 0;
  for (size_t i = 0; i < size_; ++i) {
    double mean[2] = {0, 0}, variance = 0;
    for (int h = 0; h < 2; ++h) {
      const auto batch = [&](int64_t b) { return sums_[static_cast<size_t>(h * half + b) * size_ + i] / length; };
      for (int64_t b = 0; b < half; ++b)
        mean[h] += batch(b) / count;
      for (int64_t b = 0; b < half; ++b) {
        variance += (batch(b) - mean[h]) * (batch(b) - mean[h]) / (count - 1) / count;
      }
    }
    const double distance = std::fabs(mean[0] - mean[1]);
    if (distance <= negligible)
      continue;
    worst = std::max(worst, distance / std::sqrt(std::max(variance, 1e-300)));
  }
  return worst;
}

} // namespace vmodel::runtime
