// The command `log-density`.

#include "runtime/cli/shared.h"

#include <algorithm>
#include <cmath>

namespace vmodel::runtime {

int command_log_density(const Session& session, const Arguments& arguments) {
  Options options("log-density");
  options.value("data", "FILE", "data as JSON");
  options.value("at", "FILE", "points as JSON");
  options.value("lanes", "W", "code to use: 1 (default), native, or a number of lanes");
  options.flag("plain", "through the data, without sufficient statistics");
  options.flag("strict", "data fields that the model does not declare are errors");
  options.parse(arguments);
  const std::string data = need_data(session, options), at = options.need("at");
  const int lanes = parse_lanes(session.model, options.get("lanes", "1"));
  const auto model = load_data(session, data, options.has("strict"));
  const Points points = read_points(session, *model, at);

  const int64_t d = model->dimension();
  const size_t w = static_cast<size_t>(lanes), count = points.values.size();
  AlignedVector<double> z(static_cast<size_t>(d) * w + 1), gradient(z.size()), value(w), jacobian(w);
  KernelCall density = model->call(
      kernel_name(session.model, "log_density_gradient", options.has("plain")), lanes,
      {{"z", z.data()}, {"value", value.data()}, {"jacobian", jacobian.data()}, {"gradient", gradient.data()}});
  Unconstrainer unconstrain(*model);
  std::vector<std::vector<double>> coordinates(count, std::vector<double>(static_cast<size_t>(d + 1)));
  std::vector<char> inside(count);
  for (size_t k = 0; k < count; ++k)
    inside[k] = unconstrain(points.values[k], coordinates[k].data());

  Json result = Json::array();
  for (size_t first = 0; first < count; first += w) {
    for (size_t l = 0; l < w; ++l) {
      // Lanes without a point repeat the last one.
      const std::vector<double>& from = coordinates[std::min(first + l, count - 1)];
      for (int64_t i = 0; i < d; ++i)
        z[static_cast<size_t>(i) * w + l] = from[static_cast<size_t>(i)];
    }
    density();
    for (size_t l = 0; l < w && first + l < count; ++l) {
      Json point;
      const double total = inside[first + l] ? value[l] + jacobian[l] : -INFINITY;
      const bool defined = inside[first + l] && !std::isinf(total);
      point["log_density"] = json_number(inside[first + l] ? value[l] : -INFINITY);
      point["log_density_with_jacobian"] = json_number(total);
      Json unconstrained = Json::object(), by_parameter = Json::object();
      for (const ReportedValue& p : model->parameters()) {
        std::vector<double> numbers;
        for (int64_t i = 0; i < p.unconstrained_size; ++i) {
          numbers.push_back(gradient[static_cast<size_t>(p.unconstrained_offset + i) * w + l]);
        }
        unconstrained[p.name] =
            json_numbers(coordinates[first + l].data() + p.unconstrained_offset, p.unconstrained_size);
        by_parameter[p.name] = defined ? json_numbers(numbers.data(), p.unconstrained_size) : Json(nullptr);
      }
      point["unconstrained"] = unconstrained;
      point["gradient_with_jacobian"] = by_parameter;
      result.push_back(point);
    }
  }
  session.out << result.dump(1) << "\n";
  return done;
}

} // namespace vmodel::runtime
