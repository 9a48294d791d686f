// Which numbers the scalars of a function can be. Interface of an analysis that passes use.
#pragma once

#include "compiler/ir/module.h"

#include <limits>
#include <map>
#include <string>
#include <vector>

namespace vmodel::ir {

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
std::vector<Range> ranges(const Function& function, const std::map<std::string, Range>& parameters = {});

/// The same, found when a range is asked for. The function and what is known of its parameters must outlive it.
class Ranges {
public:
  Ranges(const Function& function, const std::map<std::string, Range>& parameters)
      : function_(function), parameters_(parameters) {}
  Range operator()(ValueId v) {
    if (known_.empty())
      known_ = ranges(function_, parameters_);
    return known_[v.id].is_empty() ? Range{} : known_[v.id];
  }

private:
  const Function& function_;
  const std::map<std::string, Range>& parameters_;
  std::vector<Range> known_;
};

/// Bounds of data that the module's kernels data_bounds.NAME give as constants, for parameters "data.NAME".
std::map<std::string, Range> data_ranges(const Module& module);

/// The same with what follows for numbers that the kernel `prepare` makes of the data, "prepared.K".
std::map<std::string, Range> slot_ranges(const Module& module);

} // namespace vmodel::ir
