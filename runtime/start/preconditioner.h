// Coordinates in which the objective is round: phi = phi0 + P psi.
#pragma once

#include "runtime/start/density.h"
#include "runtime/start/triangular.h"

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
  // phi = origin + P psi; phi may be the origin. As pull_back, it does not allocate; one thread at a time.
  void place(const double* origin, const double* psi, double* phi) const;
  // g_psi = P' g_phi
  void pull_back(const double* g_phi, double* g_psi) const;
  // A change of phi in units of what the data tell about it, by coordinate: for mean field in its
  // own standard deviations (which can be far below a unit of psi), else psi itself. Along directions
  // that leave the draws as they are, none.
  void to_units(const double* psi, double* units) const;

private:
  friend class PreconditionerBuilder;
  struct Block {
    int64_t offset;
    Eigen::MatrixXd matrix;
  };
  struct Cholesky {
    int64_t offset;
    TiledMatrix factor, transposed; // C, C'
    Eigen::VectorXd inverse_scales; // 1 / L_ii where phi holds log L_ii
    mutable TiledMatrix in, out;
  };
  bool identity_ = true;
  Eigen::VectorXd diagonal_;
  std::vector<Block> blocks_;
  std::vector<Cholesky> choleskys_;
  int64_t redundant_ = 0;    // so many first coordinates of psi change no draw
  Eigen::VectorXd per_unit_; // 1 / unit of each coordinate of phi; empty: psi
};

// What may be spent on a preconditioner.
struct PreconditionerEffort {
  // Exact Hessians, averaged over so many draws; 0: only their diagonal, by random directions.
  int64_t hessians = 16;
  // Whether an indefinite mean Hessian may be decomposed into eigenvalues; otherwise its diagonal is
  // raised.
  bool eigenvalues = true;
  // Generic families: whether the curvature by all pairs of learned numbers may be computed.
  bool dense = true;
};

// The preconditioner at phi: curvature E_q[J' H J] with the mean Hessian H of the log density over
// draws of q and the derivative J of a draw by phi. Gaussians (by their metadata): in closed form.
// Where Hessians are not finite, the identity.
Preconditioner precondition(const PreparedModel& model, const Family& family, UnconstrainedDensity& density,
                            const std::vector<double>& phi, uint64_t seed, uint32_t step,
                            const PreconditionerEffort& effort);

// The mean over draws of q of the negative Hessian of the log density, made positive definite
// (negative curvature counts with its magnitude), and the lower Cholesky factor of its inverse.
// False where it is not to be had.
bool mean_precision(const PreparedModel& model, const Family& family, UnconstrainedDensity& density,
                    const std::vector<double>& phi, uint64_t seed, uint32_t step, const PreconditionerEffort& effort,
                    Eigen::MatrixXd& precision, Eigen::MatrixXd& factor);

// Generic families with more learned numbers have a diagonal preconditioner.
inline constexpr int64_t largest_dense_phi = 512;

} // namespace vmodel::runtime
