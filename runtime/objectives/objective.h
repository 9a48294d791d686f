// What an objective is to the optimiser: a value and a gradient estimate from random particles.
#pragma once

#include "runtime/abi/vmodel_abi.h"

#include <cmath>
#include <cstdint>

namespace vmodel::runtime {

struct Evaluation {
  // The estimate; not finite when a particle was not.
  double value = 0;
  // Standard deviation of the particles' contributions to `value`, of objectives that are their mean.
  double spread = NAN;
  // Particles with a value or derivative that is not finite.
  int64_t not_finite = 0;
  // Particles at which the model's density is zero, where the objective has a place for them.
  int64_t impossible = 0;
  // Whether the gradient is one to step along.
  bool usable = true;
  // Effective sample sizes 1 / sum w^2 of the particles' labels (or weights) and of the classifier's, of objectives
  // that have them.
  double label_size = NAN, guide_size = NAN;
};

// What the particles of the last evaluation gave, as arrays of `count` numbers.
struct ParticleRecord {
  int64_t count = 0;
  const double* log_p = nullptr; // on the unconstrained scale
  const double* log_q = nullptr;
  const double* label = nullptr; // or weight
  const double* guide = nullptr; // what the family makes of the labels
  // Of semi-implicit families: how many inner samples count, and the estimate of grad log q, as z.
  const double* inner_size = nullptr;
  const double* score = nullptr;
  // The point of particle k: coordinate i is z(k)[i * stride].
  const double* z = nullptr;
  int64_t dimension = 0, lanes = 1;
  double coordinate(int64_t k, int64_t i, const double* of) const {
    return of[(k / lanes * dimension + i) * lanes + k % lanes];
  }
  double coordinate(int64_t k, int64_t i) const { return coordinate(k, i, z); }
};

// Estimates are maximised: of objectives that are `minimised`, the value and the gradient that are given here are those
// of minus the objective. One call uses the random numbers of one step.
class Objective {
public:
  virtual ~Objective() = default;
  // Size of phi.
  virtual int64_t size() const = 0;
  virtual bool minimised() const { return false; }
  // Writes the estimated gradient with respect to phi. Does not allocate. The same bits for any
  // number of threads.
  virtual Evaluation evaluate(const double* phi, const vmodel_random& random, double* gradient) = 0;
  // Of objectives that keep them, until the next evaluation.
  virtual ParticleRecord last() const { return {}; }
  // From now on the model's density (on the unconstrained scale) counts to this power.
  virtual void temper(double power) { power_ = power; }

protected:
  double power_ = 1;
};

} // namespace vmodel::runtime
