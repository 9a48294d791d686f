// vir-opt: reads VIR, runs passes, prints VIR. For tests of single passes.
#include "compiler/ir/parse.h"
#include "compiler/ir/print.h"
#include "compiler/ir/typing.h"
#include "compiler/ir/verify.h"
#include "compiler/passes/passes.h"

#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

namespace {

constexpr const char* usage = R"(usage: vir-opt [options] FILE

FILE is VIR text; - reads standard input. Prints the module after the passes.
  --pass=A,B,...   run these passes in order; what follows a colon is the argument of the last one:
                   --pass=simplify  --pass "inline,gradient:wrt:z=g"
  --verify         verify the input and after every pass, print nothing else but errors
  --list           list the passes
)";

struct Request {
  std::string file;
  std::vector<std::pair<std::string, std::string>> passes; // name, argument
  bool verify_only = false;
};

// A pass with an argument takes the rest of the option, so that arguments may hold commas.
void add_passes(const std::string& text, Request& request) {
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t stop = text.find_first_of(",:", at);
    const std::string name = text.substr(at, stop - at);
    if (stop != std::string::npos && text[stop] == ':') {
      request.passes.emplace_back(name, text.substr(stop + 1));
      return;
    }
    request.passes.emplace_back(name, "");
    at = stop == std::string::npos ? text.size() : stop + 1;
  }
}

int bad_usage(const std::string& message) {
  std::cerr << "vir-opt: " << message << "\n" << usage;
  return 1;
}

bool verified(const vmodel::ir::Module& module, const std::string& when) {
  const std::vector<std::string> errors = vmodel::ir::verify(module);
  for (const std::string& error : errors)
    std::cerr << "vir-opt: " << when << ": " << error << "\n";
  return errors.empty();
}

int run(const Request& request) {
  std::string text;
  if (request.file == "-") {
    text.assign(std::istreambuf_iterator<char>(std::cin), {});
  } else {
    std::ifstream input(request.file);
    if (!input) {
      std::cerr << "vir-opt: cannot read " << request.file << "\n";
      return 1;
    }
    text.assign(std::istreambuf_iterator<char>(input), {});
  }
  vmodel::ir::ParseError error;
  std::optional<vmodel::ir::Module> module = vmodel::ir::parse(text, &error);
  if (!module) {
    std::cerr << request.file << ":" << error.line << ": error: " << error.message << "\n";
    return 1;
  }
  if (!verified(*module, "input"))
    return 1;
  for (const auto& [name, argument] : request.passes) {
    const vmodel::passes::Pass* pass = vmodel::passes::find_pass(name);
    if (!pass)
      return bad_usage("no pass '" + name + "'");
    std::vector<std::string> errors;
    *module = pass->run(std::move(*module), argument, errors);
    for (const std::string& message : errors)
      std::cerr << "vir-opt: " << name << ": error: " << message << "\n";
    if (!errors.empty() || !verified(*module, "after " + name))
      return 1;
  }
  if (!request.verify_only)
    std::cout << vmodel::ir::print(*module);
  return 0;
}

} // namespace

int main(int argc, char** argv) {
  Request request;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument.starts_with("--pass=")) {
      add_passes(argument.substr(7), request);
    } else if (argument == "--pass" && i + 1 < argc) {
      add_passes(argv[++i], request);
    } else if (argument == "--verify") {
      request.verify_only = true;
    } else if (argument == "--help") {
      std::cout << usage;
      return 0;
    } else if (argument == "--list") {
      for (const vmodel::passes::Pass& pass : vmodel::passes::all_passes())
        std::cout << pass.name << ": " << pass.summary << "\n";
      return 0;
    } else if (argument.starts_with("--") || !request.file.empty()) {
      return bad_usage("unexpected argument '" + argument + "'");
    } else {
      request.file = argument;
    }
  }
  if (request.file.empty())
    return bad_usage("no file");
  try {
    return run(request);
  } catch (const vmodel::ir::InternalError& error) {
    std::cerr << "vir-opt: " << error.what() << "\n";
    return 3;
  }
}
