// What draws of the result say of it.

#include "runtime/fit/context.h"
#include "runtime/math/moments.h"
#include "runtime/model/family_draw.h"

#include <algorithm>
#include <cmath>

namespace vmodel::runtime {
namespace {

constexpr int64_t judged_draws = 1024;
constexpr double most_not_finite = 0.01;
// A standard deviation of this share of the mean is a few hundred roundings wide.
constexpr double least_relative_width = 1e-13;

} // namespace

void judge_draws(FitContext& fit) {
  const PreparedModel& model = fit.model;
  const int64_t lanes = model.lanes();
  const size_t w = static_cast<size_t>(lanes), d = static_cast<size_t>(model.dimension());
  AlignedVector<double> phi(fit.state.phi.begin(), fit.state.phi.end()), z(d * w + 1),
      x(static_cast<size_t>(model.reported_values()) * w + 1), log_q(w), entropy(w);
  phi.resize(phi.size() + 1);
  FamilyDraw draw(model, fit.family, phi.data(), z.data(), log_q.data(), entropy.data());
  KernelCall constrain = model.call("constrain", model.lanes(), {{"z", z.data()}, {"x", x.data()}});
  std::vector<Moments> moments(d);
  std::vector<int64_t> not_finite(model.parameters().size(), 0);
  int64_t draws = 0;
  for (; draws < judged_draws; draws += lanes) {
    vmodel_random random =
        random_state(fit.settings.seed, Stream::fit, step_of_judgement, static_cast<uint32_t>(draws));
    draw(random);
    constrain(random);
    for (size_t i = 0; i < d * w; ++i)
      moments[i / w].add(z[i]);
    for (size_t p = 0; p < not_finite.size(); ++p) {
      const ReportedValue& value = model.parameters()[p];
      const double* first = x.data() + static_cast<size_t>(value.offset) * w;
      for (size_t lane = 0; lane < w; ++lane) {
        bool finite = true;
        for (size_t i = 0; i < static_cast<size_t>(value.size); ++i)
          finite = finite && std::isfinite(first[i * w + lane]);
        not_finite[p] += finite ? 0 : 1;
      }
    }
  }
  for (size_t p = 0; p < not_finite.size(); ++p) {
    const ReportedValue& value = model.parameters()[p];
    if (static_cast<double>(not_finite[p]) > most_not_finite * static_cast<double>(draws)) {
      fit.state.problems.push_back(value.name + " is not finite in " + std::to_string(not_finite[p]) + " of " +
                                   std::to_string(draws) + " draws: the posterior may be improper");
      return;
    }
    for (int64_t i = value.unconstrained_offset; i < value.unconstrained_offset + value.unconstrained_size; ++i) {
      const Moments& m = moments[static_cast<size_t>(i)];
      if (m.deviation() < least_relative_width * std::abs(m.mean)) {
        fit.state.problems.push_back(value.name + " varies by rounding alone: the density may be unbounded " +
                                     "(data without any noise make the likelihood of a scale so)");
        return;
      }
    }
  }
}

} // namespace vmodel::runtime
