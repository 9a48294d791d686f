// What the parts of a fit share.
#pragma once

#include "runtime/fit/curvature.h"
#include "runtime/fit/fit.h"
#include "runtime/fit/work.h"
#include "runtime/objectives/elbo.h"
#include "runtime/objectives/semi_implicit.h"
#include "runtime/start/preconditioner.h"

#include <chrono>
#include <string>
#include <vector>

namespace vmodel::runtime {

// Steps of the random streams that are not steps of the optimiser.
inline constexpr uint32_t step_of_estimator_trial = 0x20000000;
inline constexpr uint32_t step_of_moments = 0x30000000;
inline constexpr uint32_t step_of_evaluation = 0x40000000;
inline constexpr uint32_t step_of_judgement = 0x48000000;
inline constexpr uint32_t step_of_curvature = 0x50000000;
inline constexpr uint32_t step_of_warm_up = 0x60000000;
inline constexpr uint32_t step_of_proposal = 0x70000000;

// The ELBO of one place against another's, by draws with common random numbers.
struct Comparison {
  double first = NAN, second = NAN; // estimates; not finite where a draw is not
  double difference = NAN;          // second - first
  double error = INFINITY;          // its standard error

  // Whether the second place is at least as good, as far as can be told. Where the error is too
  // large to tell (heavy tails), the first one is kept.
  bool second_is_sound() const;
};

// How steps estimate their gradients.
struct Estimation {
  EstimatorChoice estimator = EstimatorChoice::total;
  int64_t particles = 1; // of Adam's steps
  int64_t settling = 1;  // of the last phase
};

struct FitContext {
  FitContext(const PreparedModel& model, const FitSettings& settings, const FitObserver& observer);

  // Says what is done from now on (for the progress line), and that it goes on.
  void begin(const char* phase);
  void alive();

  double seconds() const;
  // The ELBO at phi by fresh draws, the same ones for the same number.
  Evaluation elbo(const std::vector<double>& phi, int64_t draws, uint32_t number = 0);
  // How densities of a semi-implicit family are estimated where they are not differentiated.
  InnerSampling evaluation_sampling() const;
  Comparison compare(const std::vector<double>& first, const std::vector<double>& second, int64_t draws,
                     uint32_t number);
  // KL(q_first || q_second) by draws of the first; infinite where the family has no density at a given point.
  double divergence(const std::vector<double>& first, const std::vector<double>& second, int64_t draws);
  // So many draws, or fewer where they are dear.
  int64_t evaluation_draws(int64_t wanted) const;
  // Makes the preconditioner for the curvature at state.phi; `number` chooses the draws.
  void choose_preconditioner(uint32_t number);
  PreconditionerEffort preconditioner_effort() const;
  // Steps in the metric of the curvature need one.
  bool settles() const { return settings.settling_steps() > 0 && !preconditioner.is_identity(); }
  bool has_elbo_gradient() const { return missing_needs(model, family, need_pathwise | need_density) == 0; }
  // Each draw's log p - log q at phi, with log p to the power that counts now; of a semi-implicit family log q is
  // estimated. Not finite: a draw is not.
  double elbo_terms(const std::vector<double>& phi, int64_t draws, uint32_t number, std::vector<double>& terms);
  // Whether the objective is the ELBO: curvature, choice of the estimator and the last phase know no other.
  bool is_elbo() const { return settings.objective.method() == ObjectiveMethod::elbo; }
  int64_t averaged_steps() const {
    return static_cast<int64_t>(settings.average * static_cast<double>(settings.steps));
  }
  vmodel_random random(uint32_t step) const { return random_state(settings.seed, Stream::fit, step); }

  const PreparedModel& model;
  const FitSettings& settings;
  const FitObserver& observer;
  const Family& family;
  UnconstrainedDensity density;
  ThreadPool pool;
  const int64_t size; // of phi
  Work work;
  Preconditioner preconditioner;
  // The curvature of the objective in the coordinates of the preconditioner.
  Curvature curvature;
  // The power to which the model's density counts in comparisons: that of the first step while a start is chosen.
  double power = 1;
  // The start is a mode with its curvature.
  bool started_at_mode = false;
  FitState state;
  std::vector<TraceRow> trace;

private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  const char* phase_ = "";
};

// Sets state.phi and state.start. Throws NoFit where the family is `laplace` and there is no mode.
void start(FitContext& fit);
// The curvature at a mode may say little about the posterior around it: for the family `laplace`.
void compare_with_plain_start(FitContext& fit);
// Brings state.phi near the optimum at little cost, whatever the scales are.
void warm_up(FitContext& fit);
// What the preconditioner does not know: it takes the posterior for nearly Gaussian.
void measure_curvature(FitContext& fit);
// Of the ELBO: the estimator whose gradients would leave the smaller error in the result, and so many particles
// that this error is small in every coordinate. Other objectives: what the settings say.
Estimation choose_estimation(FitContext& fit);
// How much of the gradient is noise at state.phi, in the coordinates of the optimiser, by repeated estimates. `number`
// chooses the random numbers.
GradientNoise measure_noise(FitContext& fit, uint32_t number);
// Adds to the problems what draws of the result show: values that are not finite, or that differ by rounding alone.
void judge_draws(FitContext& fit);
// The steps.
void optimise(FitContext& fit, const Estimation& estimation);

} // namespace vmodel::runtime
