// Mean and spread of a gradient estimate, by repeating it.
#pragma once

#include "runtime/objectives/objective.h"

#include <cstdint>
#include <vector>

namespace vmodel::runtime {

class GradientMoments {
public:
  explicit GradientMoments(int64_t size);

  // One more estimate; one that is not usable is counted and left out.
  void add(const Evaluation& evaluation, const double* gradient);

  int64_t count() const { return count_; }
  int64_t left_out() const { return left_out_; }
  // Of each coordinate.
  const std::vector<double>& mean() const { return mean_; }
  std::vector<double> deviation() const;
  // Means over the coordinates of |mean| and of the standard deviation (Ward, Beaumont and Fasiolo 2025, figure 2).
  double signal() const;
  double noise() const;

private:
  int64_t count_ = 0, left_out_ = 0;
  // Updated as Welford 1962 does.
  std::vector<double> mean_, squares_;
};

} // namespace vmodel::runtime
