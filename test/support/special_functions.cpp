#include "test/support/special_functions.h"

#include <cmath>
#include <limits>

namespace vmodel {

namespace {

constexpr double pi = 3.14159265358979323846;

// The asymptotic series in Bernoulli numbers (Abramowitz and Stegun, 6.3.18, 6.4.12, 6.4.13) for x >= 20.
double series(int order, double x) {
  static const double bernoulli[] = {1.0 / 6, -1.0 / 30, 1.0 / 42, -1.0 / 30, 5.0 / 66, -691.0 / 2730, 7.0 / 6};
  const double inverse = 1 / x;
  double sum = 0;
  for (int k = 1; k <= 7; ++k) {
    const double power = std::pow(inverse, 2 * k);
    const double b = bernoulli[k - 1];
    if (order == 0)
      sum -= b / (2 * k) * power;
    else if (order == 1)
      sum += b * power * inverse;
    else
      sum -= (2 * k + 1) * b * power * inverse * inverse;
  }
  if (order == 0)
    return std::log(x) - 0.5 * inverse + sum;
  if (order == 1)
    return inverse + 0.5 * inverse * inverse + sum;
  return -inverse * inverse - inverse * inverse * inverse + sum;
}

} // namespace

double polygamma(int order, double x) {
  if (std::isnan(x))
    return x;
  if (x <= 0) {
    if (x == std::floor(x))
      return std::numeric_limits<double>::quiet_NaN();
    // Reflection (Abramowitz and Stegun, 6.4.7).
    const double cotangent = 1 / std::tan(pi * x);
    const double derivative = 1 + cotangent * cotangent;
    if (order == 0)
      return polygamma(0, 1 - x) - pi * cotangent;
    if (order == 1)
      return pi * pi * derivative - polygamma(1, 1 - x);
    return polygamma(2, 1 - x) - 2 * pi * pi * pi * cotangent * derivative;
  }
  double sum = 0;
  for (; x < 20; x += 1)
    sum += order == 0 ? -1 / x : order == 1 ? 1 / (x * x) : -2 / (x * x * x);
  return sum + series(order, x);
}

double log_std_normal_cdf(double x) {
  if (x > -30)
    return x > 6 ? std::log1p(-0.5 * std::erfc(x / std::sqrt(2.0))) : std::log(0.5 * std::erfc(-x / std::sqrt(2.0)));
  const double s = 1 / (x * x);
  return -0.5 * x * x - std::log(-x) - 0.5 * std::log(2 * pi) +
         std::log1p(-s * (1 - 3 * s * (1 - 5 * s * (1 - 7 * s))));
}

double std_normal_quantile(double p) {
  const double infinity = std::numeric_limits<double>::infinity();
  if (!(p >= 0 && p <= 1))
    return std::numeric_limits<double>::quiet_NaN();
  if (p == 0 || p == 1)
    return p == 0 ? -infinity : infinity;
  if (p > 0.5 && p < 1)
    return -std_normal_quantile(1 - p);
  // Newton's method on the logarithm of the distribution function, which is concave.
  const double target = std::log(p);
  double x = p > 0.1 ? 0 : -std::sqrt(-2 * target);
  for (int i = 0; i < 100; ++i) {
    const double value = log_std_normal_cdf(x);
    const double slope = std::exp(-0.5 * x * x - 0.5 * std::log(2 * pi) - value);
    const double change = (value - target) / slope;
    x -= change;
    if (std::fabs(change) <= 1e-16 * std::fabs(x))
      break;
  }
  return x;
}

} // namespace vmodel
