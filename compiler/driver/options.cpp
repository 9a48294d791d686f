#include "compiler/driver/options.h"

#include <boost/program_options.hpp>

#include <map>
#include <sstream>

namespace vmodel::driver {

namespace {

namespace po = boost::program_options;

ParsedOptions usage_error(const std::string& what) {
  ParsedOptions result;
  result.exit_status = 1;
  result.message = "vmodelc: error: " + what + "\nhint: vmodelc --help lists the options\n";
  return result;
}

std::vector<std::string> names(const std::string& list) {
  std::vector<std::string> result;
  for (std::size_t from = 0; from < list.size();) {
    const std::size_t comma = std::min(list.find(',', from), list.size());
    if (comma > from)
      result.push_back(list.substr(from, comma - from));
    from = comma + 1;
  }
  return result;
}

} // namespace

ParsedOptions parse_options(const std::vector<std::string>& arguments) {
  ParsedOptions result;
  Options& options = result.options;
  std::string emit;
  std::string format;
  std::string colour;
  std::string families;
  std::string objectives;
  std::vector<std::string> inputs;
  po::options_description visible("Options");
  // clang-format off
  visible.add_options()
      ("output,o", po::value(&options.output), "the executable to write")
      ("march", po::value(&options.march)->default_value("native"), "the machine to build for: native, x86-64-v2, x86-64-v3 or x86-64-v4")
      ("families", po::value(&families), "build only these families, separated by commas (default: those of the file, mean_field and full_rank)")
      ("objectives", po::value(&objectives), "build what these objectives need, separated by commas, besides elbo and those of the file's fits")
      ("time", po::bool_switch(&options.time), "print how long each phase took")
      ("emit", po::value(&emit), "print a stage instead: ast, typed-ast, vir, llvm, asm or obj (to -o if given)")
      ("print-after", po::value(&options.print_after), "print VIR after this pass instead of building ('lower' or the name of a pass)")
      ("emit-ranges", po::bool_switch(&options.emit_ranges), "with --emit=ast: print where each node stands")
      ("diagnostics-format", po::value(&format)->default_value("text"), "text or json; both go to stderr")
      ("colour", po::value(&colour)->default_value("auto"), "auto, always or never")
      ("help,h", "print this help")
      ("version", "print the version");
  // clang-format on
  po::options_description all;
  all.add(visible).add_options()("input", po::value(&inputs));
  po::positional_options_description positional;
  positional.add("input", -1);
  po::variables_map values;
  try {
    po::store(po::command_line_parser(arguments).options(all).positional(positional).run(), values);
    po::notify(values);
  } catch (const po::error& error) {
    return usage_error(error.what());
  }
  if (values.count("help") != 0) {
    std::ostringstream text;
    text << "usage: vmodelc FILE.vmodel -o EXECUTABLE [options]\n\n" << visible;
    result.exit_status = 0;
    result.message = text.str();
    return result;
  }
  if (values.count("version") != 0) {
    result.exit_status = 0;
    result.message = "vmodelc " VMODEL_VERSION "\n";
    return result;
  }
  const auto chosen_format = diagnostics_format_from(format);
  if (!chosen_format)
    return usage_error("--diagnostics-format is text or json, not '" + format + "'");
  options.diagnostics_format = *chosen_format;
  if (colour == "always")
    options.colour = true;
  else if (colour == "never")
    options.colour = false;
  else if (colour != "auto")
    return usage_error("--colour is auto, always or never, not '" + colour + "'");
  const std::map<std::string, Emit> stages{{"ast", Emit::ast},   {"typed-ast", Emit::typed_ast}, {"vir", Emit::vir},
                                           {"llvm", Emit::llvm}, {"asm", Emit::assembly},        {"obj", Emit::object}};
  if (const auto stage = stages.find(emit); stage != stages.end())
    options.emit = stage->second;
  else if (!emit.empty())
    return usage_error("--emit is ast, typed-ast, vir, llvm, asm or obj, not '" + emit + "'");
  if (options.emit == Emit::object && options.output.empty())
    return usage_error("--emit=obj needs -o FILE");
  options.families = names(families);
  options.objectives = names(objectives);
  if (inputs.empty())
    return usage_error("no input file");
  if (inputs.size() > 1)
    return usage_error("one input file is compiled at a time, not " + std::to_string(inputs.size()));
  options.input = inputs.front();
  if (options.emit == Emit::none && options.print_after.empty() && options.output.empty())
    return usage_error("no output: give -o EXECUTABLE, or --emit");
  return result;
}

} // namespace vmodel::driver
