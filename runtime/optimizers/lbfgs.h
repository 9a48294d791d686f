// L-BFGS with a line search that survives infinities, for deterministic functions.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace vmodel::runtime {

// The value at x, its gradient written to `gradient`. A value that is not finite (the gradient is
// then not read) is taken as a wall.
using Differentiable = std::function<double(const double* x, double* gradient)>;

struct LbfgsSettings {
  int memory = 20;
  int iterations = 500;
  // No iteration begins after so many evaluations.
  int64_t evaluations = int64_t{1} << 40;
  // Ends where the largest expected decrease of a step, g' H^-1 g / 2, is below this.
  double decrease = 1e-9;
  // ... or a step lowers the value by less than this share of |value|, three times in a row.
  double relative = 1e-14;
  // ... or the last `window` steps together lower it by less than this, which is asked after each; empty: never.
  std::function<double()> negligible;
  int window = 10;
  // Length of the first step, in the Euclidean norm.
  double first_step = 1.0;
};

struct LbfgsResult {
  enum class End { converged, stalled, iterations, not_finite };
  End end = End::not_finite;
  double value = 0;
  std::vector<double> gradient;
  int iterations = 0;
  int64_t evaluations = 0;
};

// Minimises from x, which is overwritten by the best point. Nocedal and Wright, "Numerical
// Optimization" (2006), algorithms 7.4 and 7.5, line search 3.5 and 3.6 (strong Wolfe conditions).
LbfgsResult minimise_lbfgs(const Differentiable& function, std::vector<double>& x, const LbfgsSettings& settings);

} // namespace vmodel::runtime
