// Source texts and positions in them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vmodel {

// Index of a file in a SourceManager. The default value belongs to no file.
struct FileId {
  std::uint32_t index = UINT32_MAX;

  bool valid() const { return index != UINT32_MAX; }
  friend bool operator==(const FileId&, const FileId&) = default;
  friend auto operator<=>(const FileId&, const FileId&) = default;
};

// Half-open range of byte offsets in one file. The default value is "no place in a source"
// (a diagnostic about a command-line flag, a node made by the compiler).
struct SourceRange {
  FileId file;
  std::uint32_t begin = 0;
  std::uint32_t end = 0;

  bool valid() const { return file.valid(); }
  std::uint32_t size() const { return end - begin; }
  friend bool operator==(const SourceRange&, const SourceRange&) = default;
  friend auto operator<=>(const SourceRange&, const SourceRange&) = default;
};

// Smallest range that holds both. An invalid one is ignored; ranges of different files give `first`.
SourceRange join(SourceRange first, SourceRange last);

// 1-based; the column counts UTF-8 code points, and a tab is one of them.
struct LineColumn {
  std::uint32_t line = 1;
  std::uint32_t column = 1;

  friend bool operator==(const LineColumn&, const LineColumn&) = default;
};

// One text with its name as the user wrote it. Texts are at most max_source_size bytes.
class SourceFile {
public:
  SourceFile(FileId id, std::string name, std::string text);

  FileId id() const { return id_; }
  const std::string& name() const { return name_; }
  std::string_view text() const { return text_; }

  // Number of lines; a text that ends in a newline has no empty last line.
  std::uint32_t line_count() const;
  // Position of a byte offset (clamped to the end of the text).
  LineColumn position(std::uint32_t offset) const;
  // Byte offset at which a 1-based line begins.
  std::uint32_t line_begin(std::uint32_t line) const;
  // Text of a 1-based line without its line end.
  std::string_view line_text(std::uint32_t line) const;
  // The text that a range covers (empty for a range of another file).
  std::string_view slice(SourceRange range) const;
  // The whole text as a range.
  SourceRange whole() const;

private:
  FileId id_;
  std::string name_;
  std::string text_;
  std::vector<std::uint32_t> line_starts_;
};

// Largest accepted source text, so that offsets fit their type with room to spare.
inline constexpr std::size_t max_source_size = std::size_t{4} << 20;

// Owns every source text of a run. References to files stay valid while the manager lives.
class SourceManager {
public:
  // Adds a text that is already in memory (tests, the embedded standard library).
  FileId add(std::string name, std::string text);
  // Reads a file. On failure returns nothing and puts the reason in `*reason`.
  std::optional<FileId> load(const std::string& path, std::string* reason);

  const SourceFile& file(FileId id) const { return files_.at(id.index); }
  std::size_t size() const { return files_.size(); }

  // Shorthands; `range` must be valid.
  std::string_view slice(SourceRange range) const { return file(range.file).slice(range); }
  LineColumn position(SourceRange range) const { return file(range.file).position(range.begin); }

private:
  std::deque<SourceFile> files_;
};

} // namespace vmodel
