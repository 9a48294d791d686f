#include "runtime/fit/fit.h"

#include "runtime/fit/context.h"
#include "runtime/fit/proposal.h"
#include "runtime/io/error.h"
#include "runtime/io/files.h"

#include <algorithm>
#include <cmath>

namespace vmodel::runtime {
namespace {

constexpr double most_skipped = 0.01;
constexpr double most_halves_apart = 4;
// Steps that cost so many times what was expected are worth another look for their start.
constexpr double dearer = 4;
constexpr int64_t most_last_draws = 4096;
// Labels that are worth less than this share of what the classifier's are worth have collapsed (one particle: 0).
constexpr double least_label_share = 0.05;

// What labels and gradients of other objectives than the ELBO say of the result.
void judge_labels(FitContext& fit) {
  FitState& state = fit.state;
  if (state.particles_impossible > 0) {
    state.notes.push_back(std::to_string(state.particles_impossible) + " of " +
                          std::to_string(state.step * state.particles) +
                          " particles had density zero (label 0): the family reaches beyond the posterior's support");
  }
  if (state.particles_not_finite > 0) {
    state.notes.push_back(counted(state.particles_not_finite, "particle") +
                          " had a density that is no number; their steps were skipped");
  }
  const LabelSizes& labels = state.last_labels;
  if (labels.count == 0)
    return;
  const double particles = static_cast<double>(state.particles);
  // Of weights without a classifier, equal ones are what is wanted.
  const double wanted = std::isfinite(labels.mean_guide()) ? labels.mean_guide() : particles;
  if (particles > 1 && labels.mean() - 1 < least_label_share * (wanted - 1)) {
    state.problems.push_back("the labels have collapsed: on average they are worth " + brief(labels.mean(), 3) +
                             " of " + counted(state.particles, "particle") + " (effective sample size), the family's " +
                             brief(wanted, 3) +
                             "; the family is far from the posterior: use more particles, another start or family");
  }
}

// Inner samples of which so few count, a mean over the last steps, say nothing of the density.
constexpr double least_inner_size = 4;

// Whether the densities of a semi-implicit family could be estimated.
void judge_inner_samples(FitContext& fit) {
  FitState& state = fit.state;
  if (state.last_labels.count == 0)
    return;
  if (state.held > 0) {
    state.notes.push_back("the family waited in " + counted(state.held, "step") +
                          " for its proposal, since too few inner samples counted");
  }
  const int64_t samples = fit.settings.objective.inner_sampling().samples;
  const double wanted = std::min(least_inner_size, 0.5 * static_cast<double>(samples));
  if (state.last_labels.mean() < wanted && fit.settings.objective.method() == ObjectiveMethod::posterior_score) {
    state.problems.push_back("the chains of what is mixed over stand still: on average " +
                             brief(state.last_labels.mean(), 3) + " of " + std::to_string(samples) +
                             " transitions are accepted, so that gradients cannot be relied on; use another start, "
                             "more leapfrogs or fewer variables");
  } else if (state.last_labels.mean() < wanted) {
    state.problems.push_back(
        "the inner samples have collapsed: on average " + brief(state.last_labels.mean(), 3) + " of " +
        std::to_string(samples) +
        " count (effective sample size), so that neither gradients nor densities can be relied on; "
        "use more inner samples, a better proposal (pretrain, proposal_steps) or fewer variables");
  }
}

// Whether the maps of the family take back what they made of their bases: log q at a given point, by which scores are
// computed, is that of a draw there.
void judge_round_trip(FitContext& fit) {
  if (!fit.family.round_trip)
    return;
  const RoundTrip trip = round_trip(fit.model, fit.family, fit.state.phi, fit.settings.seed);
  fit.state.round_trip = trip;
  if (trip.is_exact())
    return;
  const std::string text = "the maps of " + trip.worst + " and their inverses are apart: " + trip.text() + " (limit " +
                           brief(RoundTrip::most_residual) + ")";
  if (trip.is_wrong())
    fit.state.problems.push_back(text + ", more than rounding can be");
  else
    fit.state.notes.push_back(text);
}

// The ELBO of the result, and whether it can be relied on.
void judge_spread(FitContext& fit, const Evaluation& e) {
  const double usual = usual_spread(fit.model.dimension());
  if (!fit.is_elbo() || !std::isfinite(e.spread) || e.spread <= most_spreads * usual)
    return;
  fit.state.problems.push_back("the family is far from the posterior: log p - log q varies by " + brief(e.spread, 3) +
                               " from draw to draw (standard deviation; about " + brief(usual, 3) +
                               " is usual at an optimum); use more --steps, another start or family");
}

void judge(FitContext& fit) {
  FitState& state = fit.state;
  state.phase = "done";
  const int64_t last_draws = fit.evaluation_draws(most_last_draws);
  Evaluation e;
  if (fit.family.mixture) {
    // The bound that holds.
    state.mixture = report_mixture(fit);
    state.elbo = e.value = state.mixture->elbo_lower;
    state.elbo_error = state.mixture->elbo_lower_error;
  } else {
    e = fit.elbo(state.phi, last_draws, 64);
    state.elbo = e.value;
    state.elbo_error = e.spread / std::sqrt(static_cast<double>(last_draws));
  }
  if (std::any_of(state.phi.begin(), state.phi.end(), [](double x) { return !std::isfinite(x); })) {
    state.problems.push_back("a learned value is not finite");
  }
  if (!std::isfinite(e.value)) {
    const std::string draws = std::to_string(e.not_finite) + " of " + std::to_string(last_draws) + " draws";
    // A posterior may end at a wall, which single draws are beyond.
    if (fit.is_elbo() && static_cast<double>(e.not_finite) > most_skipped * static_cast<double>(last_draws))
      state.problems.push_back("the objective at the result is not finite (" + draws +
                               "); `check` with the same data says what has no density");
    else
      state.notes.push_back("the ELBO is not a number, since the density at " + draws + " is not finite");
  }
  judge_spread(fit, e);
  judge_draws(fit);
  judge_round_trip(fit);
  if (static_cast<double>(state.skipped) > most_skipped * static_cast<double>(state.step)) {
    state.problems.push_back(std::to_string(state.skipped) + " of " + counted(state.step, "step") +
                             " were skipped, since a particle's density or gradient was not finite (limit 1 %)");
  }
  if (state.halves_apart > most_halves_apart) {
    state.problems.push_back("the optimiser had not settled: the halves of the averaged iterates are " +
                             brief(state.halves_apart, 3) + " Monte-Carlo errors apart (limit 4); use more --steps");
  }
}

// Curvature, estimator and particles of the steps. Where these turn out far dearer than was expected, a start that was
// looked for by what they were expected to cost may be to blame, and is worth more.
Estimation prepare_steps(FitContext& fit) {
  measure_curvature(fit);
  const Estimation first = choose_estimation(fit);
  const double cost = static_cast<double>(fit.settings.steps * first.particles) +
                      (fit.settles() ? static_cast<double>(fit.settings.settling_steps() * first.settling) : 0.0);
  if (!fit.settings.warm_up || fit.settings.objective.particles > 0 || cost < dearer * fit.work.steps())
    return first;
  fit.work.expect(cost);
  warm_up(fit);
  measure_curvature(fit);
  return choose_estimation(fit);
}

} // namespace

double usual_spread(int64_t dimension) {
  return std::sqrt(static_cast<double>(std::max<int64_t>(dimension, 1)));
}

void LabelSizes::add(const Evaluation& e) {
  if (!std::isfinite(e.label_size))
    return;
  ++count;
  sum += e.label_size;
  guide += e.guide_size;
  least = std::isnan(least) ? e.label_size : std::min(least, e.label_size);
}

const Family& family_of(const Metadata& metadata, const std::string& name) {
  const std::string kernels = name == "laplace" ? "full_rank" : name;
  const Family* family = metadata.find_family(kernels);
  if (family == nullptr) {
    throw InputError("family " + name + ": this executable does not hold it; build it with vmodelc " + metadata.source +
                     " --families=" + name);
  }
  return *family;
}

void need_kernels(const PreparedModel& model, const Family& family, const ObjectiveSettings& objective) {
  const unsigned missing = missing_needs(model, family, objective.needs());
  if (missing == 0)
    return;
  std::string names;
  for (const ObjectiveRow& row : objective_rows) {
    if (missing_needs(model, family, row.needs) == 0 && model.metadata().has_objective(row.name))
      names += (names.empty() ? "" : ", ") + std::string(row.name);
  }
  if ((missing & (need_density | need_mixture)) != 0) {
    throw InputError("objective " + describe(objective) + ": " +
                     (family.mixture ? "it needs log q of draws, which is an integral for the family " + family.name +
                                           ", which has `mix`"
                                     : "it is for families with `mix`, and the family " + family.name + " has none") +
                     (names.empty() ? "" : "; objectives for this family: " + names));
  }
  if ((missing & need_fixed_mix) != 0) {
    throw InputError("objective " + describe(objective) + ": the family " + family.name +
                     " learns the distribution of what it mixes over, which this objective does not differentiate" +
                     (names.empty() ? "" : "; objectives for this family: " + names));
  }
  const char* what = (missing & need_pathwise) != 0 ? "pathwise derivatives"
                     : (missing & need_mix_gradient) != 0
                         ? "the derivative of its density by what is mixed over (vmodelc --objectives=uivi)"
                     : (missing & need_proposal_gradient) != 0
                         ? "the derivative of its proposal's density by the point (vmodelc --objectives=iwhvi)"
                     : (missing & need_score) != 0 ? "the derivative of its density by what is learned"
                                                   : "the derivative of its density by the point";
  throw InputError("objective " + describe(objective) + ": it needs " + what + ", which the family " + family.name +
                   " does not have" + (names.empty() ? "" : "; objectives for this family: " + names));
}

FitResult run_fit(const PreparedModel& model, const FitSettings& settings, const FitObserver& observer) {
  need_kernels(model, family_of(model.metadata(), settings.family), settings.objective);
  FitContext fit(model, settings, observer);
  start(fit);
  if (fit.family.round_trip)
    fit.state.first_round_trip = round_trip(model, fit.family, fit.state.phi, settings.seed);
  if (settings.family == "laplace") {
    fit.state.estimator = "none";
    fit.state.last = fit.state.phi;
    compare_with_plain_start(fit);
  } else {
    fit.choose_preconditioner(0);
    if (settings.warm_up && fit.has_elbo_gradient())
      warm_up(fit);
    if (fit.is_elbo()) {
      optimise(fit, prepare_steps(fit));
    } else {
      fit.state.first_noise = measure_noise(fit, 0);
      optimise(fit, choose_estimation(fit));
      if (fit.family.mixture)
        refine_proposal(fit);
      fit.state.last_noise = measure_noise(fit, 1);
      if (fit.family.mixture)
        judge_inner_samples(fit);
      else
        judge_labels(fit);
    }
  }
  judge(fit);
  return {std::move(fit.state), std::move(fit.trace)};
}

} // namespace vmodel::runtime
