// The mode of the posterior on the unconstrained scale and the Gaussian with its curvature.
#pragma once

#include "runtime/start/density.h"

#include <Eigen/Core>

#include <functional>
#include <string>
#include <vector>

namespace vmodel::runtime {

struct Laplace {
  // A stationary point with a positive definite negative Hessian was found; otherwise `reason`
  // says what is missing, and only `mode` and `value` hold something.
  bool proper = false;
  std::string reason;
  std::vector<double> mode;
  double value = 0;
  // Negative Hessian, and the lower Cholesky factor of its inverse (the covariance).
  Eigen::MatrixXd precision, factor;

  // The approximation of the density to this power.
  void temper(double power);
  // power log p - log q of `draws` draws; their mean estimates the ELBO of this Gaussian.
  std::vector<double> log_ratios(UnconstrainedDensity& density, uint64_t seed, int64_t draws, double power = 1) const;
  // A draw: mode + factor * standard normal numbers, whose sum of squares is returned.
  double draw(uint64_t seed, uint32_t particle, double* z) const;
};

// L-BFGS from zero (and from a few random points when that fails), then Newton's method with
// Levenberg's damping. Deterministic. The search ends where it would cost more than `most_work`
// gradients, a factorisation costing `factorisation_work` of them; `alive` is called now and then.
Laplace find_laplace(UnconstrainedDensity& density, uint64_t seed, double most_work, double factorisation_work,
                     const std::function<void()>& alive);

// The lower Cholesky factor of the inverse of a positive definite matrix; false when it is not.
// Works on the matrix scaled to a unit diagonal, whose Cholesky factor must not have a pivot below
// `least_pivot`.
bool factor_of_inverse(const Eigen::MatrixXd& matrix, Eigen::MatrixXd& factor, double least_pivot = 1e-7);

} // namespace vmodel::runtime
