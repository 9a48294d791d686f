// The estimator of the gradient and the number of particles.

#include "runtime/fit/context.h"
#include "runtime/io/error.h"

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
double error_of(FitContext& fit, Estimator estimator) {
  Elbo objective(fit.model, fit.family, fit.model.lanes(), estimator, fit.pool);
  const size_t n = static_cast<size_t>(fit.size);
  std::vector<double> g(n + 1), psi(n), units(n + 1), sum(n, 0.0), squares(n, 0.0);
  int finite = 0;
  for (int t = 0; t < trials; ++t) {
    fit.alive();
    const Evaluation e = objective.evaluate(fit.state.phi.data(),
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

} // namespace

Estimation choose_estimation(FitContext& fit) {
  const FitSettings& settings = fit.settings;
  const bool has_stl =
      fit.model.compiled().find(fit.family.name + ".log_density_gradient", fit.model.lanes()) != nullptr;
  if (settings.estimator == EstimatorChoice::stl && !has_stl)
    throw InputError("estimator stl: the family " + fit.family.name + " has no density at a given point");
  Estimation result;
  result.estimator = settings.estimator == EstimatorChoice::stl ? Estimator::stl : Estimator::total;
  result.particles = result.settling = settings.particles > 0 ? settings.particles : least_particles;
  const bool choose = settings.estimator == EstimatorChoice::automatic && has_stl;
  if (choose || settings.particles == 0) {
    double worst = error_of(fit, result.estimator);
    if (choose) {
      const double stl = error_of(fit, Estimator::stl);
      if (stl < worst) {
        result.estimator = Estimator::stl;
        worst = stl;
      }
    }
    if (settings.particles == 0 && std::isfinite(worst)) {
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
  fit.state.estimator = result.estimator == Estimator::stl ? "stl" : "total";
  fit.state.particles = fit.settles() ? result.settling : result.particles;
  return result;
}

} // namespace vmodel::runtime
