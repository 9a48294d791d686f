// Which kernels are compiled, and in which of the modules that are compiled at once.
#pragma once

#include "compiler/codegen/codegen.h"
#include "compiler/ir/module.h"

#include <set>
#include <utility>
#include <vector>

namespace vmodel::codegen {

/// A kernel for a number of lanes: a row of the model's table.
struct KernelRow {
  const ir::Function* function;
  const ir::Function* code; // the kernel whose code serves: an earlier one that is the same but for its name, or itself
  int lanes;
  bool cold;
  std::size_t size; // in operations
  int part;         // the module that has the code
};

struct Deal {
  std::vector<KernelRow> rows;
  std::set<std::pair<int, bool>> random; // lanes, normal: the generators that kernels call
};

/// The rows of the table in their order. The largest are dealt out first, so that the parts come out even; the first
/// part has the cold ones.
Deal deal(const ir::Module& kernels, const Options& options, int parts);

} // namespace vmodel::codegen
