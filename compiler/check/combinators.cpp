// Distributions made of others: mixtures, truncation, joint, sorted and unnormalised ones.
#include "compiler/check/checker.h"

namespace vmodel::check {

const DistributionExpr* Checker::combinator(const ast::Call& e, const std::string& name, const Target& target) {
  if (name == "mixture")
    return mixture(e, target);
  if (name == "truncated")
    return truncated_call(e, target);
  if (name == "transformed")
    return transformed(e, target);
  if (name == "flat") {
    if (!e.arguments.empty()) {
      error(Code::wrong_arguments, e.range, "'flat' takes no arguments");
      return nullptr;
    }
    DistributionExpr* d = make(DistributionKind::flat, e.range);
    if (target.type) {
      const auto own = static_cast<std::ptrdiff_t>(target.type->support.event_rank());
      d->batch.assign(target.shape.begin(), target.shape.end() - own);
      d->event.assign(target.shape.end() - own, target.shape.end());
      d->element = target.type->element;
    } else {
      d->batch = target.shape;
    }
    return d;
  }
  return base_over_event(e,
                         name == "joint"    ? DistributionKind::joint
                         : name == "sorted" ? DistributionKind::sorted
                                            : DistributionKind::unnormalised,
                         target);
}

const DistributionExpr* Checker::base_over_event(const ast::Call& e, DistributionKind kind, const Target& target) {
  const char* name = kind == DistributionKind::joint    ? "joint"
                     : kind == DistributionKind::sorted ? "sorted"
                                                        : "unnormalised";
  if (e.arguments.size() != 1 || e.arguments[0].name) {
    error(Code::wrong_arguments, e.range, std::string("'") + name + "' takes one distribution");
    return nullptr;
  }
  const ast::Expression& inner = *e.arguments[0].value;
  Target base_target = target;
  base_target.allow_suffix = true;
  base_target.holes = false;
  base_target.type = nullptr;
  const DistributionExpr* base = distribution(inner, base_target);
  if (!base)
    return nullptr;
  DistributionExpr* d = make(kind, e.range);
  d->element = base->element;
  d->components = {base};
  Shape all = base->batch;
  all.insert(all.end(), base->event.begin(), base->event.end());
  // How many axes at the end are one event.
  std::size_t own = 1 + base->event.size();
  if (kind == DistributionKind::unnormalised) {
    own = target.type ? static_cast<std::size_t>(target.type->support.event_rank()) : 0;
    own = std::max(own, base->event.size());
  }
  if (all.size() < own) {
    error(Code::shape_mismatch, e.range, std::string("'") + name + "' needs an axis to run over")
        .hint("its value is an array");
    return nullptr;
  }
  if (kind == DistributionKind::sorted) {
    // One distribution, truncated or not, with the same arguments and limits for all positions.
    const DistributionExpr* whole = base->kind == DistributionKind::truncated ? base->components[0] : base;
    bool identical = whole->kind == DistributionKind::named && base->event.empty();
    for (const Expr* a : whole->arguments)
      identical = identical && a->type.rank() == 0;
    for (const Expr* limit : {base->lower, base->upper})
      identical = identical && (!limit || limit->type.rank() == 0);
    if (!identical) {
      error(Code::wrong_arguments, inner.range,
            "'sorted' takes one scalar distribution, from which all values are drawn")
          .hint("with different distributions for the positions, use unnormalised(...)");
      return nullptr;
    }
  }
  d->batch.assign(all.begin(), all.end() - static_cast<std::ptrdiff_t>(own));
  d->event.assign(all.end() - static_cast<std::ptrdiff_t>(own), all.end());
  return d;
}

const DistributionExpr* Checker::mixture(const ast::Call& e, const Target& target) {
  if (e.arguments.size() != 2 || e.arguments[0].name || e.arguments[1].name) {
    error(Code::wrong_arguments, e.range, "'mixture' takes weights and components")
        .hint("mixture(w, normal(mu, sigma)) or mixture(w, [d1, d2])");
    return nullptr;
  }
  const Expr* weights = to_real(expression(*e.arguments[0].value));
  const ast::Expression& components = *e.arguments[1].value;
  const auto* list = ast::as_if<ast::Array>(components);
  const int rank = event_rank(list && !list->elements.empty() ? *list->elements[0] : components);
  if (!weights || rank < 0) {
    if (weights)
      distribution(components, {}); // says what is wrong with it
    return nullptr;
  }
  if (weights->type.rank() == 0 || weights->type.element != Element::real) {
    error(Code::wrong_arguments, weights->range, "the weights are " + type_text(weights->type) + ", not a simplex")
        .hint("for two components: mixture([w, 1 - w], ...)");
    return nullptr;
  }
  if (!vector_in_support(weights, {SupportKind::simplex, nullptr, nullptr}, "argument 'weights' of 'mixture'"))
    return nullptr;
  const Size count = weights->type.shape.back();
  const auto event = static_cast<std::ptrdiff_t>(rank);
  if (target.known && static_cast<std::ptrdiff_t>(target.shape.size()) < event) {
    error(Code::shape_mismatch, e.range,
          "the components draw arrays of rank " + std::to_string(rank) + ", and " + target.name + " has shape " +
              shape_text(target.shape));
    return nullptr;
  }
  DistributionExpr* d = make(DistributionKind::mixture, e.range);
  d->weights = weights;
  if (target.known)
    d->batch.assign(target.shape.begin(), target.shape.end() - event);
  if (!target.known)
    d->batch.assign(weights->type.shape.begin(), weights->type.shape.end() - 1);
  Target inner = target;
  inner.type = nullptr;
  inner.allow_suffix = true;
  inner.holes = false;
  if (list) {
    if (const auto constant = count.as_constant();
        !constant || *constant != static_cast<std::int64_t>(list->elements.size())) {
      error(Code::shape_mismatch, e.range,
            std::to_string(list->elements.size()) + " components, and weights of size " + count.text());
      return nullptr;
    }
    bool good = true;
    for (const auto& element : list->elements) {
      const DistributionExpr* component = distribution(*element, inner);
      good = good && component;
      if (component)
        d->components.push_back(component);
    }
    if (!good)
      return nullptr;
  } else {
    // The one component has the components as the last axis of its batch.
    inner.known = true;
    inner.name = "the mixture";
    inner.shape = d->batch;
    inner.shape.push_back(count);
    if (target.known)
      inner.shape.insert(inner.shape.end(), target.shape.end() - event, target.shape.end());
    const DistributionExpr* component = distribution(components, inner);
    if (!component)
      return nullptr;
    d->components.push_back(component);
  }
  for (const DistributionExpr* component : d->components) {
    const DistributionExpr* first = d->components.front();
    if (component->element == first->element && same_shape(component->event, first->event))
      continue;
    error(Code::wrong_arguments, component->range, "the components of a mixture draw different types")
        .label(first->range, "the first component");
    return nullptr;
  }
  d->element = d->components.front()->element;
  d->event = d->components.front()->event;
  for (const DistributionExpr* component : d->components) {
    // Without a value the components say what the batch is; one without a batch is the same in all of it.
    if (target.known || !list || component->batch.empty())
      continue;
    if (d->batch.empty())
      d->batch = component->batch;
    if (!same_shape(component->batch, d->batch)) {
      report_shapes(component->range, "the components have different batches", component->batch, d->batch);
      return nullptr;
    }
  }
  const Shape weight_batch(weights->type.shape.begin(), weights->type.shape.end() - 1);
  if (!weight_batch.empty() && !same_shape(weight_batch, d->batch)) {
    report_shapes(weights->range, "the weights are for another batch", weight_batch, d->batch);
    return nullptr;
  }
  return d;
}

const DistributionExpr* Checker::truncated_call(const ast::Call& e, const Target& target) {
  const ast::Expression* base = nullptr;
  const ast::Expression* limits[2] = {nullptr, nullptr};
  for (std::size_t i = 0; i < e.arguments.size(); ++i) {
    const ast::Argument& a = e.arguments[i];
    const std::string name = a.name ? a.name->text : i == 0 ? "" : i == 1 ? "lower" : "upper";
    if (name.empty())
      base = a.value.get();
    else if (name == "lower")
      limits[0] = a.value.get();
    else if (name == "upper")
      limits[1] = a.value.get();
    else
      base = nullptr;
  }
  if (!base || e.arguments.size() > 3 || (!limits[0] && !limits[1])) {
    error(Code::wrong_arguments, e.range, "'truncated' takes a distribution and limits")
        .hint("truncated(d, lower = a, upper = b)");
    return nullptr;
  }
  Target inner = target;
  inner.type = nullptr;
  const DistributionExpr* d = distribution(*base, inner);
  if (!d)
    return nullptr;
  DistributionExpr* result = make(DistributionKind::truncated, e.range);
  result->element = d->element;
  result->batch = d->batch;
  result->event = d->event;
  result->components = {d};
  if (!d->event.empty() || (d->kind != DistributionKind::named && d->kind != DistributionKind::mixture)) {
    error(Code::wrong_arguments, base->range, "'truncated' takes a scalar distribution with a cdf");
    return nullptr;
  }
  if (!has_cdf(d)) {
    error(Code::no_cdf, base->range, "the distribution has no cdf, so that its truncation cannot be normalised")
        .hint("unnormalised(...) leaves the factor out");
    return nullptr;
  }
  for (int side = 0; side < 2; ++side) {
    if (!limits[side])
      continue;
    const Expr* limit = expression(*limits[side]);
    if (d->element == Element::real)
      limit = to_real(limit);
    if (!limit)
      return nullptr;
    if (limit->type.element != d->element || (!limit->type.is_scalar() && !same_shape(limit->type.shape, d->batch))) {
      error(Code::wrong_arguments, limit->range,
            "the limit is " + type_text(limit->type) + ", and the batch has shape " + shape_text(d->batch));
      return nullptr;
    }
    (side == 0 ? result->lower : result->upper) = limit;
  }
  if (result->lower && result->upper) {
    const Interval low = interval(result->lower), high = interval(result->upper);
    const bool equal_allowed = d->element == Element::integer;
    if (low.lower > high.upper || (!equal_allowed && low.lower == high.upper)) {
      error(Code::wrong_arguments, e.range, "the lower limit is not below the upper limit");
      return nullptr;
    }
  }
  return result;
}

bool Checker::has_cdf(const DistributionExpr* d) const {
  if (d->kind == DistributionKind::named)
    return d->distribution->cdf || d->distribution->log_cdf || d->distribution->log_ccdf;
  if (d->kind != DistributionKind::mixture)
    return false;
  for (const DistributionExpr* c : d->components) {
    if (!has_cdf(c))
      return false;
  }
  return true;
}

} // namespace vmodel::check
