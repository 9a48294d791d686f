// A value of a loop's body, once more, in another loop.
#pragma once

#include "compiler/ir/definitions.h"
#include "compiler/passes/pass.h"

namespace vmodel::passes {

/// Copies what a value of a body is made of, and returns it. The body's arguments must be mapped to the indices at
/// which it is wanted; what it needs must be free of effects.
inline ValueId recompute(Rewriter& r, ValueId v, const ir::Definitions& body) {
  if (const Op* op = body.of(v)) {
    for (const ValueId needed : ir::free_values(r.from(), *op))
      recompute(r, needed, body);
    r.copy(*op, false);
  }
  return r(v);
}

} // namespace vmodel::passes
