// Streamed means of exponentials against the formula in long double, and their special cases.

#include "runtime/objectives/mixture_density.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace vmodel::runtime {
namespace {

using Real = long double;
constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr int64_t size = 3, lanes = 4;

struct Sample {
  std::vector<double> term, vector;
};

std::vector<Sample> random_samples(int count, double spread) {
  std::mt19937_64 random(5);
  std::normal_distribution<double> normal;
  std::vector<Sample> result(static_cast<size_t>(count));
  for (Sample& s : result) {
    for (int64_t l = 0; l < lanes; ++l)
      s.term.push_back(-300 + spread * normal(random));
    for (int64_t i = 0; i < size * lanes; ++i)
      s.vector.push_back(normal(random));
  }
  return result;
}

StreamedMean streamed(const std::vector<Sample>& samples) {
  StreamedMean mean(size, lanes);
  for (const Sample& s : samples)
    mean.add(s.term.data(), s.vector.data());
  return mean;
}

TEST(StreamedMean, IsTheFormula) {
  for (const double spread : {0.0, 1.0, 200.0}) {
    const std::vector<Sample> samples = random_samples(1000, spread);
    const StreamedMean mean = streamed(samples);
    for (int64_t l = 0; l < lanes; ++l) {
      const size_t lane = static_cast<size_t>(l);
      Real greatest = -infinity, sum = 0, squares = 0;
      for (const Sample& s : samples)
        greatest = std::max<Real>(greatest, s.term[lane]);
      for (const Sample& s : samples) {
        const Real w = std::exp(s.term[lane] - greatest);
        sum += w;
        squares += w * w;
      }
      // A thousand roundings, each of half an ulp at most, add up to this.
      const double rounding = 1000 * 1.2e-16;
      const Real log_mean = greatest + std::log(sum / 1000);
      EXPECT_NEAR(mean.log_mean(l), static_cast<double>(log_mean), 300 * 2.3e-16 + rounding);
      EXPECT_NEAR(mean.effective(l), static_cast<double>(sum * sum / squares), 8 * rounding * 1000);
      const Real variance = (squares / 1000 - (sum / 1000) * (sum / 1000)) * 1000 / 999 / 1000;
      EXPECT_NEAR(mean.log_mean_error(l), static_cast<double>(std::sqrt(std::max<Real>(variance, 0)) / (sum / 1000)),
                  1e-7);
      for (int64_t i = 0; i < size; ++i) {
        Real expected = 0;
        for (const Sample& s : samples)
          expected += std::exp(s.term[lane] - greatest) / sum * s.vector[static_cast<size_t>(i * lanes + l)];
        EXPECT_NEAR(mean.mean(i, l), static_cast<double>(expected), 8 * rounding);
      }
    }
  }
}

TEST(StreamedMean, OrderMattersOnlyToRounding) {
  std::vector<Sample> samples = random_samples(200, 5);
  const StreamedMean forward = streamed(samples);
  std::reverse(samples.begin(), samples.end());
  const StreamedMean backward = streamed(samples);
  for (int64_t l = 0; l < lanes; ++l) {
    EXPECT_NEAR(forward.log_mean(l), backward.log_mean(l), 1e-12);
    for (int64_t i = 0; i < size; ++i)
      EXPECT_NEAR(forward.mean(i, l), backward.mean(i, l), 1e-12);
  }
}

TEST(StreamedMean, TermsOfZeroAndNoNumbers) {
  Sample one{{0, -infinity, std::nan(""), -infinity}, std::vector<double>(size * lanes, 2)};
  const Sample zero{{-infinity, 0, 0, -infinity}, std::vector<double>(size * lanes, std::nan(""))};
  StreamedMean mean(size, lanes);
  mean.add(one.term.data(), one.vector.data());
  mean.add(zero.term.data(), zero.vector.data());
  EXPECT_DOUBLE_EQ(mean.log_mean(0), -std::log(2));
  // The vector that has no weight is not a number.
  EXPECT_DOUBLE_EQ(mean.mean(0, 0), 2);
  EXPECT_DOUBLE_EQ(mean.effective(0), 1);
  EXPECT_TRUE(std::isnan(mean.mean(0, 1)));
  EXPECT_TRUE(std::isnan(mean.log_mean(2)));
  EXPECT_EQ(mean.log_mean(3), -infinity);
  mean.clear();
  EXPECT_EQ(mean.count(), 0);
}

TEST(StreamedMean, PoolsLanesAtOnePoint) {
  const std::vector<Sample> samples = random_samples(500, 1);
  const StreamedMean mean = streamed(samples);
  Real sum = 0;
  for (const Sample& s : samples)
    for (const double term : s.term)
      sum += std::exp(static_cast<Real>(term) + 300);
  const PooledDensity pooled = pool_lanes(mean, lanes);
  EXPECT_NEAR(pooled.log_density, static_cast<double>(std::log(sum / (500 * lanes)) - 300), 1e-12);
  // Four times as many samples: half the error, as far as the lanes' own errors are alike.
  EXPECT_NEAR(pooled.error, mean.log_mean_error(0) / 2, 0.3 * mean.log_mean_error(0));
  Real squares = 0;
  for (const Sample& s : samples)
    for (const double term : s.term)
      squares += std::exp(2 * (static_cast<Real>(term) + 300));
  EXPECT_NEAR(pooled.effective, static_cast<double>(sum * sum / squares), 1e-12 * pooled.effective);
}

} // namespace
} // namespace vmodel::runtime
