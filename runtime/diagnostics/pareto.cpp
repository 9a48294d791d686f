#include "runtime/diagnostics/pareto.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace vmodel::runtime {
namespace {

constexpr size_t least_weights = 25;

// The mean of log(1 + b x): k of a generalised Pareto distribution with k / scale = b.
double shape_given(double b, const std::vector<double>& excess) {
  double sum = 0;
  for (const double x : excess)
    sum += std::log1p(b * x);
  return sum / static_cast<double>(excess.size());
}

} // namespace

double pareto_shape(std::vector<double> log_weights) {
  const size_t count = log_weights.size();
  if (count < least_weights ||
      std::any_of(log_weights.begin(), log_weights.end(), [](double w) { return std::isnan(w); }))
    return NAN;
  std::sort(log_weights.begin(), log_weights.end());
  const double n = static_cast<double>(count), greatest = log_weights.back();
  const size_t tail = static_cast<size_t>(std::ceil(std::min(0.2 * n, 3 * std::sqrt(n))));
  const double cut = std::exp(log_weights[count - tail - 1] - greatest);
  std::vector<double> excess;
  for (size_t i = count - tail; i < count; ++i)
    excess.push_back(std::exp(log_weights[i] - greatest) - cut);
  if (!(excess.back() > 0))
    return -INFINITY;
  // Zhang and Stephens: the posterior mean of b over a grid, under a prior that the data choose.
  const double m = static_cast<double>(tail);
  const int grid = 30 + static_cast<int>(std::sqrt(m));
  const double quartile = excess[static_cast<size_t>(std::floor(m / 4 + 0.5)) - 1];
  std::vector<double> at, likelihood;
  for (int j = 1; j <= grid; ++j) {
    const double b = (std::sqrt(grid / (j - 0.5)) - 1) / (3 * std::max(quartile, 1e-300)) - 1 / excess.back();
    const double k = shape_given(b, excess);
    at.push_back(b);
    likelihood.push_back(m * (std::log(b / k) - k - 1));
  }
  const double most = *std::max_element(likelihood.begin(), likelihood.end());
  double sum = 0, mean = 0;
  for (size_t j = 0; j < at.size(); ++j) {
    const double weight = std::exp(likelihood[j] - most);
    sum += weight;
    mean += weight * at[j];
  }
  // Towards 0.5, as if ten observations more had it.
  return (m * shape_given(mean / sum, excess) + 10 * 0.5) / (m + 10);
}

} // namespace vmodel::runtime
