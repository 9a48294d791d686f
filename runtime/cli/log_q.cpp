// The command `log-q`.

#include "runtime/cli/results.h"
#include "runtime/io/error.h"
#include "runtime/io/files.h"
#include "runtime/objectives/mixture_density.h"

#include <algorithm>
#include <cmath>
#include <memory>

namespace vmodel::runtime {
namespace {

// An estimate of a density to which so few samples contribute is a guess, mostly too low, and so is its error.
constexpr double least_inner_size = 4;

} // namespace

int command_log_q(const Session& session, const Arguments& arguments) {
  Options options("log-q");
  options.value("fit", "FILE", "fit.json");
  options.value("at", "FILE", "points as JSON, on the constrained scale");
  options.value("scale", "SCALE",
                "density with respect to the parameters (constrained, the default) or to their\n"
                "unconstrained coordinates (unconstrained)");
  options.value("data", "FILE", "the data of the fit, where the fit does not hold what is needed");
  options.value("inner", "N", inner_help);
  options.parse(arguments);
  const std::string path = options.need("fit"), at = options.need("at");
  const std::string scale = options.get("scale", "constrained");
  if (scale != "constrained" && scale != "unconstrained") {
    throw InputError("--scale " + scale + ": expected constrained or unconstrained");
  }
  const StoredFit fit = read_fit(session, path);
  const auto model = prepare_for_fit(session, fit, options.get("data"));
  const Points points = read_points(session, *model, at);
  const Family& family = family_of(session.model.metadata(), fit.family);
  const int64_t samples = options.integer("inner", default_inner_samples, 2, 1 << 30);
  if (!family.can("density")) {
    throw InputError("the family " + family.name +
                     " has no density at a given point: a bijector of its draws has one direction only");
  }

  AlignedVector<double> phi(fit.phi.begin(), fit.phi.end()), z(static_cast<size_t>(model->dimension() + 1));
  phi.resize(phi.size() + 1);
  double value = 0, jacobian = 0;
  // A family's density exists for the native width only.
  const auto lanes = static_cast<size_t>(model->lanes());
  AlignedVector<double> wide_z(z.size() * lanes), log_q(lanes);
  KernelCall density;
  std::unique_ptr<MixtureDensity> mixture;
  if (family.mixture) {
    mixture = std::make_unique<MixtureDensity>(*model, family, phi.data(), wide_z.data());
    mixture->step();
  } else {
    density = model->call(family.name + ".log_density", model->lanes(),
                          {{"phi", phi.data()}, {"z", wide_z.data()}, {"log_q", log_q.data()}});
  }
  // The Jacobian of the map does not depend on data that the fit does not hold.
  KernelCall map = model->call("log_density", 1, {{"z", z.data()}, {"value", &value}, {"jacobian", &jacobian}});
  Unconstrainer unconstrain(*model);
  Json result = Json::array();
  int64_t guesses = 0;
  for (const std::vector<double>& point : points.values) {
    double answer = -INFINITY;
    PooledDensity pooled;
    if (unconstrain(point, z.data())) {
      fill_lanes(z.data(), static_cast<size_t>(model->dimension()), lanes, wide_z.data());
      if (mixture) {
        // Lanes are at the same point, each with samples of its own.
        const vmodel_random random = random_state(fit.seed, Stream::sample, static_cast<uint32_t>(result.size()));
        InnerSampling sampling;
        sampling.samples = (samples + model->lanes() - 1) / model->lanes();
        mixture->estimate(sampling, random, model->lanes(), nullptr);
        pooled = pool_lanes(mixture->result(), model->lanes());
        log_q[0] = pooled.log_density;
        guesses += pooled.effective < least_inner_size ? 1 : 0;
      } else {
        density();
      }
      map();
      answer = scale == "constrained" ? log_q[0] - jacobian : log_q[0];
    }
    Json entry = {{"log_q", json_number(answer)}};
    if (family.mixture) {
      entry["standard_error"] = json_number(pooled.error);
      entry["inner_effective_size"] = json_number(pooled.effective);
    }
    result.push_back(entry);
  }
  if (guesses > 0) {
    session.note("at " + counted(guesses, "point") + " fewer than " + brief(least_inner_size) + " of " +
                 std::to_string(samples) +
                 " inner samples count: log_q is a guess there, mostly too low, and standard_error says little; more "
                 "samples by --inner");
  }
  session.out << result.dump(1) << "\n";
  return done;
}

} // namespace vmodel::runtime
