#include "compiler/check/library.h"

#include "compiler/diagnostics/diagnostic.h"
#include "compiler/diagnostics/render.h"
#include "compiler/syntax/parser.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <span>

namespace vmodel::check {

// Generated from stdlib/*.vmodel.
std::span<const LibraryEntry> library_entries();

namespace {

struct ByName {
  bool operator()(const LibraryEntry& entry, std::string_view name) const { return entry.name < name; }
  bool operator()(std::string_view name, const LibraryEntry& entry) const { return name < entry.name; }
};

} // namespace

const std::vector<const ast::Item*>& Library::find(std::string_view name) const {
  if (const auto known = parsed_.find(name); known != parsed_.end())
    return known->second;
  std::vector<const ast::Item*> items;
  const auto entries = library_entries();
  const auto [first, last] = std::equal_range(entries.begin(), entries.end(), name, ByName{});
  for (auto entry = first; entry != last; ++entry) {
    // Empty lines before the item, so that a place in it has the line number of the library's file.
    std::string text(entry->line - 1, '\n');
    text += entry->text;
    DiagnosticEngine diagnostics;
    const FileId id = sources_.add(std::string(entry->file), std::move(text));
    files_.push_back(std::make_unique<ast::File>(parse_file(sources_.file(id), diagnostics)));
    if (diagnostics.has_errors()) {
      // A mistake of ours, not the user's: the build's own tests parse every item.
      std::fprintf(stderr, "vmodelc: internal error: the standard library does not parse\n%s",
                   render_text(diagnostics, sources_).c_str());
      std::exit(3);
    }
    for (const ast::ItemPtr& item : files_.back()->items)
      items.push_back(item.get());
  }
  return parsed_.emplace(std::string(name), std::move(items)).first->second;
}

bool Library::contains(std::string_view name) const {
  const auto entries = library_entries();
  return std::binary_search(entries.begin(), entries.end(), name, ByName{});
}

std::vector<std::string_view> Library::names() const {
  std::vector<std::string_view> result;
  for (const LibraryEntry& entry : library_entries()) {
    if (result.empty() || result.back() != entry.name)
      result.push_back(entry.name);
  }
  return result;
}

} // namespace vmodel::check
