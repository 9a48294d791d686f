// Which declarations expressions and statements read.
#pragma once

#include "compiler/check/typed_ast.h"

#include <set>

namespace vmodel::lower {

using Reads = std::set<const check::Declaration*>;

/// Adds what is named, also in sizes, distributions, ranges and indices. Null: nothing.
void collect(const check::Expr* e, Reads& reads);
void collect(const check::Size& size, Reads& reads);
void collect(const check::DistributionExpr* d, Reads& reads);
void collect(const check::BijectorStep* step, Reads& reads);
void collect(const check::Part& part, Reads& reads);
void collect(const check::Type& type, Reads& reads);
void collect(const check::Block& block, Reads& reads);

/// Adds everything from which the declarations read so far are computed, through the `let`s, `var`s, loops and
/// conditions of the block.
Reads through_definitions(const check::Block& block, Reads reads);

} // namespace vmodel::lower
