#include "runtime/fit/settings.h"

#include "runtime/abi/fit_settings.h"
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

constexpr int64_t most_seed = static_cast<int64_t>(find_fit_setting("seed")->most);
constexpr int64_t most_threads = static_cast<int64_t>(find_fit_setting("threads")->most);

using S = FitSettings;
using T = std::string;

// One setting: how its value is taken and how it is shown. Limits and words stand in fit_settings.
struct Setting {
  const char* name;
  // One of these.
  std::function<void(S&, double)> number;
  std::function<void(S&, const T&)> word;
  std::function<T(const S&)> show;
};

// The words of a setting with what they mean, in the order of fit_settings.
template <typename Enum>
using Words = std::vector<std::pair<const char*, Enum>>;

const Words<EstimatorChoice> estimators = {{"auto", EstimatorChoice::automatic},
                                           {"total", EstimatorChoice::total},
                                           {"stl", EstimatorChoice::stl},
                                           // The language's longer names.
                                           {"pathwise", EstimatorChoice::total},
                                           {"sticking_the_landing", EstimatorChoice::stl}};
const Words<StartChoice> starts = {
    {"auto", StartChoice::automatic}, {"laplace", StartChoice::laplace}, {"plain", StartChoice::plain}};
const Words<RateSchedule::Kind> schedules = {{"cosine", RateSchedule::Kind::cosine},
                                             {"constant", RateSchedule::Kind::constant}};

template <typename Enum>
Enum meaning(const T& word, const Words<Enum>& words) {
  return std::find_if(words.begin(), words.end(), [&](const auto& w) { return word == w.first; })->second;
}

template <typename Enum>
T name_of(Enum value, const Words<Enum>& words) {
  return std::find_if(words.begin(), words.end(), [&](const auto& w) { return value == w.second; })->first;
}

const std::vector<Setting>& settings_table() {
  static const std::vector<Setting> table = {
      {"steps",
       [](S& s, double x) { s.steps = static_cast<int64_t>(x); },
       {},
       [](const S& s) { return std::to_string(s.steps); }},
      {"particles", [](S& s, double x) { s.particles = static_cast<int64_t>(x); },
       [](S& s, const T&) { s.particles = 0; },
       [](const S& s) { return s.particles == 0 ? T("auto") : std::to_string(s.particles); }},
      {"estimator",
       {},
       [](S& s, const T& t) { s.estimator = meaning(t, estimators); },
       [](const S& s) { return name_of(s.estimator, estimators); }},
      {"optimizer.rate",
       [](S& s, double x) { s.schedule.rate = x; },
       {},
       [](const S& s) { return brief(s.schedule.rate); }},
      {"optimizer.schedule",
       {},
       [](S& s, const T& t) { s.schedule.kind = meaning(t, schedules); },
       [](const S& s) { return name_of(s.schedule.kind, schedules); }},
      {"optimizer.last_rate",
       [](S& s, double x) { s.schedule.last = x; },
       {},
       [](const S& s) { return brief(s.schedule.last); }},
      {"optimizer.clip",
       [](S& s, double x) { s.adam.clip = x; },
       {},
       [](const S& s) { return s.adam.clip == 0 ? T("off") : brief(s.adam.clip); }},
      {"optimizer.epsilon",
       [](S& s, double x) { s.adam.epsilon = x; },
       {},
       [](const S& s) { return brief(s.adam.epsilon); }},
      {"optimizer.beta1", [](S& s, double x) { s.adam.beta1 = x; }, {}, [](const S& s) { return brief(s.adam.beta1); }},
      {"optimizer.beta2",
       [](S& s, double x) { s.adam.beta2 = x; },
       {},
       [](const S& s) { return brief(s.adam.beta2, 8); }},
      {"average", [](S& s, double x) { s.average = x; }, {}, [](const S& s) { return brief(s.average); }},
      {"settle", [](S& s, double x) { s.settle = static_cast<int64_t>(x); }, [](S& s, const T&) { s.settle = -1; },
       [](const S& s) { return std::to_string(s.settling_steps()); }},
      {"start",
       {},
       [](S& s, const T& t) { s.start = meaning(t, starts); },
       [](const S& s) { return s.start == StartChoice::other_fit ? s.start_run : name_of(s.start, starts); }},
      {"precondition",
       {},
       [](S& s, const T& t) { s.precondition = t == "on"; },
       [](const S& s) { return T(s.precondition ? "on" : "off"); }},
      {"warm_up",
       {},
       [](S& s, const T& t) { s.warm_up = t == "on"; },
       [](const S& s) { return T(s.warm_up ? "on" : "off"); }},
  };
  return table;
}

// Checks a value against fit_settings and hands it over. Throws InputError.
void read_setting(const Setting& setting, const T& text, S& settings) {
  const FitSetting& limits = *find_fit_setting(setting.name);
  T list;
  for (const std::string_view word : limits.words) {
    if (word.empty())
      continue;
    if (text == word)
      return setting.word(settings, text);
    list += (list.empty() ? "" : ", ") + T(word);
  }
  if (limits.kind == FitSetting::Kind::word)
    throw InputError(T(setting.name) + " = " + text + ": expected one of " + list);
  if (limits.kind == FitSetting::Kind::whole) {
    setting.number(settings, static_cast<double>(parse_integer(setting.name, text, static_cast<int64_t>(limits.least),
                                                               static_cast<int64_t>(limits.most))));
    return;
  }
  const double value = parse_real(setting.name, text, limits.least, limits.most);
  if (limits.above_least && value == limits.least)
    throw InputError(T(setting.name) + " " + text + ": a number above " + brief(limits.least) + " is expected");
  setting.number(settings, value);
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

// `start = First;` names another fit block. False where the value is one of the other choices.
bool read_start(const Metadata& metadata, const std::string& value, FitSettings& settings) {
  std::string names;
  for (const FitBlock& fit : metadata.fits) {
    if (!fit.name.empty() && fit.name == value) {
      settings.start = StartChoice::other_fit;
      settings.start_run = value;
      return true;
    }
    if (!fit.name.empty())
      names += (names.empty() ? "" : ", ") + fit.name;
  }
  if (names.empty() || std::any_of(starts.begin(), starts.end(), [&](const auto& s) { return value == s.first; }))
    return false;
  throw InputError("start = " + value + ": expected one of auto, laplace, plain, or a fit of the file: " + names);
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
      settings.seed = static_cast<uint64_t>(parse_integer("seed", value, 0, most_seed));
      continue;
    }
    if (name == "threads") {
      settings.threads = static_cast<int>(parse_integer("threads", value, 1, most_threads));
      continue;
    }
    if (name == "start" && read_start(metadata, value, settings)) {
      set.push_back(name);
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
    read_setting(*found, value, settings);
    set.push_back(name);
  }
  for (const Setting& setting : settings_table()) {
    if (std::find(set.begin(), set.end(), setting.name) == set.end()) {
      settings.defaults.push_back(std::string(setting.name) + " = " + setting.show(settings));
    }
  }
  if (!flags.seed.empty()) {
    settings.seed = static_cast<uint64_t>(parse_integer("--seed", flags.seed, 0, most_seed));
  }
  if (!flags.threads.empty()) {
    settings.threads = static_cast<int>(parse_integer("--threads", flags.threads, 1, most_threads));
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
