// Draws of families: of parameters, of elements, and of flat coordinates. Groups: groups.cpp.
#include "compiler/check/checker.h"

namespace vmodel::check {

void Checker::draw(const ast::Sample& s, Block& into) {
  const auto* call = ast::as_if<ast::Call>(*s.distribution);
  const auto* callee = call ? ast::as_if<ast::NameReference>(*call->callee) : nullptr;
  bool generic = false;
  if (callee) {
    for (Callable* callable : find_callables(callee->name))
      generic = generic || callable->item->kind == ast::ItemKind::FamilyGeneric;
  }
  const bool model_family = context_->kind == BlockKind::family;
  const auto* name = ast::as_if<ast::NameReference>(*s.target);
  const auto* tuple = ast::as_if<ast::Tuple>(*s.target);
  const auto* target_call = ast::as_if<ast::Call>(*s.target);
  const bool is_rest = model_family && !context_->in_proposal && name && name->name == "rest" && !find("rest");
  if (is_rest && callee && !generic && !find_callables(callee->name).empty()) {
    error(Code::misplaced_statement, s.distribution->range, "`rest` is drawn by a family, such as full_rank()")
        .hint("a distribution draws its coordinates: unconstrained(rest) ~ multi_normal_cholesky(m, L);");
    return;
  }
  if (model_family && (tuple || is_rest || (generic && (name || s.target->kind == ast::ExpressionKind::Index))))
    return draw_group(s, generic, into);

  Statement* statement = make(StatementKind::draw, s.range);
  Target to;
  to.known = true;
  to.holes = true;
  to.range = s.target->range;
  if (model_family && target_call) {
    const auto* target_name = ast::as_if<ast::NameReference>(*target_call->callee);
    if (!target_name || target_name->name != "unconstrained") {
      error(Code::not_a_parameter, s.target->range, "a draw of something that is not a parameter");
      return;
    }
    const Expr* target = unconstrained_call(*target_call, drawn_kind());
    if (!target)
      return;
    note_mixed_draw(*s.distribution, target->declarations);
    statement->target = target;
    statement->declarations = target->declarations;
    statement->parts = target->parts;
    statement->unconstrained_scale = true;
    std::string site;
    for (const Declaration* d : target->declarations)
      site += (site.empty() ? "" : "+") + d->name;
    statement->name = site_name(nullptr, site);
    to.shape = target->type.shape;
    to.name = "the target";
    to.site = statement->name;
    const DistributionExpr* d = distribution(*s.distribution, to);
    if (!d)
      return;
    const Support own = support_of(d);
    if (own.kind != SupportKind::all || d->element != Element::real || d->kind == DistributionKind::flat ||
        d->kind == DistributionKind::unnormalised) {
      error(Code::support_mismatch, d->range,
            "the unconstrained scale is the whole line, and the distribution is over " + support_text(own, d->element));
      return;
    }
    if (report_without_draw(d, "a family draws from it") ||
        report_without_density(d, "a family needs the density of its draws", true))
      return;
    statement->distribution = d;
    into.push_back(statement);
    return;
  }

  const ast::Expression* base = s.target.get();
  if (const auto* index = ast::as_if<ast::Index>(*base))
    base = index->base.get();
  const auto* base_name = ast::as_if<ast::NameReference>(*base);
  if (!base_name) {
    error(Code::not_a_parameter, s.target->range, "a draw of something that is not a parameter");
    return;
  }
  const Declaration* d = find_or_report(base_name->name, base->range);
  if (!d)
    return;
  if (!is_drawn_here(d, drawn_kind(), s.target->range))
    return;
  note_mixed_draw(*s.distribution, {d});
  const Expr* target = expression(*s.target);
  if (!target)
    return;
  Declaration element = *d;
  element.type.shape = target->type.shape;
  if (target->kind == ExprKind::index) {
    element.type.support.lower = element_bound(d->type.support.lower, *target);
    element.type.support.upper = element_bound(d->type.support.upper, *target);
    if (splits_values(*d, *target) || gathers(*target))
      return;
  }
  to.shape = target->type.shape;
  to.type = &element.type;
  to.name = "'" + canonical(target) + "'";
  statement->target = target;
  statement->declarations = {d};
  statement->name = site_name(target, d->name);
  // What is learned for each turn of a plate is an array, and has no position in its name.
  to.site = target->kind == ExprKind::index && context_->plates.empty() ? canonical(target) : statement->name;
  const DistributionExpr* q = distribution(*s.distribution, to);
  if (q)
    q = match_prior(q, element, s.distribution->range, true);
  if (!q || report_without_draw(q, "a family draws from it") ||
      report_without_density(q, "a family needs the density of its draws",
                             model_family || target->kind == ExprKind::name))
    return;
  statement->distribution = q;
  into.push_back(statement);
}

} // namespace vmodel::check
