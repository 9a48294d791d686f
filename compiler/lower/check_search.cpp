#include "compiler/lower/check_search.h"

#include <algorithm>

namespace vmodel::lower {

using check::Expr;

bool CheckSearch::has_checks(const check::Block& block) {
  const auto [known, is_new] = known_.emplace(&block, false);
  if (!is_new)
    return known->second;
  bool result = false;
  for (const check::Statement* s : block) {
    result = result || s->kind == check::StatementKind::require;
    for (const Expr* e : {s->value, s->target, s->from, s->to})
      result = result || has_checks(e);
    result = result || has_checks(s->distribution) || has_checks(s->body) || has_checks(s->otherwise);
    result = result || (s->declaration && has_checks(s->declaration->type));
  }
  return known_[&block] = result;
}

bool CheckSearch::has_checks(const check::Type& type) {
  return std::any_of(type.shape.begin(), type.shape.end(), [&](const check::Size& size) {
    return std::any_of(size.atoms().begin(), size.atoms().end(),
                       [&](const auto& atom) { return has_checks(atom.second.expression); });
  });
}

bool CheckSearch::has_checks(const Expr* e) {
  if (!e)
    return false;
  for (const check::Index& i : e->indices) {
    if (i.check_at_load || has_checks(i.at) || has_checks(i.from) || has_checks(i.to))
      return true;
  }
  if (e->check_at_load ||
      std::any_of(e->operands.begin(), e->operands.end(), [&](const Expr* operand) { return has_checks(operand); }))
    return true;
  for (const check::Generator& g : e->generators) {
    if (has_checks(g.from) || has_checks(g.to))
      return true;
  }
  return (e->kind == check::ExprKind::call &&
          (has_bounded_ints(e->function->parameters) || has_checks(e->function->body))) ||
         has_checks(e->distribution);
}

bool CheckSearch::has_checks(const check::DistributionExpr* d) {
  if (!d)
    return false;
  for (const Expr* a : d->arguments) {
    if (has_checks(a))
      return true;
  }
  for (const check::DistributionExpr* c : d->components) {
    if (has_checks(c))
      return true;
  }
  for (const check::BijectorStep* step : d->steps) {
    if (has_checks(step))
      return true;
  }
  return has_checks(d->weights) || has_checks(d->lower) || has_checks(d->upper) || of_member(*d);
}

bool CheckSearch::has_checks(const check::BijectorStep* step) {
  if (!step->bijector) {
    return has_checks(step->turns.from) || has_checks(step->turns.to) ||
           std::any_of(step->body.begin(), step->body.end(),
                       [&](const check::BijectorStep* inner) { return has_checks(inner); });
  }
  const check::Bijector& b = *step->bijector;
  for (const std::optional<check::Member>* m :
       {&b.forward, &b.inverse, &b.log_det, &b.forward_and_log_det, &b.inverse_and_log_det}) {
    if (*m && has_checks((*m)->body))
      return true;
  }
  return has_bounded_ints(b.parameters) ||
         std::any_of(step->arguments.begin(), step->arguments.end(), [&](const Expr* a) { return has_checks(a); });
}

bool CheckSearch::of_member(const check::DistributionExpr& d) {
  return d.distribution && !d.distribution->library && d.distribution->log_density &&
         has_checks(d.distribution->log_density->body);
}

bool has_bounded_ints(const std::vector<const check::Declaration*>& parameters) {
  return std::any_of(parameters.begin(), parameters.end(), [](const check::Declaration* p) {
    return p->type.element == check::Element::integer && p->type.support.kind == check::SupportKind::bounded;
  });
}

} // namespace vmodel::lower
