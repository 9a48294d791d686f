// Draws of families: of parameters, elements, groups and flat coordinates.
#include "compiler/check/checker.h"

namespace vmodel::check {

/// What draws of the block are of.
DeclarationKind Checker::drawn_kind() const {
  return context_->in_proposal                 ? DeclarationKind::mixed
         : context_->kind == BlockKind::family ? DeclarationKind::param
                                               : DeclarationKind::drawn;
}

/// The variables of that kind, parameters or what is mixed over, that the name stands for.
std::optional<std::vector<const Declaration*>> Checker::group_of(const ast::Expression& e, DeclarationKind kind) {
  const auto* name = ast::as_if<ast::NameReference>(e);
  if (!name) {
    not_supported_yet(e.range,
                      e.kind == ast::ExpressionKind::Index ? "a group with elements of a parameter"
                                                           : "a group with this in it",
                      "groups hold whole parameters: (a, b) ~ full_rank();");
    return std::nullopt;
  }
  const Declaration* d = find(name->name);
  if (!d && name->name == "rest")
    return rest_;
  if (!d) {
    report_unknown_value(name->name, e.range);
    return std::nullopt;
  }
  if (poisoned(d))
    return std::nullopt;
  if (d->kind != kind) {
    error(Code::not_a_parameter, e.range,
          "'" + d->name + "' is not " +
              (kind == DeclarationKind::mixed ? "what the family mixes over" : "a parameter of the model"))
        .label(d->range, "declared here");
    return std::nullopt;
  }
  return std::vector<const Declaration*>{d};
}

const Expr* Checker::dim_call(const ast::Call& e) {
  if (context_->kind != BlockKind::family) {
    error(Code::misplaced_statement, e.range, "'dim' outside of a family for a model")
        .hint("the size of an array is size(x)");
    return nullptr;
  }
  Size total;
  for (const ast::Argument& a : e.arguments) {
    const auto group = group_of(*a.value, DeclarationKind::param);
    if (!group)
      return nullptr;
    for (const Declaration* d : *group)
      total = total + parameter_of(d)->unconstrained_size;
  }
  return size_expr(total, e.range);
}

const Expr* Checker::unconstrained_call(const ast::Call& e, DeclarationKind kind) {
  if (context_->kind != BlockKind::family) {
    error(Code::misplaced_statement, e.range, "'unconstrained' outside of a family for a model");
    return nullptr;
  }
  std::vector<const Declaration*> all;
  Size total;
  for (const ast::Argument& a : e.arguments) {
    const auto group = group_of(*a.value, kind);
    if (!group)
      return nullptr;
    for (const Declaration* d : *group) {
      all.push_back(d);
      total = total + parameter_of(d)->unconstrained_size;
    }
  }
  Type type;
  type.shape = {total};
  Expr* result = make(ExprKind::unconstrained, e.range, type);
  result->declarations = all;
  result->load_time = false;
  return result;
}

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

  if (model_family && (tuple || is_rest || (generic && name))) {
    std::vector<const Declaration*> group;
    if (tuple) {
      for (const auto& element : tuple->elements) {
        const auto part = group_of(*element, drawn_kind());
        if (!part)
          return;
        group.insert(group.end(), part->begin(), part->end());
      }
    } else {
      const auto part = group_of(*s.target, drawn_kind());
      if (!part)
        return;
      group = *part;
    }
    if (!generic && callee && find_callables(callee->name).empty()) {
      Size dimension;
      family_call(*s.distribution, dimension);
      return;
    }
    if (!generic) {
      std::vector<std::string> names;
      for (const Declaration* d : group)
        names.push_back(d->name);
      error(Code::misplaced_statement, s.distribution->range, "a group is drawn by a family, such as full_rank()")
          .hint(
              "on the unconstrained scale a distribution draws it: unconstrained(...) ~ multi_normal_cholesky(m, L);");
      return;
    }
    return draw_group(s, group, into);
  }

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
  if (d->kind != drawn_kind()) {
    error(Code::not_a_parameter, s.target->range,
          "'" + d->name + "' is not " +
              (context_->in_proposal ? "what the family mixes over"
               : model_family        ? "a parameter of the model"
                                     : "what the family draws"))
        .label(d->range, "declared here");
    return;
  }
  note_mixed_draw(*s.distribution, {d});
  const Expr* target = expression(*s.target);
  if (!target)
    return;
  Declaration element = *d;
  element.type.shape = target->type.shape;
  const auto own = static_cast<std::size_t>(d->type.support.event_rank());
  if (target->kind == ExprKind::index) {
    element.type.support.lower = element_bound(d->type.support.lower, *target);
    element.type.support.upper = element_bound(d->type.support.upper, *target);
    bool splits = false;
    for (std::size_t axis = d->type.rank() - own; axis < target->indices.size(); ++axis)
      splits = splits || target->indices[axis].kind != Index::Kind::all;
    if (splits) {
      error(Code::support_mismatch, s.target->range,
            "the elements of " + type_text(d->type) + " are not drawn one by one")
          .label(d->range, "declared here");
      return;
    }
  }
  to.shape = target->type.shape;
  to.type = &element.type;
  to.name = "'" + canonical(target) + "'";
  statement->target = target;
  statement->declarations = {d};
  statement->name = site_name(target, d->name);
  to.site = target->kind == ExprKind::index ? canonical(target) : statement->name;
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

void Checker::draw_group(const ast::Sample& s, const std::vector<const Declaration*>& group, Block& into) {
  Size dimension;
  std::set<const Declaration*> seen;
  for (const Declaration* d : group) {
    if (!seen.insert(d).second) {
      error(Code::duplicate_draw, s.target->range, "'" + d->name + "' stands twice in the group");
      return;
    }
    dimension = dimension + parameter_of(d)->unconstrained_size;
  }
  if (context_->loop_depth > 0 || context_->conditional_depth > 0) {
    error(Code::misplaced_statement, s.range, "a group inside of a loop or condition");
    return;
  }
  note_mixed_draw(*s.distribution, group);
  const DistributionExpr* d = family_call(*s.distribution, dimension);
  if (!d)
    return;
  if (group.empty()) {
    error(Code::duplicate_draw, s.target->range, "`rest` is empty: every parameter is drawn by name")
        .hint("remove the statement");
    return;
  }
  Statement* statement = make(StatementKind::draw, s.range);
  statement->declarations = group;
  statement->distribution = d;
  statement->unconstrained_scale = true;
  const auto* name = ast::as_if<ast::NameReference>(*s.target);
  std::string site;
  for (const Declaration* p : group)
    site += (site.empty() ? "" : "+") + p->name;
  statement->name = site_name(nullptr, name ? name->name : site);
  into.push_back(statement);
}

} // namespace vmodel::check
