// Which loops of a kernel for one lane put their iterations into lanes, and how.
//
// With one particle nothing varies but what a loop goes through: rows of data, elements of parameters. Its body is
// emitted by the same lowering as that of a kernel for many particles, with the iterations as lanes: what depends on
// the loop's index varies, all else is uniform, memory is shared, and the rows that are left over run under a mask.
#pragma once

#include "compiler/codegen/varying.h"
#include "compiler/ir/definitions.h"
#include "compiler/ir/module.h"

#include <optional>
#include <vector>

namespace vmodel::codegen {

/// How the innermost iterations of a reduce or build are put into lanes.
struct Rows {
  Varying varying;               // of the function, with the rows as lanes; the loop's own results are marked, too
  std::vector<bool> consecutive; // by value: an index that grows by one from row to row
  ir::Definitions definitions;   // of the loop's body
  const ir::Op* loop = nullptr;
  std::vector<const ir::Op*> sums; // accumulations to an element that is the same for all rows
};

/// Decides for a reduce or build of a kernel with one lane; none: one iteration after the other. `one_lane` is the
/// analysis of the function for that.
std::optional<Rows> plan_rows(const ir::Function& function, const Varying& one_lane, const ir::Op& loop);

} // namespace vmodel::codegen
