// First values of a family's learnables.
#pragma once

#include "runtime/start/laplace.h"

#include <vector>

namespace vmodel::runtime {

// The family's own initial values (kernel FAMILY.initial); those of nets are drawn by the seed.
std::vector<double> plain_start(const PreparedModel& model, const Family& family, uint64_t seed);

// Where the family's metadata say that it is a Gaussian on the unconstrained scale: the values that
// come closest to this Gaussian in the sense of the ELBO (mean field: the conditional standard
// deviations). False for other families.
bool gaussian_start(const PreparedModel& model, const Family& family, const Laplace& laplace, std::vector<double>& phi);

// The same for independent normals.
bool independent_start(const PreparedModel& model, const Family& family, const std::vector<double>& location,
                       const std::vector<double>& scale, std::vector<double>& phi);

// Points on the unconstrained scale, in blocks as kernels read them: [block][D][lanes].
struct PointBlocks {
  int64_t blocks = 0;
  AlignedVector<double> z;
};

// How many points a family with so many learned numbers is fitted to.
int64_t points_for(int64_t learned);
PointBlocks draws_of(const PreparedModel& model, const Laplace& laplace, uint64_t seed, int64_t count);
PointBlocks draws_of(const PreparedModel& model, const Family& family, const std::vector<double>& phi, uint64_t seed,
                     int64_t count);

// Maximum likelihood of these points, by L-BFGS from `phi`. Needs the entry point FAMILY.score.
// Returns whether the likelihood became better.
bool likelihood_start(const PreparedModel& model, const Family& family, const PointBlocks& points,
                      std::vector<double>& phi);

// As gaussian_start, with the mean and the covariance of these points. False also where there are too few of them.
bool moment_start(const PreparedModel& model, const Family& family, const PointBlocks& points,
                  std::vector<double>& phi);

// A learnable on the scale of phi, and back in derivative: maps softplus, lower_bound (log) and
// identity.
double unconstrain_positive(const std::string& map, double value);

} // namespace vmodel::runtime
