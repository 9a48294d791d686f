// Reads the textual form of VIR.
#pragma once

#include "compiler/ir/module.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace vmodel::ir {

/// Where and why a text is not VIR.
struct ParseError {
  std::size_t line = 0; // 1-based
  std::string message;
};

/// The module that `text` describes (what `print` writes, and `//` comments), or nothing and an
/// error. Only names and the syntax are checked; `verify` checks the rest.
std::optional<Module> parse(std::string_view text, ParseError* error);

} // namespace vmodel::ir
