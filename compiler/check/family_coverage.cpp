// A family against its model: every parameter drawn once, in an order in which bounds can be evaluated.
#include "compiler/check/checker.h"

#include <algorithm>

namespace vmodel::check {

/// `targets`: what the family's statements draw as they are written, whether they could be understood or not.
void Checker::report_family_coverage(const Family& family, const std::set<std::string>& targets, SourceRange range) {
  std::map<const Declaration*, std::vector<const Statement*>> draws;
  const std::function<void(const Block&)> visit = [&](const Block& block) {
    for (const Statement* s : block) {
      if (s->kind == StatementKind::proposal)
        continue;
      if (s->kind == StatementKind::draw) {
        for (const Declaration* d : std::set<const Declaration*>(s->declarations.begin(), s->declarations.end()))
          draws[d].push_back(s);
      }
      visit(s->body);
      visit(s->otherwise);
    }
  };
  visit(family.body);
  std::vector<std::string> missing;
  std::vector<const Declaration*> missing_declarations, elementwise;
  for (const ModelParameter& p : program_->model.parameters) {
    const auto& own = draws[p.declaration];
    if (own.empty()) {
      // A draw that reads something wrong has been dealt with where that is declared.
      if (targets.count(p.declaration->name) != 0 && diagnostics_.has_errors())
        continue;
      missing.push_back("'" + p.declaration->name + "'");
      missing_declarations.push_back(p.declaration);
      continue;
    }
    const Statement* whole = nullptr;
    for (const Statement* s : own) {
      const bool part = (s->target && s->target->kind == ExprKind::index) ||
                        std::any_of(s->parts.begin(), s->parts.end(),
                                    [&](const Part* q) { return q->whole == p.declaration && q->elements; });
      if (!part && own.size() > 1)
        whole = s;
    }
    if (own.size() > 1 && whole) {
      const Statement* second = own[1];
      error(Code::duplicate_draw, second->range, "the family draws '" + p.declaration->name + "' twice")
          .label(own[0]->range, "drawn here first");
    } else {
      // One whole draw outside of loops is a cover; anything else is analysed.
      elementwise.push_back(p.declaration);
    }
  }
  if (!missing.empty()) {
    auto report =
        error(Code::incomplete_family, range, "the family '" + family.name + "' does not draw " + listed(missing));
    for (const Declaration* d : missing_declarations)
      report.label(d->range, "'" + d->name + "' is declared here");
    report.hint("rest ~ mean_field(); draws what is left");
  }
  for (const Declaration* d : elementwise)
    report_two_scales(*parameter_of(d), draws[d]);
  check_cover(family.body, StatementKind::draw, elementwise);
}

/// The coordinates of a parameter are made of its values at the end, or its values of coordinates where these are
/// drawn.
void Checker::report_two_scales(const ModelParameter& p, const std::vector<const Statement*>& draws) {
  if (!p.bijector && !p.noncentered)
    return;
  const auto other = std::find_if(draws.begin(), draws.end(), [&](const Statement* s) {
    return s->unconstrained_scale != draws.front()->unconstrained_scale;
  });
  if (other == draws.end())
    return;
  error(Code::support_mismatch, (*other)->range,
        "some elements of '" + p.declaration->name + "' are drawn themselves, and of others the coordinates")
      .label(draws.front()->range, "the first")
      .hint("draw all alike");
}

void Checker::check_family_order(const Family& family) {
  std::set<const Declaration*> drawn;
  const std::function<void(const Block&)> visit = [&](const Block& block) {
    for (const Statement* s : block) {
      if (s->kind == StatementKind::proposal)
        continue;
      if (s->kind == StatementKind::draw) {
        for (const Declaration* d : s->declarations) {
          const ModelParameter& p = *parameter_of(d);
          std::vector<std::pair<const Expr*, std::string>> needs;
          for (const Expr* bound : p.bijector_arguments)
            needs.emplace_back(bound, "a bound of");
          if (p.noncentered) {
            needs.emplace_back(p.location, "the location of the noncentered");
            needs.emplace_back(p.scale, "the scale of the noncentered");
          }
          for (const auto& [need, what] : needs) {
            for (const std::string& root : roots_of(need, model_context_)) {
              for (const ModelParameter& other : program_->model.parameters) {
                if (other.declaration->name != root || drawn.count(other.declaration) != 0)
                  continue;
                const bool in_group = std::find(s->declarations.begin(), s->declarations.end(), other.declaration) !=
                                      s->declarations.end();
                error(Code::drawn_too_late, s->range,
                      what + " '" + d->name + "' reads '" + root + "', which is drawn " +
                          (in_group ? "after it" : "below"))
                    .label(need->range, "here")
                    .hint("draw '" + root + "' first");
                drawn.insert(other.declaration);
              }
            }
          }
          drawn.insert(d);
        }
      }
      visit(s->body);
      visit(s->otherwise);
    }
  };
  visit(family.body);
}

} // namespace vmodel::check
