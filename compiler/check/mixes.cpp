// Semi-implicit families: variables that are integrated out (`mix`), and what proposes them (`proposal`).
#include "compiler/check/checker.h"

#include <algorithm>

namespace vmodel::check {

namespace {

/// The library's family for what is mixed over, given the parameters.
constexpr const char* default_proposal = "conditional_flow";

ast::ExpressionPtr reference(const std::string& name, SourceRange range) {
  auto node = std::make_unique<ast::NameReference>();
  node->name = name;
  node->range = range;
  return node;
}

ast::ExpressionPtr call_of(const std::string& callee, std::vector<ast::ExpressionPtr> values, SourceRange range) {
  auto node = std::make_unique<ast::Call>();
  node->callee = reference(callee, range);
  node->range = range;
  for (auto& value : values)
    node->arguments.push_back({{}, std::move(value), range});
  return node;
}

} // namespace

bool is_mixed(const Family& family) {
  return !family.mixed.empty() || std::any_of(family.body.begin(), family.body.end(), [](const Statement* s) {
    return s->kind == StatementKind::draw && s->distribution->kind == DistributionKind::family &&
           !s->distribution->family->mixed.empty();
  });
}

void Checker::mix(const ast::Mix& s, Block& into) {
  TypeRules rules;
  rules.what = "mix";
  rules.allow_int = false;
  const auto t = type(s.type, rules);
  Declaration* d = declare(DeclarationKind::mixed, s.name.text, t.value_or(Type{}), s.name.range);
  const DistributionExpr* distributed = nullptr;
  ModelParameter variable;
  variable.declaration = d;
  if (context_->loop_depth > 0 || context_->conditional_depth > 0) {
    error(Code::misplaced_statement, s.range, "`mix` inside of a loop or condition")
        .hint("declare an array above: mix " + s.name.text + ": real[N] ~ ...;");
  } else if (t) {
    Target to;
    to.known = true;
    to.shape = t->shape;
    to.type = &d->type;
    to.name = "'" + d->name + "'";
    to.range = s.name.range;
    to.site = d->name;
    to.holes = true;
    distributed = distribution(*s.distribution, to);
    if (distributed)
      distributed = match_prior(distributed, *d, s.distribution->range, true);
    if (distributed && (report_without_draw(distributed, "a family draws from it") ||
                        report_without_density(distributed, "a family needs the density of its draws")))
      distributed = nullptr;
    for (const Expr* bound : {t->support.lower, t->support.upper}) {
      if (bound && !require_load_time(bound, "the bound", "the bounds of what is mixed over follow from the data"))
        distributed = nullptr;
    }
    if (distributed && !choose_bijector(*t, false, variable.bijector, variable.bijector_arguments,
                                        variable.unconstrained_size, s.type.range))
      distributed = nullptr;
  }
  if (!distributed)
    poisoned_.insert(d);
  enter(d);
  if (!distributed)
    return;
  context_->mixed->push_back(variable);
  Statement* statement = make(StatementKind::mix, s.range);
  statement->declaration = d;
  statement->distribution = distributed;
  statement->name = site_name(nullptr, d->name);
  into.push_back(statement);
}

/// Its block sees data, parameters, what the family learns, and values that follow from the data.
void Checker::proposal(const ast::Proposal& s, Block& into) {
  if (context_->loop_depth > 0 || context_->conditional_depth > 0) {
    error(Code::misplaced_statement, s.range, "`proposal` inside of a loop or condition");
    return;
  }
  if (context_->proposal_range.valid()) {
    error(Code::misplaced_statement, s.range, "a second `proposal`").label(context_->proposal_range, "the first");
    return;
  }
  context_->proposal_range = s.range;
  if (context_->mixed->empty()) {
    error(Code::misplaced_statement, s.range, "a `proposal` without a `mix` above it")
        .hint("it draws what is mixed over, given the parameters: mix eps: real[8] ~ normal(0, 1);");
    return;
  }
  Context inner = *context_;
  inner.in_proposal = true;
  inner.declared_later.clear();
  inner.site_names.clear();
  inner.site_prefix = "proposal.";
  for (auto& scope : inner.scopes) {
    std::erase_if(scope, [](const Declaration* d) {
      return (d->kind == DeclarationKind::let || d->kind == DeclarationKind::var) && !d->load_time;
    });
  }
  const std::size_t learned_before = context_->learnables->size(), errors_before = diagnostics_.error_count();
  Statement* statement = make(StatementKind::proposal, s.range);
  {
    ContextGuard guard(*this, inner);
    collect_later_names(s.body);
    block(s.body, statement->body);
    if (diagnostics_.error_count() == errors_before)
      report_proposal_coverage(*statement);
  }
  for (std::size_t k = learned_before; k < context_->learnables->size(); ++k)
    (*context_->learnables)[k].of_proposal = true;
  into.push_back(statement);
}

void Checker::report_proposal_coverage(const Statement& proposal) {
  std::set<const Declaration*> drawn;
  const std::function<void(const Block&)> visit = [&](const Block& block) {
    for (const Statement* s : block) {
      if (s->kind == StatementKind::draw)
        drawn.insert(s->declarations.begin(), s->declarations.end());
      visit(s->body);
      visit(s->otherwise);
    }
  };
  visit(proposal.body);
  std::vector<const Declaration*> found;
  for (const ModelParameter& m : *context_->mixed) {
    if (drawn.count(m.declaration) != 0) {
      found.push_back(m.declaration);
      continue;
    }
    error(Code::incomplete_family, proposal.range, "the proposal does not draw '" + m.declaration->name + "'")
        .label(m.declaration->range, "'" + m.declaration->name + "' is declared here");
  }
  check_cover(proposal.body, StatementKind::draw, found);
}

/// Where the family has none: what one would write, given the parameters whose draws read what is mixed over.
void Checker::add_default_proposal(Family& family) {
  std::vector<ast::ExpressionPtr> given, targets;
  for (const ModelParameter& p : program_->model.parameters) {
    if (context_->drawn_with_mixed.count(p.declaration->name) != 0)
      given.push_back(reference(p.declaration->name, family.range));
  }
  for (const ModelParameter& m : family.mixed)
    targets.push_back(reference(m.declaration->name, family.range));
  auto made = std::make_unique<ast::Proposal>();
  auto draw = std::make_unique<ast::Sample>();
  std::vector<ast::ExpressionPtr> arguments;
  arguments.push_back(call_of("unconstrained", std::move(given), family.range));
  draw->distribution = call_of(default_proposal, std::move(arguments), family.range);
  if (targets.size() == 1) {
    draw->target = std::move(targets.front());
  } else {
    auto tuple = std::make_unique<ast::Tuple>();
    tuple->elements = std::move(targets);
    tuple->range = family.range;
    draw->target = std::move(tuple);
  }
  draw->range = made->range = family.range;
  made->body.statements.push_back(std::move(draw));
  proposal(*made, family.body);
}

/// Each variable that is mixed over has to be read by a draw; otherwise it is integrated out of nothing.
void Checker::report_unused_mixes(const std::vector<ModelParameter>& mixed) {
  for (const ModelParameter& m : mixed) {
    if (context_->drawn_with_mixed.count(m.declaration->name) != 0)
      continue;
    error(Code::unused_mix, m.declaration->range, "no draw of the family depends on '" + m.declaration->name + "'")
        .hint("a draw that reads it has a density that is an integral over it; remove it otherwise");
  }
}

/// Remembers what a draw that depends on what is mixed over draws and reads.
void Checker::note_mixed_draw(const ast::Expression& distribution, const std::vector<const Declaration*>& drawn) {
  if (context_->in_proposal || !context_->mixed)
    return;
  const std::set<std::string> roots = context_->dependencies.of(distribution);
  const bool mixes = std::any_of(context_->mixed->begin(), context_->mixed->end(),
                                 [&](const ModelParameter& m) { return roots.count(m.declaration->name) != 0; });
  if (!mixes)
    return;
  context_->drawn_with_mixed.insert(roots.begin(), roots.end());
  for (const Declaration* d : drawn)
    context_->drawn_with_mixed.insert(d->name);
}

} // namespace vmodel::check
