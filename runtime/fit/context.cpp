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
// Inner samples of each draw whose density is evaluated, at least.
constexpr int64_t evaluation_inner = 512;
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
  if (family.mixture) {
    SemiImplicit objective(model, family, draws, evaluation_sampling(), pool);
    return objective.value(phi.data(), random(step_of_evaluation + number));
  }
  Elbo objective(model, family, draws, Estimator::total, pool);
  const vmodel_random numbers = random(step_of_evaluation + number);
  const Evaluation with_entropy = objective.value(phi.data(), numbers);
  const Evaluation with_density = objective.value(phi.data(), numbers, Estimator::stl);
  return with_density.spread < with_entropy.spread ? with_density : with_entropy;
}

double FitContext::elbo_terms(const std::vector<double>& phi, int64_t draws, uint32_t number,
                              std::vector<double>& terms) {
  const vmodel_random numbers = random(step_of_evaluation + number);
  if (family.mixture) {
    SemiImplicit objective(model, family, draws, evaluation_sampling(), pool);
    objective.temper(power);
    return objective.value(phi.data(), numbers, &terms).value;
  }
  Elbo objective(model, family, draws, Estimator::total, pool);
  objective.temper(power);
  return objective.value(phi.data(), numbers, Estimator::total, &terms).value;
}

int64_t FitContext::evaluation_draws(int64_t wanted) const {
  const double each = family.mixture ? 1 + static_cast<double>(evaluation_sampling().samples) : 1;
  return work.draws(0.1, each, 64, wanted);
}

InnerSampling FitContext::evaluation_sampling() const {
  InnerSampling sampling;
  sampling.samples = std::max<int64_t>(evaluation_inner, settings.objective.inner_sampling().samples);
  return sampling;
}

Comparison FitContext::compare(const std::vector<double>& first, const std::vector<double>& second, int64_t draws,
                               uint32_t number) {
  std::vector<double> a, b;
  Comparison result;
  result.first = elbo_terms(first, draws, number, a);
  result.second = elbo_terms(second, draws, number, b);
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
  // Of a semi-implicit family that of draws with what they are mixed over, which is no smaller.
  AlignedVector<double> mix(family.mixture ? static_cast<size_t>((model.size(family.mixture->size) + 1) * lanes)
                                           : size_t{1});
  FamilyDraw draw(model, family, from.data(), z.data(), drawn.data(), entropy.data(), mix.data());
  const auto density_at = [&](double* phi, double* log_q) {
    return model.call(
        family.name + ".log_density", lanes,
        {{"phi", phi}, {"z", z.data()}, {"mix", mix.data()}, {"log_q", log_q}, {"log_mix", entropy.data()}});
  };
  KernelCall density = density_at(to.data(), there.data()), own_density = density_at(from.data(), drawn.data());
  const int64_t blocks = (draws + lanes - 1) / lanes;
  double sum = 0;
  for (int64_t b = 0; b < blocks; ++b) {
    vmodel_random numbers = random(step_of_evaluation);
    numbers.first_particle = static_cast<uint32_t>(b * lanes);
    draw(numbers);
    if (family.mixture)
      own_density();
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
