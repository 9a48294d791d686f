// What an objective is to the optimiser: a value and a gradient estimate from random particles.
#pragma once

#include "runtime/abi/vmodel_abi.h"

#include <cstdint>

namespace vmodel::runtime {

struct Evaluation {
  // The estimate; not finite when a particle was not.
  double value = 0;
  // Standard deviation of the particles' contributions to `value`.
  double spread = 0;
  // Particles with a value or derivative that is not finite.
  int64_t not_finite = 0;
};

// Estimates are maximised. One call uses the random numbers of one step.
class Objective {
public:
  virtual ~Objective() = default;
  // Size of phi.
  virtual int64_t size() const = 0;
  // Writes the estimated gradient with respect to phi. Does not allocate. The same bits for any
  // number of threads.
  virtual Evaluation evaluate(const double* phi, const vmodel_random& random, double* gradient) = 0;
};

} // namespace vmodel::runtime
