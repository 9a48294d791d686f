// The `fit` block: settings by name, flattened to text for the runtime.
#include "compiler/check/checker.h"

#include <algorithm>

namespace vmodel::check {
namespace {

enum class Kind : std::uint8_t { count, positive, real, fraction, name };

struct Setting {
  const char* name;
  Kind kind;
  std::vector<std::string> names = {}; // for Kind::name
};

const std::vector<Setting>& plain_settings() {
  static const std::vector<Setting> table{{"steps", Kind::count},   {"seed", Kind::count},
                                          {"threads", Kind::count}, {"average", Kind::fraction},
                                          {"settle", Kind::count},  {"start", Kind::name}};
  return table;
}

const std::vector<Setting>& objective_settings() {
  static const std::vector<Setting> table{{"particles", Kind::count},
                                          {"estimator", Kind::name, {"pathwise", "sticking_the_landing"}}};
  return table;
}

const std::vector<Setting>& optimizer_settings() {
  static const std::vector<Setting> table{{"rate", Kind::positive},
                                          {"beta1", Kind::fraction},
                                          {"beta2", Kind::fraction},
                                          {"epsilon", Kind::positive},
                                          {"clip", Kind::positive},
                                          {"last_rate", Kind::fraction},
                                          {"schedule", Kind::name, {"constant", "cosine"}}};
  return table;
}

std::vector<std::string> names_of(const std::vector<Setting>& table) {
  std::vector<std::string> names;
  for (const Setting& s : table)
    names.emplace_back(s.name);
  return names;
}

/// The value as text, or nothing if it is of another kind.
std::optional<std::string> value_text(const ast::Expression& e, Kind kind) {
  const ast::Expression* inner = &e;
  bool negative = false;
  if (const auto* unary = ast::as_if<ast::Unary>(e); unary && unary->op == ast::UnaryOperator::negate) {
    negative = true;
    inner = unary->operand.get();
  }
  if (kind == Kind::name) {
    const auto* name = ast::as_if<ast::NameReference>(e);
    return name ? std::optional(name->name) : std::nullopt;
  }
  const auto* integer = ast::as_if<ast::IntLiteral>(*inner);
  const auto* real = ast::as_if<ast::RealLiteral>(*inner);
  if (!integer && !real)
    return std::nullopt;
  double value = integer ? static_cast<double>(integer->value) : real->value;
  if (negative)
    value = -value;
  if (kind == Kind::count && (!integer || negative))
    return std::nullopt;
  if (kind == Kind::positive && value <= 0)
    return std::nullopt;
  if (kind == Kind::fraction && (value < 0 || value > 1))
    return std::nullopt;
  std::string text = integer ? std::to_string(integer->value) : real->text;
  text.erase(std::remove(text.begin(), text.end(), '_'), text.end());
  return (negative ? "-" : "") + text;
}

const char* wanted(Kind kind) {
  switch (kind) {
  case Kind::count: return "a whole number";
  case Kind::positive: return "a positive number";
  case Kind::real: return "a number";
  case Kind::fraction: return "a number between 0 and 1";
  case Kind::name: return "a name";
  }
  return "";
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
  static const std::set<std::string> later{"softcvi",    "aisivi", "vr_iwae", "iwae",     "renyi",
                                           "forward_kl", "uivi",   "sivi",    "reinforce"};
  const std::string only = objective ? "elbo" : "adam";
  if (callee->name != only) {
    if (objective && later.count(callee->name) != 0) {
      not_supported_yet(e.range, "the objective '" + callee->name + "'", "elbo(particles = 8)");
      return;
    }
    auto report = error(Code::invalid_setting, callee->range, "no " + name + " named '" + callee->name + "'");
    report.hint("there is " + only);
    return;
  }
  if (objective)
    fit.objective = callee->name;
  fit.settings[name] = callee->name;
  if (!call)
    return;
  const std::vector<Setting>& table = objective ? objective_settings() : optimizer_settings();
  for (const ast::Argument& a : call->arguments) {
    if (!a.name) {
      error(Code::invalid_setting, a.range, "a setting of '" + callee->name + "' without its name")
          .hint(std::string(table.front().name) + " = ...");
      continue;
    }
    const auto known =
        std::find_if(table.begin(), table.end(), [&](const Setting& s) { return a.name->text == s.name; });
    if (known == table.end()) {
      auto report =
          error(Code::unknown_setting, a.name->range, "'" + callee->name + "' has no setting '" + a.name->text + "'");
      const auto guess = nearest(a.name->text, names_of(table));
      report.hint(guess ? "did you mean '" + *guess + "'?" : "it has " + listed(names_of(table)));
      continue;
    }
    const auto text = value_text(*a.value, known->kind);
    const bool listed_name = known->names.empty() || !text ||
                             std::find(known->names.begin(), known->names.end(), *text) != known->names.end();
    if (!text || !listed_name || (known->kind == Kind::count && *text == "0")) {
      error(Code::invalid_setting, a.value->range,
            "'" + a.name->text + "' is not " +
                (known->names.empty() ? wanted(known->kind) : "one of " + listed(known->names)));
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
      const ast::Expression* value = setting.value.get();
      if (const auto* call = ast::as_if<ast::Call>(*value); call && call->arguments.empty())
        value = call->callee.get();
      const auto* family = ast::as_if<ast::NameReference>(*value);
      if (!family) {
        error(Code::invalid_setting, setting.value->range, "'family' is not the name of a family")
            .hint("declare it: family F for " + program_->model.name + " = ...; fit { family = F; }");
        continue;
      }
      std::vector<std::string> names{"laplace"};
      for (const Family& f : program_->families)
        names.push_back(f.name);
      for (const ast::Item* f : family_items_) {
        names.push_back(f->kind == ast::ItemKind::FamilyAlias ? ast::as<ast::FamilyAlias>(*f).name.text
                                                              : ast::as<ast::FamilyBlock>(*f).name.text);
      }
      if (std::find(names.begin(), names.end(), family->name) == names.end()) {
        auto report = error(Code::unknown_name, family->range, "no family named '" + family->name + "'");
        if (const auto guess = nearest(family->name, names))
          report.hint("did you mean '" + *guess + "'?");
        continue;
      }
      fit.family = family->name;
      continue;
    }
    if (name == "objective" || name == "optimizer") {
      settings_call(name, *setting.value, fit);
      continue;
    }
    const auto& table = plain_settings();
    const auto known = std::find_if(table.begin(), table.end(), [&](const Setting& s) { return name == s.name; });
    if (known == table.end()) {
      auto report = error(Code::unknown_setting, setting.name.range, "'" + name + "' is not a setting of a fit");
      std::vector<std::string> names = names_of(table);
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
    const auto text = value_text(*setting.value, known->kind);
    if (!text ||
        (!known->names.empty() && std::find(known->names.begin(), known->names.end(), *text) == known->names.end())) {
      error(Code::invalid_setting, setting.value->range,
            "'" + name + "' is not " + (known->names.empty() ? wanted(known->kind) : "one of " + listed(known->names)));
      continue;
    }
    if (!fit.settings.emplace(name, *text).second)
      error(Code::invalid_setting, setting.range, "a second value for '" + name + "'");
  }
  program_->fits.push_back(std::move(fit));
}

} // namespace vmodel::check
