// Between which numbers the values of a function lie, as far as the operations say.
#pragma once

#include "compiler/ir/module.h"

#include <limits>
#include <unordered_map>
#include <vector>

namespace vmodel::ir {

/// A value is NaN or lies between these, both included.
struct Range {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
};

/// Ranges of real scalars by their definitions, found when they are asked for. The function must outlive it.
class Ranges {
public:
  explicit Ranges(const Function& function);
  Range operator()(ValueId v);

private:
  Range find(const Op& op, int depth);
  Range of(ValueId v, int depth);

  const Function& function_;
  std::vector<const Op*> producers_; // by value
  std::unordered_map<std::uint32_t, Range> known_;
};

} // namespace vmodel::ir
