// Models: data, parameters with their priors and maps, observations, factors, quantities.
#include "compiler/check/checker.h"

#include <algorithm>

namespace vmodel::check {

void Checker::check_model(const ast::Model& model) {
  model_context_ = Context{};
  Context& context = model_context_;
  context.kind = BlockKind::model;
  context.scopes.emplace_back();
  ContextGuard guard(*this, context);
  program_->model.name = model.name.text;
  program_->model.range = model.name.range;
  context.dependencies.add_block(model.body);
  collect_later_names(model.body);
  const std::size_t before = diagnostics_.error_count();
  statements(model.body.statements, program_->model.body);
  report_missing_priors();
  if (diagnostics_.error_count() == before) {
    std::vector<const Declaration*> elementwise(pending_priors_.begin(), pending_priors_.end());
    check_cover(program_->model.body, StatementKind::assign, {});
    check_cover(program_->model.body, StatementKind::prior, elementwise);
  }
  model_checked_ = diagnostics_.error_count() == before;
  // What an item with a mistake would have read is not known.
  if (!model_checked_ || diagnostics_.has_errors())
    return;
  report_observed_twice();
  // A model without data is a density that is to be approximated: its priors are all there is.
  if (program_->model.data.empty())
    return;
  for (const ModelParameter& p : program_->model.parameters) {
    if (parameters_used_.count(p.declaration) != 0)
      continue;
    diagnostics_
        .report(Code::unused_parameter, p.declaration->range,
                "nothing depends on the parameter '" + p.declaration->name + "'")
        .hint("remove it, or use it");
  }
}

void Checker::data(const ast::Data& s) {
  if (context_->loop_depth > 0 || context_->conditional_depth > 0) {
    error(Code::misplaced_statement, s.range, "`data` inside of a loop or condition");
    return;
  }
  TypeRules rules;
  rules.what = "data";
  const auto t = type(s.type, rules);
  Declaration* d = declare(DeclarationKind::data, s.name.text, t.value_or(Type{}), s.name.range);
  d->load_time = true;
  if (!t)
    poisoned_.insert(d);
  enter(d);
  if (!t)
    return;
  bool varying = false;
  for (const Expr* bound : {t->support.lower, t->support.upper}) {
    if (bound && !require_load_time(bound, "the bound", "the bounds of data follow from other data"))
      varying = true;
  }
  if (varying)
    return;
  if (t->element == Element::integer && t->support.kind == SupportKind::bounded) {
    IntRange range;
    if (t->support.lower && t->support.lower->type.is_scalar())
      range.lower.push_back(to_size(t->support.lower));
    if (t->support.upper && t->support.upper->type.is_scalar())
      range.upper.push_back(to_size(t->support.upper));
    int_ranges_[d] = range;
    if (t->is_scalar())
      context_->facts.add_bounds(d->name, range);
  }
  program_->model.data.push_back(d);
  program_->model.data_names.push_back(s.field ? s.field->text : s.name.text);
}

const Bijector* Checker::library_bijector(const std::string& name) {
  // Whatever bijectors of this name the file has.
  for (Callable* callable : library_callables(name)) {
    if (callable->item->kind == ast::ItemKind::Bijector && check_callable(*callable))
      return callable->bijector;
  }
  return nullptr;
}

bool Checker::choose_bijector(const Type& type, bool learn, const Bijector*& bijector,
                              std::vector<const Expr*>& arguments, Size& unconstrained_size, SourceRange range) {
  Shape batch(type.shape.begin(), type.shape.end() - type.support.event_rank());
  Size total = Size::constant(1);
  for (const Size& s : batch)
    total = total * s;
  const Size k = type.shape.empty() ? Size::constant(1) : type.shape.back();
  std::string name;
  switch (type.support.kind) {
  case SupportKind::all: break;
  case SupportKind::bounded:
    if (type.support.lower && type.support.upper) {
      name = "interval";
      arguments = {type.support.lower, type.support.upper};
    } else if (type.support.lower) {
      // Positive learnables grow linearly, not exponentially.
      const Interval lower = interval(type.support.lower);
      name = learn && lower.lower == 0 && lower.upper == 0 ? "softplus" : "lower_bound";
      if (name == "lower_bound")
        arguments = {type.support.lower};
    } else {
      name = "upper_bound";
      arguments = {type.support.upper};
    }
    break;
  case SupportKind::simplex:
    name = "simplex";
    total = total * (k - Size::constant(1));
    break;
  case SupportKind::ordered:
    name = "ordered";
    total = total * k;
    break;
  case SupportKind::positive_ordered:
    name = "positive_ordered";
    total = total * k;
    break;
  case SupportKind::cov_cholesky:
    name = "cov_cholesky";
    total = total * (k * (k + Size::constant(1))).divided_by(2);
    break;
  case SupportKind::corr_cholesky:
    name = "corr_cholesky";
    total = total * (k * (k - Size::constant(1))).divided_by(2);
    break;
  }
  unconstrained_size = total;
  if (name.empty())
    return true;
  bijector = library_bijector(name);
  if (!bijector) {
    not_supported_yet(range, "the unconstrained map '" + name + "'");
    return false;
  }
  return true;
}

void Checker::param(const ast::Param& s, Block& into) {
  if (context_->loop_depth > 0 || context_->conditional_depth > 0) {
    error(Code::misplaced_statement, s.range, "`param` inside of a loop or condition")
        .hint("declare an array above and give its elements their priors here");
  }
  TypeRules rules;
  rules.what = "parameter";
  rules.allow_int = false;
  const auto t = type(s.type, rules);
  Declaration* d = declare(DeclarationKind::param, s.name.text, t.value_or(Type{}), s.name.range);
  ModelParameter parameter;
  parameter.declaration = d;
  bool good = t.has_value();
  if (good)
    good = choose_bijector(*t, false, parameter.bijector, parameter.bijector_arguments, parameter.unconstrained_size,
                           s.type.range);
  const DistributionExpr* prior = nullptr;
  if (s.prior && good) {
    Target target;
    target.known = true;
    target.shape = t->shape;
    target.type = &d->type;
    target.name = "'" + s.name.text + "'";
    target.range = s.name.range;
    target.site = s.name.text;
    prior = distribution(*s.prior, target);
    if (prior && context_->dependencies.of(*s.prior).count(Dependencies::draw) != 0) {
      error(Code::random_draw, s.prior->range, "a prior that depends on a random draw")
          .hint("draws are for quantities");
      prior = nullptr;
    }
    if (prior)
      prior = match_prior(prior, *d, s.prior->range, false);
    if (prior && report_without_density(prior, "a prior needs its density"))
      prior = nullptr;
    // The name exists even when its prior is wrong: its type is known.
  }
  if (!t)
    poisoned_.insert(d);
  if (s.noncentered) {
    if (!s.prior) {
      error(Code::invalid_noncentered, s.noncentered_range,
            "a noncentered parameter without its prior on the same line")
          .hint("noncentered param " + s.name.text + ": ... ~ normal(location, scale);");
    } else if (prior) {
      noncentered(s, parameter, prior);
    }
  }
  enter(d);
  if (!t)
    return;
  program_->model.parameters.push_back(parameter);
  Statement* statement = make(StatementKind::prior, s.range);
  statement->declaration = d;
  statement->target = name_expr(d, s.name.range);
  statement->distribution = prior;
  statement->name = site_name(statement->target, s.name.text);
  into.push_back(statement);
  if (!s.prior)
    pending_priors_.insert(d);
}

void Checker::noncentered(const ast::Param& s, ModelParameter& parameter, const DistributionExpr* d) {
  if (parameter.declaration->type.support.kind != SupportKind::all) {
    error(Code::invalid_noncentered, s.noncentered_range, "a noncentered parameter with bounds")
        .label(s.type.range, "its type")
        .hint("the coordinate (x - location) / scale needs the whole line");
    return;
  }
  if (d->kind == DistributionKind::named && d->event.empty()) {
    for (std::size_t i = 0; i < d->arguments.size(); ++i) {
      const std::string& name = d->distribution->parameters[i]->name;
      if (name == "location")
        parameter.location = d->arguments[i];
      if (name == "scale")
        parameter.scale = d->arguments[i];
    }
    if (d->distribution->on.support.kind != SupportKind::all)
      parameter.location = nullptr;
  }
  if (!parameter.location || !parameter.scale) {
    error(Code::invalid_noncentered, d->range, "a noncentered parameter whose prior has no location and scale")
        .hint("normal, student_t, cauchy, laplace and logistic have them");
    return;
  }
  parameter.noncentered = true;
}

void Checker::report_missing_priors() {
  std::set<const Declaration*> given;
  for (const Statement& s : program_->statements) {
    if (s.kind != StatementKind::prior || s.declaration || !s.target)
      continue;
    const Expr* base = s.target;
    while (base->kind == ExprKind::index)
      base = base->operands[0];
    given.insert(base->declaration);
  }
  for (auto place = pending_priors_.begin(); place != pending_priors_.end();) {
    const Declaration* d = *place;
    if (given.count(d) != 0) {
      ++place;
      continue;
    }
    error(Code::missing_prior, d->range, "the parameter '" + d->name + "' has no prior")
        .hint("a flat prior is written ~ flat()");
    place = pending_priors_.erase(place);
  }
}

void Checker::observe(const ast::Observe& s, Block& into) {
  const Expr* target = expression(*s.target);
  if (!target) {
    return;
  }
  if (!target->load_time) {
    auto report = error(Code::not_data, s.target->range, "the observed value depends on parameters");
    const Expr* base = target;
    while (base->kind == ExprKind::index)
      base = base->operands[0];
    if (base->kind == ExprKind::name && base->declaration->kind == DeclarationKind::param) {
      report.label(base->declaration->range, "a parameter");
      report.hint("a parameter gets its prior without `observe`: " + base->declaration->name + " ~ ...;");
    } else {
      report.hint("write its log density: factor d.log_density(x); a change of variables needs its Jacobian");
    }
    return;
  }
  Target to;
  to.known = true;
  to.shape = target->type.shape;
  to.name = target->kind == ExprKind::name ? "'" + target->declaration->name + "'" : "the observed value";
  to.range = s.target->range;
  const DistributionExpr* d = distribution(*s.distribution, to);
  if (!d || report_without_density(d, "an observation needs its density"))
    return;
  if (d->kind == DistributionKind::flat) {
    error(Code::support_mismatch, d->range, "an observation with a flat density says nothing");
    return;
  }
  if (d->kind == DistributionKind::uniform_on || d->kind == DistributionKind::sorted) {
    error(Code::support_mismatch, d->range, "this distribution stands for priors only");
    return;
  }
  if (target->type.element == Element::boolean) {
    error(Code::type_mismatch, target->range, "an observed bool");
    return;
  }
  if (d->element == Element::integer && target->type.element == Element::real) {
    auto report = error(Code::type_mismatch, target->range, to.name + " is real, and the distribution is over ints");
    if (target->kind == ExprKind::name) {
      report.label(target->declaration->range, "declared here");
      report.hint("declare it as " + support_text(support_of(d), Element::integer) + shape_suffix(target->type.shape));
    }
    return;
  }
  if (d->element == Element::real && target->type.element == Element::integer)
    target = to_real(target);
  // Values whose declared bounds lie outside of the support are impossible whatever the data are.
  const Support own = support_of(d);
  if (own.kind == SupportKind::bounded) {
    const Interval values = interval(target);
    if ((own.lower && values.upper < interval(own.lower).lower) ||
        (own.upper && values.lower > interval(own.upper).upper)) {
      error(Code::support_mismatch, d->range,
            "every value of " + to.name + " is outside of the support " + support_text(own, d->element));
      return;
    }
  }
  if (context_->dependencies.of(*s.distribution).count(Dependencies::draw) != 0) {
    error(Code::random_draw, s.distribution->range, "an observation that depends on a random draw")
        .hint("draws are for quantities");
    return;
  }
  Statement* statement = make(StatementKind::observe, s.range);
  statement->target = target;
  statement->distribution = d;
  statement->name = site_name(target, "observation");
  into.push_back(statement);
}

std::string Checker::shape_suffix(const Shape& shape) {
  return shape.empty() ? "" : shape_text(shape);
}

void Checker::factor(const ast::Factor& s, Block& into) {
  const Expr* value = to_real(expression(*s.value));
  if (!value)
    return;
  if (!value->type.is_scalar() || value->type.element != Element::real) {
    auto report =
        error(Code::type_mismatch, s.value->range, "the factor is " + type_text(value->type) + ", not a real");
    if (value->type.rank() > 0)
      report.hint("write sum(...)");
    return;
  }
  if (context_->dependencies.of(*s.value).count(Dependencies::draw) != 0) {
    error(Code::random_draw, s.value->range, "a factor that depends on a random draw").hint("draws are for quantities");
    return;
  }
  Statement* statement = make(StatementKind::factor, s.range);
  statement->value = value;
  statement->name = site_name(nullptr, "factor");
  into.push_back(statement);
}

void Checker::quantity(const ast::Quantity& s, Block& into) {
  if (context_->loop_depth > 0 || context_->conditional_depth > 0) {
    error(Code::misplaced_statement, s.range, "`quantity` inside of a loop or condition")
        .hint("fill a var there, and report it below: quantity x;");
    return;
  }
  Statement* statement = make(StatementKind::quantity, s.range);
  if (!s.value) {
    // Reports a value of the model under its own name.
    if (s.type && !find(s.name.text)) {
      error(Code::unknown_name, s.name.range, "no value named '" + s.name.text + "'")
          .hint("give it one, quantity " + s.name.text + " = ...;, or fill a var and report it below: quantity " +
                s.name.text + ";");
      return;
    }
    const Declaration* source = find_or_report(s.name.text, s.name.range);
    if (!source)
      return;
    if (source->kind == DeclarationKind::param || source->kind == DeclarationKind::data ||
        source->kind == DeclarationKind::quantity) {
      const bool data = source->kind == DeclarationKind::data;
      auto report = error(Code::duplicate_name, s.name.range,
                          "'" + s.name.text + (data ? "' is data, which are not reported" : "' is reported already"));
      report.label(source->range, "declared here");
      return;
    }
    Declaration* d = declare(DeclarationKind::quantity, s.name.text, source->type, s.name.range);
    statement->declaration = d;
    statement->value = name_expr(source, s.name.range);
  } else {
    const Expr* value = expression(*s.value);
    if (s.type) {
      TypeRules rules;
      rules.what = "quantity";
      rules.support_allowed = false;
      const auto t = type(*s.type, rules);
      if (t && value)
        value = convert(value, *t, "the value of '" + s.name.text + "'");
      if (!t)
        value = nullptr;
    }
    if (value && !value->type.tuple.empty()) {
      error(Code::type_mismatch, s.value->range, "a quantity of " + type_text(value->type));
      value = nullptr;
    }
    if (value && value->type.element == Element::boolean) {
      // An indicator: its mean is a probability.
      if (!value->type.is_scalar()) {
        error(Code::type_mismatch, s.value->range, "a quantity of " + type_text(value->type))
            .hint("write [c[i] ? 1 : 0 for i in 1:N]");
        value = nullptr;
      } else {
        value = make(ExprKind::conditional, s.value->range, Type{},
                     {value, to_real(int_literal(1, s.value->range)), to_real(int_literal(0, s.value->range))});
      }
    }
    Declaration* d = declare(DeclarationKind::quantity, s.name.text, value ? value->type : Type{}, s.name.range);
    if (!value)
      poisoned_.insert(d);
    if (value) {
      d->load_time = value->load_time;
      d->type.support = {};
      intervals_[d] = interval(value);
    }
    enter(d);
    if (!value)
      return;
    statement->declaration = d;
    statement->value = value;
  }
  program_->model.quantities.push_back(statement->declaration);
  into.push_back(statement);
}

} // namespace vmodel::check
