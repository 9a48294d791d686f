#include "runtime/cli/shared.h"

#include "runtime/fit/settings.h"
#include "runtime/io/error.h"
#include "runtime/io/files.h"

#include <algorithm>
#include <cmath>

namespace vmodel::runtime {

Json json_number(double value) {
  if (std::isnan(value))
    return "nan";
  if (std::isinf(value))
    return value > 0 ? "inf" : "-inf";
  return value;
}

Json json_numbers(const double* values, int64_t count) {
  Json result = Json::array();
  for (int64_t i = 0; i < count; ++i)
    result.push_back(json_number(values[i]));
  return result;
}

namespace {

Json nest(const double*& at, const std::vector<int64_t>& shape, size_t axis, bool integer) {
  if (axis == shape.size()) {
    const double value = *at++;
    if (integer && std::isfinite(value))
      return static_cast<int64_t>(value);
    return json_number(value);
  }
  Json result = Json::array();
  for (int64_t i = 0; i < shape[axis]; ++i)
    result.push_back(nest(at, shape, axis + 1, integer));
  return result;
}

// Reads one parameter's value; false with a message when its kind or shape is wrong.
bool flatten(const json::Value& value, const std::vector<int64_t>& shape, size_t axis, std::vector<double>& out,
             std::string& problem) {
  if (axis == shape.size()) {
    double number;
    if (!read_number(value, number)) {
      problem = std::string("a number is expected, not ") + json::kind_name(value);
      return false;
    }
    out.push_back(number);
    return true;
  }
  if (!value.is_array()) {
    problem = std::string("an array is expected, not ") + json::kind_name(value);
    return false;
  }
  if (value.size() != shape[axis]) {
    problem = counted(value.size(), "element") + " where the model has " + std::to_string(shape[axis]);
    return false;
  }
  for (int64_t i = 0; i < value.size(); ++i) {
    if (!flatten(value.element(i), shape, axis + 1, out, problem))
      return false;
  }
  return true;
}

} // namespace

Json json_nested(const double* values, const std::vector<int64_t>& shape, bool integer) {
  return nest(values, shape, 0, integer);
}

bool read_number(const json::Value& value, double& result) {
  if (value.is_number()) {
    result = value.number;
    return true;
  }
  if (!value.is_string())
    return false;
  if (value.text == "nan")
    result = NAN;
  else if (value.text == "inf")
    result = INFINITY;
  else if (value.text == "-inf")
    result = -INFINITY;
  else
    return false;
  return true;
}

std::string need_data(const Session& session, const Options& options) {
  return session.model.metadata().data.empty() ? options.get("data") : options.need("data");
}

std::unique_ptr<PreparedModel> load_data(const Session& session, const std::string& path, bool strict) {
  std::vector<std::string> notes;
  json::Value data;
  data.kind = json::Value::Kind::object;
  if (!path.empty())
    data = json::read_file(path);
  auto model =
      std::make_unique<PreparedModel>(session.model, data, DataOptions{json::shown_path(path), strict, false}, notes);
  for (const std::string& note : notes)
    session.note(note);
  return model;
}

Points read_points(const Session& session, const PreparedModel& model, const std::string& path) {
  const json::Value root = json::read_file(path);
  if (!root.is_array()) {
    throw InputError(path + ": a list of points is expected, not " + json::kind_name(root));
  }
  Points result;
  std::vector<std::string> ignored;
  for (int64_t k = 0; k < root.size(); ++k) {
    const json::Value point = root.element(k);
    const std::string where = path + ": point " + std::to_string(k + 1) + ": ";
    if (!point.is_object()) {
      throw InputError(where + "an object from parameter to value is expected, not " + json::kind_name(point));
    }
    std::vector<double> x;
    for (const ReportedValue& parameter : model.parameters()) {
      const json::Value* value = point.find(parameter.name);
      if (value == nullptr)
        throw InputError(where + "the parameter " + parameter.name + " is missing");
      std::string problem;
      if (!flatten(*value, parameter.shape, 0, x, problem)) {
        throw InputError(where + parameter.name + ": " + problem);
      }
    }
    for (const auto& [name, value] : point.members) {
      const auto& parameters = model.parameters();
      const bool known =
          std::any_of(parameters.begin(), parameters.end(), [&](const ReportedValue& p) { return p.name == name; });
      if (!known && std::find(ignored.begin(), ignored.end(), name) == ignored.end()) {
        ignored.push_back(name);
      }
    }
    result.values.push_back(std::move(x));
  }
  if (!ignored.empty()) {
    std::string list;
    for (size_t i = 0; i < ignored.size() && i < 6; ++i)
      list += (i ? ", " : "") + ignored[i];
    if (ignored.size() > 6)
      list += " and " + std::to_string(ignored.size() - 6) + " more";
    session.note(path + ": not parameters, ignored: " + list);
  }
  return result;
}

Unconstrainer::Unconstrainer(const PreparedModel& model)
    : model_(model), lanes_(static_cast<size_t>(model.lanes())),
      x_(static_cast<size_t>(model.parameter_values() + 1) * lanes_),
      z_(static_cast<size_t>(model.dimension() + 1) * lanes_),
      back_(static_cast<size_t>(model.reported_values() + 1) * lanes_) {
  unconstrain_ = model.call("unconstrain", model.lanes(), {{"x", x_.data()}, {"z", z_.data()}});
  constrain_ = model.call("constrain", model.lanes(), {{"z", z_.data()}, {"x", back_.data()}});
}

bool Unconstrainer::operator()(const std::vector<double>& x, double* z) {
  fill_lanes(x.data(), x.size(), lanes_, x_.data());
  unconstrain_();
  const auto d = static_cast<size_t>(model_.dimension());
  for (size_t i = 0; i < d; ++i)
    z[i] = z_[i * lanes_];
  if (!std::all_of(z, z + d, [](double e) { return std::isfinite(e); }))
    return false;
  // Values that no coordinates give (a simplex with another sum) do not come back.
  constrain_();
  for (size_t i = 0; i < x.size(); ++i) {
    if (!(std::fabs(back_[i * lanes_] - x[i]) <= 1e-6 * (1 + std::fabs(x[i]))))
      return false;
  }
  return true;
}

void fill_lanes(const double* point, size_t size, size_t lanes, double* wide) {
  for (size_t i = 0; i < size; ++i)
    std::fill_n(wide + i * lanes, lanes, point[i]);
}

int parse_lanes(const CompiledModel& model, const std::string& text) {
  if (text == "native")
    return model.lanes();
  const int lanes = static_cast<int>(parse_integer("--lanes", text, 1, 64));
  if (model.find("log_density_gradient", lanes) != nullptr)
    return lanes;
  std::string list;
  for (int known : model.lanes_of("log_density_gradient")) {
    list += (list.empty() ? "" : ", ") + std::to_string(known);
  }
  throw InputError("--lanes " + text + ": this executable has code for " + list + " lanes");
}

bool has_statistics(const CompiledModel& model) {
  return model.find("log_density.plain") != nullptr;
}

std::string kernel_name(const CompiledModel& model, const std::string& name, bool plain) {
  return plain && has_statistics(model) ? name + ".plain" : name;
}

} // namespace vmodel::runtime
