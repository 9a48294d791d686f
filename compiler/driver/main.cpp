// vmodelc: compiles a model file.
#include "compiler/diagnostics/render.h"
#include "compiler/driver/compile.h"
#include "compiler/driver/options.h"

#include <cstdio>
#include <exception>
#include <malloc.h>
#include <string>
#include <unistd.h>
#include <vector>

namespace vmodel::driver {
namespace {

void write(std::FILE* stream, const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stream);
}

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

int run(const std::vector<std::string>& arguments) {
  const ParsedOptions parsed = parse_options(arguments);
  if (parsed.exit_status) {
    write(*parsed.exit_status == 0 ? stdout : stderr, parsed.message);
    return *parsed.exit_status;
  }
  SourceManager sources;
  DiagnosticEngine engine;
  PhaseTimes times;
  // A mistake of the compiler itself is not the user's: it says so and has a status of its own.
  try {
    compile(parsed.options, sources, engine, times);
  } catch (const std::exception& error) {
    print_diagnostics(parsed.options, engine, sources);
    write(stderr, std::string("vmodelc: internal error: ") + error.what() +
                      "\nhint: this is a bug of vmodelc; please report it with the model\n");
    return 3;
  }
  print_diagnostics(parsed.options, engine, sources);
  if (parsed.options.time)
    write(stderr, times.table());
  return engine.has_errors() ? 1 : 0;
}

} // namespace
} // namespace vmodel::driver

int main(int argc, char** argv) {
  // The heaps of the threads that compile grow by a system call a page otherwise.
  mallopt(M_TOP_PAD, 4 << 20);
  mallopt(M_TRIM_THRESHOLD, 64 << 20);
  return vmodel::driver::run({argv + 1, argv + argc});
}
