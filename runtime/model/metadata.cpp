#include "runtime/model/metadata.h"

#include "runtime/io/error.h"
#include "runtime/io/json.h"

#include <algorithm>

namespace vmodel::runtime {
namespace {

using json::Value;

// Reads members of one object; the first that is missing or of another kind ends it all, since the
// compiler and the runtime then do not belong together.
class Reader {
public:
  explicit Reader(const Value& value) : value_(value) {
    if (!value.is_object())
      refuse("an object");
  }

  std::string text(const char* name, const char* otherwise = nullptr) const {
    const Value* found = value_.find(name);
    if (found == nullptr || found->kind == Value::Kind::null) {
      if (otherwise == nullptr)
        refuse(name);
      return otherwise;
    }
    if (!found->is_string())
      refuse(name);
    return found->text;
  }

  int64_t integer(const char* name, int64_t otherwise) const {
    const Value* found = value_.find(name);
    if (found == nullptr)
      return otherwise;
    if (!found->is_number() || !found->integer)
      refuse(name);
    return static_cast<int64_t>(found->number);
  }

  int64_t integer(const char* name) const {
    if (value_.find(name) == nullptr)
      refuse(name);
    return integer(name, 0);
  }

  bool boolean(const char* name) const {
    const Value* found = value_.find(name);
    if (found == nullptr)
      return false;
    if (found->kind != Value::Kind::boolean)
      refuse(name);
    return found->boolean;
  }

  template <typename Each>
  void list(const char* name, Each each) const {
    const Value* found = value_.find(name);
    if (found == nullptr)
      return;
    if (!found->is_array())
      refuse(name);
    for (int64_t i = 0; i < found->size(); ++i)
      each(found->element(i));
  }

  std::vector<std::string> texts(const char* name) const {
    std::vector<std::string> result;
    list(name, [&](const Value& entry) { result.push_back(entry.text); });
    return result;
  }

  std::vector<SizeNumber> numbers(const char* name) const {
    std::vector<SizeNumber> result;
    list(name, [&](const Value& entry) { result.push_back(static_cast<int64_t>(entry.number)); });
    return result;
  }

  SourcePosition position() const { return {integer("line", 0), integer("column", 0)}; }

  const Value* find(const char* name) const { return value_.find(name); }

private:
  [[noreturn]] void refuse(const char* what) const {
    throw InternalError(std::string("the metadata of the compiled model lack `") + what + "`");
  }

  const Value& value_;
};

DataField read_data(const Value& value) {
  const Reader reader(value);
  DataField result;
  result.name = reader.text("name");
  result.field = reader.text("field", result.name.c_str());
  result.integer = reader.text("element", "real") == "int";
  result.shape = reader.texts("shape");
  result.support = reader.text("support", "all");
  result.lower = reader.text("lower", "");
  result.upper = reader.text("upper", "");
  result.bounds = reader.boolean("bounds");
  result.needed_by_sample = reader.boolean("needed_by_sample");
  result.position = reader.position();
  return result;
}

Parameter read_parameter(const Value& value) {
  const Reader reader(value);
  Parameter result;
  result.name = reader.text("name");
  result.integer = reader.text("element", "real") == "int";
  result.shape = reader.numbers("shape");
  result.support = reader.text("support", "all");
  result.lower = reader.text("lower", "");
  result.upper = reader.text("upper", "");
  result.map = reader.text("map", "identity");
  result.noncentered = reader.boolean("noncentered");
  result.offset = reader.integer("offset");
  result.size = reader.integer("size");
  result.unconstrained_offset = reader.integer("unconstrained_offset");
  result.unconstrained_size = reader.integer("unconstrained_size");
  result.position = reader.position();
  return result;
}

Family read_family(const Value& value) {
  const Reader reader(value);
  Family result;
  result.name = reader.text("name");
  result.kind = reader.text("kind", "family");
  result.phi = reader.integer("phi");
  result.values = reader.integer("values");
  if (reader.find("noise") != nullptr)
    result.noise = reader.integer("noise");
  result.capabilities = reader.texts("capabilities");
  reader.list("learnables", [&](const Value& entry) {
    const Reader inner(entry);
    result.learnables.push_back({inner.text("name"), inner.numbers("shape"), inner.text("support", "all"),
                                 inner.text("map", "identity"), inner.integer("offset"), inner.integer("size"),
                                 inner.integer("phi_offset"), inner.integer("phi_size")});
  });
  if (const Value* mixture = reader.find("mixture")) {
    const Reader inner(*mixture);
    result.mixture = Mixture{inner.integer("size"), inner.integer("learned"), {}, {}};
    const auto noise = [&](const char* part) -> std::optional<SizeNumber> {
      const Reader of_part(*inner.find(part));
      return of_part.find("noise") == nullptr ? std::nullopt : std::optional(of_part.integer("noise"));
    };
    result.mixture->mix_noise = noise("mix");
    result.mixture->proposal_noise = noise("proposal");
  }
  if (const Value* round_trip = reader.find("round_trip")) {
    const Reader inner(*round_trip);
    result.round_trip = RoundTripSizes{inner.integer("base"), inner.integer("image"), {}};
    inner.list("draws", [&](const Value& entry) {
      const Reader draw(entry);
      result.round_trip->draws.push_back({draw.text("name"), draw.integer("events"), draw.integer("base"),
                                          draw.integer("image"), draw.integer("base_offset"),
                                          draw.integer("image_offset")});
    });
  }
  const auto roles = [&](const char* field) {
    const Value* found = reader.find(field);
    if (found == nullptr)
      return LocationScale{};
    const Reader inner(*found);
    return LocationScale{inner.text("location", ""), inner.text("scale", ""), inner.text("scale_cholesky", "")};
  };
  result.gaussian = roles("gaussian");
  result.last_map = roles("last_map");
  return result;
}

FitBlock read_fit(const Value& value) {
  const Reader reader(value);
  FitBlock result{reader.text("name", ""), reader.text("family", ""), reader.text("objective", ""), {}};
  if (const Value* settings = reader.find("settings")) {
    for (const auto& [name, entry] : settings->members)
      result.settings[name] = entry.text;
  }
  return result;
}

} // namespace

std::string DataField::type() const {
  std::string result = integer ? "int" : "real";
  std::vector<std::string> extents = shape;
  if (support != "all" && support != "bounded" && !extents.empty()) {
    result = support + "<" + extents.back() + ">";
    extents.pop_back();
  } else if (!lower.empty() || !upper.empty()) {
    result += "<" + (lower.empty() ? "" : "lower=" + lower) + (lower.empty() || upper.empty() ? "" : ", ") +
              (upper.empty() ? "" : "upper=" + upper) + ">";
  }
  for (size_t i = 0; i < extents.size(); ++i)
    result += (i ? ", " : "[") + extents[i];
  return extents.empty() ? result : result + "]";
}

bool Family::can(std::string_view capability) const {
  return std::find(capabilities.begin(), capabilities.end(), capability) != capabilities.end();
}

std::string Metadata::at(SourcePosition position) const {
  return source + ":" + std::to_string(position.line) + ":" + std::to_string(position.column);
}

const Family* Metadata::find_family(std::string_view name) const {
  for (const Family& family : families) {
    if (family.name == name)
      return &family;
  }
  return nullptr;
}

bool Metadata::has_objective(std::string_view name) const {
  return std::find(objectives.begin(), objectives.end(), name) != objectives.end();
}

Metadata parse_metadata(std::string_view text) {
  Value value;
  json::ParseError error;
  if (!json::parse(text, value, error)) {
    throw InternalError("the metadata of the compiled model are not JSON: " + error.message);
  }
  const Reader reader(value);
  Metadata result;
  result.abi = reader.integer("abi");
  result.compiler = reader.text("compiler", "");
  result.march = reader.text("march", "");
  result.cpu_features = reader.texts("cpu_features");
  result.model = reader.text("model");
  result.source = reader.text("source");
  result.source_hash = reader.text("source_hash", "");
  result.lanes = static_cast<int32_t>(reader.integer("lanes"));
  result.sizes = reader.texts("sizes");
  result.dimension = reader.integer("dimension");
  result.reported_parameters = reader.integer("reported_parameters");
  result.observed = reader.integer("observed");
  result.reported = reader.integer("reported");
  reader.list("data", [&](const Value& entry) { result.data.push_back(read_data(entry)); });
  reader.list("parameters", [&](const Value& entry) { result.parameters.push_back(read_parameter(entry)); });
  reader.list("quantities", [&](const Value& entry) {
    const Reader inner(entry);
    result.quantities.push_back({inner.text("name"), inner.text("element", "real") == "int", inner.numbers("shape"),
                                 inner.integer("offset"), inner.integer("size"), inner.boolean("random")});
  });
  reader.list("observations", [&](const Value& entry) {
    const Reader inner(entry);
    result.observations.push_back({inner.text("name"), inner.text("data", ""), inner.text("distribution", ""),
                                   inner.numbers("shape"), inner.integer("offset"), inner.integer("size"),
                                   inner.position()});
  });
  reader.list("requires", [&](const Value& entry) {
    const Reader inner(entry);
    result.requires_.push_back({inner.text("text"), inner.position()});
  });
  reader.list("families", [&](const Value& entry) { result.families.push_back(read_family(entry)); });
  reader.list("fits", [&](const Value& entry) { result.fits.push_back(read_fit(entry)); });
  if (reader.find("stages") != nullptr) {
    reader.list("stages", [&](const Value& entry) {
      const Reader inner(entry);
      result.stages[inner.text("kernel")] = inner.integer("size");
    });
  }
  result.objectives = reader.texts("objectives");
  return result;
}

} // namespace vmodel::runtime
