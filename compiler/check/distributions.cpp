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
  if (name == "transformed") {
    std::vector<WrittenStep> steps;
    for (std::size_t i = 1; i < call->arguments.size(); ++i) {
      if (!written_steps(*call->arguments[i].value, false, steps))
        return -1;
    }
    const auto axes = event_axes(steps);
    const int base = first();
    if (!axes || base < 0)
      return -1;
    const int before = std::max(base, static_cast<int>(axes->before));
    return before + static_cast<int>(axes->after) - static_cast<int>(axes->before);
  }
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
  static const std::set<std::string> later{"censored", "hmm", "spline_autoregressive", "gp", "lkj_corr"};
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
  const CallSite site{e, name, *callee, d.parameters, d.size_names, d.on, "draws"};
  const auto bound = bind_call(site, ordered, target);
  if (!bound)
    return nullptr;
  DistributionExpr* result = make(DistributionKind::named, e.range);
  result->distribution = &d;
  result->element = d.on.element;
  result->batch = bound->batch;
  result->event = instantiate(d.on.shape, bound->binding);
  result->arguments = bound->arguments;
  result->sizes = bound->sizes;
  return result;
}

} // namespace vmodel::check
