#include "runtime/start/preconditioner.h"

#include "runtime/math/arrays.h"

#include <algorithm>

namespace vmodel::runtime {
namespace {

using Eigen::VectorXd;

constexpr double half_root = 0.7071067811865476; // the curvature of log L_ii is 2

// out += matrix in
template <class Matrix>
void add_product(const Matrix& matrix, const double* in, double* out) {
#ifndef __clang_analyzer__ // it takes the temporaries of Eigen's product for leaks
  Eigen::Map<VectorXd>(out, matrix.rows()).noalias() += matrix * Eigen::Map<const VectorXd>(in, matrix.cols());
#endif
}

} // namespace

void Preconditioner::place(const double* origin, const double* psi, double* phi) const {
  multiply_add(diagonal_.data(), psi, origin, phi, static_cast<size_t>(size()));
  for (const Block& block : blocks_)
    add_product(block.matrix, psi + block.offset, phi + block.offset);
  for (const Cholesky& c : choleskys_) {
    const double* from = psi + c.offset;
    const int64_t rows = c.in.size();
    for (int64_t i = 0; i < rows; ++i) {
      std::copy_n(from, i + 1, c.in.row(i));
      from += i + 1;
      c.in.row(i)[i] *= half_root;
    }
    multiply_lower(c.factor, c.in, c.out);
    double* to = phi + c.offset;
    for (int64_t i = 0; i < rows; ++i) {
      const double* out = c.out.row(i);
      for (int64_t j = 0; j < i; ++j)
        *to++ += out[j];
      *to++ += out[i] * c.inverse_scales[i];
    }
  }
}

void Preconditioner::pull_back(const double* g_phi, double* g_psi) const {
  const int64_t n = size();
  if (n == 0)
    return;
  multiply(diagonal_.data(), g_phi, g_psi, static_cast<size_t>(n));
  for (const Block& block : blocks_)
    add_product(block.matrix.transpose(), g_phi + block.offset, g_psi + block.offset);
  for (const Cholesky& c : choleskys_) {
    const double* from = g_phi + c.offset;
    const int64_t rows = c.in.size();
    for (int64_t i = 0; i < rows; ++i) {
      std::copy_n(from, i + 1, c.in.row(i));
      from += i + 1;
      c.in.row(i)[i] *= c.inverse_scales[i];
    }
    multiply_upper_lower(c.transposed, c.in, c.out);
    double* to = g_psi + c.offset;
    for (int64_t i = 0; i < rows; ++i) {
      const double* out = c.out.row(i);
      for (int64_t j = 0; j < i; ++j)
        *to++ += out[j];
      *to++ += out[i] * half_root;
    }
  }
}

void Preconditioner::to_units(const double* psi, double* units) const {
  const int64_t n = size();
  if (per_unit_.size() == 0) {
    std::copy(psi, psi + n, units);
    std::fill_n(units, redundant_, 0.0);
    return;
  }
  std::fill(units, units + n, 0.0);
  place(units, psi, units);
  for (int64_t i = 0; i < n; ++i)
    units[i] *= per_unit_[i];
}

} // namespace vmodel::runtime
