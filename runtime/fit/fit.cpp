#include "runtime/fit/fit.h"

#include "runtime/fit/context.h"
#include "runtime/io/error.h"
#include "runtime/io/files.h"

#include <algorithm>
#include <cmath>

namespace vmodel::runtime {
namespace {

constexpr double most_halves_apart = 4;
constexpr double most_skipped = 0.01;
constexpr int64_t most_last_draws = 4096;

// The ELBO of the result, and whether it can be relied on.
void judge(FitContext& fit) {
  FitState& state = fit.state;
  state.phase = "done";
  const int64_t last_draws = fit.evaluation_draws(most_last_draws);
  const Evaluation e = fit.elbo(state.phi, last_draws, 64);
  state.elbo = e.value;
  state.elbo_error = e.spread / std::sqrt(static_cast<double>(last_draws));
  if (std::any_of(state.phi.begin(), state.phi.end(), [](double x) { return !std::isfinite(x); })) {
    state.problems.push_back("a learned value is not finite");
  }
  // A posterior may end at a wall: single draws beyond it are reported by `sample`.
  if (!std::isfinite(e.value) && static_cast<double>(e.not_finite) > most_skipped * static_cast<double>(last_draws)) {
    state.problems.push_back("the objective at the result is not finite (" + std::to_string(e.not_finite) + " of " +
                             std::to_string(last_draws) + " draws)");
  }
  if (static_cast<double>(state.skipped) > most_skipped * static_cast<double>(state.step)) {
    state.problems.push_back(std::to_string(state.skipped) + " of " + counted(state.step, "step") +
                             " were skipped, since a particle's density or gradient was not finite (limit 1 %)");
  }
  if (state.halves_apart > most_halves_apart) {
    state.problems.push_back("the optimiser had not settled: the halves of the averaged iterates are " +
                             brief(state.halves_apart, 3) + " Monte-Carlo errors apart (limit 4); use more --steps");
  }
}

} // namespace

const Family& family_of(const Metadata& metadata, const std::string& name) {
  const std::string kernels = name == "laplace" ? "full_rank" : name;
  const Family* family = metadata.find_family(kernels);
  if (family == nullptr) {
    throw InputError("family " + name + ": this executable does not hold it; build it with vmodelc " + metadata.source +
                     " --families=" + name);
  }
  return *family;
}

FitResult run_fit(const PreparedModel& model, const FitSettings& settings, const FitObserver& observer) {
  FitContext fit(model, settings, observer);
  start(fit);
  if (settings.family == "laplace") {
    fit.state.estimator = "none";
    fit.state.last = fit.state.phi;
    compare_with_plain_start(fit);
  } else {
    fit.choose_preconditioner(0);
    if (settings.warm_up)
      warm_up(fit);
    measure_curvature(fit);
    optimise(fit, choose_estimation(fit));
  }
  judge(fit);
  return {std::move(fit.state), std::move(fit.trace)};
}

} // namespace vmodel::runtime
