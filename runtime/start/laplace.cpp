#include "runtime/start/laplace.h"

#include "runtime/io/files.h"
#include "runtime/model/philox.h"
#include "runtime/optimizers/lbfgs.h"
#include "runtime/start/triangular.h"

#include <Eigen/Cholesky>
#include <Eigen/LU>

#include <algorithm>
#include <cmath>

namespace vmodel::runtime {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr double log_two_pi = 1.8378770664093453;
// Half the squared distance to the mode, in posterior standard deviations, that counts as there.
constexpr double small_decrement = 1e-10;
const char* const too_dear = "the search for a mode would take longer than the steps";

// What a search may cost.
struct Limit {
  double most_work, factorisation_work;
  const std::function<void()>& alive;
  double factorisations = 0;

  bool exceeded(const UnconstrainedDensity& density, double next) const {
    return density.work() + factorisations + next > most_work;
  }
};

struct Point {
  VectorXd z, gradient;
  double value = 0;
};

// Solves (H + lambda diag|H|) step = gradient on the scaled matrix; false if not definite.
bool damped_step(const MatrixXd& precision, const VectorXd& gradient, double lambda, VectorXd& step) {
  const VectorXd scale = precision.diagonal().cwiseAbs().cwiseMax(1e-300).cwiseSqrt().cwiseInverse();
  MatrixXd scaled = scale.asDiagonal() * precision * scale.asDiagonal();
  scaled.diagonal().array() += lambda;
  const Eigen::LLT<MatrixXd> cholesky(scaled);
  if (cholesky.info() != Eigen::Success)
    return false;
  step = scale.asDiagonal() * cholesky.solve(scale.asDiagonal() * gradient);
  return step.allFinite();
}

// Newton's method from `point`; returns whether it ended at a proper mode.
bool newton(UnconstrainedDensity& density, Point& point, Limit& limit, Laplace& result) {
  double lambda = 0;
  Point next = point;
  for (int iteration = 0; iteration < 100; ++iteration) {
    if (limit.exceeded(density, density.hessian_work() + limit.factorisation_work)) {
      result.reason = too_dear;
      return false;
    }
    limit.alive();
    result.precision = -density.hessian(point.z.data());
    if (!result.precision.allFinite()) {
      result.reason = "the Hessian is not finite";
      return false;
    }
    VectorXd step;
    limit.factorisations += limit.factorisation_work;
    bool solved = damped_step(result.precision, point.gradient, 0, step);
    if (solved && 0.5 * point.gradient.dot(step) < small_decrement)
      return true;
    bool moved = false;
    for (int attempt = 0; attempt < 60 && !moved; ++attempt) {
      // The plain step is there already.
      if (attempt > 0 || lambda > 0) {
        limit.factorisations += limit.factorisation_work;
        solved = damped_step(result.precision, point.gradient, lambda, step);
      }
      if (solved) {
        next.z = point.z + step;
        next.gradient.resize(point.gradient.size());
        next.value = density.gradient(next.z.data(), next.gradient.data());
        const double rounding = 1e-14 * std::fabs(point.value);
        moved = std::isfinite(next.value) && next.gradient.allFinite() && next.value >= point.value - rounding;
      }
      if (!moved)
        lambda = lambda == 0 ? 1e-4 : lambda * 8;
      if (lambda > 1e20)
        break;
    }
    if (!moved) {
      result.reason = "Newton's method does not get ahead";
      return false;
    }
    std::swap(point, next);
    lambda = lambda < 1e-6 ? 0 : lambda / 8;
  }
  result.reason = "no stationary point was found: the density may be unbounded";
  return false;
}

Laplace from_start(UnconstrainedDensity& density, std::vector<double> z, Limit& limit) {
  Laplace result;
  const Differentiable function = [&](const double* x, double* gradient) {
    limit.alive();
    const double value = density.gradient(x, gradient);
    for (int64_t i = 0; i < density.dimension(); ++i)
      gradient[i] = -gradient[i];
    return -value;
  };
  LbfgsSettings settings;
  settings.iterations = 1000;
  settings.evaluations = static_cast<int64_t>(std::clamp(limit.most_work - density.work(), 100.0, 1e9));
  const LbfgsResult found = minimise_lbfgs(function, z, settings);
  result.mode = z;
  result.value = -found.value;
  if (found.end == LbfgsResult::End::not_finite) {
    result.reason = "the log density at the starting point is not finite";
    return result;
  }
  Point point;
  point.z = Eigen::Map<const VectorXd>(z.data(), density.dimension());
  point.gradient.resize(density.dimension());
  point.value = density.gradient(z.data(), point.gradient.data());
  result.proper = newton(density, point, limit, result) && factor_of_inverse(result.precision, result.factor);
  if (!result.proper && result.reason.empty()) {
    result.reason = "the negative Hessian is not positive definite";
  }
  result.mode.assign(point.z.data(), point.z.data() + point.z.size());
  result.value = point.value;
  return result;
}

} // namespace

bool factor_of_inverse(const MatrixXd& matrix, MatrixXd& factor, double least_pivot) {
  const int64_t n = matrix.rows();
  if (n == 0) {
    factor.resize(0, 0);
    return true;
  }
  if (!matrix.allFinite() || matrix.diagonal().minCoeff() <= 0)
    return false;
  const VectorXd scale = matrix.diagonal().cwiseSqrt().cwiseInverse();
  const MatrixXd scaled = scale.asDiagonal() * matrix * scale.asDiagonal();
  // With rows and columns reversed, M = U U' for an upper U, and inverse(M) = L L' with
  // L = inverse(U)' lower.
  const MatrixXd reversed = scaled.reverse();
  const Eigen::LLT<MatrixXd> cholesky(reversed);
  if (cholesky.info() != Eigen::Success)
    return false;
  const MatrixXd lower = cholesky.matrixL();
  if (lower.diagonal().minCoeff() < least_pivot)
    return false;
  const MatrixXd inverse = inverse_of_lower(lower).reverse();
  factor = scale.asDiagonal() * inverse.transpose();
  return factor.allFinite();
}

double Laplace::draw(uint64_t seed, uint32_t particle, double* z) const {
  const int64_t n = static_cast<int64_t>(mode.size());
  VectorXd normal(n);
  for (int64_t i = 0; i < n; ++i) {
    normal[i] = runtime_normal(seed, static_cast<uint32_t>(Stream::init), 0, particle, static_cast<uint32_t>(i));
  }
  Eigen::Map<VectorXd> out(z, n);
  out = Eigen::Map<const VectorXd>(mode.data(), n) + factor.triangularView<Eigen::Lower>() * normal;
  return normal.squaredNorm();
}

void Laplace::temper(double power) {
  precision *= power;
  factor /= std::sqrt(power);
}

std::vector<double> Laplace::log_ratios(UnconstrainedDensity& density, uint64_t seed, int64_t draws,
                                        double power) const {
  const int64_t n = static_cast<int64_t>(mode.size());
  const double log_scale = factor.diagonal().array().log().sum();
  std::vector<double> z(static_cast<size_t>(n + 1)), result;
  for (int64_t k = 0; k < draws; ++k) {
    const double squares = draw(seed, static_cast<uint32_t>(k), z.data());
    const double log_q = -0.5 * (squares + static_cast<double>(n) * log_two_pi) - log_scale;
    result.push_back(power * density.value(z.data()) - log_q);
  }
  return result;
}

Laplace find_laplace(UnconstrainedDensity& density, uint64_t seed, double most_work, double factorisation_work,
                     const std::function<void()>& alive) {
  const int64_t n = density.dimension();
  Laplace best;
  if (n > largest_dense_dimension) {
    best.reason = "the dimension " + std::to_string(n) + " is above " + std::to_string(largest_dense_dimension) +
                  ", the limit for dense Hessians";
    return best;
  }
  Limit limit{density.work() + most_work, factorisation_work, alive};
  std::vector<double> start(static_cast<size_t>(n), 0.0);
  best = from_start(density, start, limit);
  for (uint32_t attempt = 1; attempt <= 4 && !best.proper && best.reason != too_dear; ++attempt) {
    for (int64_t i = 0; i < n; ++i) {
      start[static_cast<size_t>(i)] =
          runtime_normal(seed, static_cast<uint32_t>(Stream::init), attempt, 0, static_cast<uint32_t>(i));
    }
    Laplace other = from_start(density, start, limit);
    if (other.proper)
      return other;
  }
  return best;
}

} // namespace vmodel::runtime
