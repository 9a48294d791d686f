// Which numbers the scalars of a function can be. Interface of an analysis that passes use.
#pragma once

#include "compiler/ir/module.h"

#include <limits>
#include <map>
#include <string>
#include <vector>

namespace vmodel::passes {

/// A value is NaN or lies in [low, high]. The sign of a zero does not count. Empty (low > high): no value is known.
struct Range {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool operator==(const Range&) const = default;
  bool is_empty() const { return low > high; }
  bool is_nonnegative() const { return low >= 0; }
};

/// The range of every scalar, by the value's id; of arrays and memory that of their elements. `parameters` holds what
/// is known of parameters by their names (bounds that data are checked against).
std::vector<Range> ranges(const ir::Function& function, const std::map<std::string, Range>& parameters = {});

/// Bounds of data that the module's kernels data_bounds.NAME give as constants, for parameters "data.NAME".
std::map<std::string, Range> data_ranges(const ir::Module& module);

} // namespace vmodel::passes
