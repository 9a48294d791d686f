// The `fit` block: settings by name, flattened to text for the runtime.
#include "compiler/check/checker.h"
#include "runtime/abi/fit_settings.h"
#include "runtime/abi/objectives.h"

#include <algorithm>
#include <cstdio>

namespace vmodel::check {
namespace {

using Place = FitSetting::Place;
using Kind = FitSetting::Kind;

/// The setting of that name at that place of a `fit` block, there of that objective.
const FitSetting* find_setting(Place place, std::string_view name, std::string_view objective = "") {
  for (const FitSetting& setting : fit_settings) {
    if (setting.place == place && setting.short_name() == name && setting.belongs_to(objective))
      return &setting;
  }
  return nullptr;
}

std::vector<std::string> names_of(Place place, std::string_view objective = "") {
  std::vector<std::string> names;
  for (const FitSetting& setting : fit_settings) {
    if (setting.place == place && setting.belongs_to(objective))
      names.emplace_back(setting.short_name());
  }
  return names;
}

std::vector<std::string> words_of(const FitSetting& setting) {
  std::vector<std::string> words;
  for (const std::string_view word : setting.words) {
    if (!word.empty())
      words.emplace_back(word);
  }
  return words;
}

/// The value as text, or nothing if it is of another kind.
std::optional<std::string> value_text(const ast::Expression& e, const FitSetting& setting) {
  if (const auto* name = ast::as_if<ast::NameReference>(e)) {
    const std::vector<std::string> words = words_of(setting);
    const bool known = std::find(words.begin(), words.end(), name->name) != words.end();
    return known ? std::optional(name->name) : std::nullopt;
  }
  if (const auto* boolean = ast::as_if<ast::BoolLiteral>(e)) {
    const std::vector<std::string> words = words_of(setting);
    const std::string word = boolean->value ? "true" : "false";
    return std::find(words.begin(), words.end(), word) != words.end() ? std::optional(word) : std::nullopt;
  }
  const ast::Expression* inner = &e;
  bool negative = false;
  if (const auto* unary = ast::as_if<ast::Unary>(e); unary && unary->op == ast::UnaryOperator::negate) {
    negative = true;
    inner = unary->operand.get();
  }
  const auto* integer = ast::as_if<ast::IntLiteral>(*inner);
  const auto* real = ast::as_if<ast::RealLiteral>(*inner);
  if (setting.kind == Kind::word || (!integer && !real) || (setting.kind == Kind::whole && !integer))
    return std::nullopt;
  double value = integer ? static_cast<double>(integer->value) : real->value;
  if (negative)
    value = -value;
  if (value < setting.least || value > setting.most || (setting.above_least && value == setting.least))
    return std::nullopt;
  std::string text = integer ? std::to_string(integer->value) : real->text;
  text.erase(std::remove(text.begin(), text.end(), '_'), text.end());
  return (negative ? "-" : "") + text;
}

std::string number_text(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.15g", value);
  return buffer;
}

/// "a whole number from 1 to 1024", "one of cosine and constant".
std::string wanted(const FitSetting& setting) {
  const std::vector<std::string> words = words_of(setting);
  if (setting.kind == Kind::word)
    return "one of " + listed(words);
  std::string text = setting.kind == Kind::whole ? "a whole number" : "a number";
  text += setting.above_least ? " above " : " from ";
  text += number_text(setting.least);
  text += setting.above_least ? " and up to " : " to ";
  text += number_text(setting.most);
  return words.empty() ? text : text + ", or " + listed(words);
}

} // namespace

void Checker::settings_call(const std::string& name, const ast::Expression& e, Fit& fit) {
  const auto* call = ast::as_if<ast::Call>(e);
  const auto* callee = call ? ast::as_if<ast::NameReference>(*call->callee) : ast::as_if<ast::NameReference>(e);
  if (!callee) {
    error(Code::invalid_setting, e.range, "'" + name + "' is not a name with its settings")
        .hint(name == "objective" ? "objective = elbo(particles = 8);" : "optimizer = adam(rate = 0.01);");
    return;
  }
  const bool objective = name == "objective";
  static const std::set<std::string> later{"vr_iwae", "reinforce"};
  if (objective ? find_objective(callee->name) == nullptr : callee->name != "adam") {
    if (objective && later.count(callee->name) != 0) {
      not_supported_yet(e.range, "the objective '" + callee->name + "'", "elbo(particles = 8)");
      return;
    }
    std::vector<std::string> names{"adam"};
    if (objective) {
      names.clear();
      for (const ObjectiveRow& row : objective_rows)
        names.emplace_back(row.name);
    }
    auto report = error(Code::invalid_setting, callee->range, "no " + name + " named '" + callee->name + "'");
    const auto guess = nearest(callee->name, names);
    report.hint(guess               ? "did you mean '" + *guess + "'?"
                : names.size() == 1 ? "there is " + names.front()
                                    : "there are " + listed(names));
    return;
  }
  if (objective)
    fit.objective = callee->name;
  fit.settings[name] = callee->name;
  if (!call)
    return;
  const Place place = objective ? Place::objective : Place::optimizer;
  const std::string of = objective ? callee->name : "";
  for (const ast::Argument& a : call->arguments) {
    if (!a.name) {
      error(Code::invalid_setting, a.range, "a setting of '" + callee->name + "' without its name")
          .hint(names_of(place, of).front() + " = ...");
      continue;
    }
    const FitSetting* known = find_setting(place, a.name->text, of);
    if (!known) {
      auto report =
          error(Code::unknown_setting, a.name->range, "'" + callee->name + "' has no setting '" + a.name->text + "'");
      const auto guess = nearest(a.name->text, names_of(place, of));
      report.hint(guess ? "did you mean '" + *guess + "'?" : "it has " + listed(names_of(place, of)));
      continue;
    }
    const auto text = value_text(*a.value, *known);
    if (!text) {
      error(Code::invalid_setting, a.value->range, "'" + a.name->text + "' is not " + wanted(*known));
      continue;
    }
    if (!fit.settings.emplace(name + "." + a.name->text, *text).second) {
      error(Code::invalid_setting, a.range, "a second value for '" + a.name->text + "'");
    }
  }
}

void Checker::check_fit(const ast::Fit& item) {
  Fit fit;
  fit.range = item.keyword_range;
  if (item.name)
    fit.name = item.name->text;
  for (const Fit& other : program_->fits) {
    if (other.name != fit.name)
      continue;
    error(Code::duplicate_name, item.keyword_range,
          fit.name.empty() ? "a second fit without a name" : "a second fit named '" + fit.name + "'")
        .label(other.range, "the first");
    return;
  }
  for (const ast::Setting& setting : item.settings) {
    const std::string& name = setting.name.text;
    if (name == "batch") {
      not_supported_yet(setting.range, "a minibatch");
      continue;
    }
    if (setting.argument) {
      error(Code::unknown_setting, setting.range, "'" + name + "(" + setting.argument->text + ")' is not a setting");
      continue;
    }
    if (name == "family") {
      const auto* call = ast::as_if<ast::Call>(*setting.value);
      const auto* family = ast::as_if<ast::NameReference>(call ? *call->callee : *setting.value);
      if (!family) {
        error(Code::invalid_setting, setting.value->range, "'family' is not the name of a family")
            .hint("declare it: family F for " + program_->model.name + " = ...; fit { family = F; }");
        continue;
      }
      std::vector<std::string> names{"laplace"};
      for (const Family& f : program_->families)
        names.push_back(f.name);
      for (const ast::Item* f : family_items_) {
        names.push_back(family_name(*f).text);
      }
      if (std::find(names.begin(), names.end(), family->name) == names.end()) {
        auto report = error(Code::unknown_name, family->range, "no family named '" + family->name + "'");
        if (const auto guess = nearest(family->name, names))
          report.hint("did you mean '" + *guess + "'?");
        continue;
      }
      fit.family = family->name;
      const ast::Item* declared = nullptr;
      for (const ast::Item* f : family_items_) {
        if (family_name(*f).text == family->name)
          declared = f;
      }
      if (declared && model_checked_ && !family_parameters(*declared).empty()) {
        const auto instance = check_family(*declared, call, setting.value->range);
        if (!instance)
          continue;
        fit.family = *instance;
      } else if (call && !call->arguments.empty()) {
        error(Code::wrong_arguments, setting.value->range,
              "the family '" + family->name + "' has no arguments of its own")
            .hint("declare them: family F(K: int) for " + program_->model.name);
        continue;
      }
      continue;
    }
    if (name == "objective" || name == "optimizer") {
      settings_call(name, *setting.value, fit);
      continue;
    }
    const FitSetting* known = find_setting(Place::block, name);
    if (!known) {
      auto report = error(Code::unknown_setting, setting.name.range, "'" + name + "' is not a setting of a fit");
      std::vector<std::string> names = names_of(Place::block);
      for (const char* other : {"family", "objective", "optimizer", "batch"})
        names.emplace_back(other);
      static const std::map<std::string, std::string> inside{{"particles", "objective = elbo(particles = 8);"},
                                                             {"rate", "optimizer = adam(rate = 0.01);"},
                                                             {"learning_rate", "optimizer = adam(rate = 0.01);"},
                                                             {"lr", "optimizer = adam(rate = 0.01);"},
                                                             {"iterations", "steps = ...;"},
                                                             {"iter", "steps = ...;"}};
      const auto guess = nearest(name, names);
      if (const auto there = inside.find(name); there != inside.end())
        report.hint("write " + there->second);
      else if (guess)
        report.hint("did you mean '" + *guess + "'?");
      else
        report.hint("the settings are " + listed(names));
      continue;
    }
    const auto* other = ast::as_if<ast::NameReference>(*setting.value);
    // Names of fits go before the words, as in the runtime.
    const auto is_fit = [&](const ast::Fit* f) { return f->name && f->name->text == other->name; };
    const bool from_fit = name == "start" && other && std::any_of(fit_items_.begin(), fit_items_.end(), is_fit);
    const auto text = from_fit ? std::optional(other->name) : value_text(*setting.value, *known);
    if (from_fit)
      fit.start_range = setting.value->range;
    if (!text) {
      auto report = error(Code::invalid_setting, setting.value->range, "'" + name + "' is not " + wanted(*known));
      if (name == "start")
        report.hint("or the name of another fit of the file: fit First { ... } fit { start = First; }");
      continue;
    }
    if (!fit.settings.emplace(name, *text).second)
      error(Code::invalid_setting, setting.range, "a second value for '" + name + "'");
  }
  choose_for_mixture(fit, item.keyword_range);
  if (const ObjectiveRow* row = find_objective(fit.objective)) {
    const auto settle = fit.settings.find("settle");
    if (row->method != ObjectiveMethod::elbo && settle != fit.settings.end() && settle->second != "0" &&
        settle->second != "auto") {
      error(Code::invalid_setting, item.keyword_range,
            "'settle' belongs to the objective 'elbo', not to '" + fit.objective + "'")
          .hint("leave it out: the result is the average of the last steps (average = 0.5)");
    }
    if (fit.family == "laplace" && row->method != ObjectiveMethod::elbo) {
      error(Code::objective_mismatch, item.keyword_range,
            "the family 'laplace' is computed from the mode; no objective such as '" + fit.objective + "' fits it")
          .hint("family = full_rank;");
    }
  }
  program_->fits.push_back(std::move(fit));
}

/// Families with `mix` have objectives of their own.
void Checker::choose_for_mixture(Fit& fit, SourceRange range) {
  const auto family = std::find_if(program_->families.begin(), program_->families.end(),
                                   [&](const Family& f) { return f.name == fit.family; });
  if (family == program_->families.end())
    return;
  const bool mixed = is_mixed(*family);
  if (mixed && fit.objective.empty())
    fit.objective = default_mixture_objective;
  const ObjectiveRow* row = find_objective(fit.objective);
  if (!row || (row->needs & (mixed ? need_density : need_mixture)) == 0)
    return;
  std::vector<std::string> names;
  for (const ObjectiveRow& other : objective_rows) {
    if ((other.needs & (mixed ? need_density : need_mixture)) == 0)
      names.emplace_back(other.name);
  }
  error(Code::objective_mismatch, range,
        mixed ? "the objective '" + fit.objective + "' needs log q of draws, which is an integral for the family '" +
                    fit.family + "'"
              : "the objective '" + fit.objective + "' is for families with `mix`, and '" + fit.family + "' has none")
      .label(family->range, mixed ? "it has `mix`" : "declared here")
      .hint("objectives for it: " + listed(names));
}

/// `start = First;`: no fit may wait for itself.
void Checker::check_starts() {
  std::map<std::string, const Fit*> by_name;
  for (const Fit& fit : program_->fits)
    by_name[fit.name] = &fit;
  for (const Fit& fit : program_->fits) {
    std::set<std::string> passed{fit.name};
    const Fit* at = &fit;
    while (at && at->start_range.valid()) {
      const std::string& next = at->settings.at("start");
      if (next == fit.name) {
        error(Code::invalid_setting, fit.start_range, "the fit '" + fit.name + "' starts from itself");
        break;
      }
      // A circle further on is reported for those in it.
      if (!passed.insert(next).second)
        break;
      const auto found = by_name.find(next);
      at = found == by_name.end() ? nullptr : found->second;
    }
  }
}

} // namespace vmodel::check
