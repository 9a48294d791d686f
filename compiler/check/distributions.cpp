// Distribution expressions: calls with their arguments, batches and events; combinators.cpp has what is made of them.
#include "compiler/check/checker.h"

namespace vmodel::check {

DistributionExpr* Checker::make(DistributionKind kind, SourceRange range) {
  program_->distribution_expressions.emplace_back();
  DistributionExpr& d = program_->distribution_expressions.back();
  d.kind = kind;
  d.range = range;
  return &d;
}

int Checker::event_rank(const ast::Expression& e) {
  const auto* call = ast::as_if<ast::Call>(e);
  if (!call || call->callee->kind != ast::ExpressionKind::NameReference)
    return -1;
  const std::string& name = ast::as<ast::NameReference>(*call->callee).name;
  const auto first = [&]() -> int { return call->arguments.empty() ? -1 : event_rank(*call->arguments[0].value); };
  if (name == "flat")
    return 0;
  if (name == "truncated")
    return first();
  if (name == "unnormalised")
    return first();
  if (name == "sorted")
    return 1;
  if (name == "joint") {
    const int base = first();
    return base < 0 ? -1 : base + 1;
  }
  if (name == "mixture") {
    if (call->arguments.size() < 2)
      return -1;
    const ast::Expression& components = *call->arguments[1].value;
    if (const auto* list = ast::as_if<ast::Array>(components))
      return list->elements.empty() ? -1 : event_rank(*list->elements[0]);
    return event_rank(components);
  }
  for (Callable* callable : find_callables(name)) {
    if (callable->item->kind != ast::ItemKind::Distribution)
      continue;
    if (check_signature(*callable))
      return static_cast<int>(callable->distribution->on.rank());
  }
  return -1;
}

const DistributionExpr* Checker::distribution(const ast::Expression& e, const Target& target) {
  const auto* call = ast::as_if<ast::Call>(e);
  if (!call || call->callee->kind != ast::ExpressionKind::NameReference) {
    auto report = error(Code::type_mismatch, e.range, "this is not a distribution");
    if (const auto* name = ast::as_if<ast::NameReference>(e); name && is_callable(name->name)) {
      report.hint("write its arguments: " + name->name + "(...)");
    } else {
      report.hint("write a distribution with its arguments, such as normal(0, 1)");
    }
    return nullptr;
  }
  const std::string& name = ast::as<ast::NameReference>(*call->callee).name;
  if (combinators().count(name) != 0)
    return combinator(*call, name, target);
  if (name == "uniform" && call->arguments.empty() && (target.type || target.known)) {
    if (!target.type || target.type->support.kind != SupportKind::bounded || !target.type->support.lower ||
        !target.type->support.upper) {
      auto report = error(Code::support_mismatch, e.range, "'uniform()' needs a type that is bounded on both sides");
      report.hint(target.type && target.type->support.kind == SupportKind::simplex
                      ? "uniform over a simplex is dirichlet(ones(K))"
                      : "write its limits, uniform(a, b), or ~ flat()");
      return nullptr;
    }
    DistributionExpr* d = make(DistributionKind::uniform_on, e.range);
    d->lower = target.type->support.lower;
    d->upper = target.type->support.upper;
    d->batch = target.shape;
    return d;
  }
  static const std::set<std::string> later{"censored", "transformed", "hmm", "spline_autoregressive", "gp", "lkj_corr"};
  if (later.count(name) != 0 && find_callables(name).empty()) {
    not_supported_yet(call->callee->range, "'" + name + "'");
    return nullptr;
  }
  return named(*call, name, target);
}

const DistributionExpr* Checker::named(const ast::Call& e, const std::string& name, const Target& target) {
  std::vector<Callable*> candidates;
  for (Callable* callable : find_callables(name)) {
    if (callable->item->kind == ast::ItemKind::Distribution)
      candidates.push_back(callable);
  }
  if (candidates.empty()) {
    for (Callable* callable : find_callables(name)) {
      if (callable->item->kind != ast::ItemKind::FamilyGeneric)
        continue;
      error(Code::unknown_name, e.callee->range, "'" + name + "' is a family, not a distribution")
          .hint(context_->kind == BlockKind::family ? "put the target between brackets: (a, b) ~ " + name + "();"
                                                    : "families stand in `family F for M { ... }`");
      return nullptr;
    }
    report_unknown_callable(name, e.callee->range, ast::ItemKind::Distribution);
    return nullptr;
  }
  Callable* callee = nullptr;
  std::vector<const ast::Argument*> ordered;
  for (Callable* candidate : candidates) {
    if (!check_signature(*candidate))
      return nullptr;
    if (callee)
      continue;
    if (order_arguments(e.arguments, candidate->distribution->parameters, name, e.range, ordered, candidate->defaults,
                        false))
      callee = candidate;
  }
  if (!callee) {
    order_arguments(e.arguments, candidates[0]->distribution->parameters, name, e.range, ordered,
                    candidates[0]->defaults, true);
    return nullptr;
  }
  if (callee->state == Callable::State::body) {
    // A member that uses its own distribution; only sample() of another one makes sense.
    error(Code::recursion, e.range, "'" + name + "' is defined by itself");
    return nullptr;
  }
  if (!check_body(*callee))
    return nullptr;
  const Distribution& d = *callee->distribution;

  std::vector<const Expr*> arguments(ordered.size(), nullptr);
  bool good = true;
  for (std::size_t i = 0; i < ordered.size(); ++i) {
    if (ordered[i] && ordered[i]->value->kind == ast::ExpressionKind::LearnHole && target.holes)
      continue;
    arguments[i] = ordered[i] ? expression(*ordered[i]->value) : callee->defaults[d.parameters[i]];
    if (!arguments[i]) {
      good = false;
      continue;
    }
    const Declaration* p = d.parameters[i];
    if (p->type.element == Element::real && arguments[i]->type.element == Element::integer)
      arguments[i] = to_real(arguments[i]);
    if (arguments[i]->type.element != p->type.element || !arguments[i]->type.tuple.empty()) {
      error(Code::wrong_arguments, arguments[i]->range,
            "argument '" + p->name + "' of '" + name + "' is " + type_text(arguments[i]->type) + ", not " +
                type_text(p->type));
      good = false;
    }
  }
  if (!good)
    return nullptr;

  // The value first: its event binds sizes, and the rest of its shape is the batch.
  Binding binding;
  const std::size_t event_axes = d.on.rank();
  Shape batch;
  const bool known = target.known;
  if (known) {
    if (target.shape.size() < event_axes) {
      error(Code::shape_mismatch, e.range,
            "'" + name + "' draws " + type_text(d.on) + ", and " + target.name + " has shape " +
                shape_text(target.shape))
          .label(target.range, "this is " + target.name);
      return nullptr;
    }
    batch.assign(target.shape.begin(), target.shape.end() - static_cast<std::ptrdiff_t>(event_axes));
    for (std::size_t k = 0; k < event_axes; ++k) {
      const Size& actual = target.shape[batch.size() + k];
      if (bind_size(d.on.shape[k], actual, binding, d.size_names))
        continue;
      const bool bound_later = binding.sizes.empty() && !d.on.shape[k].as_constant();
      if (bound_later)
        continue; // compared below, when the arguments have bound the names
      report_shapes(e.range, "'" + name + "' draws " + type_text(d.on) + ", and " + target.name + " does not fit",
                    {instantiate(d.on.shape[k], binding)}, {actual});
      return nullptr;
    }
  }
  // Int arguments may be sizes.
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] && arguments[i]->type.is_scalar() && arguments[i]->type.element == Element::integer) {
      binding.sizes.emplace(d.parameters[i]->name, to_size(arguments[i]));
    }
  }
  bool batch_found = known;
  const Expr* batch_from = nullptr;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const Expr* a = arguments[i];
    if (!a)
      continue;
    const Declaration* p = d.parameters[i];
    const std::size_t declared = p->type.rank();
    if (a->type.rank() < declared) {
      auto report = error(Code::wrong_arguments, a->range,
                          "argument '" + p->name + "' of '" + name + "' is " + type_text(a->type) + ", not " +
                              type_text(p->type));
      if (declared == 1 && a->type.rank() == 0)
        report.hint("repeat it: rep(value, K)");
      return nullptr;
    }
    const std::size_t extra = a->type.rank() - declared;
    for (std::size_t k = 0; k < declared; ++k) {
      const Size& actual = a->type.shape[extra + k];
      if (bind_size(p->type.shape[k], actual, binding, d.size_names))
        continue;
      const Size wanted = instantiate(p->type.shape[k], binding);
      report_shapes(a->range, "argument '" + p->name + "' of '" + name + "' does not fit", {wanted}, {actual});
      return nullptr;
    }
    if (extra == 0)
      continue;
    const Shape own(a->type.shape.begin(), a->type.shape.begin() + static_cast<std::ptrdiff_t>(extra));
    if (!batch_found) {
      batch = own;
      batch_found = true;
      batch_from = a;
      continue;
    }
    Shape wanted = batch;
    if (target.allow_suffix && own.size() < batch.size()) {
      wanted.assign(batch.end() - static_cast<std::ptrdiff_t>(own.size()), batch.end());
    }
    if (same_shape(own, wanted))
      continue;
    if (!known && batch_from) {
      report_shapes(a->range, "arguments of '" + name + "' of different shapes", batch_from->type.shape, a->type.shape);
      return nullptr;
    }
    if (own.size() != wanted.size()) {
      auto report = error(Code::shape_mismatch, a->range,
                          "argument '" + p->name + "' of '" + name + "' has shape " + shape_text(a->type.shape) +
                              ", and " + target.name + " has shape " + shape_text(target.shape));
      report.label(target.range, "this is " + target.name);
      report.hint("an argument is one value for all, or has one for each: [... for i in 1:N]");
      return nullptr;
    }
    report_shapes(a->range, "argument '" + p->name + "' of '" + name + "' does not have the shape of " + target.name,
                  own, wanted);
    return nullptr;
  }
  for (std::size_t k = 0; known && k < event_axes; ++k) {
    if (same_size(instantiate(d.on.shape[k], binding), target.shape[batch.size() + k]))
      continue;
    report_shapes(e.range, "'" + name + "' draws another shape than " + target.name, instantiate(d.on.shape, binding),
                  Shape(target.shape.end() - static_cast<std::ptrdiff_t>(event_axes), target.shape.end()));
    return nullptr;
  }
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i])
      continue;
    arguments[i] = hole(ast::as<ast::LearnHole>(*ordered[i]->value), *d.parameters[i], binding, batch, target);
    if (!arguments[i])
      return nullptr;
  }
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    binding.arguments[d.parameters[i]] = arguments[i];
    const auto needed = callee->load_time_arguments.find(d.parameters[i]->name);
    if (needed == callee->load_time_arguments.end())
      continue;
    if (!require_load_time(arguments[i], "argument '" + d.parameters[i]->name + "' of '" + name + "'",
                           "a size or loop of '" + name + "' depends on it")) {
      return nullptr;
    }
  }
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (!argument_in_support(arguments[i], *d.parameters[i], name, binding))
      return nullptr;
  }
  DistributionExpr* result = make(DistributionKind::named, e.range);
  result->distribution = &d;
  result->element = d.on.element;
  result->batch = batch;
  result->event = instantiate(d.on.shape, binding);
  result->arguments = arguments;
  for (const Declaration* size_name : d.size_names) {
    const auto bound = binding.sizes.find(size_name->name);
    if (bound != binding.sizes.end()) {
      result->sizes[size_name->name] = bound->second;
    } else {
      error(Code::shape_mismatch, e.range, "the size '" + size_name->name + "' of '" + name + "' is not known here");
      return nullptr;
    }
  }
  return result;
}

const Expr* Checker::hole(const ast::LearnHole& e, const Declaration& parameter, const Binding& binding,
                          const Shape& batch, const Target& target) {
  if (context_->loop_depth > 0) {
    error(Code::misplaced_learn, e.range, "a bare `learn` in a loop")
        .hint("declare an array above the loop: learn m: real[N];");
    return nullptr;
  }
  Type type = instantiate(parameter.type, binding);
  if (type.element != Element::real) {
    error(Code::misplaced_learn, e.range,
          "argument '" + parameter.name + "' is " + type_text(type) + ", which cannot be learned");
    return nullptr;
  }
  type.shape.insert(type.shape.begin(), batch.begin(), batch.end());
  Declaration* d = declare(DeclarationKind::learn, target.site + "." + parameter.name, type, e.range);
  Learnable l = learnable(d, nullptr, e.range);
  if (!l.declaration)
    return nullptr;
  if (context_->family)
    context_->family->learnables.push_back(l);
  if (context_->family_template)
    context_->family_template->learnables.push_back(l);
  return name_expr(d, e.range);
}

} // namespace vmodel::check
