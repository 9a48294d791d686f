// The shape of the tail of weights whose distribution is known, at its own quantiles.

#include "runtime/diagnostics/pareto.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace vmodel::runtime {
namespace {

// log of a generalised Pareto variable of this shape at the middles of `count` equal parts of probability.
std::vector<double> quantiles(double shape, int count) {
  std::vector<double> result;
  for (int i = 0; i < count; ++i) {
    const double log_tail = std::log1p(-(i + 0.5) / count);
    result.push_back(std::log(shape == 0 ? -log_tail : std::expm1(-shape * log_tail) / shape));
  }
  return result;
}

TEST(ParetoShape, IsThatOfTheDistribution) {
  for (const double shape : {-0.5, 0.0, 0.4, 0.9}) {
    // Three hundred weights tell the shape to (1 + k) / sqrt(300) (Smith 1987); ten that stand for 0.5 pull it by 3 %.
    const double pull = 10 * (0.5 - shape) / 310;
    EXPECT_NEAR(pareto_shape(quantiles(shape, 10000)), shape + pull, (1 + shape) / std::sqrt(300.0)) << shape;
  }
  // The scale of weights does not matter, nor their order.
  std::vector<double> weights = quantiles(0.4, 1000), shifted(weights.rbegin(), weights.rend());
  for (double& w : shifted)
    w -= 700;
  EXPECT_NEAR(pareto_shape(weights), pareto_shape(shifted), 1e-9);
}

TEST(ParetoShape, OfEqualAndOfTooFewWeights) {
  EXPECT_EQ(pareto_shape(std::vector<double>(100, -3.0)), -INFINITY);
  EXPECT_TRUE(std::isnan(pareto_shape(std::vector<double>(24, 0.0))));
  std::vector<double> weights = quantiles(0.4, 100);
  weights[7] = std::nan("");
  EXPECT_TRUE(std::isnan(pareto_shape(weights)));
}

} // namespace
} // namespace vmodel::runtime
