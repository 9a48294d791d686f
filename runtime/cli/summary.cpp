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

struct Weights {
  std::vector<double> values;  // exp(.log_weight) divided by the greatest; empty when there are none
  int64_t without_density = 0; // draws whose log density is not a number: their weight is 0
  std::string why;             // why there are none
};

Weights weights_of(const Draws& draws) {
  Weights result;
  const std::vector<double>* logs = draws.find(".log_weight");
  result.why = "the column .log_weight is missing or empty: sample with --data";
  if (logs == nullptr || logs->empty())
    return result;
  double most = -INFINITY;
  for (double x : *logs) {
    if (std::isnan(x))
      ++result.without_density;
    else
      most = std::max(most, x);
  }
  // A missing number and one that is none read alike.
  if (result.without_density == draws.count())
    return result;
  if (!std::isfinite(most)) {
    result.why = most > 0 ? "the density of a draw is infinite: weights say nothing" : "no draw has a density above 0";
    return result;
  }
  for (double x : *logs)
    result.values.push_back(std::isnan(x) ? 0 : std::exp(x - most));
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
  const Weights found = weights_of(draws);
  const std::vector<double>& weights = found.values;
  const bool weighted = options.has("weighted");
  if (weighted && weights.empty())
    throw InputError(path + ": " + found.why);
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
  if (!weights.empty() && found.without_density > 0) {
    session.note("the log density of " + counted(found.without_density, "draw") + " is not a number: weight 0");
  }
  if (weighted && worth < least_worth) {
    session.note("weights worth fewer than " + brief(least_worth, 3) +
                 " draws: the table says little of the posterior; the family is far from it");
  }
  return done;
}

} // namespace vmodel::runtime
