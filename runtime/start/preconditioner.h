// Coordinates in which the objective is round: phi = phi0 + P psi.
#pragma once

#include "runtime/start/density.h"

#include <Eigen/Core>

#include <vector>

namespace vmodel::runtime {

// P is near the inverse square root of the curvature of the ELBO in phi, so that a unit step in
// psi is about a standard error in every direction. Its parts: a diagonal, dense blocks, and for
// full-rank Gaussians the structure L = C (1 + B), C C' being the inverse of the mean Hessian.
class Preconditioner {
public:
  explicit Preconditioner(int64_t size) : diagonal_(Eigen::VectorXd::Ones(size)) {}

  int64_t size() const { return diagonal_.size(); }
  bool is_identity() const { return identity_; }
  // phi += P psi
  void add_to(const double* psi, double* phi) const;
  // g_psi = P' g_phi
  void pull_back(const double* g_phi, double* g_psi) const;
  // A change of phi in units of what the data tell about it, by coordinate: for mean field in its
  // own standard deviations (which can be far below a unit of psi), else psi itself.
  void to_units(const double* psi, double* units) const;

private:
  friend class PreconditionerBuilder;
  struct Block {
    int64_t offset;
    Eigen::MatrixXd matrix;
  };
  struct Cholesky {
    int64_t offset, rows;
    Eigen::MatrixXd factor;         // C
    Eigen::VectorXd inverse_scales; // 1 / L_ii where phi holds log L_ii
    mutable Eigen::MatrixXd in, out;
  };
  bool identity_ = true;
  Eigen::VectorXd diagonal_;
  std::vector<Block> blocks_;
  std::vector<Cholesky> choleskys_;
  Eigen::VectorXd per_unit_; // 1 / unit of each coordinate of phi; empty: psi
};

// The preconditioner at phi: curvature E_q[J' H J] with the mean Hessian H of the log density over
// draws of q and the derivative J of a draw by phi. Generic families: dense up to 512 learnables,
// its diagonal above; Gaussians (by their metadata): in closed form. Where Hessians are not to be
// had, the identity.
Preconditioner precondition(const PreparedModel& model, const Family& family, UnconstrainedDensity& density,
                            const std::vector<double>& phi, uint64_t seed, uint32_t step);

// The mean over draws of q of the negative Hessian of the log density, made positive definite
// (negative curvature counts with its magnitude), and the lower Cholesky factor of its inverse.
// False where it is not to be had.
bool mean_precision(const PreparedModel& model, const Family& family, UnconstrainedDensity& density,
                    const std::vector<double>& phi, uint64_t seed, uint32_t step, Eigen::MatrixXd& precision,
                    Eigen::MatrixXd& factor);

} // namespace vmodel::runtime
