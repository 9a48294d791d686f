// Dense triangular matrices: what a fit with a full covariance does in every step.
#pragma once

#include "runtime/model/memory.h"

#include <Eigen/Core>

#include <cstdint>

namespace vmodel::runtime {

// A square matrix by rows, padded with zeros so that whole tiles can be read.
class TiledMatrix {
public:
  TiledMatrix() = default;
  explicit TiledMatrix(int64_t size)
      : size_(size), stride_((size + tile - 1) / tile * tile),
        values_(static_cast<size_t>(stride_ * stride_ + tile), 0.0) {}

  static constexpr int64_t tile = 16;

  int64_t size() const { return size_; }
  int64_t stride() const { return stride_; }
  double* row(int64_t i) { return values_.data() + i * stride_; }
  const double* row(int64_t i) const { return values_.data() + i * stride_; }

private:
  int64_t size_ = 0, stride_ = 0;
  AlignedVector<double> values_;
};

// The lower triangle of A B, A and B lower triangular: n^3 / 6 multiplications. Does not allocate.
// The sums of an entry are taken in the same order on every machine of a type.
void multiply_lower(const TiledMatrix& a, const TiledMatrix& b, TiledMatrix& product);

// The lower triangle of U B for U upper and B lower triangular: n^3 / 3 multiplications. Does not
// allocate.
void multiply_upper_lower(const TiledMatrix& u, const TiledMatrix& b, TiledMatrix& product);

// The inverse of a lower triangular matrix with a diagonal that is not zero, by halves: n^3 / 3
// multiplications.
Eigen::MatrixXd inverse_of_lower(const Eigen::MatrixXd& lower);

} // namespace vmodel::runtime
