// The command `summary`.

#include "runtime/cli/command.h"
#include "runtime/diagnostics/draws.h"
#include "runtime/io/error.h"
#include "runtime/io/files.h"

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <sstream>

namespace vmodel::runtime {
namespace {

// Weights worth fewer draws than these give no figures.
constexpr double least_worth = 100;

// Weights exp(.log_weight) divided by the greatest; empty when there are none.
std::vector<double> weights_of(const Draws& draws) {
  const std::vector<double>* logs = draws.find(".log_weight");
  if (logs == nullptr ||
      std::any_of(logs->begin(), logs->end(), [](double x) { return std::isnan(x) || x == INFINITY; })) {
    return {};
  }
  const double most = *std::max_element(logs->begin(), logs->end());
  if (!std::isfinite(most))
    return {};
  std::vector<double> result;
  for (double x : *logs)
    result.push_back(std::exp(x - most));
  return result;
}

} // namespace

int command_summary(const Session& session, const Arguments& arguments) {
  Options options("summary");
  options.flag("weighted", "weight the draws by exp(.log_weight) (importance sampling)");
  options.positional("draws");
  options.parse(arguments);
  const std::string path = options.need("draws");
  const Draws draws = read_draws(path);
  const std::vector<double> weights = weights_of(draws);
  const bool weighted = options.has("weighted");
  if (weighted && weights.empty()) {
    throw InputError(path + ": the column .log_weight is missing or empty: sample with --data");
  }
  size_t width = 8;
  std::vector<size_t> chosen;
  for (size_t i = 0; i < draws.names.size(); ++i) {
    const std::string& name = draws.names[i];
    if (name[0] == '.' || name == "lp__" || name == "log_q__")
      continue;
    chosen.push_back(i);
    width = std::max(width, name.size());
  }
  std::ostringstream text;
  const auto cell = [&](const std::string& value) { text << std::setw(12) << value; };
  text << std::left << std::setw(static_cast<int>(width)) << "quantity" << std::right;
  for (const char* name : {"mean", "sd", "5%", "50%", "95%", "mcse"})
    cell(name);
  // Without weights every draw counts as one.
  if (weighted)
    cell("ess");
  text << "\n";
  for (size_t i : chosen) {
    const Summary s = summarise(draws.columns[i], weighted ? weights : std::vector<double>());
    text << std::left << std::setw(static_cast<int>(width)) << draws.names[i] << std::right;
    for (double value : {s.mean, s.sd, s.q5, s.q50, s.q95})
      cell(brief(value, 5));
    cell(brief(s.mcse, 2));
    if (weighted)
      cell(brief(std::round(s.ess), 6));
    text << "\n";
  }
  session.out << text.str() << "\n" << counted(draws.count(), "draw");
  double worth = INFINITY;
  if (!weights.empty()) {
    double sum = 0, squares = 0;
    for (double w : weights)
      sum += w, squares += w * w;
    worth = sum * sum / squares;
    session.out << ", importance weights worth "
                << (worth < 100 ? brief(worth, 3) : std::to_string(std::llround(worth))) << " of them";
  }
  session.out << (weighted ? ", weighted" : ", taken as independent") << "\n";
  if (weighted && worth < least_worth) {
    session.note("weights worth fewer than " + brief(least_worth, 3) +
                 " draws: the table says little of the posterior; the family is far from it");
  }
  return done;
}

} // namespace vmodel::runtime
