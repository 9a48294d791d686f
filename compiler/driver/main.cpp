// vmodelc: compiles a model file.
#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

#include "compiler/diagnostics/render.h"
#include "compiler/driver/options.h"
#include "compiler/syntax/dump.h"
#include "compiler/syntax/parser.h"

namespace vmodel::driver {
namespace {

void write(std::FILE* stream, const std::string& text) { std::fwrite(text.data(), 1, text.size(), stream); }

// Prints what was reported; JSON is one array a run, also when it is empty.
void print_diagnostics(const Options& options, const DiagnosticEngine& engine, const SourceManager& sources) {
  if (options.diagnostics_format == DiagnosticsFormat::json) {
    write(stderr, render_json(engine, sources));
    return;
  }
  RenderOptions render;
  render.colour = options.colour.value_or(isatty(STDERR_FILENO) == 1);
  write(stderr, render_text(engine, sources, render));
}

// Runs the phases up to the one asked for.
void compile(const Options& options, SourceManager& sources, DiagnosticEngine& engine) {
  std::string reason;
  const std::optional<FileId> file = sources.load(options.input, &reason);
  if (!file) {
    engine.report(Code::file_not_readable, {}, "cannot read '" + options.input + "': " + reason);
    return;
  }
  const ast::File tree = parse_file(sources.file(*file), engine);
  if (options.emit == Emit::ast) {
    write(stdout, dump(tree, &sources, {.ranges = options.emit_ranges}));
  }
}

int run(const std::vector<std::string>& arguments) {
  const ParsedOptions parsed = parse_options(arguments);
  if (parsed.exit_status) {
    write(*parsed.exit_status == 0 ? stdout : stderr, parsed.message);
    return *parsed.exit_status;
  }
  SourceManager sources;
  DiagnosticEngine engine;
  compile(parsed.options, sources, engine);
  print_diagnostics(parsed.options, engine, sources);
  return engine.has_errors() ? 1 : 0;
}

}  // namespace
}  // namespace vmodel::driver

int main(int argc, char** argv) { return vmodel::driver::run({argv + 1, argv + argc}); }
