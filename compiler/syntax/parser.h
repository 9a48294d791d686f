// From text to syntax tree.
#pragma once

#include "compiler/diagnostics/diagnostic.h"
#include "compiler/syntax/ast.h"

namespace vmodel {

// Parses one file. Every mistake of form is reported to `diagnostics`; what could not be understood is left out of the
// tree, so that the tree is complete exactly when no error was reported. Never throws for any text, and needs bounded
// stack.
ast::File parse_file(const SourceFile& source, DiagnosticEngine& diagnostics);

} // namespace vmodel
