// Bijectors in expressions: lists of them flattened into steps, their shapes from the value backwards (or from the base
// forwards where there is no value), what they do to supports, and the distribution `transformed(base, ...)`.
#include "compiler/check/checker.h"

#include <algorithm>

namespace vmodel::check {

bool Bijector::is_scalar() const {
  const auto scalar = [](const Declaration* d) { return d->type.is_scalar(); };
  return from.is_scalar() && to.is_scalar() && size_names.empty() && std::all_of(inputs.begin(), inputs.end(), scalar);
}

// ---------------------------------------------------------------- as written

/// Appends the steps that an argument of `transformed`, `chain` or `inverse` stands for, in order of their forward
/// maps; those of an inverted list come last first.
bool Checker::written_steps(const ast::Expression& e, bool inverted, std::vector<WrittenStep>& steps) {
  const auto all = [&](std::vector<const ast::Expression*> parts) {
    if (inverted)
      std::reverse(parts.begin(), parts.end());
    bool good = true;
    for (const ast::Expression* part : parts)
      good = written_steps(*part, inverted, steps) && good;
    return good;
  };
  std::vector<const ast::Expression*> parts;
  if (const auto* list = ast::as_if<ast::Array>(e)) {
    for (const auto& element : list->elements)
      parts.push_back(element.get());
    return all(std::move(parts));
  }
  if (const auto* range = ast::as_if<ast::Comprehension>(e)) {
    if (range->generators.size() != 1) {
      error(Code::wrong_arguments, e.range, "a list of bijectors over more than one range");
      return false;
    }
    WrittenStep step{&e, inverted, {}};
    const bool good = written_steps(*range->element, inverted, step.body);
    steps.push_back(std::move(step));
    return good;
  }
  const auto* call = ast::as_if<ast::Call>(e);
  const auto* name = call ? ast::as_if<ast::NameReference>(*call->callee) : nullptr;
  if (!name || (name->name != "chain" && name->name != "inverse")) {
    steps.push_back({&e, inverted, {}});
    return true;
  }
  for (const ast::Argument& a : call->arguments) {
    if (a.name) {
      error(Code::wrong_arguments, a.range, "'" + name->name + "' has no argument named '" + a.name->text + "'");
      return false;
    }
    parts.push_back(a.value.get());
  }
  if (name->name == "chain")
    return all(std::move(parts));
  if (parts.size() != 1) {
    error(Code::wrong_arguments, e.range, "'inverse' takes one bijector").hint("inverse(chain(b1, b2))");
    return false;
  }
  return written_steps(*parts[0], !inverted, steps);
}

/// The bijector that is called, its signature checked.
Callable* Checker::bijector_of(const ast::Expression& e) {
  if (const Declaration* d = instance_named(e)) {
    if (poisoned(d))
      return nullptr;
    Callable* callable = instances_.at(d).callable;
    if (!callable->bijector) {
      error(Code::type_mismatch, e.range, "'" + d->name + "' is a net, not a bijector")
          .label(d->range, "declared here");
      return nullptr;
    }
    return callable;
  }
  const auto* call = ast::as_if<ast::Call>(e);
  const auto* name = ast::as_if<ast::NameReference>(call ? *call->callee : e);
  if (!name) {
    error(Code::type_mismatch, e.range, "this is not a bijector")
        .hint("such as affine(0, 1), exp(), or one of your own");
    return nullptr;
  }
  for (Callable* callable : find_callables(name->name)) {
    if (callable->item->kind != ast::ItemKind::Bijector)
      continue;
    if (!call) {
      error(Code::type_mismatch, e.range, "'" + name->name + "' without its arguments")
          .hint("write " + name->name + "(...)");
      return nullptr;
    }
    return check_signature(*callable) ? callable : nullptr;
  }
  report_unknown_callable(name->name, name->range, ast::ItemKind::Bijector);
  return nullptr;
}

/// How many axes an event has before and after the steps; nothing after an error.
std::optional<Checker::EventAxes> Checker::event_axes(const std::vector<WrittenStep>& steps) {
  EventAxes axes;
  for (const WrittenStep& step : steps) {
    EventAxes own;
    if (!step.body.empty()) {
      const auto inner = event_axes(step.body);
      if (!inner)
        return std::nullopt;
      own = *inner;
    } else {
      const Callable* callable = bijector_of(*step.expression);
      if (!callable)
        return std::nullopt;
      own = {callable->bijector->from.rank(), callable->bijector->to.rank()};
      if (step.inverted)
        std::swap(own.before, own.after);
    }
    const std::size_t more = own.before - std::min(own.before, axes.after);
    axes.before += more;
    axes.after += more + own.after - own.before;
  }
  return axes;
}

// ---------------------------------------------------------------- types

/// Types a step. `shape` is that of the value after the step if `backward`, else before it, with all axes of the batch;
/// it becomes that of the other side.
const BijectorStep* Checker::bijector_step(const WrittenStep& written, bool backward, Shape& shape,
                                           const Target& target) {
  program_->bijector_steps.emplace_back();
  BijectorStep* step = &program_->bijector_steps.back();
  step->range = written.expression->range;
  step->inverted = written.inverted;
  if (const auto* range = ast::as_if<ast::Comprehension>(*written.expression)) {
    const ast::Generator& g = range->generators[0];
    const auto limits = loop_range(g.over);
    if (!limits)
      return nullptr;
    ScopeGuard scope(*this);
    step->turns = {enter_loop_index(g.variable, limits), limits->first, limits->second};
    const Shape before = shape;
    ++context_->loop_depth;
    const bool good = bijector_steps(written.body, backward, shape, target, step->body);
    --context_->loop_depth;
    if (!good)
      return nullptr;
    if (!same_shape(before, shape)) {
      report_shapes(step->range, "each turn must keep the shape", backward ? shape : before, backward ? before : shape);
      return nullptr;
    }
    step->from = step->body.front()->from;
    step->to = step->body.back()->to;
    return step;
  }
  Callable* callable = bijector_of(*written.expression);
  if (!callable)
    return nullptr;
  if (instance_named(*written.expression))
    return instance_step(written, step, backward, shape, target);
  const auto& call = ast::as<ast::Call>(*written.expression);
  if (callable->state == Callable::State::body) {
    error(Code::recursion, step->range, "'" + callable->bijector->name + "' is defined by itself");
    return nullptr;
  }
  const Bijector& b = *callable->bijector;
  const bool functions = callable->parameters.size() != b.parameters.size();
  if (!functions && !check_body(*callable))
    return nullptr;
  if (functions || !b.learnables.empty()) {
    error(Code::misplaced_learn, step->range, "'" + b.name + "' learns, or takes functions, and has no name here")
        .label(b.range, "declared here")
        .hint("learn layer: " + b.name + "(...); then `layer` stands for it");
    return nullptr;
  }
  std::vector<const ast::Argument*> ordered;
  if (!order_arguments(call.arguments, b.parameters, b.name, call.range, ordered, callable->defaults, true))
    return nullptr;
  Target value = target;
  value.known = true;
  value.shape = shape;
  value.type = nullptr;
  value.allow_suffix = true;
  value.site = target.site.empty() ? b.name : target.site + "." + b.name;
  const bool at_to = backward != step->inverted;
  const CallSite site{
      call, b.name, *callable, b.parameters, b.size_names, at_to ? b.to : b.from, at_to ? "gives" : "takes"};
  const auto bound = bind_call(site, ordered, value);
  if (!bound)
    return nullptr;
  for (const std::optional<Member>* m :
       {&b.forward, &b.inverse, &b.log_det, &b.forward_and_log_det, &b.inverse_and_log_det}) {
    if (*m && !requirements_hold(b.name, (*m)->body, b.parameters, bound->arguments, bound->sizes, call.range))
      return nullptr;
  }
  step->bijector = &b;
  step->arguments = bound->arguments;
  step->sizes = bound->sizes;
  step->from = instantiate(b.from.shape, bound->binding);
  step->to = instantiate(b.to.shape, bound->binding);
  if (step->inverted)
    std::swap(step->from, step->to);
  shape = bound->batch;
  const Shape& other = backward ? step->from : step->to;
  shape.insert(shape.end(), other.begin(), other.end());
  return step;
}

bool Checker::bijector_steps(const std::vector<WrittenStep>& written, bool backward, Shape& shape, const Target& target,
                             std::vector<const BijectorStep*>& steps) {
  if (written.empty()) {
    error(Code::wrong_arguments, target.range, "a list without bijectors");
    return false;
  }
  steps.assign(written.size(), nullptr);
  for (std::size_t i = 0; i < written.size(); ++i) {
    const std::size_t k = backward ? written.size() - 1 - i : i;
    steps[k] = bijector_step(written[k], backward, shape, target);
    if (!steps[k])
      return false;
  }
  return true;
}

namespace {

/// The bound, or null if it is written as infinite: such a one is none.
const Expr* finite(const Expr* bound) {
  const Expr* e = bound;
  while (e && (e->kind == ExprKind::to_real || e->kind == ExprKind::unary))
    e = e->operands[0];
  return e && e->kind == ExprKind::builtin && e->builtin_name == "inf" ? nullptr : bound;
}

} // namespace

/// Replaces the support of values by that of their images. Each step maps its whole domain, so what comes in must fill
/// it.
bool Checker::image_of(const std::vector<const BijectorStep*>& steps, Support& support) {
  const auto same_bound = [&](const Expr* a, const Expr* b) {
    if (!a || !b)
      return a == b;
    if (canonical(a) == canonical(b))
      return true;
    const Interval x = interval(a), y = interval(b);
    return x.lower == x.upper && y.lower == y.upper && x.lower == y.lower;
  };
  const auto same = [&](const Support& a, const Support& b) {
    return a.kind == b.kind && same_bound(a.lower, b.lower) && same_bound(a.upper, b.upper);
  };
  for (const BijectorStep* step : steps) {
    if (!step->bijector) {
      const Support before = support;
      if (!image_of(step->body, support))
        return false;
      if (same(before, support))
        continue;
      error(Code::support_mismatch, step->range,
            "each turn must keep the support: " + support_text(before, Element::real) + " becomes " +
                support_text(support, Element::real));
      return false;
    }
    Binding binding;
    binding.sizes = step->sizes;
    for (std::size_t i = 0; i < step->arguments.size(); ++i)
      binding.arguments[step->bijector->inputs[i]] = step->arguments[i];
    Support domain = step->bijector->from.support, image = step->bijector->to.support;
    if (step->inverted)
      std::swap(domain, image);
    for (Support* s : {&domain, &image}) {
      s->lower = finite(instantiate(s->lower, binding));
      s->upper = finite(instantiate(s->upper, binding));
      if (s->kind == SupportKind::bounded && !s->lower && !s->upper)
        s->kind = SupportKind::all;
    }
    if (!same(domain, support)) {
      const std::string name =
          step->inverted ? "the inverse of '" + step->bijector->name + "'" : "'" + step->bijector->name + "'";
      auto report = error(Code::support_mismatch, step->range,
                          name + " maps " + support_text(domain, Element::real) + ", and what comes in is " +
                              support_text(support, Element::real));
      if (domain.kind == SupportKind::all)
        report.hint("its image would not be known; use a bijector that is declared on this support");
      return false;
    }
    support = image;
  }
  return true;
}

// ---------------------------------------------------------------- the distribution

const DistributionExpr* Checker::transformed(const ast::Call& e, const Target& target) {
  bool good = e.arguments.size() > 1;
  std::vector<WrittenStep> written;
  for (std::size_t i = 0; i < e.arguments.size(); ++i) {
    if (e.arguments[i].name)
      good = false;
    else if (i > 0 && !written_steps(*e.arguments[i].value, false, written))
      return nullptr;
  }
  if (!good) {
    error(Code::wrong_arguments, e.range,
          "'transformed' takes a distribution and bijectors, in order of their forward maps")
        .hint("transformed(normal(0, 1), affine(m, s), exp())");
    return nullptr;
  }
  if (written.empty()) {
    error(Code::wrong_arguments, e.arguments[1].range, "a list without bijectors");
    return nullptr;
  }
  const auto axes = event_axes(written);
  if (!axes)
    return nullptr;
  const ast::Expression& inner = *e.arguments[0].value;
  DistributionExpr* d = make(DistributionKind::transformed, e.range);
  Target to = target;
  to.range = target.range.valid() ? target.range : e.range;
  const bool backward = target.known;
  Shape shape = target.shape;
  if (backward && !bijector_steps(written, true, shape, to, d->steps))
    return nullptr;
  Target base_target = to;
  base_target.type = nullptr;
  base_target.shape = shape;
  base_target.allow_suffix = base_target.allow_suffix || axes->before > 0;
  base_target.name = "what is mapped";
  const DistributionExpr* base = distribution(inner, base_target);
  if (!base)
    return nullptr;
  if (base->kind == DistributionKind::flat || base->kind == DistributionKind::unnormalised ||
      base->element != Element::real) {
    error(Code::wrong_arguments, inner.range, "'transformed' takes a normalised distribution of reals");
    return nullptr;
  }
  shape = base->batch;
  shape.insert(shape.end(), base->event.begin(), base->event.end());
  if (!backward && !bijector_steps(written, false, shape, to, d->steps))
    return nullptr;
  // Bijectors of arrays make the base's last axes one event.
  const std::size_t before = std::max(axes->before, base->event.size());
  const std::size_t all = base->batch.size() + base->event.size();
  if (before > base->event.size()) {
    if (before > all) {
      error(Code::shape_mismatch, inner.range, "the base has no axis for the bijector to map")
          .hint("its value is an array");
      return nullptr;
    }
    DistributionExpr* joint = make(DistributionKind::joint, base->range);
    joint->components = {base};
    Shape base_shape = base->batch;
    base_shape.insert(base_shape.end(), base->event.begin(), base->event.end());
    const auto cut = base_shape.end() - static_cast<std::ptrdiff_t>(before);
    joint->batch.assign(base_shape.begin(), cut);
    joint->event.assign(cut, base_shape.end());
    base = joint;
  }
  const Shape value = backward ? target.shape : shape;
  const std::size_t after = before - axes->before + axes->after;
  const auto cut = value.end() - static_cast<std::ptrdiff_t>(after);
  d->batch.assign(value.begin(), cut);
  d->event.assign(cut, value.end());
  d->components = {base};
  Support support = support_of(base);
  if (!image_of(d->steps, support))
    return nullptr;
  d->image = support.kind;
  d->lower = support.lower;
  d->upper = support.upper;
  return d;
}

// ---------------------------------------------------------------- what can be done with it

const BijectorStep* without_direction(const std::vector<const BijectorStep*>& steps, bool forward) {
  for (const BijectorStep* step : steps) {
    const bool direction = forward != step->inverted;
    if (!step->bijector) {
      if (const BijectorStep* inner = without_direction(step->body, forward))
        return inner;
    } else if (direction ? !step->bijector->has_forward() : !step->bijector->has_inverse()) {
      return step;
    }
  }
  return nullptr;
}

const BijectorStep* Checker::without_log_det(const std::vector<const BijectorStep*>& steps) {
  for (const BijectorStep* step : steps) {
    if (!step->bijector) {
      if (const BijectorStep* inner = without_log_det(step->body))
        return inner;
    } else if (!step->bijector->has_log_det()) {
      return step;
    }
  }
  return nullptr;
}

/// `own_draw`: the density is wanted at a draw of the distribution's own, whose base is at hand.
bool Checker::report_without_density(const DistributionExpr* d, const std::string& why, bool own_draw) {
  if (d->kind == DistributionKind::transformed) {
    if (const BijectorStep* step = without_log_det(d->steps)) {
      error(Code::missing_member, step->range, "'" + step->bijector->name + "' has no log_det, and " + why)
          .label(step->bijector->range, "declared here")
          .hint("log_det(x) = ...; or forward_and_log_det(x) { ... return (y, log_det); }");
      return true;
    }
    if (const BijectorStep* step = own_draw ? nullptr : without_direction(d->steps, false)) {
      error(Code::missing_member, step->range,
            "'" + step->bijector->name + "' has no " + (step->inverted ? "forward" : "inverse") + ", and " + why)
          .label(step->bijector->range, "declared here")
          .hint(step->inverted ? "forward(x) = ...;" : "inverse(y) = ...;");
      return true;
    }
  }
  for (const DistributionExpr* c : d->components) {
    if (report_without_density(c, why, own_draw && d->kind == DistributionKind::transformed))
      return true;
  }
  return false;
}

} // namespace vmodel::check
