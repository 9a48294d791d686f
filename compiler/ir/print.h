// The textual form of VIR.
#pragma once

#include "compiler/ir/module.h"

#include <string>

namespace vmodel::ir {

/// The module as text; values are numbered in order of appearance, so equal modules give equal texts
/// whatever their value ids. `parse` reads it back (source ranges are not part of the text).
std::string print(const Module& module);
std::string print(const Function& function);

/// A type as text, extents as `%hint.id` with the ids of the function ("f64[%T.3, 2]"); for messages.
std::string print(const Function& function, const Type& type);

/// The shortest text that reads back to the same number; `inf`, `-inf`, `nan`.
std::string print_number(double value);

} // namespace vmodel::ir
