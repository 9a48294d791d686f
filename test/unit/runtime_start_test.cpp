// The linear algebra of starts and preconditioners against Eigen's.

#include "runtime/optimizers/lbfgs.h"
#include "runtime/start/laplace.h"
#include "runtime/start/triangular.h"

#include <Eigen/Dense>
#include <gtest/gtest.h>

#include <random>

namespace vmodel::runtime {
namespace {

using Eigen::MatrixXd;

MatrixXd random_matrix(int64_t n, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  return MatrixXd::NullaryExpr(n, n, [&] { return normal(random); });
}

MatrixXd random_lower(int64_t n, uint64_t seed) {
  MatrixXd result = random_matrix(n, seed).triangularView<Eigen::Lower>();
  result.diagonal() = result.diagonal().cwiseAbs().array() + 1;
  return result;
}

TiledMatrix tiled(const MatrixXd& matrix) {
  TiledMatrix result(matrix.rows());
  for (int64_t i = 0; i < matrix.rows(); ++i) {
    for (int64_t j = 0; j < matrix.cols(); ++j)
      result.row(i)[j] = matrix(i, j);
  }
  return result;
}

void expect_lower_triangle(const TiledMatrix& found, const MatrixXd& expected) {
  const double scale = expected.cwiseAbs().maxCoeff();
  for (int64_t i = 0; i < expected.rows(); ++i) {
    for (int64_t j = 0; j <= i; ++j)
      ASSERT_NEAR(found.row(i)[j], expected(i, j), 1e-13 * scale) << i << ", " << j;
  }
}

class Triangular : public testing::TestWithParam<int64_t> {};
INSTANTIATE_TEST_SUITE_P(Sizes, Triangular, testing::Values(1, 2, 3, 4, 5, 15, 16, 17, 33, 100));

TEST_P(Triangular, ProductOfLowerMatrices) {
  const int64_t n = GetParam();
  const MatrixXd a = random_lower(n, 1), b = random_lower(n, 2);
  TiledMatrix product(n);
  multiply_lower(tiled(a), tiled(b), product);
  expect_lower_triangle(product, a * b);
}

TEST_P(Triangular, ProductOfAnUpperAndALowerMatrix) {
  const int64_t n = GetParam();
  const MatrixXd a = random_lower(n, 3), b = random_lower(n, 4);
  TiledMatrix product(n);
  multiply_upper_lower(tiled(a.transpose()), tiled(b), product);
  expect_lower_triangle(product, a.transpose() * b);
}

TEST_P(Triangular, FactorOfTheInverse) {
  const int64_t n = GetParam();
  const MatrixXd root = random_matrix(n, 5);
  const MatrixXd matrix = root * root.transpose() + MatrixXd::Identity(n, n);
  MatrixXd factor;
  ASSERT_TRUE(factor_of_inverse(matrix, factor));
  EXPECT_TRUE(factor.isLowerTriangular());
  EXPECT_LT((factor * factor.transpose() * matrix - MatrixXd::Identity(n, n)).cwiseAbs().maxCoeff(), 1e-11);
}

TEST(FactorOfInverse, RefusesWhatIsNotPositiveDefinite) {
  MatrixXd matrix = MatrixXd::Identity(3, 3), factor;
  matrix(0, 1) = matrix(1, 0) = 2;
  EXPECT_FALSE(factor_of_inverse(matrix, factor));
  matrix(1, 1) = NAN;
  EXPECT_FALSE(factor_of_inverse(matrix, factor));
}

TEST(InverseOfLower, OfSeveralBlocks) {
  // Well conditioned whatever its size.
  MatrixXd lower = random_lower(200, 6) / 20;
  lower.diagonal().setOnes();
  EXPECT_LT((lower * inverse_of_lower(lower) - MatrixXd::Identity(200, 200)).cwiseAbs().maxCoeff(), 1e-11);
}

// A search ends with the first ten steps that together gain less than is negligible, and not before.
TEST(Lbfgs, EndsWhereTheGainIsNegligible) {
  constexpr int size = 40;
  const Differentiable function = [](const double* x, double* gradient) {
    double value = 0;
    for (int i = 0; i < size; ++i) {
      const double scale = std::pow(10.0, 0.1 * i), distance = x[i] - i;
      value += scale * (std::cosh(distance) - 1);
      gradient[i] = scale * std::sinh(distance);
    }
    return value;
  };
  const auto value_after = [&](int steps) {
    LbfgsSettings settings;
    settings.iterations = steps;
    std::vector<double> x(size, 0.0);
    return minimise_lbfgs(function, x, settings).value;
  };
  LbfgsSettings settings;
  settings.negligible = [] { return 0.01; };
  std::vector<double> x(size, 0.0);
  const LbfgsResult found = minimise_lbfgs(function, x, settings);
  EXPECT_EQ(found.end, LbfgsResult::End::converged);
  const int steps = found.iterations + 1;
  EXPECT_EQ(found.value, value_after(steps));
  EXPECT_LT(value_after(steps - 10) - found.value, 0.01);
  EXPECT_GE(value_after(steps - 11) - value_after(steps - 1), 0.01);
}

} // namespace
} // namespace vmodel::runtime
