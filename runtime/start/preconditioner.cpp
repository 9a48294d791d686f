#include "runtime/start/preconditioner.h"

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>

#include <algorithm>
#include <cmath>

namespace vmodel::runtime {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr int64_t largest_dense_phi = 512;

} // namespace

void Preconditioner::add_to(const double* psi, double* phi) const {
  const int64_t n = size();
  for (int64_t i = 0; i < n; ++i)
    phi[i] += diagonal_[i] * psi[i];
  for (const Block& block : blocks_) {
    Eigen::Map<VectorXd>(phi + block.offset, block.matrix.rows()).noalias() +=
        block.matrix * Eigen::Map<const VectorXd>(psi + block.offset, block.matrix.rows());
  }
  for (const Cholesky& c : choleskys_) {
    const double* from = psi + c.offset;
    for (int64_t i = 0; i < c.rows; ++i) {
      for (int64_t j = 0; j <= i; ++j)
        c.in(i, j) = *from++;
      c.in(i, i) *= 0.7071067811865476; // the curvature of log L_ii is 2
    }
    c.out.noalias() = c.factor.triangularView<Eigen::Lower>() * c.in;
    double* to = phi + c.offset;
    for (int64_t i = 0; i < c.rows; ++i) {
      for (int64_t j = 0; j < i; ++j)
        *to++ += c.out(i, j);
      *to++ += c.out(i, i) * c.inverse_scales[i];
    }
  }
}

void Preconditioner::pull_back(const double* g_phi, double* g_psi) const {
  const int64_t n = size();
  for (int64_t i = 0; i < n; ++i)
    g_psi[i] = diagonal_[i] * g_phi[i];
  for (const Block& block : blocks_) {
    Eigen::Map<VectorXd>(g_psi + block.offset, block.matrix.rows()).noalias() +=
        block.matrix.transpose() * Eigen::Map<const VectorXd>(g_phi + block.offset, block.matrix.rows());
  }
  for (const Cholesky& c : choleskys_) {
    const double* from = g_phi + c.offset;
    for (int64_t i = 0; i < c.rows; ++i) {
      for (int64_t j = 0; j < i; ++j)
        c.in(i, j) = *from++;
      c.in(i, i) = *from++ * c.inverse_scales[i];
    }
    c.out.noalias() = c.factor.transpose().triangularView<Eigen::Upper>() * c.in;
    double* to = g_psi + c.offset;
    for (int64_t i = 0; i < c.rows; ++i) {
      for (int64_t j = 0; j < i; ++j)
        *to++ += c.out(i, j);
      *to++ += c.out(i, i) * 0.7071067811865476;
    }
  }
}

void Preconditioner::to_units(const double* psi, double* units) const {
  const int64_t n = size();
  if (per_unit_.size() == 0) {
    std::copy(psi, psi + n, units);
    return;
  }
  std::fill(units, units + n, 0.0);
  add_to(psi, units);
  for (int64_t i = 0; i < n; ++i)
    units[i] *= per_unit_[i];
}

class PreconditionerBuilder {
public:
  PreconditionerBuilder(const PreparedModel& model, const Family& family, UnconstrainedDensity& density,
                        const std::vector<double>& phi, uint64_t seed, uint32_t step)
      : model_(model), family_(family), density_(density), phi_(phi), random_(random_state(seed, Stream::init, step)),
        result_(static_cast<int64_t>(phi.size())) {}

  Preconditioner build() {
    const int64_t d = model_.dimension();
    if (d == 0 || d > largest_dense_dimension || phi_.empty())
      return result_;
    if (!mean_factor())
      return result_;
    result_.identity_ = false;
    if (!gaussian())
      generic();
    return result_;
  }

  bool mean(MatrixXd& precision, MatrixXd& factor) {
    const int64_t d = model_.dimension();
    if (d == 0 || d > largest_dense_dimension || !mean_factor())
      return false;
    precision = precision_;
    factor = factor_;
    return true;
  }

private:
  // factor_ = K^-T with K K' the mean negative Hessian made positive definite, and factor_ made
  // lower triangular.
  bool mean_factor() {
    const int64_t d = model_.dimension(), lanes = model_.lanes();
    AlignedVector<double> phi(phi_.begin(), phi_.end()), z(static_cast<size_t>(d * lanes)),
        log_q(static_cast<size_t>(lanes)), entropy(static_cast<size_t>(lanes));
    KernelCall draw =
        model_.call(family_.name + ".draw", model_.lanes(),
                    {{"phi", phi.data()}, {"z", z.data()}, {"log_q", log_q.data()}, {"entropy", entropy.data()}});
    // Fewer points for large models: the mean over more dimensions is steadier where it matters.
    const int64_t points = d <= 64 ? 64 : 16;
    std::vector<MatrixXd> hessians;
    std::vector<double> point(static_cast<size_t>(d));
    for (int64_t k = 0; k < points; ++k) {
      if (k % lanes == 0) {
        random_.first_particle = static_cast<uint32_t>(k);
        draw(random_);
      }
      for (int64_t i = 0; i < d; ++i) {
        point[static_cast<size_t>(i)] = z[static_cast<size_t>(i * lanes + k % lanes)];
      }
      MatrixXd hessian = -density_.hessian(point.data());
      if (hessian.allFinite())
        hessians.push_back(std::move(hessian));
    }
    if (2 * static_cast<int64_t>(hessians.size()) < points)
      return false;
    precision_ = MatrixXd::Zero(d, d);
    for (const MatrixXd& hessian : hessians)
      precision_ += hessian;
    precision_ /= static_cast<double>(hessians.size());
    return make_definite();
  }

  // Negative curvature counts with its magnitude, as a length scale.
  bool make_definite() {
    const VectorXd scale = precision_.diagonal().cwiseAbs().cwiseMax(1e-300).cwiseSqrt().cwiseInverse();
    const MatrixXd scaled = scale.asDiagonal() * precision_ * scale.asDiagonal();
    const Eigen::SelfAdjointEigenSolver<MatrixXd> eigen(scaled);
    if (eigen.info() != Eigen::Success)
      return false;
    const double largest = eigen.eigenvalues().cwiseAbs().maxCoeff();
    const VectorXd values = eigen.eigenvalues().cwiseAbs().cwiseMax(1e-9 * largest);
    // inverse = S V (1/values) V' S = factor factor'
    const MatrixXd root = scale.asDiagonal() * eigen.eigenvectors() * values.cwiseSqrt().cwiseInverse().asDiagonal();
    const Eigen::LLT<MatrixXd> cholesky(root * root.transpose());
    const VectorXd inverse_scale = scale.cwiseInverse();
    precision_ = inverse_scale.asDiagonal() * eigen.eigenvectors() * values.asDiagonal() *
                 eigen.eigenvectors().transpose() * inverse_scale.asDiagonal();
    root_ = inverse_scale.asDiagonal() * eigen.eigenvectors() * values.cwiseSqrt().asDiagonal();
    if (cholesky.info() != Eigen::Success)
      return false;
    factor_ = cholesky.matrixL();
    return factor_.allFinite();
  }

  bool gaussian() {
    const int64_t d = model_.dimension();
    const LearnableValue *location = nullptr, *scale = nullptr, *cholesky = nullptr;
    const auto learnables = model_.learnables(family_);
    for (const LearnableValue& l : learnables) {
      if (l.name == family_.gaussian_location)
        location = &l;
      if (l.name == family_.gaussian_scale)
        scale = &l;
      if (l.name == family_.gaussian_scale_cholesky)
        cholesky = &l;
    }
    if (location == nullptr || location->phi_size != d)
      return false;
    if (scale != nullptr && scale->phi_size == d && scale->map == "softplus") {
      result_.per_unit_.resize(result_.size());
      for (int64_t i = 0; i < d; ++i) {
        const double raw = phi_[static_cast<size_t>(scale->phi_offset + i)];
        const double value = raw > 30 ? raw : std::log1p(std::exp(raw));
        const double slope = 1 / (1 + std::exp(-raw));
        // The curvature in the scale s is H_ii + 1 / s^2.
        result_.diagonal_[scale->phi_offset + i] = 1 / (slope * std::sqrt(precision_(i, i) + 1 / (value * value)));
        result_.per_unit_[location->phi_offset + i] = 1 / value;
        result_.per_unit_[scale->phi_offset + i] = slope / value;
      }
    } else if (cholesky != nullptr && cholesky->phi_size == d * (d + 1) / 2 && cholesky->map == "cov_cholesky") {
      Preconditioner::Cholesky part{cholesky->phi_offset, d, factor_, VectorXd(d), MatrixXd::Zero(d, d),
                                    MatrixXd::Zero(d, d)};
      for (int64_t i = 0; i < d; ++i) {
        const int64_t at = cholesky->phi_offset + i * (i + 1) / 2 + i;
        part.inverse_scales[i] = std::exp(-phi_[static_cast<size_t>(at)]);
      }
      result_.diagonal_.segment(cholesky->phi_offset, cholesky->phi_size).setZero();
      result_.choleskys_.push_back(std::move(part));
    } else {
      return false;
    }
    result_.diagonal_.segment(location->phi_offset, d).setZero();
    result_.blocks_.push_back({location->phi_offset, factor_});
    return true;
  }

  void generic() {
    const int64_t d = model_.dimension(), lanes = model_.lanes(), n = result_.size();
    const bool dense = n <= largest_dense_phi;
    AlignedVector<double> phi(phi_.begin(), phi_.end()), d_z(static_cast<size_t>(d * lanes), 0.0),
        zero(static_cast<size_t>(lanes), 0.0), d_phi(static_cast<size_t>(n + 1));
    KernelCall pathwise = model_.call(family_.name + ".pathwise", model_.lanes(),
                                      {{"phi", phi.data()},
                                       {"d_z", d_z.data()},
                                       {"d_log_q", zero.data()},
                                       {"d_entropy", zero.data()},
                                       {"d_phi", d_phi.data()}});
    MatrixXd curvature = MatrixXd::Zero(dense ? n : 0, dense ? n : 0);
    VectorXd diagonal = VectorXd::Zero(n);
    MatrixXd rows(d, n);
    const int64_t points = d <= 64 ? 64 : 16;
    for (int64_t k = 0; k < points; ++k) {
      random_.first_particle = static_cast<uint32_t>(k / lanes * lanes);
      const int64_t lane = k % lanes;
      // Row r: the derivative of (root' z)_r by phi for this particle alone.
      for (int64_t r = 0; r < d; ++r) {
        for (int64_t i = 0; i < d; ++i)
          d_z[static_cast<size_t>(i * lanes + lane)] = root_(i, r);
        pathwise(random_);
        rows.row(r) = Eigen::Map<const VectorXd>(d_phi.data(), n).transpose();
      }
      for (int64_t i = 0; i < d; ++i)
        d_z[static_cast<size_t>(i * lanes + lane)] = 0;
      if (!rows.allFinite())
        continue;
      if (dense)
        curvature.noalias() += rows.transpose() * rows / static_cast<double>(points);
      diagonal += rows.colwise().squaredNorm().transpose() / static_cast<double>(points);
    }
    for (int64_t i = 0; i < n; ++i) {
      result_.diagonal_[i] = diagonal[i] > 0 ? 1 / std::sqrt(diagonal[i]) : 1;
    }
    if (!dense)
      return;
    const VectorXd scale = result_.diagonal_;
    MatrixXd scaled = scale.asDiagonal() * curvature * scale.asDiagonal();
    scaled.diagonal().array() += 1e-6;
    const Eigen::LLT<MatrixXd> cholesky(scaled);
    if (cholesky.info() != Eigen::Success)
      return;
    const MatrixXd lower = cholesky.matrixL();
    const MatrixXd inverse = lower.triangularView<Eigen::Lower>().solve(MatrixXd::Identity(n, n)).transpose();
    result_.blocks_.push_back({0, scale.asDiagonal() * inverse});
    result_.diagonal_.setZero();
  }

  const PreparedModel& model_;
  const Family& family_;
  UnconstrainedDensity& density_;
  const std::vector<double>& phi_;
  vmodel_random random_;
  Preconditioner result_;
  // precision_ = root_ root_', inverse = factor_ factor_', factor_ lower.
  MatrixXd precision_, root_, factor_;
};

bool mean_precision(const PreparedModel& model, const Family& family, UnconstrainedDensity& density,
                    const std::vector<double>& phi, uint64_t seed, uint32_t step, MatrixXd& precision,
                    MatrixXd& factor) {
  return PreconditionerBuilder(model, family, density, phi, seed, step).mean(precision, factor);
}

Preconditioner precondition(const PreparedModel& model, const Family& family, UnconstrainedDensity& density,
                            const std::vector<double>& phi, uint64_t seed, uint32_t step) {
  return PreconditionerBuilder(model, family, density, phi, seed, step).build();
}

} // namespace vmodel::runtime
