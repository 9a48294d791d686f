// The `fit` block: settings by name, flattened to text for the runtime.
#include "compiler/check/checker.h"

#include <algorithm>
#include <cstdio>

namespace vmodel::check {
namespace {

/// What the runtime takes (runtime/fit/settings.cpp); test/runtime compares the two.
struct Setting {
  const char* name;
  bool whole = false; // an int
  double least = 0, most = 0;
  bool beyond_least = false;           // the least value itself is not allowed
  std::vector<std::string> names = {}; // words instead of numbers, or beside them
  bool numbers = true;                 // false: only the words
};

Setting count(const char* name, double least, double most) {
  return {name, true, least, most};
}

Setting positive(const char* name, double most) {
  return {name, false, 0, most, true};
}

Setting share(const char* name, double most) {
  return {name, false, 0, most};
}

Setting word(const char* name, std::vector<std::string> names) {
  return {name, false, 0, 0, false, std::move(names), false};
}

const std::vector<std::string> on_off{"on", "off"};

const std::vector<Setting>& plain_settings() {
  static const std::vector<Setting> table{count("steps", 0, 1e9),       count("seed", 0, 281474976710655.0), // 2^48 - 1
                                          count("threads", 1, 1024),    share("average", 1),
                                          count("settle", 0, 1e6),      word("start", {"auto", "laplace", "plain"}),
                                          word("precondition", on_off), word("warm_up", on_off)};
  return table;
}

const std::vector<Setting>& objective_settings() {
  static const std::vector<Setting> table = [] {
    std::vector<Setting> t{count("particles", 1, 16777216),
                           word("estimator", {"auto", "pathwise", "sticking_the_landing", "total", "stl"})};
    t[0].names = {"auto"};
    return t;
  }();
  return table;
}

const std::vector<Setting>& optimizer_settings() {
  static const std::vector<Setting> table{positive("rate", 1e6),
                                          share("beta1", 0.999999),
                                          share("beta2", 0.9999999),
                                          positive("epsilon", 1e6),
                                          positive("clip", 1e300),
                                          share("last_rate", 1),
                                          word("schedule", {"cosine", "constant"})};
  return table;
}

std::vector<std::string> names_of(const std::vector<Setting>& table) {
  std::vector<std::string> names;
  for (const Setting& s : table)
    names.emplace_back(s.name);
  return names;
}

/// The value as text, or nothing if it is of another kind.
std::optional<std::string> value_text(const ast::Expression& e, const Setting& setting) {
  if (const auto* name = ast::as_if<ast::NameReference>(e)) {
    const bool known = std::find(setting.names.begin(), setting.names.end(), name->name) != setting.names.end();
    return known ? std::optional(name->name) : std::nullopt;
  }
  const ast::Expression* inner = &e;
  bool negative = false;
  if (const auto* unary = ast::as_if<ast::Unary>(e); unary && unary->op == ast::UnaryOperator::negate) {
    negative = true;
    inner = unary->operand.get();
  }
  const auto* integer = ast::as_if<ast::IntLiteral>(*inner);
  const auto* real = ast::as_if<ast::RealLiteral>(*inner);
  if (!setting.numbers || (!integer && !real) || (setting.whole && !integer))
    return std::nullopt;
  double value = integer ? static_cast<double>(integer->value) : real->value;
  if (negative)
    value = -value;
  if (value < setting.least || value > setting.most || (setting.beyond_least && value == setting.least))
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
std::string wanted(const Setting& setting) {
  if (!setting.numbers)
    return "one of " + listed(setting.names);
  std::string text = setting.whole ? "a whole number" : "a number";
  text += setting.beyond_least ? " above " : " from ";
  text += number_text(setting.least);
  text += setting.beyond_least ? " and up to " : " to ";
  text += number_text(setting.most);
  return setting.names.empty() ? text : text + ", or " + listed(setting.names);
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
    const auto* other = ast::as_if<ast::NameReference>(*setting.value);
    const bool is_fit = name == "start" && other &&
                        std::any_of(fit_items_.begin(), fit_items_.end(),
                                    [&](const ast::Fit* f) { return f->name && f->name->text == other->name; });
    if (is_fit) {
      not_supported_yet(setting.value->range, "a start from another fit", "start = auto; or laplace or plain");
      continue;
    }
    const auto text = value_text(*setting.value, *known);
    if (!text) {
      error(Code::invalid_setting, setting.value->range, "'" + name + "' is not " + wanted(*known));
      continue;
    }
    if (!fit.settings.emplace(name, *text).second)
      error(Code::invalid_setting, setting.range, "a second value for '" + name + "'");
  }
  program_->fits.push_back(std::move(fit));
}

} // namespace vmodel::check
