// Draws as columns: reading draws.csv and summing it up.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace vmodel::runtime {

// The columns of a file of draws. Empty entries are NaN.
struct Draws {
  std::vector<std::string> names;
  std::vector<std::vector<double>> columns;

  int64_t count() const { return columns.empty() ? 0 : static_cast<int64_t>(columns[0].size()); }
  // The column of that name, or nullptr.
  const std::vector<double>* find(const std::string& name) const;
};

// Reads what `sample` writes. Throws InputError with path, line and column of the mistake; other
// programs' CSV files (with comments, without `.draw`) are refused as such.
Draws read_draws(const std::string& path);

// One name as a field of a CSV header: quoted where it holds a comma or a quote.
std::string csv_field(const std::string& text);

struct Summary {
  double mean = 0, sd = 0, q5 = 0, q50 = 0, q95 = 0;
  // Monte-Carlo standard error of the mean, and the number of independent draws that would have it.
  double mcse = 0, ess = 0;
};

// Of independent draws. With weights (unnormalised, or empty): of the self-normalised importance
// estimate, whose error is sqrt(sum w^2 (x - mean)^2) / sum w (Owen, "Monte Carlo theory, methods
// and examples", 9.2). Quantiles of n values interpolate linearly between order statistics, as
// NumPy's default does.
Summary summarise(const std::vector<double>& values, const std::vector<double>& weights);

} // namespace vmodel::runtime
