#include "runtime/fit/curvature.h"

#include "runtime/model/philox.h"
#include "runtime/model/prepared_model.h"

#include <Eigen/Eigenvalues>

#include <algorithm>
#include <cmath>

namespace vmodel::runtime {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr int64_t most_flat = 4;
constexpr double flat = 0.6;
// Lanczos's method sees the extreme curvatures first: where so many directions lie within these
// limits, none far from 1 is to be expected.
constexpr int64_t first_directions = 8;
constexpr double usual_least = 0.75, usual_most = 1.35;
// Noise may make a flat direction look flatter, or turn it over.
constexpr double least_curvature = 0.03;
constexpr double difference = 1e-4;

// H y for the negative Hessian H.
class Products {
public:
  Products(int64_t n, const GradientAt& gradient) : gradient_(gradient), at_(n), base_(n), moved_(n) {
    at_.setZero();
    finite_ = gradient_(at_.data(), base_.data());
  }
  bool multiply(const VectorXd& y, VectorXd& product) {
    at_ = difference * y;
    finite_ = finite_ && gradient_(at_.data(), moved_.data());
    product = (base_ - moved_) / difference;
    return finite_ && product.allFinite();
  }

private:
  const GradientAt& gradient_;
  VectorXd at_, base_, moved_;
  bool finite_;
};

// Whether all curvatures in the space of q, whose images are given, are near 1.
bool usual(const MatrixXd& q, const MatrixXd& images) {
  const MatrixXd projected = q.transpose() * images;
  const Eigen::SelfAdjointEigenSolver<MatrixXd> ritz((projected + projected.transpose()) * 0.5, Eigen::EigenvaluesOnly);
  return ritz.info() == Eigen::Success && ritz.eigenvalues().minCoeff() > usual_least &&
         ritz.eigenvalues().maxCoeff() < usual_most;
}

} // namespace

void Curvature::apply(std::vector<double>& g) const {
  double* const data = g.data();
  if (values_.size() == 0 || data == nullptr)
    return;
  Eigen::Map<VectorXd> v(data, directions_.rows());
  along_.noalias() = directions_.transpose() * v;
  along_.array() *= values_.array().inverse() - 1;
  v.noalias() += directions_ * along_;
}

Curvature find_curvature(int64_t n, const GradientAt& coarse, const GradientAt& fine) {
  Curvature result;
  int64_t most = std::min(n, most_curvature_directions);
  if (most == 0)
    return result;
  MatrixXd q(n, most), images(n, most);
  Products products(n, coarse);
  VectorXd next(n), image(n);
  for (int64_t i = 0; i < n; ++i) {
    next[i] = runtime_normal(0, static_cast<uint32_t>(Stream::init), 200, 0, static_cast<uint32_t>(i));
  }
  int64_t count = 0;
  for (double length = next.norm(); count < most && length > 1e-3; ++count, length = next.norm()) {
    q.col(count) = next / length;
    if (!products.multiply(q.col(count), image))
      return result;
    images.col(count) = image;
    if (count + 1 == first_directions && usual(q.leftCols(count + 1), images.leftCols(count + 1)))
      most = first_directions;
    next = image;
    for (int pass = 0; pass < 2; ++pass) {
      next -= q.leftCols(count + 1) * (q.leftCols(count + 1).transpose() * next);
    }
  }
  const MatrixXd projected = q.leftCols(count).transpose() * images.leftCols(count);
  const Eigen::SelfAdjointEigenSolver<MatrixXd> ritz((projected + projected.transpose()) * 0.5);
  if (ritz.info() != Eigen::Success)
    return result;
  MatrixXd y = q.leftCols(count) * ritz.eigenvectors();
  VectorXd values = ritz.eigenvalues();
  int64_t flats = 0;
  while (flats < std::min(count, most_flat) && values[flats] < flat)
    ++flats;
  if (flats > 0) {
    Products precise(n, fine);
    MatrixXd block(flats, flats);
    for (int64_t j = 0; j < flats; ++j) {
      if (!precise.multiply(y.col(j), image))
        return result;
      block.col(j) = y.leftCols(flats).transpose() * image;
    }
    const Eigen::SelfAdjointEigenSolver<MatrixXd> again((block + block.transpose()) * 0.5);
    if (again.info() != Eigen::Success)
      return result;
    y.leftCols(flats) = (y.leftCols(flats) * again.eigenvectors()).eval();
    values.head(flats) = again.eigenvalues();
  }
  result.directions_ = y;
  result.values_ = values.cwiseMax(least_curvature);
  result.along_.resize(count);
  return result;
}

} // namespace vmodel::runtime
