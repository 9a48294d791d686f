#include "runtime/model/prepared_model.h"

#include "runtime/io/error.h"
#include "runtime/io/files.h"

#include <algorithm>
#include <cmath>

namespace vmodel::runtime {
namespace {

// What `prepare` reports, and the memory that it is given.
struct Host {
  Arena& arena;
  const Metadata& metadata;
  std::vector<std::string> failures;
};

void* allocate(void* context, int64_t bytes) {
  return static_cast<Host*>(context)->arena.allocate(bytes);
}

void fail(void* context, int64_t message, const double* values, int64_t count) {
  auto* host = static_cast<Host*>(context);
  if (message < 0 || message >= static_cast<int64_t>(host->metadata.requires_.size())) {
    host->failures.push_back("a condition on the data does not hold");
    return;
  }
  const Requirement& requirement = host->metadata.requires_[static_cast<size_t>(message)];
  std::string text = requirement.text;
  for (int64_t i = 0; i < count; ++i) {
    const std::string mark = "{" + std::to_string(i) + "}";
    const std::string value = brief(values[i], 15);
    for (size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at + value.size())) {
      text.replace(at, mark.size(), value);
    }
  }
  text += " (" + host->metadata.at(requirement.position) + ")";
  if (std::find(host->failures.begin(), host->failures.end(), text) == host->failures.end()) {
    host->failures.push_back(text);
  }
}

} // namespace

PreparedModel::PreparedModel(const CompiledModel& model, const json::Value& data, const DataOptions& options,
                             std::vector<std::string>& notes)
    : model_(model), slots_(static_cast<size_t>(std::max(model.abi().slot_count, 1))) {
  DataReader reader(model, options, slots_.data());
  data_ = reader.read(data);
  notes.insert(notes.end(), reader.notes().begin(), reader.notes().end());
  if (!reader.errors().empty())
    throw InputError(reader.errors());
  // Sizes follow from the data alone; all other code finds them in slots.
  sizes_.assign(metadata().sizes.size() + 1, 0);
  if (!metadata().sizes.empty())
    call("sizes", 0, {{"sizes", sizes_.data()}})();
  const auto first_size = static_cast<size_t>(model.abi().data_count);
  for (size_t k = 0; k < metadata().sizes.size() && first_size + k < slots_.size(); ++k) {
    slots_[first_size + k].integer = sizes_[k];
  }
  prepare(options);

  for (const Parameter& p : metadata().parameters) {
    parameters_.push_back({p.name, p.integer, false, shape(p.shape), size(p.offset), size(p.size),
                           size(p.unconstrained_offset), size(p.unconstrained_size), &p});
  }
  for (const Quantity& q : metadata().quantities) {
    quantities_.push_back({q.name, q.integer, q.random, shape(q.shape), size(q.offset), size(q.size), 0, 0, nullptr});
  }
  if (!options.for_sampling) {
    check_intervals(options);
    check_observed(options);
  }
  data_hash_ = hash_of_data(metadata(), data_);
}

void PreparedModel::prepare(const DataOptions& options) {
  if (model_.abi().prepare == nullptr)
    return;
  Host host{arena_, metadata(), {}};
  const vmodel_host interface{&host, &allocate, &fail};
  if (model_.abi().prepare(slots_.data(), &interface) != 0) {
    throw InputError(options.file + ": there is not enough memory for these data");
  }
  // Placeholders may break a condition; what they reach is not used when sampling.
  if (options.for_sampling || host.failures.empty())
    return;
  for (std::string& failure : host.failures)
    failure = options.file + ": " + failure;
  throw InputError(host.failures);
}

// Bounds of parameters that follow from the data may leave nothing between them. They are read off
// the map itself: its limits are the bounds.
void PreparedModel::check_intervals(const DataOptions& options) {
  if (std::none_of(parameters_.begin(), parameters_.end(),
                   [](const auto& p) { return p.parameter->map == "interval"; }))
    return;
  // Bounds that depend on other parameters may be empty at some places and not at others.
  constexpr double places[] = {0, 1.5, -1.5};
  constexpr double far = 800; // exp(-far) is 0
  const size_t w = static_cast<size_t>(lanes()), d = static_cast<size_t>(dimension());
  AlignedVector<double> z((d + 1) * w), x(static_cast<size_t>(reported_values() + 1) * w);
  KernelCall constrain = call("constrain", lanes(), {{"z", z.data()}, {"x", x.data()}});
  const auto limit = [&](const ReportedValue& p, double place, double at) {
    std::fill(z.begin(), z.end(), place);
    const size_t first = static_cast<size_t>(p.unconstrained_offset) * w;
    std::fill_n(z.begin() + static_cast<long>(first), static_cast<size_t>(p.unconstrained_size) * w, at);
    constrain(random_state(1, Stream::init));
    std::vector<double> values;
    for (int64_t i = 0; i < p.size; ++i)
      values.push_back(x[static_cast<size_t>(p.offset + i) * w]);
    return values;
  };
  std::vector<std::string> errors;
  for (const ReportedValue& p : parameters_) {
    if (p.parameter->map != "interval")
      continue;
    std::vector<bool> empty(static_cast<size_t>(p.size), true);
    std::vector<double> lower, upper;
    for (const double place : places) {
      lower = limit(p, place, -far);
      upper = limit(p, place, far);
      for (size_t i = 0; i < empty.size(); ++i)
        empty[i] = empty[i] && !(lower[i] < upper[i]);
    }
    const auto found = std::find(empty.begin(), empty.end(), true);
    if (found == empty.end())
      continue;
    const auto i = static_cast<int64_t>(found - empty.begin());
    const Parameter& declared = *p.parameter;
    errors.push_back(options.file + ": the interval of the parameter " + flat_name(p.name, p.shape, i) +
                     " is empty: lower = " + declared.lower + " is " + brief(lower[static_cast<size_t>(i)], 15) +
                     ", upper = " + declared.upper + " is " + brief(upper[static_cast<size_t>(i)], 15) +
                     " (declared at " + metadata().at(declared.position) + ")");
  }
  if (!errors.empty())
    throw InputError(errors);
}

void PreparedModel::check_observed(const DataOptions& options) {
  const int64_t count = observed_values();
  if (count == 0 || model_.find("observed_support") == nullptr)
    return;
  AlignedVector<double> ok(static_cast<size_t>(count), 1);
  call("observed_support", 0, {{"ok", ok.data()}})();
  std::vector<std::string> errors;
  for (const Observation& observation : metadata().observations) {
    const int64_t offset = size(observation.offset), extent = size(observation.size);
    int64_t wrong = 0;
    for (int64_t i = 0; i < extent; ++i) {
      if (ok[static_cast<size_t>(offset + i)] != 0)
        continue;
      if (++wrong > 3)
        continue;
      // The value itself is known where a whole data field is observed.
      std::string value;
      for (size_t f = 0; f < data_.size(); ++f) {
        const DataValue& field = data_[f];
        if (metadata().data[f].name != observation.data || field.shape != shape(observation.shape)) {
          continue;
        }
        value = " is " +
                (field.integers.empty() ? brief(field.reals[static_cast<size_t>(i)], 15)
                                        : std::to_string(field.integers[static_cast<size_t>(i)])) +
                ", which";
      }
      errors.push_back(options.file + ": " + flat_name(observation.name, shape(observation.shape), i) + value +
                       " is outside the support of " + observation.distribution + " (observed at " +
                       metadata().at(observation.position) + ")");
    }
    if (wrong > 3) {
      errors.push_back(options.file + ": " + observation.name + ": " + std::to_string(wrong - 3) +
                       " more values are outside the support");
    }
  }
  if (!errors.empty())
    throw InputError(errors);
}

std::vector<int64_t> PreparedModel::shape(const std::vector<SizeNumber>& numbers) const {
  std::vector<int64_t> result;
  for (SizeNumber number : numbers)
    result.push_back(size(number));
  return result;
}

std::vector<LearnableValue> PreparedModel::learnables(const Family& family) const {
  std::vector<LearnableValue> result;
  for (const Learnable& l : family.learnables) {
    result.push_back(
        {l.name, l.map, shape(l.shape), size(l.offset), size(l.size), size(l.phi_offset), size(l.phi_size)});
  }
  return result;
}

} // namespace vmodel::runtime
