// The command line of a model's executable.
#pragma once

#include "runtime/model/compiled_model.h"

#include <boost/program_options.hpp>

#include <memory>
#include <ostream>
#include <string>
#include <vector>

namespace vmodel::runtime {

// Exit statuses.
enum Exit { done = 0, bad_input = 1, not_to_be_relied_on = 2, internal_error = 3 };

// What a command works with.
struct Session {
  const CompiledModel& model;
  std::string program; // as the user called it
  std::ostream& out;
  std::ostream& err;
  bool terminal = false; // err is a terminal

  void note(const std::string& text) const { err << "note: " << text << "\n"; }
};

using Arguments = std::vector<std::string>;

struct Command {
  const char* name;
  const char* usage;   // what follows the name
  const char* summary; // one line
  const char* details; // paragraphs for --help
  int (*run)(const Session& session, const Arguments& arguments);
};

// All commands, in the order of --help.
const std::vector<Command>& commands();
const Command& find_command(const std::string& name);

// Runs a whole command line (without the program's name) and returns the exit status. All errors
// end here, as messages on `session.err`.
int run_command_line(const vmodel_model& model, const std::string& program, const Arguments& arguments,
                     std::ostream& out, std::ostream& err, bool terminal = false);

// The options of one command: declared, parsed, read. --help and --version are handled by the
// dispatcher.
class Options {
public:
  explicit Options(std::string command);

  // Declares `--name VALUE`.
  void value(const std::string& name, const std::string& placeholder, const std::string& help);
  // Declares a flag.
  void flag(const std::string& name, const std::string& help);
  // Declares `--name VALUE` that may stand several times.
  void values(const std::string& name, const std::string& placeholder, const std::string& help);
  // Declares a positional argument.
  void positional(const std::string& name);

  // Throws InputError for unknown or malformed options.
  void parse(const Arguments& arguments);

  bool has(const std::string& name) const;
  // The value, or the default where it is not given.
  std::string get(const std::string& name, const std::string& otherwise = "") const;
  // Throws InputError when it is not given.
  std::string need(const std::string& name) const;
  std::vector<std::string> all(const std::string& name) const;
  int64_t integer(const std::string& name, int64_t otherwise, int64_t least, int64_t most) const;

  // The text of --help.
  std::string help() const;

private:
  std::string command_;
  boost::program_options::options_description visible_, hidden_;
  boost::program_options::positional_options_description positions_;
  boost::program_options::variables_map map_;
};

// Thrown by Options::parse where --help is given, so that each command declares its options once.
struct HelpRequested {
  std::string text;
};

int command_info(const Session&, const Arguments&);
int command_log_density(const Session&, const Arguments&);
int command_check(const Session&, const Arguments&);
int command_fit(const Session&, const Arguments&);
int command_sample(const Session&, const Arguments&);
int command_summary(const Session&, const Arguments&);
int command_log_q(const Session&, const Arguments&);
int command_objective(const Session&, const Arguments&);
int command_benchmark(const Session&, const Arguments&);

} // namespace vmodel::runtime
