// What the files of passes share: the names of VIR, and how a pass goes through functions.
#pragma once

#include "compiler/ir/rewrite.h"

#include <utility>

namespace vmodel::passes {

using ir::Axis;
using ir::Builder;
using ir::Dim;
using ir::Element;
using ir::Function;
using ir::Module;
using ir::Op;
using ir::Opcode;
using ir::Region;
using ir::Rewriter;
using ir::Type;
using ir::ValueId;

/// An operation that runs its region for every index below its extents.
inline bool is_counted_loop(const Op& op) {
  return op.opcode == Opcode::reduce_ || op.opcode == Opcode::build_ || op.opcode == Opcode::loop_;
}

/// A function as a pass rewrites it, or as it was. A `Rewriting` is made from the function, says with any() whether it
/// has found something to do, and gives the new function with run().
template <typename Rewriting>
Function rewritten(Function function) {
  Rewriting rewriting(function);
  return rewriting.any() ? rewriting.run() : std::move(function);
}

/// The same for every function of a module.
template <typename Rewriting>
Module rewritten(Module module) {
  for (Function& function : module.functions)
    function = rewritten<Rewriting>(std::move(function));
  return module;
}

} // namespace vmodel::passes
