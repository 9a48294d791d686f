// Where the density has no mode, or none that is near the posterior: what lies on the way up.
#pragma once

#include "runtime/start/density.h"

#include <functional>
#include <vector>

namespace vmodel::runtime {

struct IndependentNormals {
  std::vector<double> location, scale;
  double elbo = 0;
};

// Of the points on L-BFGS's way from zero up the log density, the one around which independent normals, with standard
// deviations from the diagonal of the Hessian there, have the largest ELBO (of the density to `power`). After
// Pathfinder (Zhang, Carpenter, Gelman and Vehtari, JMLR 23, 2022, algorithms 1 and 2), which has L-BFGS's own estimate
// of the curvature. A way to where the density has no bound passes by the posterior's mass. Empty where no point has a
// finite ELBO. Ends after about `most_work` gradients; `alive` is called now and then.
IndependentNormals best_on_the_way(UnconstrainedDensity& density, uint64_t seed, double power, double most_work,
                                   const std::function<void()>& alive);

} // namespace vmodel::runtime
