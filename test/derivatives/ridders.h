// Richardson extrapolation of central differences with an estimate of the error (C. Ridders,
// Accurate computation of F'(x) and F'(x)F''(x), Advances in Engineering Software 4, 1982).
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

namespace vmodel::passes {

template <typename F>
Estimate differentiate(const F& f, double step) {
  constexpr int rows = 12;
  constexpr double ratio = 1.6;
  double table[rows][rows];
  Estimate best{std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()};
  for (int i = 0; i < rows; ++i, step /= ratio) {
    const double above = f(step), below = f(-step);
    table[i][0] = (above - below) / (2 * step);
    double factor = ratio * ratio;
    for (int j = 1; j <= i; ++j, factor *= ratio * ratio) {
      table[i][j] = (table[i][j - 1] * factor - table[i - 1][j - 1]) / (factor - 1);
      // Two neighbours of the table, and never better than rounding in f allows.
      const double rounding = 4e-16 * (std::fabs(above) + std::fabs(below)) / step;
      const double error =
          rounding + std::max(std::fabs(table[i][j] - table[i][j - 1]), std::fabs(table[i][j] - table[i - 1][j - 1]));
      if (error < best.error)
        best = {table[i][j], error};
    }
  }
  return best;
}

} // namespace vmodel::passes
