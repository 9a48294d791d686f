// The mode of the posterior on the unconstrained scale and the Gaussian with its curvature.
#pragma once

#include "runtime/start/density.h"

#include <Eigen/Core>

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
  int evaluations = 0;

  // E log p + entropy of this Gaussian by `draws` draws; -inf when a draw has no finite density.
  double elbo(UnconstrainedDensity& density, uint64_t seed, int draws = 256) const;
  // A draw: mode + factor * standard normal numbers.
  void draw(uint64_t seed, uint32_t particle, double* z) const;
};

// L-BFGS from zero (and from a few random points when that fails), then Newton's method with
// Levenberg's damping. Deterministic.
Laplace find_laplace(UnconstrainedDensity& density, uint64_t seed);

// The lower Cholesky factor of the inverse of a positive definite matrix; false when it is not.
// Works on the matrix scaled to a unit diagonal.
bool factor_of_inverse(const Eigen::MatrixXd& matrix, Eigen::MatrixXd& factor);

} // namespace vmodel::runtime
