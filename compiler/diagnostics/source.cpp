#include "compiler/diagnostics/source.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <utility>

namespace vmodel {

namespace {

// The first byte of a code point, not one that continues it.
bool starts_code_point(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U;
}

} // namespace

SourceRange join(SourceRange first, SourceRange last) {
  if (!first.valid())
    return last;
  if (!last.valid() || first.file != last.file)
    return first;
  return {first.file, std::min(first.begin, last.begin), std::max(first.end, last.end)};
}

SourceFile::SourceFile(FileId id, std::string name, std::string text)
    : id_(id), name_(std::move(name)), text_(std::move(text)) {
  line_starts_.push_back(0);
  for (std::size_t i = 0; i < text_.size(); ++i) {
    if (text_[i] == '\n')
      line_starts_.push_back(static_cast<std::uint32_t>(i + 1));
  }
}

std::uint32_t SourceFile::line_count() const {
  const auto lines = static_cast<std::uint32_t>(line_starts_.size());
  return lines > 1 && line_starts_.back() == text_.size() ? lines - 1 : lines;
}

LineColumn SourceFile::position(std::uint32_t offset) const {
  offset = std::min(offset, static_cast<std::uint32_t>(text_.size()));
  const auto after = std::upper_bound(line_starts_.begin(), line_starts_.end(), offset);
  const auto line = static_cast<std::uint32_t>(after - line_starts_.begin());
  const std::uint32_t begin = line_starts_[line - 1];
  const auto points = std::count_if(text_.begin() + begin, text_.begin() + offset, starts_code_point);
  return {line, static_cast<std::uint32_t>(points) + 1};
}

std::uint32_t SourceFile::line_begin(std::uint32_t line) const {
  const auto last = static_cast<std::uint32_t>(line_starts_.size());
  return line_starts_[std::clamp(line, 1U, last) - 1];
}

std::string_view SourceFile::line_text(std::uint32_t line) const {
  const std::uint32_t begin = line_begin(line);
  std::string_view rest = std::string_view(text_).substr(begin);
  rest = rest.substr(0, rest.find('\n'));
  if (rest.ends_with('\r'))
    rest.remove_suffix(1);
  return rest;
}

std::string_view SourceFile::slice(SourceRange range) const {
  if (range.file != id_ || range.begin >= text_.size() || range.end <= range.begin)
    return {};
  return std::string_view(text_).substr(range.begin, range.end - range.begin);
}

SourceRange SourceFile::whole() const {
  return {id_, 0, static_cast<std::uint32_t>(text_.size())};
}

FileId SourceManager::add(std::string name, std::string text) {
  const FileId id{static_cast<std::uint32_t>(files_.size())};
  files_.emplace_back(id, std::move(name), std::move(text));
  return id;
}

std::optional<FileId> SourceManager::load(const std::string& path, std::string* reason) {
  const auto close = [](std::FILE* handle) { std::fclose(handle); };
  const std::unique_ptr<std::FILE, decltype(close)> handle(std::fopen(path.c_str(), "rb"), close);
  if (handle == nullptr) {
    *reason = std::strerror(errno);
    return std::nullopt;
  }
  std::string text;
  char buffer[1 << 16];
  while (true) {
    errno = 0;
    const std::size_t count = std::fread(buffer, 1, sizeof buffer, handle.get());
    text.append(buffer, count);
    // One byte more than allowed is enough for parse_file to refuse the text.
    if (text.size() > max_source_size) {
      text.resize(max_source_size + 1);
      break;
    }
    if (count < sizeof buffer) {
      if (std::ferror(handle.get()) != 0) {
        *reason = std::strerror(errno != 0 ? errno : EIO);
        return std::nullopt;
      }
      break;
    }
  }
  return add(path, std::move(text));
}

} // namespace vmodel
