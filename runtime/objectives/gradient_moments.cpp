#include "runtime/objectives/gradient_moments.h"

#include <cmath>

namespace vmodel::runtime {

GradientMoments::GradientMoments(int64_t size) : mean_(static_cast<size_t>(size), 0.0), squares_(mean_) {}

void GradientMoments::add(const Evaluation& evaluation, const double* gradient) {
  if (!evaluation.usable) {
    ++left_out_;
    return;
  }
  ++count_;
  for (size_t i = 0; i < mean_.size(); ++i) {
    const double before = gradient[i] - mean_[i];
    mean_[i] += before / static_cast<double>(count_);
    squares_[i] += before * (gradient[i] - mean_[i]);
  }
}

std::vector<double> GradientMoments::deviation() const {
  std::vector<double> result;
  for (const double s : squares_)
    result.push_back(count_ > 1 ? std::sqrt(s / static_cast<double>(count_ - 1)) : NAN);
  return result;
}

double GradientMoments::signal() const {
  if (count_ == 0)
    return NAN;
  double sum = 0;
  for (const double m : mean_)
    sum += std::fabs(m);
  return sum / static_cast<double>(mean_.size());
}

double GradientMoments::noise() const {
  double sum = 0;
  for (const double s : deviation())
    sum += s;
  return sum / static_cast<double>(mean_.size());
}

} // namespace vmodel::runtime
