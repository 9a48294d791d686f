// `benchmark --fit`: what the parts of a step of an objective cost.

#include "runtime/cli/measure.h"
#include "runtime/cli/objective.h"
#include "runtime/io/error.h"
#include "runtime/model/family_draw.h"
#include "runtime/objectives/lane_blocks.h"
#include "runtime/objectives/semi_implicit.h"

namespace vmodel::runtime {

namespace {

Json microseconds(const Times& t) {
  return t.least * 1e-3;
}

// Of semi-implicit families: the inner samples of all particles, what is computed once for all of them, and a step of
// the proposal.
void add_mixture_times(const PreparedModel& model, const Family& family, const ObjectiveSettings& settings,
                       const vmodel_random& random, AlignedVector<double>& phi, AlignedVector<double>& z,
                       Json& result) {
  const LaneBlocks blocks{settings.particles, model.lanes()};
  AlignedVector<double> mix(static_cast<size_t>((model.size(family.mixture->size) + 1) * model.lanes()));
  MixtureDensity density(model, family, phi.data(), z.data());
  const Times stages = measure(1, [&] { density.step(); });
  const Times samples = measure(1, [&] {
    for (int64_t b = 0; b < blocks.count(); ++b)
      density.estimate(settings.inner_sampling(), random, blocks.count() * blocks.lanes, mix.data());
  });
  result["us_stages"] = microseconds(stages);
  result["us_inner_samples"] = microseconds(samples);
  if (!settings.learns_proposal())
    return;
  ThreadPool pool(1);
  ProposalScore score(model, family, settings.particles, pool);
  std::vector<double> gradient(static_cast<size_t>(score.size()));
  const Times learning = measure(1, [&] { score.evaluate(phi.data(), random, gradient.data()); });
  result["us_proposal_step"] = microseconds(learning);
}

} // namespace

int benchmark_step(const Session& session, const Options& options, const std::string& data) {
  for (const char* other : {"at", "lanes", "threads", "plain"}) {
    if (options.has(other))
      throw InputError(std::string("--") + other + ": not with --fit");
  }
  const StoredFit fit = read_fit(session, options.need("fit"));
  const ObjectiveSettings settings = chosen_objective(options, fit);
  const auto model = prepare_for_fit(session, fit, data);
  const Family& family = family_of(session.model.metadata(), fit.family);
  need_kernels(*model, family, settings);
  const bool by_score = (settings.needs() & need_pathwise) == 0;
  const int lanes = model->lanes();
  const size_t w = static_cast<size_t>(lanes), d = static_cast<size_t>(model->dimension()) * w, n = fit.phi.size();
  const int64_t blocks = LaneBlocks{settings.particles, lanes}.count();
  const vmodel_random random = random_state(fit.seed, Stream::fit);

  AlignedVector<double> phi(fit.phi.begin(), fit.phi.end()), z(d + w), gradient(d + w), weight(w, 0.01), log_q(w),
      zero(w), value(w), jacobian(w), d_phi(n + 1);
  phi.resize(n + 1);
  FamilyDraw draw(*model, family, phi.data(), z.data(), log_q.data(), value.data());
  KernelCall density = by_score ? model->call("log_density", lanes,
                                              {{"z", z.data()}, {"value", value.data()}, {"jacobian", jacobian.data()}})
                                : model->call("log_density_gradient", lanes,
                                              {{"z", z.data()},
                                               {"value", value.data()},
                                               {"jacobian", jacobian.data()},
                                               {"gradient", gradient.data()}});
  KernelCall reverse = by_score ? model->call(family.name + ".score", lanes,
                                              {{"phi", phi.data()},
                                               {"z", z.data()},
                                               {"weight", weight.data()},
                                               {"log_q", log_q.data()},
                                               {"d_phi", d_phi.data()}})
                                : model->call(family.name + ".pathwise", lanes,
                                              {{"phi", phi.data()},
                                               {"noise", draw.noise()},
                                               {"d_z", gradient.data()},
                                               {"d_log_q", weight.data()},
                                               {"d_entropy", zero.data()},
                                               {"d_phi", d_phi.data()}});
  const auto of_all = [&](auto&& one) {
    for (int64_t b = 0; b < blocks; ++b)
      one();
  };
  const Times draws = measure(1, [&] { of_all([&] { draw(random); }); });
  const Times values = measure(1, [&] { of_all([&] { density(random); }); });
  const Times backwards = measure(1, [&] { of_all([&] { reverse(random); }); });
  ThreadPool pool(1);
  const auto objective = make_objective(*model, family, settings, pool);
  std::vector<double> g(n + 1), x(fit.phi);
  uint32_t step = 0;
  const Times evaluation =
      measure(1, [&] { objective->evaluate(fit.phi.data(), random_state(fit.seed, Stream::fit, step++), g.data()); });
  AdamSettings adam_settings;
  adam_settings.clip = 10;
  Adam adam(n, adam_settings);
  const Times update = measure(1, [&] { adam.step(x.data(), g.data(), 1e-9, x.data()); });
  Json result = {{"model", session.model.metadata().model},
                 {"objective", describe(settings)},
                 {"family", fit.family},
                 {"learned", n},
                 {"lanes", lanes},
                 {"blocks", blocks},
                 {"us_draws", microseconds(draws)},
                 {by_score ? "us_values" : "us_values_and_gradients", microseconds(values)},
                 {"us_reverse_pass", microseconds(backwards)},
                 {"us_evaluation", microseconds(evaluation)},
                 {"us_adam", microseconds(update)},
                 {"us_step", (evaluation.least + update.least) * 1e-3}};
  if (family.mixture)
    add_mixture_times(*model, family, settings, random, phi, z, result);
  session.out << result.dump(1) << "\n";
  return done;
}

} // namespace vmodel::runtime
