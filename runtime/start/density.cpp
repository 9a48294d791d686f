#include "runtime/start/density.h"

#include <algorithm>

namespace vmodel::runtime {

UnconstrainedDensity::UnconstrainedDensity(const PreparedModel& model)
    : dimension_(model.dimension()), lanes_(model.lanes()) {
  const size_t d = static_cast<size_t>(dimension_);
  const size_t wide = static_cast<size_t>(dimension_ * lanes_);
  for (auto* array : {&z_, &gradient_})
    array->resize(d + 1);
  for (auto* array : {&wide_z_, &direction_, &wide_gradient_, &product_})
    array->resize(wide + 1);
  value_call_ = model.call("log_density", 1, {{"z", z_.data()}, {"value", &value_}, {"jacobian", &jacobian_}});
  gradient_call_ =
      model.call("log_density_gradient", 1,
                 {{"z", z_.data()}, {"value", &value_}, {"jacobian", &jacobian_}, {"gradient", gradient_.data()}});
  hessian_call_ = model.call("hessian_vector", model.lanes(),
                             {{"z", wide_z_.data()},
                              {"v", direction_.data()},
                              {"gradient", wide_gradient_.data()},
                              {"product", product_.data()}});
}

double UnconstrainedDensity::value(const double* z) {
  std::copy(z, z + dimension_, z_.begin());
  value_call_();
  work_ += 0.5;
  return value_ + jacobian_;
}

double UnconstrainedDensity::gradient(const double* z, double* gradient) {
  std::copy(z, z + dimension_, z_.begin());
  gradient_call_();
  work_ += 1;
  std::copy(gradient_.begin(), gradient_.begin() + dimension_, gradient);
  return value_ + jacobian_;
}

Eigen::MatrixXd UnconstrainedDensity::hessian(const double* z) {
  Eigen::MatrixXd result(dimension_, dimension_);
  work_ += hessian_work();
  for (int64_t i = 0; i < dimension_; ++i) {
    std::fill_n(wide_z_.begin() + i * lanes_, lanes_, z[i]);
  }
  for (int64_t first = 0; first < dimension_; first += lanes_) {
    std::fill(direction_.begin(), direction_.end(), 0.0);
    const int64_t count = std::min(lanes_, dimension_ - first);
    for (int64_t lane = 0; lane < count; ++lane) {
      direction_[static_cast<size_t>((first + lane) * lanes_ + lane)] = 1;
    }
    hessian_call_();
    for (int64_t lane = 0; lane < count; ++lane) {
      for (int64_t i = 0; i < dimension_; ++i) {
        result(i, first + lane) = product_[static_cast<size_t>(i * lanes_ + lane)];
      }
    }
  }
  return (result + result.transpose()) * 0.5;
}

double UnconstrainedDensity::hessian_work() const {
  const int64_t products = (dimension_ + lanes_ - 1) / lanes_ * lanes_;
  return product_work * static_cast<double>(products);
}

const double* UnconstrainedDensity::hessian_products(const double* z, const double* v) {
  const int64_t wide = dimension_ * lanes_;
  std::copy(z, z + wide, wide_z_.begin());
  std::copy(v, v + wide, direction_.begin());
  hessian_call_();
  work_ += product_work * static_cast<double>(lanes_);
  return product_.data();
}

} // namespace vmodel::runtime
