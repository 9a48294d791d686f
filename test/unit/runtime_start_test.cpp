// The linear algebra of starts and preconditioners against Eigen's.

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

} // namespace
} // namespace vmodel::runtime
