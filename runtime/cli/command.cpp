#include "runtime/cli/command.h"

#include "runtime/fit/settings.h"
#include "runtime/io/error.h"

#include <algorithm>
#include <sstream>

namespace vmodel::runtime {

namespace options = boost::program_options;

const std::vector<Command>& commands() {
  static const std::vector<Command> list = {
      {"info", "[--data D]", "what this executable holds, as JSON",
       "Parameters with shapes, supports and unconstrained maps, data, families, objectives and\n"
       "entry points. With data, sizes are numbers.",
       &command_info},
      {"check", "--data D", "data against declarations, derivatives against differences",
       "Reads the data, tests the support of every observed value, and compares gradients and\n"
       "second derivatives at random points with Richardson-extrapolated differences. Exit status 2:\n"
       "the log density is finite at none of the points.",
       &command_check},
      {"log-density", "--data D --at P", "log density and gradient at points, as JSON",
       "P is a JSON file: a list of objects from parameter to value on the constrained scale.\n"
       "Prints for each point the log density of the parameters (constants kept), the one with\n"
       "Jacobian on the unconstrained scale, the unconstrained coordinates and the gradient.",
       &command_log_density},
      {"fit", "--data D --output DIR [options]", "fits a family to the posterior",
       "Writes DIR/fit.json and DIR/trace.csv. Options override the fit block of the model's file;\n"
       "what neither says has a default, which is printed. Exit status 2: the fit is not to be\n"
       "relied on, and the last line says why.",
       &command_fit},
      {"sample", "--fit FIT --draws N --output F.csv [--data D]", "draws from a fit",
       "Writes draws of parameters and quantities as CSV with 17 digits. With data, lp__ and\n"
       ".log_weight are filled in.",
       &command_sample},
      {"summary", "F.csv", "mean, sd, quantiles and Monte-Carlo errors of draws",
       "Draws are taken as independent; with --weighted they are weighted by .log_weight.", &command_summary},
      {"log-q", "--fit FIT --at P", "log density of a fit at points, as JSON", "P is as for log-density.",
       &command_log_q},
      {"objective", "--fit FIT --data D", "one evaluation of the objective, as JSON",
       "The value, and with --gradient its derivatives by the unconstrained learnables.", &command_objective},
      {"benchmark", "--data D --particles K", "nanoseconds a particle, as JSON",
       "Evaluates the log density and its gradient at K points; at least five repeats of at least\n"
       "50 ms each.",
       &command_benchmark},
  };
  return list;
}

const Command& find_command(const std::string& name) {
  for (const Command& command : commands()) {
    if (name == command.name)
      return command;
  }
  throw InputError("unknown command `" + name + "`; see --help");
}

namespace {

std::string overview(const Session& session) {
  std::ostringstream text;
  text << "usage: " << session.program << " COMMAND [options]\n\n"
       << "The model " << session.model.metadata().model << " of " << session.model.metadata().source
       << ".\n\ncommands:\n";
  for (const Command& command : commands()) {
    std::string name = command.name;
    name.resize(14, ' ');
    text << "  " << name << command.summary << "\n";
  }
  text << "\n`" << session.program << " COMMAND --help` describes a command.\n"
       << "Exit status: 0 done, 1 bad usage or input, 2 a fit not to be relied on, 3 internal "
          "error.\n";
  return text.str();
}

std::string version(const Session& session) {
  const Metadata& m = session.model.metadata();
  return m.model + " (" + m.source + "), compiled by vmodelc " + m.compiler + " for " + m.march + "\n";
}

int dispatch(const Session& session, const Arguments& arguments) {
  if (arguments.empty()) {
    session.err << overview(session);
    return bad_input;
  }
  const std::string& first = arguments.front();
  if (first == "--help" || first == "-h" || first == "help") {
    session.out << overview(session);
    return done;
  }
  if (first == "--version") {
    session.out << version(session);
    return done;
  }
  const Command& command = find_command(first);
  const Arguments rest(arguments.begin() + 1, arguments.end());
  if (std::find(rest.begin(), rest.end(), "--version") != rest.end()) {
    session.out << version(session);
    return done;
  }
  try {
    return command.run(session, rest);
  } catch (const HelpRequested& help) {
    session.out << "usage: " << session.program << " " << command.name << " " << command.usage << "\n\n"
                << command.details << "\n\n"
                << help.text;
    return done;
  }
}

} // namespace

int run_command_line(const vmodel_model& abi, const std::string& program, const Arguments& arguments, std::ostream& out,
                     std::ostream& err, bool terminal) {
  try {
    const CompiledModel model(abi);
    // Before anything of the model runs.
    const std::string missing = missing_cpu_feature(model.metadata());
    if (!missing.empty()) {
      throw InputError("this processor lacks " + missing + ", which the executable was built for (" +
                       model.metadata().march + "): build it with vmodelc " + model.metadata().source +
                       " --march=native on this machine, or with " + "--march=x86-64-v2 for almost every machine");
    }
    const Session session{model, program, out, err, terminal};
    const int status = dispatch(session, arguments);
    out.flush();
    if (!out)
      throw InputError("the results cannot be written to standard output");
    return status;
  } catch (const InputError& error) {
    for (const std::string& message : error.messages())
      err << "error: " << message << "\n";
    return bad_input;
  } catch (const std::bad_alloc&) {
    err << "error: there is not enough memory\n";
    return bad_input;
  } catch (const std::exception& error) {
    err << "internal error: " << error.what() << "\n";
    return internal_error;
  }
}

// --- options ---
Options::Options(std::string command) : command_(std::move(command)), visible_("options") {
  flag("help", "this text");
  flag("version", "model and compiler");
}

void Options::value(const std::string& name, const std::string& placeholder, const std::string& help) {
  visible_.add_options()(name.c_str(), options::value<std::string>()->value_name(placeholder), help.c_str());
}

void Options::values(const std::string& name, const std::string& placeholder, const std::string& help) {
  visible_.add_options()(name.c_str(), options::value<std::vector<std::string>>()->value_name(placeholder),
                         help.c_str());
}

void Options::flag(const std::string& name, const std::string& help) {
  visible_.add_options()(name.c_str(), options::bool_switch(), help.c_str());
}

void Options::positional(const std::string& name) {
  hidden_.add_options()(name.c_str(), options::value<std::string>());
  positions_.add(name.c_str(), 1);
}

void Options::parse(const Arguments& arguments) {
  options::options_description all;
  all.add(visible_).add(hidden_);
  try {
    options::store(options::command_line_parser(arguments)
                       .options(all)
                       .positional(positions_)
                       .style(options::command_line_style::default_style & ~options::command_line_style::allow_guessing)
                       .run(),
                   map_);
    options::notify(map_);
  } catch (const options::error& error) {
    throw InputError(command_ + ": " + error.what() + "; see " + command_ + " --help");
  }
  if (map_["help"].as<bool>())
    throw HelpRequested{help()};
}

bool Options::has(const std::string& name) const {
  const auto found = map_.find(name);
  if (found == map_.end())
    return false;
  const bool* flag = boost::any_cast<bool>(&found->second.value());
  return flag == nullptr || *flag;
}

std::string Options::get(const std::string& name, const std::string& otherwise) const {
  const auto found = map_.find(name);
  return found == map_.end() ? otherwise : found->second.as<std::string>();
}

std::string Options::need(const std::string& name) const {
  if (!has(name)) {
    const bool is_positional = visible_.find_nothrow(name, false) == nullptr;
    throw InputError(command_ + ": " + (is_positional ? "a file is missing" : "--" + name + " is missing") + "; see " +
                     command_ + " --help");
  }
  return get(name);
}

std::vector<std::string> Options::all(const std::string& name) const {
  const auto found = map_.find(name);
  if (found == map_.end())
    return {};
  return found->second.as<std::vector<std::string>>();
}

int64_t Options::integer(const std::string& name, int64_t otherwise, int64_t least, int64_t most) const {
  return has(name) ? parse_integer("--" + name, get(name), least, most) : otherwise;
}

std::string Options::help() const {
  std::ostringstream text;
  text << visible_;
  return text.str();
}

} // namespace vmodel::runtime
