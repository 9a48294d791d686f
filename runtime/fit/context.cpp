#include "runtime/fit/context.h"

#include "runtime/model/family_draw.h"

#include <algorithm>
#include <cmath>

namespace vmodel::runtime {
namespace {

// A comparison with a greater error (in nats) tells nothing.
constexpr double clear_error = 0.5;
// A preconditioner may cost this share of the steps.
constexpr double preconditioner_share = 0.25;
constexpr double eigenvalue_factorisations = 8;

} // namespace

bool Comparison::second_is_sound() const {
  if (!std::isfinite(second))
    return false;
  if (!std::isfinite(first))
    return true;
  return difference >= (error < clear_error ? -2 * error : 0);
}

FitContext::FitContext(const PreparedModel& m, const FitSettings& s, const FitObserver& o)
    : model(m), settings(s), observer(o), family(family_of(m.metadata(), s.family)), density(m), pool(s.threads),
      size(m.size(family.phi)), work(m, family, s), preconditioner(size) {
  state.seed = settings.seed;
}

void FitContext::begin(const char* phase) {
  phase_ = phase;
  alive();
}

void FitContext::alive() {
  if (observer)
    observer({phase_, state.step, settings.steps + settings.settling_steps(), NAN, NAN, 0});
}

double FitContext::seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
}

Evaluation FitContext::elbo(const std::vector<double>& phi, int64_t draws, uint32_t number) {
  Elbo objective(model, family, draws, Estimator::total, pool);
  const vmodel_random numbers = random(step_of_evaluation + number);
  const Evaluation with_entropy = objective.value(phi.data(), numbers);
  const Evaluation with_density = objective.value(phi.data(), numbers, Estimator::stl);
  return with_density.spread < with_entropy.spread ? with_density : with_entropy;
}

Comparison FitContext::compare(const std::vector<double>& first, const std::vector<double>& second, int64_t draws,
                               uint32_t number) {
  Elbo objective(model, family, draws, Estimator::total, pool);
  std::vector<double> a, b;
  Comparison result;
  result.first = objective.value(first.data(), random(step_of_evaluation + number), Estimator::total, &a).value;
  result.second = objective.value(second.data(), random(step_of_evaluation + number), Estimator::total, &b).value;
  if (!std::isfinite(result.first) || !std::isfinite(result.second))
    return result;
  const double count = static_cast<double>(draws);
  result.difference = result.second - result.first;
  double squares = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double distance = b[i] - a[i] - result.difference;
    squares += distance * distance;
  }
  // Differences of places that agree are rounding alone.
  const double rounding = 1e-12 * (std::fabs(result.first) + std::fabs(result.second));
  result.error = std::sqrt(squares / (count - 1) / count) + rounding;
  return result;
}

double FitContext::divergence(const std::vector<double>& first, const std::vector<double>& second, int64_t draws) {
  if (!family.can("density"))
    return INFINITY;
  const int64_t lanes = model.lanes();
  AlignedVector<double> from(first.begin(), first.end()), to(second.begin(), second.end()),
      z(static_cast<size_t>(model.dimension() * lanes + 1)), drawn(static_cast<size_t>(lanes)), entropy(drawn),
      there(drawn);
  from.resize(first.size() + 1);
  to.resize(second.size() + 1);
  FamilyDraw draw(model, family, from.data(), z.data(), drawn.data(), entropy.data());
  KernelCall density =
      model.call(family.name + ".log_density", lanes, {{"phi", to.data()}, {"z", z.data()}, {"log_q", there.data()}});
  const int64_t blocks = (draws + lanes - 1) / lanes;
  double sum = 0;
  for (int64_t b = 0; b < blocks; ++b) {
    vmodel_random numbers = random(step_of_evaluation);
    numbers.first_particle = static_cast<uint32_t>(b * lanes);
    draw(numbers);
    density();
    for (size_t lane = 0; lane < drawn.size(); ++lane)
      sum += drawn[lane] - there[lane];
  }
  return sum / static_cast<double>(blocks * lanes);
}

PreconditionerEffort FitContext::preconditioner_effort() const {
  const double d = static_cast<double>(model.dimension());
  const double most = preconditioner_share * work.steps() - work.factorisation();
  PreconditionerEffort effort;
  const double points = model.dimension() > largest_dense_dimension ? 0 : most / density.hessian_work();
  // The mean over more dimensions is steadier where it matters.
  effort.hessians = points < 4 ? 0 : std::min<int64_t>(d <= 64 ? 64 : 16, static_cast<int64_t>(points));
  effort.eigenvalues = eigenvalue_factorisations * work.factorisation() < most;
  effort.dense = static_cast<double>(effort.hessians * model.lanes()) * d < 2 * most;
  return effort;
}

void FitContext::choose_preconditioner(uint32_t number) {
  if (!settings.precondition)
    return;
  alive();
  preconditioner =
      precondition(model, family, density, state.phi, settings.seed, 100 + number, preconditioner_effort());
}

} // namespace vmodel::runtime
