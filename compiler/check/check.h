// From syntax tree to typed AST: names, types, shapes, supports, families against their model.
#pragma once

#include "compiler/check/library.h"
#include "compiler/check/typed_ast.h"
#include "compiler/diagnostics/diagnostic.h"
#include "compiler/syntax/ast.h"

#include <functional>
#include <memory>
#include <string>

namespace vmodel::check {

struct CheckOptions {
  /// Parses the file that `import "path";` in the file `importer` names and keeps it alive. Returns null
  /// and sets `*reason` if it cannot be read; syntax errors are reported by the loader. Unset: imports
  /// are errors.
  std::function<const ast::File*(const std::string& path, FileId importer, std::string* reason)> import_file;
};

/// Checks one file. Mistakes are reported to `diagnostics`, several a run; the result is complete and
/// well formed exactly when no error was reported. A file without a model gives a program whose model
/// has no name (its functions and distributions are checked all the same).
std::unique_ptr<Program> check(const ast::File& file, const Library& library, DiagnosticEngine& diagnostics,
                               const CheckOptions& options = {});

/// Checks every item of the standard library, used or not.
void check_library(const Library& library, DiagnosticEngine& diagnostics);

/// The typed AST as text, for --emit=typed-ast and tests.
std::string dump(const Program& program);

/// An import loader for CheckOptions that reads files relative to the importing one.
class ImportLoader {
public:
  ImportLoader(SourceManager& sources, DiagnosticEngine& diagnostics) : sources_(sources), diagnostics_(diagnostics) {}
  const ast::File* load(const std::string& path, FileId importer, std::string* reason);

private:
  SourceManager& sources_;
  DiagnosticEngine& diagnostics_;
  std::map<std::string, std::unique_ptr<ast::File>> files_; // by normalised path
};

} // namespace vmodel::check
