#include "compiler/diagnostics/render.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace vmodel {

namespace {

constexpr std::uint32_t tab_width = 4;
// Longer lines are cut around the range: a generated file may have a megabyte in one line.
constexpr std::uint32_t max_line_width = 160;
// A range of more lines than this shows its first and its last lines.
constexpr std::uint32_t max_range_lines = 4;

// Terminal sequences, or nothing.
struct Palette {
  std::string_view bold, red, magenta, cyan, green, reset;
};
constexpr Palette colours{"\033[1m", "\033[1;31m", "\033[1;35m", "\033[1;36m", "\033[1;32m", "\033[0m"};
constexpr Palette plain{};

// One cell of a terminal line: what is printed, and the byte offset that it stands for.
struct Cell {
  std::string text;
  std::uint32_t offset;
};

// The code point at `at` as printable text: control characters and bytes that are not UTF-8 must not reach a terminal.
std::string printable(std::string_view point) {
  const auto lead = static_cast<unsigned char>(point.front());
  if (lead < 0x20 || lead == 0x7F)
    return "\u00B7";
  if (lead >= 0x80) {
    const std::size_t expected = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC2 ? 2 : 0;
    if (point.size() != expected)
      return "\uFFFD";
    if (lead == 0xC2 && static_cast<unsigned char>(point[1]) < 0xA0)
      return "\u00B7"; // C1 controls
  }
  return std::string(point);
}

// A line cut into cells; a tab becomes spaces up to the next stop.
std::vector<Cell> cells_of(std::string_view line, std::uint32_t begin) {
  std::vector<Cell> cells;
  for (std::size_t i = 0; i < line.size();) {
    std::size_t end = i + 1;
    while (end < line.size() && end - i < 4 && (static_cast<unsigned char>(line[end]) & 0xC0U) == 0x80U)
      ++end;
    const auto offset = begin + static_cast<std::uint32_t>(i);
    if (line[i] == '\t') {
      do {
        cells.push_back({" ", offset});
      } while (cells.size() % tab_width != 0);
      end = i + 1;
    } else {
      cells.push_back({printable(line.substr(i, end - i)), offset});
    }
    i = end;
  }
  return cells;
}

void render_line(std::string& out, const SourceFile& file, std::uint32_t line, SourceRange range, bool is_first,
                 std::size_t gutter, std::string_view colour, const Palette& palette) {
  const std::uint32_t line_begin = file.line_begin(line);
  const std::string_view text = file.line_text(line);
  std::vector<Cell> cells = cells_of(text, line_begin);
  const auto line_end = line_begin + static_cast<std::uint32_t>(text.size());

  // Columns to underline: at least one cell, which may stand after the end of the line.
  auto first = static_cast<std::size_t>(
      std::find_if(cells.begin(), cells.end(), [&](const Cell& cell) { return cell.offset >= range.begin; }) -
      cells.begin());
  if (!is_first) { // a line that the range continues on: without its indentation
    first = std::min(text.find_first_not_of(" \t"), text.size());
    first = static_cast<std::size_t>(
        std::find_if(cells.begin(), cells.end(), [&](const Cell& cell) { return cell.offset >= line_begin + first; }) -
        cells.begin());
  }
  const std::uint32_t underline_end = std::min(range.end, line_end);
  auto last = static_cast<std::size_t>(
      std::find_if(cells.begin(), cells.end(), [&](const Cell& cell) { return cell.offset >= underline_end; }) -
      cells.begin());
  last = std::max(last, first + 1);

  std::string before;
  std::string after;
  if (cells.size() > max_line_width) {
    const std::size_t keep_from = first > max_line_width / 2 ? first - max_line_width / 2 : 0;
    const std::size_t keep_to = std::min(cells.size(), keep_from + max_line_width);
    if (keep_from > 0)
      before = "...";
    if (keep_to < cells.size())
      after = "...";
    cells.assign(cells.begin() + static_cast<std::ptrdiff_t>(keep_from),
                 cells.begin() + static_cast<std::ptrdiff_t>(keep_to));
    first = first - keep_from + before.size();
    last = std::clamp(last - keep_from + before.size(), first + 1, std::max(first + 1, cells.size() + before.size()));
  }
  std::string number = std::to_string(line);
  number.insert(0, gutter - std::min(gutter, number.size()), ' ');
  out += " " + number + " | " + before;
  for (const Cell& cell : cells)
    out += cell.text;
  out += after;
  while (out.ends_with(' '))
    out.pop_back();
  out += "\n " + std::string(gutter, ' ') + " | " + std::string(first, ' ');
  out += colour;
  out += is_first ? '^' : '~';
  out += std::string(last - first - 1, '~');
  out += palette.reset;
  out += '\n';
}

void render_snippet(std::string& out, const SourceFile& file, SourceRange range, std::string_view colour,
                    const Palette& palette) {
  const std::uint32_t first = file.position(range.begin).line;
  const std::uint32_t last = std::max(first, file.position(range.end > range.begin ? range.end - 1 : range.begin).line);
  const std::size_t gutter = std::max<std::size_t>(4, std::to_string(last).size());
  const bool cut = last - first + 1 > max_range_lines;
  for (std::uint32_t line = first; line <= last; ++line) {
    if (cut && line == first + 2) {
      out += " " + std::string(gutter, ' ') + " | ...\n";
      line = last;
    }
    if (line != first && file.line_text(line).find_first_not_of(" \t") == std::string_view::npos)
      continue;
    render_line(out, file, line, range, line == first, gutter, colour, palette);
  }
}

std::string place(const SourceFile& file, SourceRange range) {
  const LineColumn position = file.position(range.begin);
  return file.name() + ":" + std::to_string(position.line) + ":" + std::to_string(position.column) + ": ";
}

nlohmann::ordered_json json_position(const SourceFile& file, std::uint32_t offset) {
  const LineColumn position = file.position(offset);
  return {{"line", position.line}, {"column", position.column}, {"offset", offset}};
}

void add_json_place(nlohmann::ordered_json& object, const SourceManager& sources, SourceRange range) {
  if (!range.valid()) {
    object["file"] = nullptr;
    object["range"] = nullptr;
    return;
  }
  const SourceFile& file = sources.file(range.file);
  object["file"] = file.name();
  object["range"] = {{"start", json_position(file, range.begin)}, {"end", json_position(file, range.end)}};
}

} // namespace

std::optional<DiagnosticsFormat> diagnostics_format_from(std::string_view name) {
  if (name == "text")
    return DiagnosticsFormat::text;
  if (name == "json")
    return DiagnosticsFormat::json;
  return std::nullopt;
}

std::string render_text(const Diagnostic& diagnostic, const SourceManager& sources, const RenderOptions& options) {
  const Palette& palette = options.colour ? colours : plain;
  const std::string_view colour = diagnostic.severity == Severity::error     ? palette.red
                                  : diagnostic.severity == Severity::warning ? palette.magenta
                                                                             : palette.cyan;
  std::string out;
  const auto append = [&out](const auto&... parts) { ((out += parts), ...); };
  append(palette.bold, diagnostic.range.valid() ? place(sources.file(diagnostic.range.file), diagnostic.range)
                                                : options.program + ": ");
  append(palette.reset, colour, to_string(diagnostic.severity), ": ", palette.reset);
  append(palette.bold, diagnostic.message, palette.reset, " [", to_string(diagnostic.code), "]\n");
  if (diagnostic.range.valid()) {
    render_snippet(out, sources.file(diagnostic.range.file), diagnostic.range, colour, palette);
  }
  for (const Label& label : diagnostic.labels) {
    if (!label.range.valid())
      continue;
    const SourceFile& file = sources.file(label.range.file);
    append(palette.bold, place(file, label.range), palette.reset, label.text, "\n");
    render_snippet(out, file, label.range, palette.cyan, palette);
  }
  if (!diagnostic.hint.empty())
    append(palette.green, "hint: ", palette.reset, diagnostic.hint, "\n");
  return out;
}

namespace {

/// By file and place, whichever step of the compiler found them; those without a place come last.
std::vector<const Diagnostic*> in_order(const DiagnosticEngine& engine) {
  std::vector<const Diagnostic*> result;
  for (const Diagnostic& diagnostic : engine.diagnostics())
    result.push_back(&diagnostic);
  std::stable_sort(result.begin(), result.end(), [](const Diagnostic* a, const Diagnostic* b) {
    if (a->range.valid() != b->range.valid())
      return a->range.valid();
    return std::pair(a->range.file, a->range.begin) < std::pair(b->range.file, b->range.begin);
  });
  return result;
}

} // namespace

std::string render_text(const DiagnosticEngine& engine, const SourceManager& sources, const RenderOptions& options) {
  std::string out;
  for (const Diagnostic* diagnostic : in_order(engine))
    out += render_text(*diagnostic, sources, options);
  if (const std::size_t more = engine.suppressed_error_count(); more != 0) {
    out += options.program + ": " + std::to_string(more) + (more == 1 ? " more error is" : " more errors are") +
           " not shown\n";
  }
  return out;
}

std::string render_json(const DiagnosticEngine& engine, const SourceManager& sources) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const Diagnostic* place : in_order(engine)) {
    const Diagnostic& diagnostic = *place;
    nlohmann::ordered_json object;
    add_json_place(object, sources, diagnostic.range);
    object["severity"] = to_string(diagnostic.severity);
    object["code"] = to_string(diagnostic.code);
    object["message"] = diagnostic.message;
    object["labels"] = nlohmann::ordered_json::array();
    for (const Label& label : diagnostic.labels) {
      nlohmann::ordered_json entry;
      add_json_place(entry, sources, label.range);
      entry["message"] = label.text;
      object["labels"].push_back(std::move(entry));
    }
    object["hint"] =
        diagnostic.hint.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(diagnostic.hint);
    list.push_back(std::move(object));
  }
  // Bytes that are not UTF-8 may stand in names and messages; they become U+FFFD.
  return list.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

} // namespace vmodel
