// What the maps of a family make of draws of their bases, and back.
#pragma once

#include "runtime/model/prepared_model.h"

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace vmodel::runtime {

// Over draws of all that a family maps from bases. An event x of a base, its image y = f(x) and x' = f^-1(y):
struct RoundTrip {
  // The greatest |x'_i - x_i| / max(1, |x_i|); not a number where a draw is not finite.
  double residual = 0;
  // The greatest max(1, |J^-1| |y| / max(1, |x|)) with the derivative J of f at x and Euclidean norms: by how much the
  // map back enlarges relative errors of y, as its rounding is one. Not a number where it is not known: above
  // `most_coordinates` of an event, or without a derivative.
  double condition = NAN;
  std::string worst; // the draw with the greatest residual

  static constexpr int64_t most_coordinates = 128;
  static constexpr double most_residual = 1e-10;

  bool is_exact() const { return residual <= most_residual; }
  // More than rounding can be, enlarged as it is: the maps are not the inverses of each other.
  bool is_wrong() const;
  // `residual 4e-15, condition number 31`.
  std::string text() const;
};

// Families with `round_trip` alone.
RoundTrip round_trip(const PreparedModel& model, const Family& family, const std::vector<double>& phi, uint64_t seed);

} // namespace vmodel::runtime
