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
                                           {"dreg", EstimatorChoice::dreg},
                                           // The language's longer names.
                                           {"pathwise", EstimatorChoice::total},
                                           {"sticking_the_landing", EstimatorChoice::stl}};
const Words<StartChoice> starts = {
    {"auto", StartChoice::automatic}, {"laplace", StartChoice::laplace}, {"plain", StartChoice::plain}};
const Words<InnerSampling::Proposal> proposals = {{"learned", InnerSampling::Proposal::learned},
                                                  {"prior", InnerSampling::Proposal::prior}};
const Words<Negative> negatives = {{"proposal", Negative::proposal}, {"posterior", Negative::posterior}};
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
      {"particles", [](S& s, double x) { s.objective.particles = static_cast<int64_t>(x); },
       [](S& s, const T&) { s.objective.particles = 0; },
       [](const S& s) { return s.objective.particles == 0 ? T("auto") : std::to_string(s.objective.particles); }},
      {"estimator",
       {},
       [](S& s, const T& t) { s.objective.estimator = meaning(t, estimators); },
       [](const S& s) { return name_of(s.objective.estimator, estimators); }},
      {"alpha",
       [](S& s, double x) { s.objective.alpha = x; },
       {},
       [](const S& s) { return brief(s.objective.alpha, 12); }},
      {"negative",
       {},
       [](S& s, const T& t) { s.objective.negative = meaning(t, negatives); },
       [](const S& s) { return name_of(s.objective.negative, negatives); }},
      {"low_variance",
       {},
       [](S& s, const T& t) { s.objective.low_variance = t == "true"; },
       [](const S& s) { return T(s.objective.low_variance ? "true" : "false"); }},
      {"outer",
       [](S& s, double x) { s.objective.particles = static_cast<int64_t>(x); },
       {},
       [](const S& s) { return std::to_string(s.objective.particles); }},
      {"inner",
       [](S& s, double x) { s.objective.inner = static_cast<int64_t>(x); },
       {},
       [](const S& s) { return std::to_string(s.objective.inner); }},
      {"batches",
       [](S& s, double x) { s.objective.batches = static_cast<int64_t>(x); },
       {},
       [](const S& s) { return std::to_string(s.objective.batches); }},
      {"burn_in",
       [](S& s, double x) { s.objective.burn_in = static_cast<int64_t>(x); },
       {},
       [](const S& s) { return std::to_string(s.objective.burn_in); }},
      {"leapfrogs",
       [](S& s, double x) { s.objective.leapfrogs = static_cast<int64_t>(x); },
       {},
       [](const S& s) { return std::to_string(s.objective.leapfrogs); }},
      {"proposal",
       {},
       [](S& s, const T& t) { s.objective.proposal = meaning(t, proposals); },
       [](const S& s) { return name_of(s.objective.proposal, proposals); }},
      {"prior_share",
       [](S& s, double x) { s.objective.prior_share = x; },
       {},
       [](const S& s) { return brief(s.objective.prior_share); }},
      {"pretrain",
       [](S& s, double x) { s.objective.pretrain = static_cast<int64_t>(x); },
       {},
       [](const S& s) { return std::to_string(s.objective.pretrain); }},
      {"proposal_steps",
       [](S& s, double x) { s.objective.proposal_steps = static_cast<int64_t>(x); },
       {},
       [](const S& s) { return std::to_string(s.objective.proposal_steps); }},
      {"proposal_rate",
       [](S& s, double x) { s.objective.proposal_rate = x; },
       {},
       [](const S& s) { return brief(s.objective.proposal_rate); }},
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
      {"temper", [](S& s, double x) { s.temper = x; }, {}, [](const S& s) { return brief(s.temper); }},
      {"temper_share",
       [](S& s, double x) { s.temper_share = x; },
       {},
       [](const S& s) { return brief(s.temper_share); }},
  };
  return table;
}

// The limits of a setting in a fit of that objective, or nullptr where it has no such setting.
const FitSetting* limits_of(const Setting& setting, const S& settings) {
  return find_fit_setting(setting.name, settings.objective.name);
}

const Setting* find_setting(const T& name) {
  const auto& table = settings_table();
  const auto found = std::find_if(table.begin(), table.end(), [&](const Setting& s) { return name == s.name; });
  return found == table.end() ? nullptr : &*found;
}

// Checks a value against fit_settings and hands it over. Throws InputError.
void read_setting(const Setting& setting, const T& text, S& settings) {
  const FitSetting& limits = *limits_of(setting, settings);
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

using Given = std::vector<std::pair<T, T>>; // settings with their values; later ones win

// `elbo(particles = 8, estimator = stl)` gives the name and the settings.
T parse_objective(const T& text, Given& given) {
  const size_t open = text.find('(');
  if (open == T::npos)
    return trimmed(text);
  if (trimmed(text).back() != ')')
    throw InputError("objective " + text + ": `)` is missing");
  T inside = text.substr(open + 1, text.rfind(')') - open - 1);
  while (!trimmed(inside).empty()) {
    const size_t comma = inside.find(',');
    const T part = inside.substr(0, comma);
    inside = comma == T::npos ? "" : inside.substr(comma + 1);
    const size_t equals = part.find('=');
    if (equals == T::npos) {
      throw InputError("objective " + text + ": `name = value` expected, not `" + trimmed(part) + "`");
    }
    given.emplace_back(trimmed(part.substr(0, equals)), trimmed(part.substr(equals + 1)));
  }
  return trimmed(text.substr(0, open));
}

// The name of an objective, with the defaults that a fit of it has and with what makes it of its method.
void choose_objective(const T& name, S& settings) {
  const ObjectiveRow* row = find_objective(name);
  if (row == nullptr) {
    T names;
    for (const ObjectiveRow& other : objective_rows)
      names += (names.empty() ? "" : ", ") + T(other.name);
    throw InputError("objective " + name + ": there is none of that name; there are " + names);
  }
  settings.objective.name = name;
  const auto preset = [&](std::string_view setting, std::string_view value) {
    // The values of the tables need no limits, which a fixed setting has none of.
    const Setting& found = *find_setting(T(setting));
    if (found.number && value.find_first_not_of("0123456789.-e") == T::npos)
      found.number(settings, parse_real(T(setting), T(value), -1e300, 1e300));
    else
      found.word(settings, T(value));
  };
  for (const ObjectiveDefault& entry : objective_defaults) {
    if (entry.belongs_to(*row))
      preset(entry.setting, entry.value);
  }
  for (const ObjectivePreset& entry : row->fixed) {
    if (!entry.setting.empty())
      preset(entry.setting, entry.value);
  }
}

// The settings of an objective, for messages.
T objective_setting_names(const S& settings) {
  T names;
  for (const Setting& s : settings_table()) {
    const FitSetting* limits = limits_of(s, settings);
    if (limits != nullptr && limits->place == FitSetting::Place::objective)
      names += (names.empty() ? "" : ", ") + T(s.name);
  }
  return names;
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

double FitSettings::power_at(int64_t step) const {
  const double tempered = temper_share * static_cast<double>(steps);
  const double share = static_cast<double>(step) / std::max(tempered, 1.0);
  return share >= 1 ? 1 : temper + (1 - temper) * share;
}

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

ObjectiveSettings parse_objective_settings(const std::string& text, const Given& more) {
  FitSettings settings;
  Given given;
  choose_objective(parse_objective(text, given), settings);
  given.insert(given.end(), more.begin(), more.end());
  for (const auto& [name, value] : given) {
    const Setting* setting = find_setting(name);
    const FitSetting* limits = setting == nullptr ? nullptr : limits_of(*setting, settings);
    if (limits == nullptr || limits->place != FitSetting::Place::objective) {
      throw InputError("objective " + settings.objective.name + ": it has no setting `" + name + "`; it has " +
                       objective_setting_names(settings));
    }
    read_setting(*setting, value, settings);
  }
  return settings.objective;
}

std::string describe(const ObjectiveSettings& objective) {
  FitSettings settings;
  settings.objective = objective;
  std::string list;
  for (const Setting& setting : settings_table()) {
    const FitSetting* limits = limits_of(setting, settings);
    if (limits != nullptr && limits->place == FitSetting::Place::objective)
      list += (list.empty() ? "" : ", ") + std::string(setting.name) + " = " + setting.show(settings);
  }
  return objective.name + "(" + list + ")";
}

FitSettings make_settings(const Metadata& metadata, const FitFlags& flags) {
  FitSettings settings;
  settings.run = flags.run;
  // As the language has it, `objective.` may stand before an objective's settings.
  const auto plain = [](const std::string& name) {
    for (const char* prefix : {"objective.", "elbo."}) {
      if (name.rfind(prefix, 0) == 0)
        return name.substr(std::string(prefix).size());
    }
    return name;
  };
  Given given;
  bool family_given = false, objective_given = false;
  std::string objective;
  if (const FitBlock* block = choose_block(metadata, flags.run)) {
    if (!block->family.empty()) {
      settings.family = block->family;
      family_given = true;
    }
    objective = block->objective;
    for (const auto& [name, value] : block->settings)
      given.emplace_back(plain(name), value);
  }
  objective_given = !objective.empty() || !flags.objective.empty();
  if (!flags.family.empty()) {
    settings.family = flags.family;
    family_given = true;
  }
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
  // A family whose density is an integral has objectives of its own.
  const Family* chosen = metadata.find_family(settings.family);
  if (objective.empty())
    objective = chosen != nullptr && chosen->mixture ? default_mixture_objective : default_objective;
  if (!flags.objective.empty()) {
    Given of_flag;
    const std::string name = parse_objective(flags.objective, of_flag);
    // Settings of another objective in the block mean nothing for this one.
    if (name != objective) {
      std::erase_if(given, [](const auto& entry) {
        return std::any_of(std::begin(fit_settings), std::end(fit_settings), [&](const FitSetting& s) {
          return s.place == FitSetting::Place::objective && s.name == entry.first;
        });
      });
    }
    objective = name;
    given.insert(given.end(), of_flag.begin(), of_flag.end());
  }
  choose_objective(objective, settings);
  for (const std::string& entry : flags.set) {
    const size_t equals = entry.find('=');
    if (equals == std::string::npos) {
      throw InputError("--set " + entry + ": key=value is expected");
    }
    given.emplace_back(plain(trimmed(entry.substr(0, equals))), trimmed(entry.substr(equals + 1)));
  }
  if (!flags.steps.empty())
    given.emplace_back("steps", flags.steps);

  if (!objective_given)
    settings.defaults.push_back("objective = " + settings.objective.name);

  std::vector<std::string> set;
  for (const auto& [name, value] : given) {
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
    const Setting* found = find_setting(name);
    if (found == nullptr) {
      std::string names;
      for (const Setting& s : settings_table()) {
        if (limits_of(s, settings) != nullptr)
          names += (names.empty() ? "" : ", ") + std::string(s.name);
      }
      throw InputError("unknown setting `" + name + "`; the settings are " + names);
    }
    if (limits_of(*found, settings) == nullptr) {
      throw InputError("objective " + settings.objective.name + ": it has no setting `" + name + "`; it has " +
                       objective_setting_names(settings));
    }
    read_setting(*found, value, settings);
    set.push_back(name);
  }
  for (const Setting& setting : settings_table()) {
    if (limits_of(setting, settings) != nullptr && std::find(set.begin(), set.end(), setting.name) == set.end()) {
      settings.defaults.push_back(std::string(setting.name) + " = " + setting.show(settings));
    }
  }
  if (!flags.seed.empty()) {
    settings.seed = static_cast<uint64_t>(parse_integer("--seed", flags.seed, 0, most_seed));
  }
  if (!flags.threads.empty()) {
    settings.threads = static_cast<int>(parse_integer("--threads", flags.threads, 1, most_threads));
  }
  if (!metadata.has_objective(settings.objective.name)) {
    throw InputError("objective " + settings.objective.name +
                     ": this executable does not hold it; build it with vmodelc " + metadata.source +
                     " -o EXE --objectives=" + settings.objective.name);
  }
  if (settings.objective.method() != ObjectiveMethod::elbo && settings.family == "laplace") {
    throw InputError("family laplace: it is computed from the mode; no objective such as " + settings.objective.name +
                     " fits it; fit full_rank");
  }
  if (settings.objective.method() != ObjectiveMethod::elbo && settings.settle > 0) {
    throw InputError("settle = " + std::to_string(settings.settle) +
                     ": the last phase belongs to the objective elbo; " + settings.objective.name +
                     " ends with the average of its steps (settle = 0)");
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
                                                             {"objective", settings.objective.name}};
  for (const Setting& setting : settings_table()) {
    if (limits_of(setting, settings) != nullptr)
      result.emplace_back(setting.name, setting.show(settings));
  }
  return result;
}

} // namespace vmodel::runtime
