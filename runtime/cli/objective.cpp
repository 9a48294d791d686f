// The command `objective`.

#include "runtime/cli/objective.h"

#include "runtime/abi/fit_settings.h"
#include "runtime/fit/settings.h"
#include "runtime/io/error.h"
#include "runtime/objectives/gradient_moments.h"

#include <cmath>

namespace vmodel::runtime {
namespace {

Json by_learnable(const PreparedModel& model, const Family& family, const std::vector<double>& numbers, double sign) {
  std::vector<double> shown(numbers);
  for (double& x : shown)
    x *= sign;
  Json result = Json::object();
  for (const LearnableValue& l : model.learnables(family))
    result[l.name] = json_numbers(shown.data() + l.phi_offset, l.phi_size);
  return result;
}

// What each particle gave, with its point as --at of other commands takes it.
Json particles_json(const PreparedModel& model, const ParticleRecord& record) {
  const int64_t reported = model.reported_values();
  const size_t lanes = static_cast<size_t>(model.lanes());
  AlignedVector<double> z(static_cast<size_t>(record.dimension) * lanes + lanes),
      x(static_cast<size_t>(reported) * lanes + lanes);
  KernelCall constrain = model.call("constrain", model.lanes(), {{"z", z.data()}, {"x", x.data()}});
  Json result = Json::array();
  std::vector<double> values;
  for (int64_t k = 0; k < record.count; ++k) {
    for (int64_t i = 0; i < record.dimension; ++i)
      std::fill_n(z.begin() + i * model.lanes(), model.lanes(), record.coordinate(k, i));
    constrain();
    Json at = Json::object();
    for (const ReportedValue& p : model.parameters()) {
      values.clear();
      for (int64_t i = 0; i < p.size; ++i)
        values.push_back(x[static_cast<size_t>(p.offset + i) * lanes]);
      at[p.name] = json_nested(values.data(), p.shape);
    }
    Json entry = {{"at", at}, {"log_p", json_number(record.log_p[k])}, {"log_q", json_number(record.log_q[k])}};
    if (record.label != nullptr)
      entry["label"] = json_number(record.label[k]);
    if (record.inner_size != nullptr) {
      entry["inner_effective_size"] = json_number(record.inner_size[k]);
      values.clear();
      for (int64_t i = 0; i < record.dimension; ++i)
        values.push_back(record.coordinate(k, i, record.score));
      entry["score"] = json_numbers(values.data(), record.dimension);
    }
    if (record.guide != nullptr)
      entry["classifier"] = json_number(record.guide[k]);
    result.push_back(entry);
  }
  return result;
}

} // namespace

ObjectiveSettings chosen_objective(const Options& options, const StoredFit& fit) {
  std::vector<std::pair<std::string, std::string>> more;
  if (!options.has("objective"))
    more = fit.objective_settings;
  for (const char* name : {"particles", "estimator"}) {
    if (options.has(name))
      more.emplace_back(name, options.get(name));
  }
  const ObjectiveSettings plain = parse_objective_settings(options.get("objective", fit.objective));
  for (auto& [name, value] : more) {
    if (name == "particles" && find_fit_setting(name, plain.name) == nullptr)
      name = "outer";
  }
  ObjectiveSettings result = parse_objective_settings(options.get("objective", fit.objective), more);
  if (result.particles == 0)
    result.particles = std::max<int64_t>(fit.particles, 1);
  if (result.estimator == EstimatorChoice::automatic)
    result.estimator = fit.estimator == "stl" ? EstimatorChoice::stl : EstimatorChoice::total;
  return result;
}

int command_objective(const Session& session, const Arguments& arguments) {
  Options options("objective");
  options.value("fit", "FILE", "fit.json");
  options.value("data", "FILE", "the data of the fit");
  options.value("objective", "TEXT", "another objective than the fit's, for example 'softcvi(alpha = 0.75)'");
  options.value("seed", "S", "seed of the random numbers (default: the fit's)");
  options.value("step", "N", "step of the random numbers (default 0)");
  options.value("particles", "K", "number of particles (default: the fit's)");
  options.value("estimator", "E", "of objectives that have several (default: the fit's)");
  options.value("threads", "T", "threads (default 1)");
  options.flag("gradient", "also the gradient by the unconstrained learnables, by name");
  options.value("repeats", "N", "also mean and standard deviation of so many estimates, from this step on");
  options.flag("values", "also what each particle gave: its point, log p, log q and label");
  options.parse(arguments);
  const std::string path = options.need("fit"), data = need_data(session, options);
  const StoredFit fit = read_fit(session, path);
  const ObjectiveSettings settings = chosen_objective(options, fit);
  const auto model = prepare_for_fit(session, fit, data);
  const Family& family = family_of(session.model.metadata(), fit.family);
  need_kernels(*model, family, settings);
  const uint64_t seed =
      static_cast<uint64_t>(options.integer("seed", static_cast<int64_t>(fit.seed), 0, (int64_t{1} << 48) - 1));
  const uint32_t step = static_cast<uint32_t>(options.integer("step", 0, 0, (int64_t{1} << 32) - 1));
  const int64_t repeats = options.integer("repeats", 0, 0, int64_t{1} << 30);
  ThreadPool pool(static_cast<int>(options.integer("threads", 1, 1, 1024)));
  const auto objective = make_objective(*model, family, settings, pool);
  const double sign = objective->minimised() ? -1 : 1;
  std::vector<double> gradient(fit.phi.size() + 1);
  const Evaluation e = objective->evaluate(fit.phi.data(), random_state(seed, Stream::fit, step), gradient.data());
  Json result = {{"objective", settings.name},           {"settings", describe(settings)},
                 {"minimised", objective->minimised()},  {"family", fit.family},
                 {"particles", settings.particles},      {"seed", seed},
                 {"value", json_number(sign * e.value)}, {"particles_not_finite", e.not_finite}};
  if (settings.method() == ObjectiveMethod::elbo) {
    result["estimator"] = settings.estimator == EstimatorChoice::stl ? "stl" : "total";
    result["standard_error"] = json_number(e.spread / std::sqrt(static_cast<double>(settings.particles)));
  } else {
    result["particles_impossible"] = e.impossible;
    result[family.mixture ? "inner_effective_size" : "labels_effective_size"] = json_number(e.label_size);
    if (!std::isnan(e.guide_size))
      result["classifier_effective_size"] = json_number(e.guide_size);
  }
  if (options.has("gradient"))
    result["gradient"] = by_learnable(*model, family, gradient, sign);
  if (options.has("values")) {
    const ParticleRecord record = objective->last();
    if (record.count == 0)
      throw InputError("--values: the particles of the objective " + settings.name + " have no labels");
    result["each"] = particles_json(*model, record);
  }
  if (repeats > 0) {
    GradientMoments moments(static_cast<int64_t>(fit.phi.size()));
    for (int64_t i = 0; i < repeats; ++i) {
      const vmodel_random random = random_state(seed, Stream::fit, step + static_cast<uint32_t>(i));
      moments.add(objective->evaluate(fit.phi.data(), random, gradient.data()), gradient.data());
    }
    result["repeats"] = {{"count", moments.count()},
                         {"left_out", moments.left_out()},
                         {"signal", json_number(moments.signal())},
                         {"noise", json_number(moments.noise())},
                         {"mean", by_learnable(*model, family, moments.mean(), sign)},
                         {"standard_deviation", by_learnable(*model, family, moments.deviation(), 1)}};
  }
  session.out << result.dump(1) << "\n";
  return done;
}

} // namespace vmodel::runtime
