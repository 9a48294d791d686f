// What an expression reads. Internal.
#pragma once

#include "compiler/check/typed_ast.h"

#include <set>

namespace vmodel::check {

/// Adds the names that an expression reads (null: none), those within the sizes that it speaks of excepted.
void names_in(const Expr* e, std::set<const Declaration*>& names);

} // namespace vmodel::check
