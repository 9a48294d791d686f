// The command `objective`.

#include "runtime/cli/results.h"
#include "runtime/fit/settings.h"
#include "runtime/io/error.h"
#include "runtime/objectives/elbo.h"

#include <cmath>

namespace vmodel::runtime {

int command_objective(const Session& session, const Arguments& arguments) {
  Options options("objective");
  options.value("fit", "FILE", "fit.json");
  options.value("data", "FILE", "the data of the fit");
  options.value("seed", "S", "seed of the random numbers (default: the fit's)");
  options.value("step", "N", "step of the random numbers (default 0)");
  options.value("particles", "K", "number of particles (default: the fit's)");
  options.value("estimator", "E", "total or stl (default: the fit's)");
  options.value("threads", "T", "threads (default 1)");
  options.flag("gradient", "also the gradient by the unconstrained learnables, by name");
  options.parse(arguments);
  const std::string path = options.need("fit"), data = need_data(session, options);
  const StoredFit fit = read_fit(session, path);
  const auto model = prepare_for_fit(session, fit, data);
  const Family& family = family_of(session.model.metadata(), fit.family);
  const uint64_t seed =
      static_cast<uint64_t>(options.integer("seed", static_cast<int64_t>(fit.seed), 0, (int64_t{1} << 48) - 1));
  const uint32_t step = static_cast<uint32_t>(options.integer("step", 0, 0, (int64_t{1} << 32) - 1));
  const int64_t particles = options.integer("particles", std::max<int64_t>(fit.particles, 1), 1, 1 << 24);
  std::string estimator = options.get("estimator", fit.estimator == "stl" ? "stl" : "total");
  if (estimator != "total" && estimator != "stl") {
    throw InputError("--estimator " + estimator + ": expected total or stl");
  }
  ThreadPool pool(static_cast<int>(options.integer("threads", 1, 1, 1024)));
  Elbo objective(*model, family, particles, estimator == "stl" ? Estimator::stl : Estimator::total, pool);
  std::vector<double> gradient(fit.phi.size() + 1);
  const Evaluation e = objective.evaluate(fit.phi.data(), random_state(seed, Stream::fit, step), gradient.data());
  Json result = {{"objective", fit.objective},
                 {"family", fit.family},
                 {"estimator", estimator},
                 {"particles", particles},
                 {"seed", seed},
                 {"value", json_number(e.value)},
                 {"standard_error", json_number(e.spread / std::sqrt(static_cast<double>(particles)))},
                 {"particles_not_finite", e.not_finite}};
  if (options.has("gradient")) {
    Json by_name = Json::object();
    for (const LearnableValue& l : model->learnables(family)) {
      by_name[l.name] = json_numbers(gradient.data() + l.phi_offset, l.phi_size);
    }
    result["gradient"] = by_name;
  }
  session.out << result.dump(1) << "\n";
  return done;
}

} // namespace vmodel::runtime
