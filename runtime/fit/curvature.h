// The curvature of an objective in coordinates that are nearly round already.
#pragma once

#include <Eigen/Core>

#include <cstdint>
#include <functional>
#include <vector>

namespace vmodel::runtime {

// The inverse of the negative Hessian as 1 + Y (1 / theta - 1) Y', Y being few orthonormal
// directions.
class Curvature {
public:
  // Overwrites g by its product with the inverse. Does not allocate.
  void apply(std::vector<double>& g) const;
  // Known directions with their curvature; the rest have 1.
  const Eigen::MatrixXd& directions() const { return directions_; }
  const Eigen::VectorXd& values() const { return values_; }

private:
  friend Curvature find_curvature(int64_t, const std::function<bool(const double*, double*)>&,
                                  const std::function<bool(const double*, double*)>&);
  Eigen::MatrixXd directions_;
  Eigen::VectorXd values_;
  mutable Eigen::VectorXd along_;
};

// So many directions are looked at.
inline constexpr int64_t most_curvature_directions = 24;

// Writes the gradient at a point; false where it is not finite.
using GradientAt = std::function<bool(const double* at, double* gradient)>;

// Lanczos's method with full reorthogonalisation (Golub and Van Loan, "Matrix computations", 2013,
// section 10.1) on differences of the gradient of a function to be maximised, at 0, size n. Flat
// directions, where a noisy gradient errs most, are measured again by `fine`. Without result (all
// curvatures 1) where gradients are not finite.
Curvature find_curvature(int64_t n, const GradientAt& coarse, const GradientAt& fine);

} // namespace vmodel::runtime
