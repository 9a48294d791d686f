// Which values of a function differ between lanes.
#pragma once

#include "compiler/ir/module.h"

#include <vector>

namespace vmodel::codegen {

/// The result of the analysis: one entry a value, by its number.
struct Varying {
  std::vector<bool> value;       // differs between lanes; for arrays and references: has a column for each lane
  std::vector<ir::ValueId> root; // the memory behind a frozen array; other values are their own root

  bool operator[](ir::ValueId v) const { return value[root[v.id].id]; }
};

/// The least fixed point of the rules of docs/architecture.md, "Axes": parameters of axis particle and random numbers
/// vary, and whatever depends on something that varies, through operands, memory or control flow. With one lane nothing
/// varies. Sums over lanes, and what is computed from them and uniform values only, are uniform even under a condition
/// that varies (they hold the active lanes' sum already).
/// Throws ir::InternalError where an extent varies.
Varying find_varying(const ir::Function& function, int lanes);

} // namespace vmodel::codegen
