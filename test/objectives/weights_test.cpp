// Labels and weights against the formulas in long double, written down a second time, and their special cases.

#include "runtime/objectives/weights.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace vmodel::runtime {
namespace {

using Real = long double;
constexpr double infinity = std::numeric_limits<double>::infinity();

std::vector<Real> plain_softmax(const std::vector<Real>& a) {
  Real largest = -std::numeric_limits<Real>::infinity(), sum = 0;
  for (const Real x : a)
    largest = std::max(largest, x);
  std::vector<Real> result;
  for (const Real x : a)
    sum += std::exp(x - largest);
  for (const Real x : a)
    result.push_back(std::exp(x - largest) / sum);
  return result;
}

struct Case {
  std::vector<double> log_p, log_q;
};

// Densities as they come: far from zero, and apart from each other by `spread`.
Case random_case(int64_t count, double spread, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  Case result;
  for (int64_t k = 0; k < count; ++k) {
    result.log_q.push_back(-40 + spread * normal(random));
    result.log_p.push_back(-700 + spread * normal(random));
  }
  return result;
}

class Labels : public testing::TestWithParam<double> {};
INSTANTIATE_TEST_SUITE_P(Alphas, Labels, testing::Values(0, 0.3, 0.75, 1));

TEST_P(Labels, AreTheFormulas) {
  const double alpha = GetParam();
  for (const Negative negative : {Negative::proposal, Negative::posterior}) {
    for (const double spread : {0.1, 1.0, 30.0}) {
      const int64_t count = 11;
      const Case c = random_case(count, spread, 7);
      std::vector<Real> labels, logits;
      for (size_t k = 0; k < c.log_p.size(); ++k) {
        const Real p = c.log_p[k], q = c.log_q[k], minus = alpha * (negative == Negative::proposal ? q : p);
        labels.push_back(p - minus);
        logits.push_back(q - minus);
      }
      const auto y = plain_softmax(labels), yhat = plain_softmax(logits);
      Real loss = 0, squares = 0;
      for (size_t k = 0; k < y.size(); ++k) {
        loss -= y[k] * std::log(yhat[k]);
        squares += y[k] * y[k];
      }
      std::vector<double> label(static_cast<size_t>(count)), guide(label);
      const Weighing w =
          weigh_softcvi(c.log_p.data(), c.log_q.data(), count, alpha, negative, label.data(), guide.data());
      ASSERT_TRUE(w.defined);
      // A probability errs by that of its logarithm, which is of the size of the logarithms subtracted.
      const double error = 8 * 2.2e-16 * 1000;
      for (size_t k = 0; k < y.size(); ++k) {
        EXPECT_NEAR(label[k], static_cast<double>(y[k]), error * static_cast<double>(y[k]) + 1e-300);
        EXPECT_NEAR(guide[k], static_cast<double>(yhat[k]), error * static_cast<double>(yhat[k]) + 1e-300);
      }
      EXPECT_NEAR(w.value, static_cast<double>(loss), error * (1 + static_cast<double>(loss)));
      EXPECT_NEAR(w.label_size, static_cast<double>(1 / squares), error * static_cast<double>(count));
      EXPECT_EQ(w.impossible, 0);
    }
  }
}

TEST_P(Labels, AreTheClassifierAtThePosterior) {
  const double alpha = GetParam();
  for (const Negative negative : {Negative::proposal, Negative::posterior}) {
    Case c = random_case(16, 3, 5);
    for (size_t k = 0; k < 16; ++k)
      c.log_p[k] = c.log_q[k] - 123.25;
    std::vector<double> label(16), guide(16);
    weigh_softcvi(c.log_p.data(), c.log_q.data(), 16, alpha, negative, label.data(), guide.data());
    for (size_t k = 0; k < 16; ++k)
      EXPECT_NEAR(label[k], guide[k], 64 * 2.2e-16 * 200 * label[k]);
  }
}

TEST_P(Labels, OfWhatIsImpossibleAreZero) {
  const double alpha = GetParam();
  const std::vector<double> q = {-1, -2, -3, -4}, p = {-5, -infinity, -6, -infinity};
  std::vector<double> label(4), guide(4);
  Weighing w = weigh_softcvi(p.data(), q.data(), 4, alpha, Negative::proposal, label.data(), guide.data());
  EXPECT_TRUE(w.defined);
  EXPECT_EQ(w.impossible, 2);
  EXPECT_EQ(label[1], 0);
  EXPECT_EQ(label[3], 0);
  EXPECT_NEAR(label[0] / label[2], std::exp((-5 + alpha) - (-6 + 3 * alpha)), 1e-14 * label[0] / label[2]);
  EXPECT_TRUE(std::isfinite(w.value));
  for (const double y : guide)
    EXPECT_GT(y, 0);

  // The limit of ever smaller densities.
  w = weigh_softcvi(p.data(), q.data(), 4, alpha, Negative::posterior, label.data(), guide.data());
  EXPECT_TRUE(w.defined);
  EXPECT_EQ(label[1], 0);
  const std::vector<double> nearly = {-5, -1e7, -6, -1e7};
  std::vector<double> near_label(4), near_guide(4);
  weigh_softcvi(nearly.data(), q.data(), 4, alpha, Negative::posterior, near_label.data(), near_guide.data());
  for (size_t k = 0; k < 4; ++k)
    EXPECT_NEAR(guide[k], near_guide[k], 1e-8) << k; // a density of exp(-1e7) to the power 1 - alpha
  EXPECT_EQ(std::isinf(w.value), alpha > 0);
}

TEST(Labels, AreUndefinedWithoutNumbers) {
  const std::vector<double> good = {-1, -2, -3};
  std::vector<double> label(3), guide(3);
  const auto refused = [&](const std::vector<double>& p, const std::vector<double>& q, int64_t impossible,
                           int64_t not_finite) {
    for (const Negative negative : {Negative::proposal, Negative::posterior}) {
      const Weighing w = weigh_softcvi(p.data(), q.data(), 3, 0.5, negative, label.data(), guide.data());
      EXPECT_FALSE(w.defined);
      EXPECT_EQ(w.impossible, impossible);
      EXPECT_EQ(w.not_finite, not_finite);
      EXPECT_TRUE(std::isnan(w.value));
    }
    EXPECT_FALSE(weigh_forward_kl(p.data(), q.data(), 3, true, label.data(), guide.data()).defined);
    EXPECT_FALSE(weigh_renyi(p.data(), q.data(), 3, 0.5, label.data()).defined);
  };
  refused({-1, NAN, -3}, good, 0, 1);
  refused({-1, infinity, -3}, good, 0, 1);
  refused(good, {-1, -infinity, NAN}, 0, 2);
  refused({-infinity, -infinity, -infinity}, good, 3, 0);
  refused({-infinity, NAN, -1}, good, 1, 1);
}

TEST(ForwardKl, IsSoftCviWithAllOfTheProposal) {
  const Case c = random_case(9, 2, 3);
  std::vector<double> y(9), yhat(9), w(9), mean(9);
  weigh_softcvi(c.log_p.data(), c.log_q.data(), 9, 1, Negative::proposal, y.data(), yhat.data());
  const Weighing with = weigh_forward_kl(c.log_p.data(), c.log_q.data(), 9, true, w.data(), mean.data());
  double value = 0;
  for (size_t k = 0; k < 9; ++k) {
    EXPECT_NEAR(y[k], w[k], 1e-15);
    EXPECT_NEAR(yhat[k], mean[k], 1e-15);
    value += w[k] * (c.log_p[k] - c.log_q[k]);
  }
  EXPECT_NEAR(with.value, value, 1e-12);
  const Weighing without = weigh_forward_kl(c.log_p.data(), c.log_q.data(), 9, false, w.data(), mean.data());
  EXPECT_EQ(without.value, with.value);
  EXPECT_EQ(mean, std::vector<double>(9, 0.0));
}

TEST(Renyi, IsTheFormula) {
  const Case c = random_case(7, 1.5, 11);
  std::vector<double> v(7);
  double before = infinity;
  for (const double alpha : {-1.0, 0.0, 0.5, 0.999999, 1.0, 1.000001, 2.0}) {
    const Weighing w = weigh_renyi(c.log_p.data(), c.log_q.data(), 7, alpha, v.data());
    Real sum = 0, mean = 0;
    for (size_t k = 0; k < 7; ++k) {
      const Real r = static_cast<Real>(c.log_p[k]) - c.log_q[k];
      sum += std::exp((1 - static_cast<Real>(alpha)) * (r + 660)) / 7;
      mean += r / 7;
    }
    const Real n = 1 - static_cast<Real>(alpha);
    const double expected = static_cast<double>(n == 0 ? mean : std::log(sum) / n - 660);
    // Rounding of the logarithms of 7 and of a mean near 1 is divided by n.
    EXPECT_NEAR(w.value, expected, 1e-12 + (n == 0 ? 0 : 1e-15 / std::fabs(static_cast<double>(n)))) << alpha;
    // Falls in alpha.
    EXPECT_LT(w.value, before);
    before = w.value;
  }
}

TEST(Renyi, WeighsWhatIsImpossibleByTheOrder) {
  const std::vector<double> q = {-1, -2}, p = {-3, -infinity};
  std::vector<double> v(2);
  const Weighing lower = weigh_renyi(p.data(), q.data(), 2, 0, v.data());
  EXPECT_TRUE(lower.defined);
  EXPECT_EQ(v[1], 0);
  EXPECT_NEAR(lower.value, -2 - std::log(2.0), 1e-15);
  EXPECT_FALSE(weigh_renyi(p.data(), q.data(), 2, 1, v.data()).defined);
  EXPECT_FALSE(weigh_renyi(p.data(), q.data(), 2, 2, v.data()).defined);
}

} // namespace
} // namespace vmodel::runtime
