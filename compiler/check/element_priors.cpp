// Priors of elements and slices of parameters that are declared without one.
#include "compiler/check/checker.h"

namespace vmodel::check {

void Checker::sample(const ast::Sample& s, Block& into) {
  if (context_->kind != BlockKind::model)
    return draw(s, into);
  const ast::Expression* base = s.target.get();
  if (const auto* index = ast::as_if<ast::Index>(*base))
    base = index->base.get();
  const auto* name = ast::as_if<ast::NameReference>(*base);
  if (!name) {
    error(Code::not_a_parameter, s.target->range, "a prior for something that is not a parameter")
        .hint("priors of several parameters are written one by one");
    return;
  }
  const Declaration* d = find_or_report(name->name, base->range);
  if (!d)
    return;
  if (d->kind == DeclarationKind::data || (d->kind != DeclarationKind::param && d->load_time)) {
    error(Code::not_a_parameter, s.range, "'" + d->name + "' is data, not a parameter")
        .label(d->range, "declared here")
        .hint("write observe " + std::string(name->name) + " ~ ...;");
    return;
  }
  if (d->kind != DeclarationKind::param) {
    error(Code::not_a_parameter, s.range, "'" + d->name + "' is not a parameter")
        .label(d->range, "declared here")
        .hint("declare it: param " + d->name + ": real ~ ...;");
    return;
  }
  const bool used_before = parameters_used_.count(d) != 0;
  const Expr* target = expression(*s.target);
  if (!used_before)
    parameters_used_.erase(d);
  if (!target)
    return;
  element_prior(s, target, into);
}

/// The bound at the elements that the target names: array bounds have the parameter's shape.
const Expr* Checker::element_bound(const Expr* bound, const Expr& target) {
  if (!bound || bound->type.is_scalar())
    return bound;
  Type type = target.type;
  type.support = {};
  type.element = bound->type.element;
  Expr* result = make(ExprKind::index, target.range, type, {bound});
  result->indices = target.indices;
  result->load_time = bound->load_time;
  for (const Index& index : target.indices) {
    for (const Expr* e : {index.at, index.from, index.to})
      result->load_time = result->load_time && (!e || e->load_time);
  }
  return result;
}

void Checker::element_prior(const ast::Sample& s, const Expr* target, Block& into) {
  const Expr* base = target->kind == ExprKind::index ? target->operands[0] : target;
  const Declaration& d = *base->declaration;
  if (pending_priors_.count(&d) == 0) {
    error(Code::duplicate_name, s.range, "a second prior for '" + d.name + "'")
        .label(d.range, "its prior stands here")
        .hint("a further term is a factor: factor normal(0, 1).log_density(" + d.name + ");");
    return;
  }
  Declaration element = d; // the declared support, for the elements
  element.type.shape = target->type.shape;
  const auto own = static_cast<std::size_t>(d.type.support.event_rank());
  if (target->kind == ExprKind::index) {
    element.type.support.lower = element_bound(d.type.support.lower, *target);
    element.type.support.upper = element_bound(d.type.support.upper, *target);
  }
  if (target->kind == ExprKind::index && own > 0) {
    for (std::size_t axis = d.type.rank() - own; axis < target->indices.size(); ++axis) {
      if (target->indices[axis].kind == Index::Kind::all)
        continue;
      error(Code::support_mismatch, s.target->range,
            "the elements of a " + support_text(d.type.support, Element::real) + " have no priors of their own")
          .label(d.range, "declared here");
      return;
    }
  }
  Target to;
  to.known = true;
  to.shape = target->type.shape;
  to.type = &element.type;
  to.name = "'" + canonical(target) + "'";
  to.range = s.target->range;
  const DistributionExpr* prior = distribution(*s.distribution, to);
  if (prior)
    prior = match_prior(prior, element, s.distribution->range, false);
  if (!prior || report_without_density(prior, "a prior needs its density"))
    return;
  Statement* statement = make(StatementKind::prior, s.range);
  statement->target = target;
  statement->distribution = prior;
  statement->name = site_name(target, d.name);
  into.push_back(statement);
}

} // namespace vmodel::check
