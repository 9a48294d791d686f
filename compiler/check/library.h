// The standard library: written in the language, embedded in the compiler, parsed item by item as needed.
#pragma once

#include "compiler/diagnostics/source.h"
#include "compiler/syntax/ast.h"

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace vmodel::check {

/// One top-level item of the library as the build found it in stdlib/*.vmodel, sorted by name. The table
/// is generated (stdlib/CMakeLists.txt).
struct LibraryEntry {
  std::string_view name;
  std::string_view file; // "stdlib/functions.vmodel"
  unsigned line;         // of its first character, 1-based
  std::string_view text;
};

class Library {
public:
  /// Parsed items are added to `sources`, which must outlive the library.
  explicit Library(SourceManager& sources) : sources_(sources) {}

  /// The items of that name (several: overloads), parsed now if they were not before. Items stay valid
  /// while the library lives.
  const std::vector<const ast::Item*>& find(std::string_view name) const;
  /// Whether there is one, without parsing it.
  bool contains(std::string_view name) const;
  /// Every name, once.
  std::vector<std::string_view> names() const;

private:
  SourceManager& sources_;
  mutable std::map<std::string, std::vector<const ast::Item*>, std::less<>> parsed_;
  mutable std::vector<std::unique_ptr<ast::File>> files_;
};

} // namespace vmodel::check
