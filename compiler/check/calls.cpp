// Calls of functions: overloads, sizes bound by shapes, lifting of scalar functions.
#include "compiler/check/checker.h"

#include <algorithm>

namespace vmodel::check {

bool Checker::order_arguments(const std::vector<ast::Argument>& arguments,
                              const std::vector<const Declaration*>& parameters, const std::string& callee,
                              SourceRange range, std::vector<const ast::Argument*>& ordered,
                              const std::map<const Declaration*, const Expr*>& defaults, bool report) {
  ordered.assign(parameters.size(), nullptr);
  std::size_t position = 0;
  bool named_seen = false;
  std::vector<std::string> names;
  for (const Declaration* p : parameters)
    names.push_back(p->name);
  const auto signature = [&] {
    std::string result = callee + "(";
    for (std::size_t i = 0; i < names.size(); ++i)
      result += (i == 0 ? "" : ", ") + names[i];
    return result + ")";
  };
  for (const ast::Argument& argument : arguments) {
    std::size_t place = position;
    if (argument.name) {
      named_seen = true;
      place = static_cast<std::size_t>(std::find(names.begin(), names.end(), argument.name->text) - names.begin());
      if (place == names.size()) {
        if (report) {
          auto r = error(Code::wrong_arguments, argument.name->range,
                         "'" + callee + "' has no argument named '" + argument.name->text + "'");
          const auto guess = nearest(argument.name->text, names);
          r.hint(guess ? "did you mean '" + *guess + "'?" : "it is " + signature());
        }
        return false;
      }
    } else if (named_seen) {
      if (report)
        error(Code::wrong_arguments, argument.range, "an argument without a name after a named one");
      return false;
    } else {
      ++position;
    }
    if (place >= parameters.size()) {
      if (report) {
        error(Code::wrong_arguments, argument.range,
              "'" + callee + "' takes " + std::to_string(parameters.size()) + " argument" +
                  (parameters.size() == 1 ? "" : "s") + ", not " + std::to_string(arguments.size()))
            .hint("it is " + signature());
      }
      return false;
    }
    if (ordered[place]) {
      if (report)
        error(Code::wrong_arguments, argument.range, "a second value for '" + names[place] + "'");
      return false;
    }
    ordered[place] = &argument;
  }
  std::vector<std::string> missing;
  for (std::size_t i = 0; i < ordered.size(); ++i) {
    if (!ordered[i] && defaults.count(parameters[i]) == 0)
      missing.push_back("'" + names[i] + "'");
  }
  if (missing.empty())
    return true;
  if (report) {
    error(Code::wrong_arguments, range, "'" + callee + "' needs " + listed(missing)).hint("it is " + signature());
  }
  return false;
}

const Expr* Checker::call(const ast::Call& e) {
  if (instance_named(*e.callee))
    return apply_net(e);
  if (e.callee->kind != ast::ExpressionKind::NameReference) {
    error(Code::type_mismatch, e.callee->range, "a call of something that is not a name");
    return nullptr;
  }
  const std::string& name = ast::as<ast::NameReference>(*e.callee).name;
  if (callables_.count(name) == 0) {
    if (name == "size" || name == "rows" || name == "cols")
      return size_call(e, name);
    if (name == "dim")
      return dim_call(e);
    if (name == "unconstrained")
      return unconstrained_call(e);
  }
  std::vector<Callable*> candidates;
  for (Callable* callable : find_callables(name)) {
    if (callable->item->kind == ast::ItemKind::Function)
      candidates.push_back(callable);
  }
  if (candidates.empty()) {
    for (const ast::Argument& argument : e.arguments) {
      if (argument.value->kind != ast::ExpressionKind::LearnHole)
        expression(*argument.value);
    }
    static const std::set<std::string> later{
        "ode",       "hmm",           "hmm_log_density", "hmm_states", "impute", "count_missing",
        "eigen_sym", "search_sorted", "reshape",         "censored",   "gp"};
    if (later.count(name) != 0 && find_callables(name).empty()) {
      not_supported_yet(e.callee->range, "'" + name + "'");
      return nullptr;
    }
    report_unknown_callable(name, e.callee->range, ast::ItemKind::Function);
    return nullptr;
  }
  return overloaded_call(e, name, candidates);
}

const Expr* Checker::size_call(const ast::Call& e, const std::string& name) {
  const std::size_t most = name == "size" ? 2 : 1;
  if (e.arguments.empty() || e.arguments.size() > most) {
    error(Code::wrong_arguments, e.range,
          "'" + name + "' takes " + (most == 2 ? "an array and, if wanted, an axis" : "a matrix"));
    return nullptr;
  }
  const Expr* x = expression(*e.arguments[0].value);
  if (!x)
    return nullptr;
  if (name != "size") {
    if (x->type.rank() != 2) {
      error(Code::shape_mismatch, e.range, "'" + name + "' of " + type_text(x->type))
          .hint("size(x, 1) is the size of the first axis");
      return nullptr;
    }
    return size_expr(x->type.shape[name == "rows" ? 0 : 1], e.range);
  }
  if (e.arguments.size() == 2) {
    const Expr* axis = scalar_int(*e.arguments[1].value, "the axis");
    if (!axis)
      return nullptr;
    const auto value = to_size(axis).as_constant();
    if (!value || *value < 1 || *value > static_cast<std::int64_t>(x->type.rank())) {
      error(Code::wrong_arguments, e.arguments[1].range, "axis " + canonical(axis) + " of " + type_text(x->type));
      return nullptr;
    }
    return size_expr(x->type.shape[static_cast<std::size_t>(*value - 1)], e.range);
  }
  Size total = Size::constant(1);
  for (const Size& s : x->type.shape)
    total = total * s;
  return size_expr(total, e.range);
}

namespace {

/// How well arguments fit a callee; smaller is better.
struct Match {
  Callable* callable = nullptr;
  int conversions = 0;
  bool lifted = false;
  std::vector<const Expr*> arguments;
};

} // namespace

bool takes_function(const ast::Parameter& p) {
  return p.type.base == ast::BaseType::function_ || p.type.base == ast::BaseType::activation_;
}

const Expr* Checker::overloaded_call(const ast::Call& e, const std::string& name,
                                     const std::vector<Callable*>& candidates) {
  const auto& declared = ast::as<ast::Function>(*candidates[0]->item).parameters;
  if (candidates.size() == 1 && std::any_of(declared.begin(), declared.end(), takes_function))
    return call_with_functions(e, *candidates[0]);
  // Arguments once, in the order written.
  std::map<const ast::Argument*, const Expr*> values;
  bool good = true;
  for (const ast::Argument& argument : e.arguments) {
    const Expr* value = expression(*argument.value);
    values[&argument] = value;
    good = good && value;
  }
  if (!good)
    return nullptr;
  std::optional<Match> best;
  bool any_signature = false;
  for (Callable* candidate : candidates) {
    if (!check_signature(*candidate))
      continue;
    any_signature = true;
    const Function& function = *candidate->function;
    std::vector<const ast::Argument*> ordered;
    if (!order_arguments(e.arguments, function.parameters, name, e.range, ordered, candidate->defaults, false))
      continue;
    Match fit;
    fit.callable = candidate;
    bool fits = true;
    for (std::size_t i = 0; i < ordered.size() && fits; ++i) {
      const Declaration* p = function.parameters[i];
      const Expr* a = ordered[i] ? values[ordered[i]] : candidate->defaults[p];
      fit.arguments.push_back(a);
      if (!a->type.tuple.empty())
        fits = false;
      if (a->type.element != p->type.element) {
        fits = fits && a->type.element == Element::integer && p->type.element == Element::real;
        ++fit.conversions;
      }
      if (a->type.rank() != p->type.rank()) {
        fits = fits && p->type.is_scalar();
        fit.lifted = true;
      }
    }
    if (fit.lifted) {
      for (const Declaration* p : function.parameters)
        fits = fits && p->type.is_scalar();
      fits = fits && function.results.size() == 1 && function.results[0].is_scalar();
    }
    if (!fits)
      continue;
    if (!best || std::pair(fit.lifted, fit.conversions) < std::pair(best->lifted, best->conversions))
      best = fit;
  }
  if (best)
    return build_call(e.range, *best->callable, best->arguments);
  if (!any_signature)
    return nullptr;
  // Nothing fits: with one candidate the mistake is said precisely.
  std::vector<const ast::Argument*> ordered;
  if (candidates.size() == 1) {
    const Function& function = *candidates[0]->function;
    if (!order_arguments(e.arguments, function.parameters, name, e.range, ordered, candidates[0]->defaults, true))
      return nullptr;
    for (std::size_t i = 0; i < ordered.size(); ++i) {
      if (!ordered[i])
        continue;
      const Expr* a = values[ordered[i]];
      const Type& wanted = function.parameters[i]->type;
      const bool element_fits =
          a->type.element == wanted.element || (a->type.element == Element::integer && wanted.element == Element::real);
      if (element_fits && a->type.rank() == wanted.rank() && a->type.tuple.empty())
        continue;
      auto report = error(Code::wrong_arguments, ordered[i]->range,
                          "argument '" + function.parameters[i]->name + "' of '" + name + "' is " + type_text(a->type) +
                              ", not " + type_text(wanted));
      if (!candidates[0]->library)
        report.label(function.parameters[i]->range, "declared here");
      return nullptr;
    }
    return nullptr;
  }
  std::string given;
  for (const ast::Argument& argument : e.arguments)
    given += (given.empty() ? "" : ", ") + type_text(values[&argument]->type);
  std::string forms;
  for (Callable* candidate : candidates) {
    if (!candidate->function)
      continue;
    std::string form = name + "(";
    for (const Declaration* p : candidate->function->parameters) {
      form += (form.back() == '(' ? "" : ", ") + type_text(p->type);
    }
    forms += (forms.empty() ? "" : ", ") + form + ")";
  }
  error(Code::wrong_arguments, e.range, "no '" + name + "' takes (" + given + ")").hint("there are " + forms);
  return nullptr;
}

const Expr* Checker::build_call(SourceRange range, Callable& callee, const std::vector<const Expr*>& given) {
  if (callee.state == Callable::State::body) {
    error(Code::recursion, range, "'" + callee.function->name + "' calls itself")
        .hint("functions are inlined; write a loop");
    return nullptr;
  }
  if (!check_body(callee))
    return nullptr;
  const Function& function = *callee.function;
  std::vector<const Expr*> arguments;
  Binding binding;
  std::vector<std::pair<Size, Size>> pending;
  Shape lifted;
  bool lift = false;
  for (std::size_t i = 0; i < given.size(); ++i)
    lift = lift || given[i]->type.rank() != function.parameters[i]->type.rank();
  for (std::size_t i = 0; i < given.size(); ++i) {
    const Declaration* p = function.parameters[i];
    const Expr* a = p->type.element == Element::real ? to_real(given[i]) : given[i];
    arguments.push_back(a);
    if (lift) {
      if (a->type.rank() == 0)
        continue;
      if (lifted.empty()) {
        lifted = a->type.shape;
      } else if (!same_shape(lifted, a->type.shape)) {
        report_shapes(a->range, "arguments of '" + function.name + "' of different shapes", lifted, a->type.shape);
        return nullptr;
      }
      continue;
    }
    binding.arguments[p] = a;
    // Int arguments are sizes where the signature names them.
    if (a->type.is_scalar() && a->type.element == Element::integer)
      binding.sizes[p->name] = to_size(a);
    for (std::size_t k = 0; k < a->type.rank(); ++k) {
      const Size& declared = p->type.shape[k];
      const bool bare = declared.atoms().size() == 1 && declared == Size::atom(declared.atoms().begin()->second);
      if (!bare) {
        pending.emplace_back(declared, a->type.shape[k]);
        continue;
      }
      if (bind_size(declared, a->type.shape[k], binding, function.size_names))
        continue;
      const Size known = instantiate(declared, binding);
      report_shapes(a->range,
                    "argument '" + p->name + "' of '" + function.name + "' does not fit: " + declared.text() + " is " +
                        known.text() + " and " + a->type.shape[k].text(),
                    {known}, {a->type.shape[k]});
      return nullptr;
    }
  }
  for (const auto& [declared, actual] : pending) {
    if (bind_remaining({{declared, actual}}, binding, function.size_names))
      continue;
    report_shapes(range,
                  "arguments of '" + function.name + "' do not fit: " + declared.text() + " is not " + actual.text(),
                  {instantiate(declared, binding)}, {actual});
    return nullptr;
  }
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (!argument_in_support(arguments[i], *function.parameters[i], function.name, binding))
      return nullptr;
    const auto needed = callee.load_time_arguments.find(function.parameters[i]->name);
    if (needed == callee.load_time_arguments.end() || arguments[i]->load_time)
      continue;
    if (!require_load_time(arguments[i], "argument '" + function.parameters[i]->name + "' of '" + function.name + "'",
                           "a condition, size or loop of '" + function.name +
                               "' depends on it; there, choose with ?:")) {
      return nullptr;
    }
  }
  if (!function.builtin && !lift &&
      !requirements_hold(function.name, function.body, function.parameters, arguments, binding.sizes, range))
    return nullptr;
  Type type;
  if (function.results.size() > 1) {
    for (const Type& result : function.results)
      type.tuple.push_back(instantiate(result, binding));
  } else {
    type = instantiate(function.results[0], binding);
  }
  if (lift)
    type.shape = lifted;
  Expr* result = make(function.builtin ? ExprKind::builtin : ExprKind::call, range, type, arguments);
  result->lifted = lifted;
  for (const Declaration* name : function.size_names) {
    if (const auto bound = binding.sizes.find(name->name); bound != binding.sizes.end())
      result->sizes[name->name] = bound->second;
  }
  if (function.builtin) {
    result->builtin_name = function.name;
    if ((function.name == "div" || function.name == "mod") && !prove_divisor(*result))
      return nullptr;
  } else {
    result->function = &function;
  }
  return result;
}

// ---------------------------------------------------------------- methods of distributions

const std::set<std::string>& combinators() {
  static const std::set<std::string> names{"mixture",      "truncated", "joint",      "sorted",
                                           "unnormalised", "flat",      "transformed"};
  return names;
}

bool Checker::is_distribution_call(const ast::Expression& e) {
  const auto* call = ast::as_if<ast::Call>(e);
  if (!call || call->callee->kind != ast::ExpressionKind::NameReference)
    return false;
  const std::string& name = ast::as<ast::NameReference>(*call->callee).name;
  if (combinators().count(name) != 0)
    return true;
  for (Callable* callable : find_callables(name)) {
    if (callable->item->kind == ast::ItemKind::Distribution)
      return true;
  }
  return false;
}

const Expr* Checker::method_call(const ast::MethodCall& e) {
  static const std::map<std::string, Method> methods{
      {"log_density", Method::log_density}, {"cdf", Method::cdf},           {"log_cdf", Method::log_cdf},
      {"log_ccdf", Method::log_ccdf},       {"quantile", Method::quantile}, {"sample", Method::sample},
      {"entropy", Method::entropy}};
  const auto method = methods.find(e.method.text);
  if (!is_distribution_call(*e.receiver)) {
    error(Code::type_mismatch, e.range, "'." + e.method.text + "' of something that is not a distribution")
        .hint("write a distribution with its arguments before the dot: normal(0, 1)." + e.method.text + "(...)");
    return nullptr;
  }
  if (method == methods.end()) {
    std::vector<std::string> names;
    for (const auto& [name, m] : methods)
      names.push_back(name);
    auto report = error(Code::unknown_name, e.method.range, "distributions have no '" + e.method.text + "'");
    const auto guess = nearest(e.method.text, names);
    report.hint(guess ? "did you mean '" + *guess + "'?" : "they have " + listed(names));
    return nullptr;
  }
  const bool takes_value = method->second != Method::sample && method->second != Method::entropy;
  if (e.arguments.size() != (takes_value ? 1U : 0U) || (takes_value && e.arguments[0].name)) {
    error(Code::wrong_arguments, e.range,
          "'." + e.method.text + "' takes " + (takes_value ? "one value" : "no arguments"));
    return nullptr;
  }
  if (method->second == Method::sample) {
    const bool allowed = context_->kind == BlockKind::sampler || context_->kind == BlockKind::model;
    if (!allowed) {
      error(Code::random_draw, e.range, "a random draw outside of a model's quantities and of sample()");
      return nullptr;
    }
  }
  Target target;
  const Expr* value = nullptr;
  if (takes_value) {
    value = expression(*e.arguments[0].value);
    if (!value)
      return nullptr;
    // A scalar is repeated over the distribution's batch.
    const auto* receiver = ast::as_if<ast::Call>(*e.receiver);
    const auto* callee = receiver ? ast::as_if<ast::NameReference>(*receiver->callee) : nullptr;
    target.known = !value->type.is_scalar() || !callee || combinators().count(callee->name) != 0;
    target.shape = value->type.shape;
    target.range = value->range;
    target.name = "the argument";
  }
  const DistributionExpr* d = distribution(*e.receiver, target);
  if (!d)
    return nullptr;
  if (value && value->type.is_scalar() && !d->event.empty()) {
    error(Code::shape_mismatch, value->range,
          "the argument is a scalar, and the distribution draws " + shape_text(d->event));
    return nullptr;
  }
  if (value && d->element == Element::real)
    value = to_real(value);
  if (value && method->second == Method::log_density && value->type.element != d->element) {
    error(Code::type_mismatch, value->range,
          "the value is " + type_text(value->type) + ", and the distribution's are ints");
    return nullptr;
  }
  if (method->second == Method::quantile)
    value = to_real(value);
  if (d->kind == DistributionKind::named) {
    const Distribution& named = *d->distribution;
    const Method m = method->second;
    const bool any_cdf = named.cdf || named.log_cdf || named.log_ccdf;
    const bool there =
        m == Method::log_density || ((m == Method::cdf || m == Method::log_cdf || m == Method::log_ccdf) && any_cdf) ||
        (m == Method::quantile && named.quantile) || m == Method::sample || (m == Method::entropy && named.entropy);
    if (!there) {
      error(Code::missing_member, e.range, "'" + named.name + "' has no " + e.method.text)
          .label(named.range, "declared here");
      return nullptr;
    }
  } else if (method->second == Method::quantile || method->second == Method::entropy ||
             ((d->kind == DistributionKind::flat || d->kind == DistributionKind::unnormalised ||
               d->kind == DistributionKind::sorted || d->kind == DistributionKind::transformed) &&
              method->second != Method::log_density &&
              !(d->kind == DistributionKind::transformed && method->second == Method::sample))) {
    error(Code::missing_member, e.range, "this distribution has no " + e.method.text);
    return nullptr;
  }
  if (method->second == Method::sample && report_without_draw(d, "a draw is wanted"))
    return nullptr;
  if (method->second == Method::log_density && report_without_density(d, "its density is wanted"))
    return nullptr;
  Type type;
  type.shape = d->batch;
  if (method->second == Method::sample || method->second == Method::quantile) {
    type.element = d->element;
    type.shape.insert(type.shape.end(), d->event.begin(), d->event.end());
  }
  Expr* result = make(ExprKind::method, e.range, type);
  if (value)
    result->operands.push_back(value);
  result->method = method->second;
  result->distribution = d;
  result->load_time = (!value || value->load_time) && method->second != Method::sample && distribution_load_time(d);
  return result;
}

bool Checker::distribution_load_time(const DistributionExpr* d) const {
  bool result = true;
  for (const Expr* a : d->arguments)
    result = result && a->load_time;
  for (const DistributionExpr* c : d->components)
    result = result && distribution_load_time(c);
  for (const Expr* a : {d->weights, d->lower, d->upper})
    result = result && (!a || a->load_time);
  const std::function<void(const BijectorStep*)> visit = [&](const BijectorStep* step) {
    for (const Expr* a : step->arguments)
      result = result && a->load_time;
    for (const BijectorStep* inner : step->body)
      visit(inner);
  };
  for (const BijectorStep* step : d->steps)
    visit(step);
  return result;
}

} // namespace vmodel::check
