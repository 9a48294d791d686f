// A linear regression on a few columns, four particles a pass.
//
// The coefficients (columns and intercept), the sums (columns, residuals, squares), a residual and a broadcast number
// must fit 16 registers: with five columns they take 15 for four particles, where eight particles would spill. With one
// column there is room for the sums of several observations, whose additions then do not wait for one another.
#pragma once

#include "lanes.h"

#include <array>

namespace bench {

/// Sums over the observations of one block of rows for four particles.
template <std::size_t columns>
struct Sums {
  Half squares = half(0), residuals = half(0);
  std::array<Half, columns> by_column{};

  void observe(const double* row, Half intercept, const std::array<Half, columns>& coefficients) {
    Half residual = half(row[0]) - intercept;
#pragma GCC unroll 16
    for (std::size_t k = 0; k < columns; ++k)
      residual = _mm256_fnmadd_pd(half(row[k + 1]), coefficients[k], residual);
    squares = _mm256_fmadd_pd(residual, residual, squares);
    residuals += residual;
#pragma GCC unroll 16
    for (std::size_t k = 0; k < columns; ++k)
      by_column[k] = _mm256_fmadd_pd(half(row[k + 1]), residual, by_column[k]);
  }

  void add(const Sums& other) {
    squares += other.squares;
    residuals += other.residuals;
    for (std::size_t k = 0; k < columns; ++k)
      by_column[k] += other.by_column[k];
  }
};

/// `rows` holds, observation by observation, the outcome and then the columns. `together` observations have sums of
/// their own. Not inlined: registers are scarce, and the caller's values would compete for them.
template <std::size_t columns, std::size_t together = 1>
[[gnu::noinline]] Sums<columns> residual_sums(const std::vector<double>& rows, Half intercept,
                                              const std::array<Half, columns>& coefficients) {
  constexpr std::size_t width = columns + 1;
  std::array<Sums<columns>, together> sums;
  const double *row = rows.data(), *end = row + rows.size();
  for (; row + together * width <= end; row += together * width) {
#pragma GCC unroll 4
    for (std::size_t i = 0; i < together; ++i)
      sums[i].observe(row + i * width, intercept, coefficients);
  }
  for (; row < end; row += width)
    sums[0].observe(row, intercept, coefficients);
  for (std::size_t i = 1; i < together; ++i)
    sums[0].add(sums[i]);
  return sums[0];
}

/// A regression line: eight particles in two passes.
struct Line {
  std::vector<double> rows;

  Line(const std::vector<double>& x, const std::vector<double>& y) {
    for (std::size_t n = 0; n < x.size(); ++n)
      rows.insert(rows.end(), {y[n], x[n]});
  }

  double observations() const { return static_cast<double>(rows.size() / 2); }

  /// Sums of residuals, of their products with x, and of their squares.
  void operator()(Eight intercept, Eight slope, Eight& residuals, Eight& by_x, Eight& squares) const {
    for (Half Eight::* part : {&Eight::a, &Eight::b}) {
      const Sums<1> sums = residual_sums<1, 3>(rows, intercept.*part, {slope.*part});
      residuals.*part = sums.residuals;
      by_x.*part = sums.by_column[0];
      squares.*part = sums.squares;
    }
  }
};

} // namespace bench
