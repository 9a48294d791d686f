// What a fit is told: the file's fit block, overridden by flags.
#pragma once

#include "runtime/model/metadata.h"
#include "runtime/objectives/make.h"
#include "runtime/optimizers/adam.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace vmodel::runtime {

enum class StartChoice { automatic, laplace, plain, other_fit };

// The result of another fit block, to start from.
struct OtherFit {
  std::string run, family;
  std::vector<double> phi;
};

struct FitSettings {
  std::string run;
  std::string family = "mean_field";
  ObjectiveSettings objective;
  uint64_t seed = 1;
  int threads = 1;
  int64_t steps = 2000;
  StartChoice start = StartChoice::automatic;
  // With StartChoice::other_fit: the fit block, and its result once it is known.
  std::string start_run;
  std::optional<OtherFit> from;
  RateSchedule schedule;
  AdamSettings adam;
  // The share of Adam's steps, counted from the end, whose iterates are averaged.
  double average = 0.5;
  // Steps after those of Adam, in the metric of the curvature and with more particles; negative: a
  // fifth as many as those, at most 400.
  int64_t settle = -1;
  int64_t settling_steps() const { return settle >= 0 ? settle : std::min<int64_t>(400, steps / 5); }
  // Coordinates in which the objective is round, and deterministic optimisation before the first
  // step.
  bool precondition = true;
  bool warm_up = true;
  // The power of the model's density at the first step of Adam; over this share of its steps it becomes 1.
  double temper = 1, temper_share = 1.0 / 3;
  double power_at(int64_t step) const;
  // Names of the settings that neither the file nor a flag gave, as `name = value`.
  std::vector<std::string> defaults;
};

// What flags of `fit` say; empty or negative where they say nothing.
struct FitFlags {
  std::string run, family, objective, seed, threads, steps;
  std::vector<std::string> set; // key=value
};

// `elbo(particles = 8)` and the like, with `given` settings of the objective (by name) beside. Throws InputError.
ObjectiveSettings parse_objective_settings(const std::string& text,
                                           const std::vector<std::pair<std::string, std::string>>& given = {});
// As such a text, without what is not to be set.
std::string describe(const ObjectiveSettings& objective);

// Combines them. Throws InputError for unknown names and malformed values.
FitSettings make_settings(const Metadata& metadata, const FitFlags& flags);

// As `key = value` for fit.json and messages.
std::vector<std::pair<std::string, std::string>> describe(const FitSettings& settings);

// Reads a whole text as a number within bounds; throws InputError that names `what`.
int64_t parse_integer(const std::string& what, const std::string& text, int64_t least, int64_t most);
double parse_real(const std::string& what, const std::string& text, double least, double most);

} // namespace vmodel::runtime
