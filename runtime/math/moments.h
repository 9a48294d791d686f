// Moments of a stream of numbers.
#pragma once

#include <algorithm>
#include <cmath>

namespace vmodel::runtime {

// Mean and standard deviation by Welford's updates.
struct Moments {
  double count = 0, mean = 0, squares = 0;

  void add(double x) {
    const double before = x - mean;
    mean += before / ++count;
    squares += before * (x - mean);
  }
  double deviation() const { return std::sqrt(squares / std::max(count, 1.0)); }
};

} // namespace vmodel::runtime
