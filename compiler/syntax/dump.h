// The syntax tree as text, for --emit=ast and tests.
#pragma once

#include "compiler/diagnostics/source.h"
#include "compiler/syntax/ast.h"

#include <string>

namespace vmodel {

struct DumpOptions {
  bool ranges = false; // append line:column-line:column to every node; needs `sources`
};

// One node a line, children indented by two spaces; the text is stable, so that tests can rely on it.
std::string dump(const ast::File& file, const SourceManager* sources = nullptr, const DumpOptions& options = {});

// One expression on one line, fully bracketed: (+ a (* b c)).
std::string dump(const ast::Expression& expression);

// A type as the user would write it, with bracketed expressions: real<lower=0>[N].
std::string dump(const ast::Type& type);

} // namespace vmodel
