// Makes preconditioners.

#include "runtime/model/family_draw.h"
#include "runtime/model/philox.h"
#include "runtime/start/family_start.h"
#include "runtime/start/laplace.h"
#include "runtime/start/preconditioner.h"

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>

#include <algorithm>
#include <cmath>

namespace vmodel::runtime {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

// Random directions (Hutchinson 1990, equation 2) that the diagonal of a mean Hessian is estimated from.
constexpr int64_t directions = 128;
// Below this pivot of its scaled Cholesky factor a matrix counts as indefinite.
constexpr double least_pivot = 1e-4;
// Of making a matrix definite; each adds four times as much to the diagonal, the last one 2600.
constexpr int most_attempts = 10;
// Curvatures of learned numbers, in units of their own, below which they count as redundant.
constexpr double redundant = 1e-4;
// Of the spread of numbers that start at random: how many starts it is estimated from, and how many of its standard
// deviations a unit may have.
constexpr uint64_t starts = 16;
constexpr double most_spreads = 3;

// The learnables of a Gaussian, as its metadata name them.
struct GaussianParts {
  const LearnableValue *location = nullptr, *scale = nullptr, *cholesky = nullptr;
};

} // namespace

class PreconditionerBuilder {
public:
  PreconditionerBuilder(const PreparedModel& model, const Family& family, UnconstrainedDensity& density,
                        const std::vector<double>& phi, uint64_t seed, uint32_t step,
                        const PreconditionerEffort& effort)
      : model_(model), family_(family), density_(density), effort_(effort), dimension_(model.dimension()),
        lanes_(model.lanes()), phi_(phi.begin(), phi.end()), z_(static_cast<size_t>(dimension_ * lanes_ + 1)),
        random_(random_state(seed, Stream::init, step)), result_(static_cast<int64_t>(phi.size())),
        learnables_(model.learnables(family)) {
    phi_.resize(phi.size() + 1);
    log_q_.resize(static_cast<size_t>(lanes_));
    entropy_ = log_q_;
    draw_ = FamilyDraw(model, family, phi_.data(), z_.data(), log_q_.data(), entropy_.data());
  }

  Preconditioner build() {
    if (dimension_ == 0 || result_.size() == 0)
      return result_;
    const bool exact = effort_.hessians > 0 && mean_factor();
    if (!exact) {
      factor_.resize(0, 0);
      if (!mean_diagonal())
        return result_;
    }
    const GaussianParts parts = gaussian_parts();
    // Curvature by weights of nets that bend a density is no guide to their steps.
    if (parts.location == nullptr && family_.mixture)
      return result_;
    // Without derivatives of draws nothing is known of how the family follows its learned numbers.
    if (parts.location == nullptr && model_.compiled().find(family_.name + ".pathwise", model_.lanes()) == nullptr)
      return result_;
    result_.identity_ = false;
    if (parts.location == nullptr) {
      generic(exact);
    } else if (parts.scale != nullptr) {
      mean_field(parts, exact);
    } else {
      full_rank(parts, exact);
    }
    return result_;
  }

  bool mean(MatrixXd& precision, MatrixXd& factor) {
    if (dimension_ == 0 || effort_.hessians == 0 || !mean_factor())
      return false;
    precision = precision_;
    factor = factor_;
    return true;
  }

private:
  size_t at(int64_t i, int64_t lane) const { return static_cast<size_t>(i * lanes_ + lane); }

  // The mean negative Hessian, made positive definite, and the Cholesky factor of its inverse.
  bool mean_factor() {
    std::vector<double> point(static_cast<size_t>(dimension_));
    precision_ = MatrixXd::Zero(dimension_, dimension_);
    int64_t finite = 0;
    for (int64_t k = 0; k < effort_.hessians; ++k) {
      if (k % lanes_ == 0)
        draw_block(k);
      for (int64_t i = 0; i < dimension_; ++i)
        point[static_cast<size_t>(i)] = z_[at(i, k % lanes_)];
      const MatrixXd hessian = density_.hessian(point.data());
      if (!hessian.allFinite())
        continue;
      precision_ -= hessian;
      ++finite;
    }
    if (2 * finite < effort_.hessians)
      return false;
    precision_ /= static_cast<double>(finite);
    if (!factor_of_inverse(precision_, factor_, least_pivot) && !make_definite())
      return false;
    diagonal_ = precision_.diagonal();
    return true;
  }

  // Negative curvature counts with its magnitude, as a length scale.
  bool make_definite() {
    const VectorXd scale = precision_.diagonal().cwiseAbs().cwiseMax(1e-300).cwiseSqrt().cwiseInverse();
    MatrixXd scaled = scale.asDiagonal() * precision_ * scale.asDiagonal();
    const VectorXd inverse_scale = scale.cwiseInverse();
    if (!effort_.eigenvalues) {
      scaled.diagonal() = scaled.diagonal().cwiseAbs();
      double more = 0.01;
      for (int attempt = 0; attempt < most_attempts; ++attempt, more *= 4) {
        scaled.diagonal().array() += more;
        precision_ = inverse_scale.asDiagonal() * scaled * inverse_scale.asDiagonal();
        if (factor_of_inverse(precision_, factor_, least_pivot))
          return true;
      }
      return false;
    }
    const Eigen::SelfAdjointEigenSolver<MatrixXd> eigen(scaled);
    if (eigen.info() != Eigen::Success)
      return false;
    const double largest = eigen.eigenvalues().cwiseAbs().maxCoeff();
    const VectorXd values = eigen.eigenvalues().cwiseAbs().cwiseMax(1e-9 * largest);
    // inverse = S V (1/values) V' S = factor factor'
    const MatrixXd root = scale.asDiagonal() * eigen.eigenvectors() * values.cwiseSqrt().cwiseInverse().asDiagonal();
    const Eigen::LLT<MatrixXd> cholesky(root * root.transpose());
    precision_ = inverse_scale.asDiagonal() * eigen.eigenvectors() * values.asDiagonal() *
                 eigen.eigenvectors().transpose() * inverse_scale.asDiagonal();
    if (cholesky.info() != Eigen::Success)
      return false;
    factor_ = cholesky.matrixL();
    return factor_.allFinite();
  }

  // The diagonal alone, from products with random signs: where the whole is too large.
  bool mean_diagonal() {
    const int64_t blocks = (directions + lanes_ - 1) / lanes_;
    AlignedVector<double> v(z_.size());
    VectorXd sum = VectorXd::Zero(dimension_), squares = sum;
    int64_t finite = 0;
    for (int64_t b = 0; b < blocks; ++b) {
      draw_block(b * lanes_);
      random_signs(b, v);
      const double* product = density_.hessian_products(z_.data(), v.data());
      for (int64_t lane = 0; lane < lanes_; ++lane) {
        bool good = true;
        for (int64_t i = 0; i < dimension_; ++i)
          good = good && std::isfinite(product[at(i, lane)]);
        if (!good)
          continue;
        ++finite;
        for (int64_t i = 0; i < dimension_; ++i) {
          const double h = -v[at(i, lane)] * product[at(i, lane)];
          sum[i] += h;
          squares[i] += h * h;
        }
      }
    }
    if (2 * finite < blocks * lanes_)
      return false;
    const double count = static_cast<double>(finite);
    diagonal_ = sum / count;
    // What cannot be told from 0 counts with its error.
    const VectorXd error = ((squares / count - diagonal_.cwiseAbs2()) / count).cwiseMax(0.0).cwiseSqrt();
    diagonal_ = diagonal_.cwiseAbs().cwiseMax(error);
    const double largest = diagonal_.maxCoeff();
    diagonal_ = diagonal_.cwiseMax(1e-12 * largest).cwiseMax(1e-300);
    return largest > 0;
  }

  void draw_block(int64_t first) {
    random_.first_particle = static_cast<uint32_t>(first);
    draw_(random_);
  }

  void random_signs(int64_t block, AlignedVector<double>& v) const {
    for (int64_t i = 0; i < dimension_ * lanes_; ++i) {
      const double x = runtime_normal(random_.seed, static_cast<uint32_t>(Stream::init), random_.step,
                                      static_cast<uint32_t>(block), static_cast<uint32_t>(i));
      v[static_cast<size_t>(i)] = x < 0 ? -1 : 1;
    }
  }

  // All parts or, where the family is no Gaussian in a form known here, none.
  GaussianParts gaussian_parts() const {
    GaussianParts parts;
    for (const LearnableValue& l : learnables_) {
      if (l.name == family_.gaussian.location)
        parts.location = &l;
      if (l.name == family_.gaussian.scale)
        parts.scale = &l;
      if (l.name == family_.gaussian.scale_cholesky)
        parts.cholesky = &l;
    }
    const int64_t d = dimension_;
    if (parts.location == nullptr || parts.location->phi_size != d)
      return {};
    if (parts.scale != nullptr)
      return parts.scale->phi_size == d && parts.scale->map == "softplus" ? parts : GaussianParts{};
    const bool known = parts.cholesky != nullptr && parts.cholesky->phi_size == d * (d + 1) / 2 &&
                       parts.cholesky->map == "cov_cholesky";
    return known ? parts : GaussianParts{};
  }

  void location(const LearnableValue& l, bool exact) {
    if (!exact) {
      result_.diagonal_.segment(l.phi_offset, dimension_) = diagonal_.cwiseSqrt().cwiseInverse();
      return;
    }
    result_.diagonal_.segment(l.phi_offset, dimension_).setZero();
    result_.blocks_.push_back({l.phi_offset, factor_});
  }

  void mean_field(const GaussianParts& parts, bool exact) {
    result_.per_unit_.resize(result_.size());
    for (int64_t i = 0; i < dimension_; ++i) {
      const double raw = phi_[static_cast<size_t>(parts.scale->phi_offset + i)];
      const double value = raw > 30 ? raw : std::log1p(std::exp(raw));
      const double slope = 1 / (1 + std::exp(-raw));
      // The curvature in the scale s is H_ii + 1 / s^2.
      result_.diagonal_[parts.scale->phi_offset + i] = 1 / (slope * std::sqrt(diagonal_[i] + 1 / (value * value)));
      result_.per_unit_[parts.location->phi_offset + i] = 1 / value;
      result_.per_unit_[parts.scale->phi_offset + i] = slope / value;
    }
    location(*parts.location, exact);
  }

  void full_rank(const GaussianParts& parts, bool exact) {
    const int64_t d = dimension_, offset = parts.cholesky->phi_offset;
    const auto log_diagonal = [&](int64_t i) { return phi_[static_cast<size_t>(offset + i * (i + 1) / 2 + i)]; };
    location(*parts.location, exact);
    if (!exact) {
      for (int64_t i = 0, next = offset; i < d; ++i) {
        for (int64_t j = 0; j < i; ++j)
          result_.diagonal_[next++] = 1 / std::sqrt(diagonal_[i]);
        const double scale = std::exp(log_diagonal(i));
        result_.diagonal_[next++] = 1 / std::sqrt(1 + scale * scale * diagonal_[i]);
      }
      return;
    }
    Preconditioner::Cholesky part{offset, TiledMatrix(d), TiledMatrix(d), VectorXd(d), TiledMatrix(d), TiledMatrix(d)};
    for (int64_t i = 0; i < d; ++i) {
      part.inverse_scales[i] = std::exp(-log_diagonal(i));
      for (int64_t j = 0; j <= i; ++j)
        part.factor.row(i)[j] = part.transposed.row(j)[i] = factor_(i, j);
    }
    result_.diagonal_.segment(offset, parts.cholesky->phi_size).setZero();
    result_.choleskys_.push_back(std::move(part));
  }

  // J' H J from the derivatives of draws.
  void generic(bool exact) {
    const int64_t n = result_.size();
    AlignedVector<double> d_z(z_.size(), 0.0), zero(static_cast<size_t>(lanes_), 0.0),
        d_phi(static_cast<size_t>(n + 1));
    KernelCall pathwise = model_.call(family_.name + ".pathwise", model_.lanes(),
                                      {{"phi", phi_.data()},
                                       {"noise", draw_.noise()},
                                       {"d_z", d_z.data()},
                                       {"d_log_q", zero.data()},
                                       {"d_entropy", zero.data()},
                                       {"d_phi", d_phi.data()}});
    // H = root root'
    const MatrixXd root = exact ? MatrixXd(inverse_of_lower(factor_).transpose()) : MatrixXd();
    if (!exact || !effort_.dense || n > largest_dense_phi) {
      generic_diagonal(root, pathwise, d_z, d_phi);
      return;
    }
    const int64_t points = effort_.hessians;
    MatrixXd curvature = MatrixXd::Zero(n, n);
    MatrixXd rows(dimension_, n);
    for (int64_t k = 0; k < points; ++k) {
      random_.first_particle = static_cast<uint32_t>(k / lanes_ * lanes_);
      const int64_t lane = k % lanes_;
      if (lane == 0)
        draw_.make_noise(random_);
      // Row r: the derivative of (root' z)_r by phi for this particle alone.
      for (int64_t r = 0; r < dimension_; ++r) {
        for (int64_t i = 0; i < dimension_; ++i)
          d_z[at(i, lane)] = root(i, r);
        pathwise(random_);
        rows.row(r) = Eigen::Map<const VectorXd>(d_phi.data(), n).transpose();
      }
      for (int64_t i = 0; i < dimension_; ++i)
        d_z[at(i, lane)] = 0;
      if (!rows.allFinite())
        continue;
      curvature.noalias() += rows.transpose() * rows / static_cast<double>(points);
    }
    curvature.diagonal() += least_curvature();
    set_diagonal(curvature.diagonal());
    const VectorXd scale = result_.diagonal_;
    MatrixXd scaled = scale.asDiagonal() * curvature * scale.asDiagonal();
    scaled.diagonal().array() += 1e-6;
    const Eigen::LLT<MatrixXd> cholesky(scaled);
    if (cholesky.info() != Eigen::Success)
      return;
    MatrixXd root_of_inverse = inverse_of_lower(cholesky.matrixL()).transpose();
    const double pivot = cholesky.matrixLLT().diagonal().minCoeff();
    if (pivot * pivot < redundant && effort_.eigenvalues) {
      // Learned numbers that are one too many, as the loadings of a factor beside all variances, leave the draws as
      // they are along a curve. A step of a unit of such a direction would lead far beyond where that holds.
      const Eigen::SelfAdjointEigenSolver<MatrixXd> eigen(scaled);
      if (eigen.info() == Eigen::Success) {
        const VectorXd values = eigen.eigenvalues().unaryExpr([](double v) { return v < redundant ? 1.0 : v; });
        result_.redundant_ = (eigen.eigenvalues().array() < redundant).count();
        root_of_inverse = eigen.eigenvectors() * values.cwiseSqrt().cwiseInverse().asDiagonal();
      }
    }
    result_.blocks_.push_back({0, scale.asDiagonal() * root_of_inverse});
    result_.diagonal_.setZero();
  }

  // By random directions; without a root of H by its diagonal.
  void generic_diagonal(const MatrixXd& root, KernelCall& pathwise, AlignedVector<double>& d_z,
                        const AlignedVector<double>& d_phi) {
    const int64_t n = result_.size();
    VectorXd diagonal = VectorXd::Zero(n);
    using ByLane = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    Eigen::Map<ByLane> weights(d_z.data(), dimension_, lanes_);
    for (int64_t b = 0; b < directions; ++b) {
      random_.first_particle = static_cast<uint32_t>(b * lanes_);
      draw_.make_noise(random_);
      random_signs(directions + b, d_z);
      if (root.size() > 0) {
        weights = (root * weights).eval();
      } else {
        weights = (diagonal_.cwiseSqrt().asDiagonal() * weights).eval();
      }
      pathwise(random_);
      const Eigen::Map<const VectorXd> sum(d_phi.data(), n);
      if (sum.allFinite())
        diagonal += sum.cwiseAbs2() / static_cast<double>(directions * lanes_);
    }
    diagonal += least_curvature();
    set_diagonal(diagonal);
  }

  // What is learned from random initial values, as weights of nets are, has a scale of its own: theirs. Draws of the
  // family depend on such numbers through what they feed and whether it is active, so that curvature says little of a
  // change by many times this scale; and a unit that hardly any draw activates would have no limit.
  VectorXd curvature_of_starts() const {
    const int64_t n = result_.size();
    MatrixXd values(n, static_cast<Eigen::Index>(starts));
    for (uint64_t k = 0; k < starts; ++k)
      values.col(static_cast<Eigen::Index>(k)) =
          Eigen::Map<const VectorXd>(plain_start(model_, family_, random_.seed + k).data(), n);
    // Numbers that start at one place have no spread, and no rounding of one.
    const VectorXd first = values.col(0);
    values.colwise() -= first;
    const VectorXd mean = values.rowwise().mean();
    const VectorXd variance = (values.colwise() - mean).rowwise().squaredNorm() / static_cast<double>(starts - 1);
    return variance.unaryExpr([](double v) { return v > 0 ? 1 / (most_spreads * most_spreads * v) : 0.0; });
  }

  // The scales on which draws follow learned numbers linearly at best, whatever the curvature at phi: one on a scale of
  // logarithms or logits, where a number ceases to matter towards its ends (degrees of freedom of a Student t variable
  // that is nearly normal, a weight near one), and for others the posterior's widest coordinate, or one (what is
  // multiplied by a weight near zero). Without such a limit a step of a number that does not matter here leads to
  // where it does.
  VectorXd own_scales() const {
    const VectorXd widths =
        factor_.size() > 0 ? VectorXd(factor_.rowwise().norm()) : VectorXd(diagonal_.cwiseSqrt().cwiseInverse());
    VectorXd scales = VectorXd::Ones(result_.size());
    for (const LearnableValue& l : learnables_)
      for (int64_t i = l.phi_offset; i < l.phi_offset + l.phi_size; ++i) {
        const double raw = phi_[static_cast<size_t>(i)];
        if (l.map == "identity" || l.map == "cov_cholesky")
          scales[i] = std::max(1.0, widths.maxCoeff());
        else if (l.map == "softplus" && raw > 0)
          scales[i] = (std::log1p(std::exp(-raw)) + raw) * (1 + std::exp(-raw)); // its value over its slope
      }
    return scales;
  }

  VectorXd least_curvature() const { return curvature_of_starts() + own_scales().cwiseAbs2().cwiseInverse(); }

  void set_diagonal(const VectorXd& curvature) {
    for (int64_t i = 0; i < result_.size(); ++i)
      result_.diagonal_[i] = curvature[i] > 0 ? 1 / std::sqrt(curvature[i]) : 1;
  }

  const PreparedModel& model_;
  const Family& family_;
  UnconstrainedDensity& density_;
  PreconditionerEffort effort_;
  int64_t dimension_, lanes_;
  AlignedVector<double> phi_, z_, log_q_, entropy_;
  vmodel_random random_;
  FamilyDraw draw_;
  Preconditioner result_;
  std::vector<LearnableValue> learnables_;
  // The mean negative Hessian; its inverse = factor_ factor_', factor_ lower; its diagonal.
  MatrixXd precision_, factor_;
  VectorXd diagonal_;
};

bool mean_precision(const PreparedModel& model, const Family& family, UnconstrainedDensity& density,
                    const std::vector<double>& phi, uint64_t seed, uint32_t step, const PreconditionerEffort& effort,
                    MatrixXd& precision, MatrixXd& factor) {
  return PreconditionerBuilder(model, family, density, phi, seed, step, effort).mean(precision, factor);
}

Preconditioner precondition(const PreparedModel& model, const Family& family, UnconstrainedDensity& density,
                            const std::vector<double>& phi, uint64_t seed, uint32_t step,
                            const PreconditionerEffort& effort) {
  return PreconditionerBuilder(model, family, density, phi, seed, step, effort).build();
}

} // namespace vmodel::runtime
