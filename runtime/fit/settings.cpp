#include "runtime/fit/settings.h"

#include "runtime/io/error.h"
#include "runtime/io/files.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <map>

namespace vmodel::runtime {
namespace {

std::string trimmed(const std::string& text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string::npos)
    return "";
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// One setting: how it is read and how it is shown.
struct Setting {
  const char* name;
  std::function<void(FitSettings&, const std::string&)> read;
  std::function<std::string(const FitSettings&)> show;
};

template <typename Enum>
Enum one_of(const char* what, const std::string& text, const std::vector<std::pair<const char*, Enum>>& choices) {
  std::string list;
  for (const auto& [name, value] : choices) {
    if (text == name)
      return value;
    list += (list.empty() ? "" : ", ") + std::string(name);
  }
  throw InputError(std::string(what) + " = " + text + ": expected one of " + list);
}

const std::vector<std::pair<const char*, EstimatorChoice>> estimators = {
    {"auto", EstimatorChoice::automatic},
    {"total", EstimatorChoice::total},
    {"stl", EstimatorChoice::stl},
    // The language's longer names.
    {"pathwise", EstimatorChoice::total},
    {"sticking_the_landing", EstimatorChoice::stl}};
const std::vector<std::pair<const char*, StartChoice>> starts = {
    {"auto", StartChoice::automatic}, {"laplace", StartChoice::laplace}, {"plain", StartChoice::plain}};
const std::vector<std::pair<const char*, RateSchedule::Kind>> schedules = {{"cosine", RateSchedule::Kind::cosine},
                                                                           {"constant", RateSchedule::Kind::constant}};
const std::vector<std::pair<const char*, bool>> booleans = {
    {"on", true}, {"true", true}, {"off", false}, {"false", false}};

template <typename Enum>
std::string name_of(Enum value, const std::vector<std::pair<const char*, Enum>>& choices) {
  for (const auto& [name, choice] : choices) {
    if (choice == value)
      return name;
  }
  return "";
}

const std::vector<Setting>& settings_table() {
  using S = FitSettings;
  using T = std::string;
  static const std::vector<Setting> table = {
      {"steps", [](S& s, const T& t) { s.steps = parse_integer("steps", t, 0, 1000000000); },
       [](const S& s) { return std::to_string(s.steps); }},
      {"particles", [](S& s, const T& t) { s.particles = t == "auto" ? 0 : parse_integer("particles", t, 1, 1 << 24); },
       [](const S& s) { return s.particles == 0 ? T("auto") : std::to_string(s.particles); }},
      {"estimator", [](S& s, const T& t) { s.estimator = one_of("estimator", t, estimators); },
       [](const S& s) { return name_of(s.estimator, estimators); }},
      {"optimizer.rate", [](S& s, const T& t) { s.schedule.rate = parse_real("optimizer.rate", t, 0, 1e6); },
       [](const S& s) { return brief(s.schedule.rate); }},
      {"optimizer.schedule", [](S& s, const T& t) { s.schedule.kind = one_of("optimizer.schedule", t, schedules); },
       [](const S& s) { return name_of(s.schedule.kind, schedules); }},
      {"optimizer.last_rate", [](S& s, const T& t) { s.schedule.last = parse_real("optimizer.last_rate", t, 0, 1); },
       [](const S& s) { return brief(s.schedule.last); }},
      {"optimizer.clip", [](S& s, const T& t) { s.adam.clip = parse_real("optimizer.clip", t, 0, 1e300); },
       [](const S& s) { return s.adam.clip == 0 ? T("off") : brief(s.adam.clip); }},
      {"optimizer.epsilon", [](S& s, const T& t) { s.adam.epsilon = parse_real("optimizer.epsilon", t, 0, 1e6); },
       [](const S& s) { return brief(s.adam.epsilon); }},
      {"optimizer.beta1", [](S& s, const T& t) { s.adam.beta1 = parse_real("optimizer.beta1", t, 0, 0.999999); },
       [](const S& s) { return brief(s.adam.beta1); }},
      {"optimizer.beta2", [](S& s, const T& t) { s.adam.beta2 = parse_real("optimizer.beta2", t, 0, 0.9999999); },
       [](const S& s) { return brief(s.adam.beta2, 8); }},
      {"average", [](S& s, const T& t) { s.average = parse_real("average", t, 0, 1); },
       [](const S& s) { return brief(s.average); }},
      {"settle", [](S& s, const T& t) { s.settle = t == "auto" ? -1 : parse_integer("settle", t, 0, 1000000); },
       [](const S& s) { return std::to_string(s.settling_steps()); }},
      {"start", [](S& s, const T& t) { s.start = one_of("start", t, starts); },
       [](const S& s) { return name_of(s.start, starts); }},
      {"precondition", [](S& s, const T& t) { s.precondition = one_of("precondition", t, booleans); },
       [](const S& s) { return T(s.precondition ? "on" : "off"); }},
      {"warm_up", [](S& s, const T& t) { s.warm_up = one_of("warm_up", t, booleans); },
       [](const S& s) { return T(s.warm_up ? "on" : "off"); }},
  };
  return table;
}

// `elbo(particles = 8, estimator = stl)` gives the name and the settings.
std::string parse_objective(const std::string& text, std::map<std::string, std::string>& given) {
  const size_t open = text.find('(');
  if (open == std::string::npos)
    return trimmed(text);
  if (text.back() != ')')
    throw InputError("objective " + text + ": `)` is missing");
  std::string inside = text.substr(open + 1, text.size() - open - 2);
  while (!trimmed(inside).empty()) {
    const size_t comma = inside.find(',');
    const std::string part = inside.substr(0, comma);
    inside = comma == std::string::npos ? "" : inside.substr(comma + 1);
    const size_t equals = part.find('=');
    if (equals == std::string::npos) {
      throw InputError("objective " + text + ": `name = value` expected, not `" + trimmed(part) + "`");
    }
    given[trimmed(part.substr(0, equals))] = trimmed(part.substr(equals + 1));
  }
  return trimmed(text.substr(0, open));
}

const FitBlock* choose_block(const Metadata& metadata, const std::string& run) {
  std::string names;
  for (const FitBlock& fit : metadata.fits) {
    if (fit.name == run)
      return &fit;
    if (!fit.name.empty())
      names += (names.empty() ? "" : ", ") + fit.name;
  }
  if (run.empty())
    return metadata.fits.empty() ? nullptr : &metadata.fits.front();
  throw InputError("--run " + run + ": the model has no such fit block" + (names.empty() ? "" : "; it has " + names));
}

} // namespace

int64_t parse_integer(const std::string& what, const std::string& text, int64_t least, int64_t most) {
  int64_t value = 0;
  // As in the language, underscores may group digits.
  std::string digits = text;
  digits.erase(std::remove(digits.begin(), digits.end(), '_'), digits.end());
  const auto [stop, code] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (code == std::errc::result_out_of_range && stop == digits.data() + digits.size()) {
    throw InputError(what + " " + text + ": the number is too large");
  }
  if (code != std::errc() || stop != digits.data() + digits.size() || digits.empty()) {
    throw InputError(what + " " + text + ": an integer is expected");
  }
  if (value < least || value > most) {
    throw InputError(what + " " + text + ": an integer from " + std::to_string(least) + " to " + std::to_string(most) +
                     " is expected");
  }
  return value;
}

double parse_real(const std::string& what, const std::string& text, double least, double most) {
  double value = 0;
  std::string digits = text;
  digits.erase(std::remove(digits.begin(), digits.end(), '_'), digits.end());
  const auto [stop, code] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (code != std::errc() || stop != digits.data() + digits.size() || !std::isfinite(value)) {
    throw InputError(what + " " + text + ": a number is expected");
  }
  if (value < least || value > most) {
    throw InputError(what + " " + text + ": a number from " + brief(least) + " to " + brief(most) + " is expected");
  }
  return value;
}

FitSettings make_settings(const Metadata& metadata, const FitFlags& flags) {
  FitSettings settings;
  settings.run = flags.run;
  // Name to value, and where it was said; later ones win.
  std::map<std::string, std::string> given;
  bool family_given = false, objective_given = false;
  std::string objective;
  if (const FitBlock* block = choose_block(metadata, flags.run)) {
    if (!block->family.empty()) {
      settings.family = block->family;
      family_given = true;
    }
    objective = block->objective;
    for (const auto& [name, value] : block->settings)
      given[name] = value;
  }
  if (!flags.family.empty()) {
    settings.family = flags.family;
    family_given = true;
  }
  if (!flags.objective.empty())
    objective = flags.objective;
  if (!objective.empty()) {
    settings.objective = parse_objective(objective, given);
    objective_given = true;
  }
  for (const std::string& entry : flags.set) {
    const size_t equals = entry.find('=');
    if (equals == std::string::npos) {
      throw InputError("--set " + entry + ": key=value is expected");
    }
    given[trimmed(entry.substr(0, equals))] = trimmed(entry.substr(equals + 1));
  }
  if (!flags.steps.empty())
    given["steps"] = flags.steps;

  // Without families of its own a model is fitted by mean_field; its first family otherwise.
  if (!family_given) {
    for (const Family& family : metadata.families) {
      if (family.kind == "family") {
        settings.family = family.name;
        break;
      }
    }
    settings.defaults.push_back("family = " + settings.family);
  }
  if (!objective_given)
    settings.defaults.push_back("objective = " + settings.objective);

  std::vector<std::string> set;
  for (const auto& [full_name, value] : given) {
    std::string name = full_name;
    for (const char* prefix : {"objective.", "elbo."}) {
      if (name.rfind(prefix, 0) == 0)
        name = name.substr(std::string(prefix).size());
    }
    // The language repeats the names of objective and optimiser here; seed and threads are flags too.
    if (name == "objective")
      continue;
    if (name == "optimizer") {
      if (value != "adam")
        throw InputError("optimizer " + value + ": this executable has adam only");
      continue;
    }
    if (name == "seed") {
      settings.seed = static_cast<uint64_t>(parse_integer("seed", value, 0, (int64_t{1} << 48) - 1));
      continue;
    }
    if (name == "threads") {
      settings.threads = static_cast<int>(parse_integer("threads", value, 1, 1024));
      continue;
    }
    const auto& table = settings_table();
    const auto found = std::find_if(table.begin(), table.end(), [&](const Setting& s) { return name == s.name; });
    if (found == table.end()) {
      std::string names;
      for (const Setting& s : table)
        names += (names.empty() ? "" : ", ") + std::string(s.name);
      throw InputError("unknown setting `" + name + "`; the settings are " + names);
    }
    found->read(settings, value);
    set.push_back(name);
  }
  for (const Setting& setting : settings_table()) {
    if (std::find(set.begin(), set.end(), setting.name) == set.end()) {
      settings.defaults.push_back(std::string(setting.name) + " = " + setting.show(settings));
    }
  }
  if (!flags.seed.empty()) {
    settings.seed = static_cast<uint64_t>(parse_integer("--seed", flags.seed, 0, (int64_t{1} << 48) - 1));
  }
  if (!flags.threads.empty()) {
    settings.threads = static_cast<int>(parse_integer("--threads", flags.threads, 1, 1024));
  }
  if (settings.objective != "elbo") {
    throw InputError("objective " + settings.objective + ": this executable holds the objective elbo only");
  }
  if (settings.family != "laplace" && metadata.find_family(settings.family) == nullptr) {
    std::string names;
    for (const Family& family : metadata.families)
      names += family.name + ", ";
    throw InputError("family " + settings.family + ": this executable holds the families " + names +
                     "laplace; a family that the file declares is added by vmodelc " + metadata.source +
                     " -o EXE --families=" + settings.family);
  }
  return settings;
}

std::vector<std::pair<std::string, std::string>> describe(const FitSettings& settings) {
  std::vector<std::pair<std::string, std::string>> result = {{"family", settings.family},
                                                             {"objective", settings.objective}};
  for (const Setting& setting : settings_table()) {
    result.emplace_back(setting.name, setting.show(settings));
  }
  return result;
}

} // namespace vmodel::runtime
