#include "compiler/driver/options.h"

#include <boost/program_options.hpp>
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

}  // namespace

ParsedOptions parse_options(const std::vector<std::string>& arguments) {
  ParsedOptions result;
  Options& options = result.options;
  std::string emit;
  std::string format;
  std::string colour;
  std::vector<std::string> inputs;
  po::options_description visible("Options");
  // clang-format off
  visible.add_options()
      ("output,o", po::value(&options.output), "the executable to write")
      ("emit", po::value(&emit), "print a stage instead: ast")
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
  if (!chosen_format) return usage_error("--diagnostics-format is text or json, not '" + format + "'");
  options.diagnostics_format = *chosen_format;
  if (colour == "always") options.colour = true;
  else if (colour == "never") options.colour = false;
  else if (colour != "auto") return usage_error("--colour is auto, always or never, not '" + colour + "'");
  if (emit == "ast") options.emit = Emit::ast;
  else if (!emit.empty()) return usage_error("--emit is ast, not '" + emit + "'");
  if (inputs.empty()) return usage_error("no input file");
  if (inputs.size() > 1) return usage_error("one input file is compiled at a time, not " + std::to_string(inputs.size()));
  options.input = inputs.front();
  if (options.emit == Emit::none && options.output.empty()) return usage_error("no output: give -o EXECUTABLE, or --emit");
  return result;
}

}  // namespace vmodel::driver
