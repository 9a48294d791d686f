// The log density on the unconstrained scale, with its derivatives, at single points.
#pragma once

#include "runtime/model/prepared_model.h"

#include <Eigen/Core>

namespace vmodel::runtime {

// log_density + jacobian as a function of z. Not for several threads at once.
class UnconstrainedDensity {
public:
  explicit UnconstrainedDensity(const PreparedModel& model);

  int64_t dimension() const { return dimension_; }
  double value(const double* z);
  // Writes D numbers.
  double gradient(const double* z, double* gradient);
  // The exact Hessian, D x D, one direction a lane.
  Eigen::MatrixXd hessian(const double* z);
  // The Hessian at a point times a direction, in every lane; arrays are [D][lanes], as kernels have
  // them. The result is valid until the next call.
  const double* hessian_products(const double* z, const double* v);

  int64_t lanes() const { return lanes_; }
  // What has been computed so far, in gradients of one particle.
  double work() const { return work_; }
  // What one hessian() costs.
  double hessian_work() const;

private:
  int64_t dimension_, lanes_;
  double work_ = 0;
  double value_ = 0, jacobian_ = 0;
  AlignedVector<double> z_, gradient_, wide_z_, direction_, wide_gradient_, product_;
  KernelCall value_call_, gradient_call_, hessian_call_;
};

// A Hessian-vector product costs about as much as this many gradients.
inline constexpr double product_work = 3;

// Dense Hessians (Laplace, preconditioning) are computed up to this dimension.
inline constexpr int64_t largest_dense_dimension = 1000;

} // namespace vmodel::runtime
