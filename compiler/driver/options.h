// The command line of vmodelc.
#pragma once

#include "compiler/diagnostics/render.h"

#include <optional>
#include <string>
#include <vector>

namespace vmodel::driver {

// What `--emit` prints instead of building an executable.
enum class Emit { none, ast, typed_ast, vir, llvm, assembly, object };

struct Options {
  std::string input;
  std::string output;
  Emit emit = Emit::none;
  std::string march = "native";        // --march
  std::vector<std::string> families;   // --families=A,B; empty: all
  std::vector<std::string> objectives; // --objectives=A,B besides elbo and those of the file's fits
  std::string print_after;             // --print-after=PASS: prints VIR after this pass instead of building
  bool time = false;                   // --time: a table of the phases on stderr
  bool emit_ranges = false;            // --emit-ranges: places of nodes in --emit=ast
  DiagnosticsFormat diagnostics_format = DiagnosticsFormat::text;
  std::optional<bool> colour; // --colour=always|never; else by the terminal
};

// What to do after the command line was read.
struct ParsedOptions {
  Options options;
  std::optional<int> exit_status; // set: stop with this status; `message` goes to stdout for 0, else to stderr
  std::string message;
};

// Reads the arguments after the program's name.
ParsedOptions parse_options(const std::vector<std::string>& arguments);

} // namespace vmodel::driver
