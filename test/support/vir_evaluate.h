// A reference evaluator of VIR on doubles, for tests only: it defines what a program means, without
// code generation, lanes or speed.
#pragma once

#include "compiler/ir/module.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace vmodel::ir {

/// A scalar (no dims) or an array, row-major. f64 values are in `numbers`, index and boolean ones in
/// `integers`.
struct Array {
  std::vector<std::int64_t> dims;
  std::vector<double> numbers;
  std::vector<std::int64_t> integers;

  static Array scalar(double value) { return {{}, {value}, {}}; }
  static Array index(std::int64_t value) { return {{}, {}, {value}}; }
  static Array vector(std::vector<double> values) {
    const auto size = static_cast<std::int64_t>(values.size());
    return {{size}, std::move(values), {}};
  }
  static Array indices(std::vector<std::int64_t> values) {
    const auto size = static_cast<std::int64_t>(values.size());
    return {{size}, {}, std::move(values)};
  }
  bool operator==(const Array&) const = default;
};

using Arrays = std::map<std::string, Array>;

/// Calls a function with W = 1. `inputs` by parameter name; a reference parameter that is not given
/// starts at zero. What comes back, by name:
///   PARAMETER        contents of every reference parameter afterwards
///   result.K         what the function yields
///   output.NAME      values of `output` operations, flat, in order
///   density.NAME, sample.NAME, support.NAME, entropy.NAME
///                    what the regions of the sites of this name yield, flat, in order
///   require.ID       1 or 0, in order
/// `seed` selects the random numbers. Throws std::runtime_error for what would be undefined: an index
/// out of range, a missing input, a step budget of 5e7 operations exceeded. Uninitialised memory is NaN.
Arrays evaluate(const Module& module, const std::string& function, const Arrays& inputs, std::uint64_t seed = 1);

} // namespace vmodel::ir
