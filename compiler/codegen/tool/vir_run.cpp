// vir-run: code generation for VIR in its textual form, for tests and for reading what is generated.
#include "compiler/codegen/codegen.h"
#include "compiler/codegen/link.h"
#include "compiler/ir/parse.h"
#include "compiler/ir/rewrite.h"
#include "compiler/ir/typing.h"
#include "compiler/passes/expand.h"

#include <cstdio>
#include <fstream>
#include <iostream>
#include <set>
#include <sstream>
#include <string>

namespace {

using namespace vmodel;

const char* usage =
    "usage: vir-run FILE.vir [--emit=llvm|optimised|asm|obj|so] [--lanes=1,8] [--march=native] [--threads=N] [--time] "
    "[-o FILE]\n"
    "The slots are the parameters of axis load, in order of appearance; those named data.* come first.\n";

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');)
    parts.push_back(part);
  return parts;
}

/// The slots of a module: all names of load-axis parameters, those that `prepare` fills last.
void find_slots(const ir::Module& module, codegen::Options& options) {
  std::set<std::string> seen;
  std::vector<std::string> prepared;
  if (const ir::Function* prepare = module.find("prepare"))
    ir::for_each_op(prepare->body, [&](const ir::Op& op) {
      if (op.opcode == ir::Opcode::output_ && seen.insert(op.symbol).second)
        prepared.push_back(op.symbol);
    });
  for (const ir::Function& function : module.functions)
    for (const ir::Parameter& parameter : function.parameters)
      if (parameter.axis == ir::Axis::load && seen.insert(parameter.name).second)
        options.slots.push_back(parameter.name);
  options.data_count = static_cast<std::int32_t>(options.slots.size());
  options.slots.insert(options.slots.end(), prepared.begin(), prepared.end());
}

int run(const std::vector<std::string>& arguments) {
  std::string input;
  std::string output;
  std::string emit = "llvm";
  std::string march = "native";
  std::vector<std::string> lanes;
  bool time = false;
  int threads = 1;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    const auto value = [&] { return argument.substr(argument.find('=') + 1); };
    if (argument.starts_with("--emit="))
      emit = value();
    else if (argument.starts_with("--lanes="))
      lanes = split(value());
    else if (argument.starts_with("--march="))
      march = value();
    else if (argument.starts_with("--threads="))
      threads = std::stoi(value());
    else if (argument == "--time")
      time = true;
    else if (argument == "-o" && i + 1 < arguments.size())
      output = arguments[++i];
    else if (input.empty() && !argument.starts_with("--"))
      input = argument;
    else {
      std::cerr << usage;
      return 1;
    }
  }
  std::ifstream file(input);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) {
    std::cerr << (input.empty() ? usage : "vir-run: cannot read '" + input + "'\n");
    return 1;
  }
  ir::ParseError parse_error;
  std::optional<ir::Module> module = ir::parse(text.str(), &parse_error);
  if (!module) {
    std::cerr << input << ":" << parse_error.line << ": " << parse_error.message << "\n";
    return 1;
  }
  module = passes::expand(std::move(*module));
  codegen::Options options;
  options.target = codegen::find_target(march);
  if (options.target.level.empty()) {
    std::cerr << "vir-run: unknown target '" << march << "'\n";
    return 1;
  }
  if (lanes.empty())
    options.lanes = {1, options.target.lanes};
  for (const std::string& count : lanes)
    options.lanes.push_back(std::stoi(count));
  options.metadata = "{}";
  options.verify = !time;
  options.threads = threads;
  find_slots(*module, options);
  const codegen::Stage stage = emit == "llvm"        ? codegen::Stage::llvm
                               : emit == "optimised" ? codegen::Stage::optimised_llvm
                               : emit == "asm"       ? codegen::Stage::assembly
                                                     : codegen::Stage::object;
  codegen::Compiled compiled = codegen::compile(*module, options, stage);
  if (time)
    std::fprintf(stderr, "generate %.1f ms, optimise %.1f ms, emit %.1f ms\n", 1e3 * compiled.generate_seconds,
                 1e3 * compiled.optimise_seconds, 1e3 * compiled.emit_seconds);
  if (emit == "so") {
    std::string shared;
    std::string error;
    if (!codegen::link_shared(compiled.bytes, shared, error)) {
      std::cerr << "vir-run: " << error << "\n";
      return 1;
    }
    compiled.bytes = shared;
  }
  if (output.empty())
    std::cout << compiled.bytes;
  else
    std::ofstream(output, std::ios::binary) << compiled.bytes;
  return 0;
}

} // namespace

int main(int argc, char** argv) {
  try {
    return run({argv + 1, argv + argc});
  } catch (const vmodel::ir::InternalError& error) {
    std::cerr << "vir-run: " << error.what() << "\n";
    return 3;
  }
}
