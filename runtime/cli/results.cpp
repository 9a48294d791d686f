#include "runtime/cli/results.h"

#include "runtime/abi/fit_settings.h"
#include "runtime/io/error.h"
#include "runtime/io/files.h"
#include "runtime/io/sha256.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>

namespace vmodel::runtime {
namespace {

// Above this, learnables and data fields do not stand in fit.json.
constexpr size_t largest_inline = 1 << 20;

Json stored_data(const PreparedModel& model) {
  Json fields = Json::object(), hashes = Json::object();
  for (size_t i = 0; i < model.data().size(); ++i) {
    const DataField& field = model.metadata().data[i];
    const DataValue& value = model.data()[i];
    // Scalars are sizes of other fields as a rule, and cost nothing.
    if (!field.needed_by_sample && !field.shape.empty())
      continue;
    std::vector<double> numbers(value.reals.begin(), value.reals.end());
    if (field.integer)
      numbers.assign(value.integers.begin(), value.integers.end());
    if (numbers.size() * sizeof(double) > largest_inline) {
      Sha256 hash;
      hash.add(numbers.data(), numbers.size() * sizeof(double));
      hashes[field.field] = hash.finish();
    } else {
      fields[field.field] = json_nested(numbers.data(), value.shape, field.integer);
    }
  }
  return {{"hash", model.data_hash()}, {"fields", fields}, {"only_hashes", hashes}};
}

void write_phi(const std::string& folder, const std::vector<double>& phi, Json& state) {
  if (phi.size() * sizeof(double) <= largest_inline) {
    state["phi"] = json_numbers(phi.data(), static_cast<int64_t>(phi.size()));
    return;
  }
  const std::string_view bytes(reinterpret_cast<const char*>(phi.data()), phi.size() * sizeof(double));
  Sha256 hash;
  hash.add(bytes);
  write_file(folder + "/fit.phi.bin", bytes);
  state["phi"] = {
      {"file", "fit.phi.bin"}, {"count", phi.size()}, {"format", "float64, little endian"}, {"hash", hash.finish()}};
}

Json noise_json(const GradientNoise& noise) {
  return {{"signal", json_number(noise.signal)}, {"noise", json_number(noise.noise)}, {"repeats", noise.repeats}};
}

// Of objectives in which particles compete.
Json labels_json(const FitState& s) {
  Json labels = {{"particles", s.particles},
                 {"effective_size_mean", json_number(s.labels.mean())},
                 {"effective_size_least", json_number(s.labels.least)},
                 {"effective_size_last", json_number(s.last_labels.mean())}};
  if (!std::isnan(s.last_labels.mean_guide()))
    labels["classifier_effective_size_last"] = json_number(s.last_labels.mean_guide());
  return labels;
}

Json round_trip_json(const RoundTrip& trip) {
  return {{"residual", json_number(trip.residual)}, {"condition", json_number(trip.condition)}};
}

// Of semi-implicit families.
Json mixture_json(const MixtureReport& m) {
  return {{"draws", m.draws},
          {"inner", m.inner},
          {"elbo_lower", json_number(m.elbo_lower)},
          {"elbo_lower_standard_error", json_number(m.elbo_lower_error)},
          {"elbo_upper", json_number(m.elbo_upper)},
          {"elbo_upper_standard_error", json_number(m.elbo_upper_error)},
          {"log_evidence", json_number(m.log_evidence)},
          {"log_evidence_standard_error", json_number(m.log_evidence_error)},
          {"evidence_k_hat", json_number(m.evidence_shape)},
          {"evidence_effective_size", json_number(m.evidence_size)},
          {"inner_effective_size", json_number(m.inner_size)},
          {"inner_effective_size_least", json_number(m.inner_size_least)},
          {"inner_k_hat_median", json_number(m.inner_shape)},
          {"inner_k_hat_above_0.7", json_number(m.inner_heavy)}};
}

} // namespace

Json learnables_json(const PreparedModel& model, const Family& family, const std::vector<double>& phi) {
  AlignedVector<double> in(phi.begin(), phi.end()), values(static_cast<size_t>(model.size(family.values) + 1));
  in.resize(in.size() + 1);
  model.call(family.name + ".learned", 0, {{"phi", in.data()}, {"values", values.data()}})();
  Json result = Json::object();
  for (const LearnableValue& l : model.learnables(family)) {
    result[l.name] = {{"shape", l.shape}, {"value", json_nested(values.data() + l.offset, l.shape)}};
  }
  return result;
}

void write_fit(const std::string& folder, const PreparedModel& model, const FitSettings& settings,
               const FitResult& result) {
  const FitState& s = result.state;
  const Metadata& m = model.metadata();
  const Family& family = family_of(m, settings.family);
  Json sizes = Json::object();
  for (size_t i = 0; i < m.sizes.size(); ++i)
    sizes[m.sizes[i]] = model.size(static_cast<int64_t>(i));
  Json configuration = Json::object();
  for (const auto& [name, value] : describe(settings))
    configuration[name] = value;

  Json state = {{"phase", s.phase}, {"step", s.step}};
  write_phi(folder, s.phi, state);
  const bool small = s.phi.size() * 4 * sizeof(double) <= largest_inline;
  const auto numbers = [&](const std::vector<double>& x) {
    return small ? json_numbers(x.data(), static_cast<int64_t>(x.size())) : Json(nullptr);
  };
  state["last"] = numbers(s.last);
  state["first_moment"] = numbers(s.first_moment);
  state["second_moment"] = numbers(s.second_moment);
  state["averaged"] = s.averaged;
  state["order_of_data"] = s.order_of_data;
  state["skipped"] = s.skipped;
  state["held"] = s.held;
  state["particles_not_finite"] = s.particles_not_finite;
  state["particles_impossible"] = s.particles_impossible;
  state["random"] = {{"seed", s.seed}, {"stream", s.stream}};

  Json diagnostics = {{"elbo", json_number(s.elbo)},
                      {"elbo_standard_error", json_number(s.elbo_error)},
                      {"start", s.start},
                      {"estimator", s.estimator},
                      {"particles", s.particles},
                      {"halves_apart", json_number(s.halves_apart)},
                      {"problems", s.problems}};
  if (s.round_trip) {
    diagnostics["round_trip_at_start"] = round_trip_json(*s.first_round_trip);
    diagnostics["round_trip_at_result"] = round_trip_json(*s.round_trip);
  }
  if (s.mixture)
    diagnostics["mixture"] = mixture_json(*s.mixture);
  if (s.labels.count > 0) {
    diagnostics[s.mixture ? "inner_samples" : "labels"] = labels_json(s);
    diagnostics["gradient_at_start"] = noise_json(s.first_noise);
    diagnostics["gradient_at_result"] = noise_json(s.last_noise);
  }

  Json fit = {{"kind", "vmodel fit"},
              {"schema_version", fit_schema_version},
              {"compiler", m.compiler},
              {"model", {{"name", m.model}, {"source", m.source}, {"hash", m.source_hash}}},
              {"data", stored_data(model)},
              {"sizes", sizes},
              {"run", settings.run},
              {"family", settings.family},
              {"objective", settings.objective.name},
              {"seed", settings.seed},
              {"configuration", configuration},
              {"learnables", learnables_json(model, family, s.phi)},
              {"diagnostics", diagnostics},
              {"state", state}};
  write_file(folder + "/fit.json", fit.dump(1) + "\n");

  AtomicFile trace(folder + "/trace.csv");
  trace.write("step,seconds,objective,gradient_norm,rate,skipped\n");
  for (const TraceRow& row : result.trace) {
    trace.write(std::to_string(row.step) + "," + brief(row.seconds) + "," + exact(row.objective) + "," +
                exact(row.gradient_norm) + "," + exact(row.rate) + "," + std::to_string(row.skipped) + "\n");
  }
  trace.commit();
}

namespace {

// Reads members of fit.json with messages that name them.
class FitReader {
public:
  FitReader(const std::string& path, const json::Value& root) : path_(path), root_(root) {}

  [[noreturn]] void refuse(const std::string& message) const { throw InputError(path_ + ": " + message); }

  // A member by a path such as "model.hash".
  const json::Value& need(const std::string& name) const {
    const json::Value* value = &root_;
    size_t at = 0;
    while (at <= name.size()) {
      const size_t dot = std::min(name.find('.', at), name.size());
      value = value->find(name.substr(at, dot - at));
      if (value == nullptr)
        refuse("`" + name + "` is missing: the file is damaged");
      at = dot + 1;
    }
    return *value;
  }

  std::string text(const std::string& name) const {
    const json::Value& value = need(name);
    if (!value.is_string())
      refuse("`" + name + "` is not a string: the file is damaged");
    return value.text;
  }

  double number(const std::string& name) const {
    const json::Value& value = need(name);
    if (!value.is_number())
      refuse("`" + name + "` is not a number: the file is damaged");
    return value.number;
  }

  int64_t integer(const std::string& name, int64_t least, int64_t most) const {
    const double value = number(name);
    if (value != std::floor(value) || value < static_cast<double>(least) || value > static_cast<double>(most))
      refuse("`" + name + "` is not an integer from " + std::to_string(least) + " to " + std::to_string(most) +
             ": the file is damaged");
    return static_cast<int64_t>(value);
  }

  const json::Value& object(const std::string& name) const {
    const json::Value& value = need(name);
    if (!value.is_object())
      refuse("`" + name + "` is not an object: the file is damaged");
    return value;
  }

private:
  const std::string& path_;
  const json::Value& root_;
};

std::vector<double> read_phi(const std::string& path, const FitReader& reader) {
  const json::Value& value = reader.need("state.phi");
  std::vector<double> phi;
  if (value.is_array()) {
    for (int64_t i = 0; i < value.size(); ++i) {
      double number;
      if (!read_number(value.element(i), number)) {
        reader.refuse("`state.phi` holds something that is not a number: the file is damaged");
      }
      phi.push_back(number);
    }
    return phi;
  }
  if (!value.is_object())
    reader.refuse("`state.phi` is not a list: the file is damaged");
  const std::string file =
      (std::filesystem::path(path).parent_path() / std::filesystem::path(reader.text("state.phi.file")).filename())
          .string();
  const std::string bytes = json::read_text(file);
  Sha256 hash;
  hash.add(bytes);
  if (hash.finish() != reader.text("state.phi.hash") || bytes.size() % sizeof(double) != 0) {
    throw InputError(file + ": this is not the file that " + path + " speaks of (another hash)");
  }
  phi.resize(bytes.size() / sizeof(double));
  std::memcpy(phi.data(), bytes.data(), bytes.size());
  return phi;
}

// Other files of a run are no JSON; what a JSON reader would say of them would not help.
json::Value read_object(const std::string& path) {
  const std::string text = json::read_text(path);
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first != std::string::npos && text[first] != '{' && text[first] != '[') {
    const bool trace = text.rfind("step,", 0) == 0, draws = text.rfind(".chain,", 0) == 0;
    throw InputError(json::shown_path(path) + ": this is not a fit.json of `fit`" +
                     (trace   ? " but the trace of one; fit.json stands in the same folder"
                      : draws ? " but draws of `sample`"
                              : ""));
  }
  return json::parse_text(path, text);
}

std::string shortened(const std::string& hash) {
  return hash.size() > 12 ? hash.substr(0, 12) + "..." : hash;
}

} // namespace

StoredFit read_fit(const Session& session, const std::string& path) {
  const json::Value root = read_object(path);
  const FitReader reader(path, root);
  if (!root.is_object() || root.find("kind") == nullptr || reader.text("kind") != "vmodel fit") {
    reader.refuse("this is not a fit.json of `fit`");
  }
  const double version = reader.number("schema_version");
  if (version != fit_schema_version) {
    reader.refuse("it has schema version " + brief(version) + ", this executable reads version " +
                  std::to_string(fit_schema_version) +
                  (version > fit_schema_version ? ": use an executable of a newer vmodelc" : ": fit again"));
  }
  const Metadata& m = session.model.metadata();
  const std::string hash = reader.text("model.hash");
  if (hash != m.source_hash) {
    reader.refuse("it is a fit of another model: " + reader.text("model.name") + " of " + reader.text("model.source") +
                  " with hash " + shortened(hash) + ", this executable holds " + m.model + " of " + m.source +
                  " with hash " + shortened(m.source_hash));
  }
  StoredFit fit;
  fit.path = path;
  fit.family = reader.text("family");
  fit.objective = reader.text("objective");
  for (const FitSetting& setting : fit_settings) {
    if (setting.place == FitSetting::Place::objective && setting.belongs_to(fit.objective))
      fit.objective_settings.emplace_back(setting.name, reader.text("configuration." + std::string(setting.name)));
  }
  fit.data_hash = reader.text("data.hash");
  fit.phi = read_phi(path, reader);
  fit.fields = reader.object("data.fields");
  for (const auto& member : reader.object("data.only_hashes").members) {
    fit.hashed_only.push_back(member.first);
  }
  fit.particles = reader.integer("diagnostics.particles", 0, 1 << 24);
  fit.estimator = reader.text("diagnostics.estimator");
  fit.seed = static_cast<uint64_t>(reader.integer("seed", 0, (int64_t{1} << 48) - 1));
  return fit;
}

std::unique_ptr<PreparedModel> prepare_for_fit(const Session& session, const StoredFit& fit,
                                               const std::string& data_path) {
  std::unique_ptr<PreparedModel> model;
  if (!data_path.empty() || session.model.metadata().data.empty()) {
    model = load_data(session, data_path, false);
    if (model->data_hash() != fit.data_hash) {
      throw InputError(json::shown_path(data_path) + ": these are not the data of " + fit.path +
                       ": the values of the declared fields have hash " + shortened(model->data_hash()) +
                       ", the fit's " + shortened(fit.data_hash));
    }
  } else {
    if (!fit.hashed_only.empty()) {
      throw InputError(fit.path + ": the data field " + fit.hashed_only[0] +
                       " is too large to stand in the fit: give the data with --data");
    }
    std::vector<std::string> notes;
    model = std::make_unique<PreparedModel>(session.model, fit.fields, DataOptions{fit.path, false, true}, notes);
  }
  const Family& family = family_of(session.model.metadata(), fit.family);
  if (model->size(family.phi) != static_cast<int64_t>(fit.phi.size())) {
    throw InputError(fit.path + ": it has " + std::to_string(fit.phi.size()) + " learned numbers, the family " +
                     fit.family + " has " + std::to_string(model->size(family.phi)) + ": the file is damaged");
  }
  return model;
}

} // namespace vmodel::runtime
