// The command `log-q`.

#include "runtime/cli/results.h"
#include "runtime/io/error.h"

#include <algorithm>
#include <cmath>

namespace vmodel::runtime {

int command_log_q(const Session& session, const Arguments& arguments) {
  Options options("log-q");
  options.value("fit", "FILE", "fit.json");
  options.value("at", "FILE", "points as JSON, on the constrained scale");
  options.value("scale", "SCALE",
                "density with respect to the parameters (constrained, the default) or to their\n"
                "unconstrained coordinates (unconstrained)");
  options.value("data", "FILE", "the data of the fit, where the fit does not hold what is needed");
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
  KernelCall density = model->call(family.name + ".log_density", model->lanes(),
                                   {{"phi", phi.data()}, {"z", wide_z.data()}, {"log_q", log_q.data()}});
  // The Jacobian of the map does not depend on data that the fit does not hold.
  KernelCall map = model->call("log_density", 1, {{"z", z.data()}, {"value", &value}, {"jacobian", &jacobian}});
  Unconstrainer unconstrain(*model);
  Json result = Json::array();
  for (const std::vector<double>& point : points.values) {
    double answer = -INFINITY;
    if (unconstrain(point, z.data())) {
      fill_lanes(z.data(), static_cast<size_t>(model->dimension()), lanes, wide_z.data());
      density();
      map();
      answer = scale == "constrained" ? log_q[0] - jacobian : log_q[0];
    }
    result.push_back({{"log_q", json_number(answer)}});
  }
  session.out << result.dump(1) << "\n";
  return done;
}

} // namespace vmodel::runtime
