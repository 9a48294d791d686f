// Ranges of real values, for signs of scales and supports. Internal.
#pragma once

#include <limits>

namespace vmodel::check {

/// A range that holds every value of an expression. `tight` says that the range comes from declared
/// supports, so that values near its ends do occur; otherwise it may be too wide, and nothing is said.
struct Interval {
  double lower = -std::numeric_limits<double>::infinity();
  double upper = std::numeric_limits<double>::infinity();
  bool tight = false;

  static Interval point(double x) { return {x, x, true}; }
};

} // namespace vmodel::check
