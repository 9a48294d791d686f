#include "runtime/fit/work.h"

#include <algorithm>
#include <cmath>

namespace vmodel::runtime {
namespace {

// Typical numbers of particles of the two phases of the steps.
constexpr double usual_particles = 16, usual_settling = 256;
// Floating-point operations of a gradient for each number that it reads or writes.
constexpr double operations = 16;
// What may be spent however few the steps are: operations (less than a second), gradients.
constexpr double least_operations = 1e9, least_gradients = 1000;

// An inner sample of a density that is an integral costs about what a gradient does: it goes through what is learned.
double inner_samples(const Family& family, const ObjectiveSettings& objective) {
  return family.mixture ? static_cast<double>(objective.inner_evaluations()) : 0;
}

} // namespace

Work::Work(const PreparedModel& model, const Family& family, const FitSettings& settings) : lanes_(model.lanes()) {
  const double given = static_cast<double>(settings.objective.particles);
  const double particles = given > 0 ? given : usual_particles, settling = given > 0 ? given : usual_settling;
  const double all = static_cast<double>(settings.steps) * particles * (1 + inner_samples(family, settings.objective)) +
                     static_cast<double>(settings.settling_steps()) * settling;
  double numbers = static_cast<double>(model.dimension() + model.size(family.phi));
  for (const DataValue& value : model.data())
    numbers += static_cast<double>(value.integers.size() + value.reals.size());
  const double gradient = operations * std::max(numbers, 1.0);
  steps_ = std::max({all, least_gradients, least_operations / gradient});
  const double d = static_cast<double>(model.dimension());
  // Cholesky factor, its inverse and a product.
  factorisation_ = d * d * d * 1.5 / gradient;
}

int64_t Work::draws(double share, double evaluations, int64_t least, int64_t most) const {
  const double affordable = share * steps_ / std::max(evaluations, 1.0);
  const double chosen = std::clamp(affordable, static_cast<double>(least), static_cast<double>(most));
  return (static_cast<int64_t>(chosen) + lanes_ - 1) / lanes_ * lanes_;
}

} // namespace vmodel::runtime
