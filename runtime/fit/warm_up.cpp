// What comes between the start and the steps: deterministic optimisation, and the curvature there.

#include "runtime/fit/context.h"
#include "runtime/optimizers/lbfgs.h"

#include <algorithm>
#include <cmath>

namespace vmodel::runtime {
namespace {

constexpr uint32_t rounds = 3;
constexpr int64_t most_iterations[rounds] = {60, 60, 30};
// What a round may cost, as a share of the steps, and how many evaluations its draws should last for
// at less than that. Without a mode to start from there is more to be gained.
constexpr double round_share = 0.4, poor_start_share = 1.2;
constexpr double wanted_evaluations[rounds] = {30, 20, 10};
constexpr int64_t trial_draws = 1024;
// Of the measurement of the curvature.
constexpr double curvature_share = 0.35;
constexpr int64_t least_draws = 128, coarse_draws = 2048, fine_draws = 8192;

} // namespace

void warm_up(FitContext& fit) {
  if (fit.size == 0)
    return;
  fit.begin("warming up");
  const int64_t d = fit.model.dimension();
  for (uint32_t round = 0; round < rounds; ++round) {
    // The optimum for fixed draws is that of the ELBO only where there are more of them than
    // dimensions.
    const int64_t wanted = std::min<int64_t>(8192, std::max<int64_t>(256 << (2 * round), 8 * d));
    const int64_t draws = fit.work.draws(round_share, wanted_evaluations[round], 64, wanted);
    if (round > 0 && draws < wanted)
      break;
    Elbo objective(fit.model, fit.family, draws, Estimator::total, fit.pool);
    const vmodel_random random = fit.random(step_of_warm_up + round);
    std::vector<double> phi(static_cast<size_t>(fit.size)), g(phi), psi(phi.size(), 0.0);
    const std::vector<double> origin = fit.state.phi;
    const Differentiable function = [&](const double* at, double* gradient) {
      fit.alive();
      fit.preconditioner.place(origin.data(), at, phi.data());
      const Evaluation e = objective.evaluate(phi.data(), random, g.data());
      fit.preconditioner.pull_back(g.data(), gradient);
      for (int64_t i = 0; i < fit.size; ++i)
        gradient[i] = -gradient[i];
      return -e.value;
    };
    LbfgsSettings lbfgs;
    lbfgs.iterations = static_cast<int>(most_iterations[round]);
    const double share = fit.started_at_mode ? round_share : poor_start_share;
    lbfgs.evaluations = static_cast<int64_t>(share * fit.work.steps() / static_cast<double>(draws)) + 2;
    lbfgs.decrease = 1e-5;
    const LbfgsResult result = minimise_lbfgs(function, psi, lbfgs);
    if (std::isfinite(result.value)) {
      std::vector<double> better(origin.size());
      fit.preconditioner.place(origin.data(), psi.data(), better.data());
      // Kept only where other draws confirm it.
      if (fit.compare(origin, better, fit.evaluation_draws(trial_draws), 1 + round).second_is_sound())
        fit.state.phi = better;
    }
    fit.choose_preconditioner(1 + round);
  }
}

void measure_curvature(FitContext& fit) {
  // Used by the choice of estimator and particles, and by the last phase.
  const ObjectiveSettings& objective = fit.settings.objective;
  const bool chosen = objective.particles > 0 && objective.estimator != EstimatorChoice::automatic;
  if (fit.size == 0 || fit.preconditioner.is_identity() || (chosen && !fit.settles()))
    return;
  fit.begin("measuring the curvature");
  const auto gradient_of = [&](Elbo& objective) {
    return [&fit, &objective, phi = fit.state.phi,
            g = std::vector<double>(static_cast<size_t>(fit.size + 1))](const double* psi, double* gradient) mutable {
      fit.alive();
      fit.preconditioner.place(fit.state.phi.data(), psi, phi.data());
      const Evaluation e = objective.evaluate(phi.data(), fit.random(step_of_curvature), g.data());
      fit.preconditioner.pull_back(g.data(), gradient);
      return std::isfinite(e.value);
    };
  };
  const double directions = static_cast<double>(std::min<int64_t>(fit.size, most_curvature_directions));
  if (curvature_share * fit.work.steps() < least_draws * std::min(directions, 4.0))
    return;
  const int64_t few = fit.work.draws(curvature_share, directions, least_draws, coarse_draws);
  const int64_t many = fit.work.draws(curvature_share, 5, 2 * few, fine_draws);
  Elbo coarse(fit.model, fit.family, few, Estimator::total, fit.pool),
      fine(fit.model, fit.family, many, Estimator::total, fit.pool);
  fit.curvature = find_curvature(fit.size, gradient_of(coarse), gradient_of(fine));
}

} // namespace vmodel::runtime
