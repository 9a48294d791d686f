// Fits a family to a posterior.
#pragma once

#include "runtime/fit/mixture_report.h"
#include "runtime/fit/round_trip.h"
#include "runtime/fit/settings.h"
#include "runtime/model/prepared_model.h"
#include "runtime/objectives/objective.h"

#include <cmath>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace vmodel::runtime {

struct TraceRow {
  int64_t step = 0;
  double seconds = 0;
  double objective = 0;
  double gradient_norm = 0;
  double rate = 0;
  int64_t skipped = 0; // steps skipped so far
};

// Sums over steps of what objectives say of their labels (Evaluation::label_size).
struct LabelSizes {
  double sum = 0, least = NAN, guide = 0;
  int64_t count = 0;

  void add(const Evaluation& e);
  double mean() const { return count > 0 ? sum / static_cast<double>(count) : NAN; }
  // Of the classifier's, where there is one.
  double mean_guide() const { return count > 0 ? guide / static_cast<double>(count) : NAN; }
};

// Means over the coordinates of |mean| and of the standard deviation of a gradient, from `repeats` estimates.
struct GradientNoise {
  double signal = NAN, noise = NAN;
  int64_t repeats = 0;
};

// All that a fit is at a moment; fit.json is a view of it.
// Standard deviation of log p - log q over draws where the ELBO is largest: each coordinate adds about one to the
// variance, however poor the family. Ten times as much is far from any optimum.
double usual_spread(int64_t dimension);
inline constexpr double most_spreads = 10;

struct FitState {
  std::string phase = "start"; // start, optimise, done
  int64_t step = 0;
  // The result: the average of the last iterates (of the iterate itself before averaging begins).
  std::vector<double> phi;
  std::vector<double> last; // the last iterate
  std::vector<double> first_moment, second_moment;
  int64_t averaged = 0;
  std::vector<int64_t> order_of_data; // for minibatches; empty: all data in every step
  int64_t skipped = 0;                // steps with a particle that was not finite
  int64_t held = 0;                   // steps of the proposal alone, since inner samples had collapsed
  int64_t particles_not_finite = 0;
  // Particles with density zero, which the objective has a place for (label 0).
  int64_t particles_impossible = 0;
  uint64_t seed = 0;
  uint32_t stream = static_cast<uint32_t>(Stream::fit);

  // How it began and ended.
  std::string start;
  std::string estimator;
  int64_t particles = 0;
  double elbo = 0, elbo_error = 0;
  // Of semi-implicit families.
  std::optional<MixtureReport> mixture;
  // Of families that map bases: at the start and at the result.
  std::optional<RoundTrip> first_round_trip, round_trip;
  // Of objectives with labels: over all steps, and over those whose iterates are averaged (the last half without).
  LabelSizes labels, last_labels;
  // At the first step and at the result.
  GradientNoise first_noise, last_noise;
  // Distance of the halves of the averaged iterates in Monte-Carlo errors; the limit is 4.
  double halves_apart = 0;
  // Why the fit is not to be relied on; empty: nothing found.
  std::vector<std::string> problems;
  std::vector<std::string> notes;
};

struct FitResult {
  FitState state;
  std::vector<TraceRow> trace;
};

// What a fit is doing. Called now and then during the start and the warm-up, whose `phase` has a
// name, and after every step.
struct FitProgress {
  const char* phase; // empty: steps
  int64_t step, steps;
  double objective, rate; // a running mean of the objective; not a number before the first step
  double left;            // what is left to do, in steps as dear as this one
};
using FitObserver = std::function<void(const FitProgress&)>;

// Throws InputError, with the objectives that fit, where the compiled family does not have what this one needs.
void need_kernels(const PreparedModel& model, const Family& family, const ObjectiveSettings& objective);

// Runs a whole fit. Throws InputError when the family cannot be fitted at all.
FitResult run_fit(const PreparedModel& model, const FitSettings& settings, const FitObserver& observer);

// The family whose entry points a fit of that name uses: `laplace` is full_rank's.
const Family& family_of(const Metadata& metadata, const std::string& name);

} // namespace vmodel::runtime
