// The estimator of the gradient and the number of particles.

#include "runtime/fit/context.h"
#include "runtime/objectives/gradient_moments.h"

#include <algorithm>
#include <cmath>

namespace vmodel::runtime {
namespace {

// Particles are chosen within these limits so that the Monte-Carlo error of the result is about
// this share of a unit.
constexpr int64_t least_particles = 16;
constexpr int64_t most_particles = 256;
constexpr int64_t most_settling = 4096;
constexpr double wanted_error = 0.004;
constexpr int trials = 128;

// The greatest standard deviation of the error that the gradient of one particle makes in the result
// of a Newton step, in units of the coordinates (Preconditioner::to_units). Directions that are
// flatter than the preconditioner knows count as they are.
double error_of(FitContext& fit, EstimatorChoice estimator) {
  ObjectiveSettings one_block = fit.settings.objective;
  one_block.estimator = estimator;
  one_block.particles = fit.model.lanes();
  const auto objective = make_objective(fit.model, fit.family, one_block, fit.pool);
  const size_t n = static_cast<size_t>(fit.size);
  std::vector<double> g(n + 1), psi(n), units(n + 1), sum(n, 0.0), squares(n, 0.0);
  int finite = 0;
  for (int t = 0; t < trials; ++t) {
    fit.alive();
    const Evaluation e = objective->evaluate(fit.state.phi.data(),
                                             fit.random(step_of_estimator_trial + static_cast<uint32_t>(t)), g.data());
    if (!std::isfinite(e.value))
      continue;
    ++finite;
    fit.preconditioner.pull_back(g.data(), psi.data());
    fit.curvature.apply(psi);
    fit.preconditioner.to_units(psi.data(), units.data());
    for (size_t i = 0; i < n; ++i) {
      sum[i] += units[i];
      squares[i] += units[i] * units[i];
    }
  }
  if (finite < 2)
    return INFINITY;
  double worst = 0;
  for (size_t i = 0; i < n; ++i) {
    const double variance = (squares[i] - sum[i] * sum[i] / finite) / (finite - 1);
    worst = std::max(worst, std::sqrt(std::max(variance, 0.0) * fit.model.lanes()));
  }
  return worst;
}

const char* name_of(EstimatorChoice estimator) {
  switch (estimator) {
  case EstimatorChoice::stl: return "stl";
  case EstimatorChoice::dreg: return "dreg";
  case EstimatorChoice::automatic:
  case EstimatorChoice::total: break;
  }
  return "total";
}

// Estimates of the gradient for its noise.
constexpr int64_t least_repeats = 32, most_repeats = 200;

} // namespace

GradientNoise measure_noise(FitContext& fit, uint32_t number) {
  const auto objective = make_objective(fit.model, fit.family, fit.settings.objective, fit.pool);
  const size_t n = static_cast<size_t>(fit.size);
  std::vector<double> g(n + 1), psi(n);
  GradientMoments moments(fit.size);
  const int64_t repeats = std::clamp<int64_t>(fit.settings.steps / 100, least_repeats, most_repeats);
  for (int64_t i = 0; i < repeats; ++i) {
    fit.alive();
    const uint32_t step = step_of_moments + number * static_cast<uint32_t>(most_repeats) + static_cast<uint32_t>(i);
    const Evaluation e = objective->evaluate(fit.state.phi.data(), fit.random(step), g.data());
    fit.preconditioner.pull_back(g.data(), psi.data());
    moments.add(e, psi.data());
  }
  return {moments.signal(), moments.noise(), moments.count()};
}

Estimation choose_estimation(FitContext& fit) {
  const FitSettings& settings = fit.settings;
  const bool has_stl =
      fit.model.compiled().find(fit.family.name + ".log_density_gradient", fit.model.lanes()) != nullptr;
  Estimation result;
  const int64_t given = settings.objective.particles;
  const EstimatorChoice wanted_estimator = settings.objective.estimator;
  result.estimator = wanted_estimator == EstimatorChoice::automatic ? EstimatorChoice::total : wanted_estimator;
  result.particles = result.settling = given > 0 ? given : least_particles;
  fit.state.particles = result.particles;
  fit.state.estimator = (settings.objective.needs() & need_pathwise) == 0 ? "score" : name_of(result.estimator);
  if (!fit.is_elbo())
    return result;
  const bool choose = wanted_estimator == EstimatorChoice::automatic && has_stl;
  if (choose || given == 0) {
    double worst = error_of(fit, result.estimator);
    if (choose) {
      const double stl = error_of(fit, EstimatorChoice::stl);
      if (stl < worst) {
        result.estimator = EstimatorChoice::stl;
        worst = stl;
      }
    }
    if (given == 0 && std::isfinite(worst)) {
      const bool settles = fit.settles();
      const double iterates =
          static_cast<double>(std::max<int64_t>(1, settles ? settings.settling_steps() * 3 / 5 : fit.averaged_steps()));
      const double wanted = worst * worst / iterates / (wanted_error * wanted_error);
      const double most = static_cast<double>(settles ? most_settling : most_particles);
      const int64_t lanes = fit.model.lanes();
      const auto whole_blocks = [&](double particles) {
        return (static_cast<int64_t>(std::ceil(particles)) + lanes - 1) / lanes * lanes;
      };
      result.settling = whole_blocks(std::clamp(wanted, 1.0 * least_particles, most));
      result.particles = settles
                             ? whole_blocks(std::max(1.0 * least_particles, static_cast<double>(result.settling) / 16))
                             : result.settling;
    }
  }
  fit.state.estimator = name_of(result.estimator);
  fit.state.particles = fit.settles() ? result.settling : result.particles;
  return result;
}

} // namespace vmodel::runtime
