// Values that are observed twice: nearly always a statement that was copied and not changed.
#include "compiler/check/checker.h"

#include <algorithm>

namespace vmodel::check {

namespace {

/// An observation with what stands around it.
struct Observed {
  const Statement* statement = nullptr;
  const Declaration* declaration = nullptr; // of the value
  bool whole = false;                       // not elements of it
  std::string target;
  std::vector<std::string> loops;                       // `n in 1:N`, outermost first
  std::vector<std::pair<const Statement*, bool>> sides; // of the conditions around it
};

bool exclude_each_other(const Observed& a, const Observed& b) {
  for (const auto& [condition, side] : a.sides) {
    if (std::find(b.sides.begin(), b.sides.end(), std::pair(condition, !side)) != b.sides.end())
      return true;
  }
  return false;
}

} // namespace

void Checker::report_observed_twice() {
  std::vector<Observed> all;
  std::vector<std::string> loops;
  std::vector<std::pair<const Statement*, bool>> sides;
  const std::function<void(const Block&)> visit = [&](const Block& block) {
    for (const Statement* s : block) {
      if (s->kind == StatementKind::observe) {
        const Expr* target = s->target->kind == ExprKind::to_real ? s->target->operands[0] : s->target;
        const Expr* base = target->kind == ExprKind::index ? target->operands[0] : target;
        if (base->kind == ExprKind::name)
          all.push_back({s, base->declaration, base == target, canonical(target), loops, sides});
      }
      const bool loop = s->kind == StatementKind::for_;
      if (loop)
        loops.push_back(s->declaration->name + " in " + canonical(s->from) + ":" + canonical(s->to));
      sides.emplace_back(s, true);
      visit(s->body);
      sides.back().second = false;
      visit(s->otherwise);
      sides.pop_back();
      if (loop)
        loops.pop_back();
    }
  };
  visit(program_->model.body);
  for (std::size_t second = 1; second < all.size(); ++second) {
    for (std::size_t first = 0; first < second; ++first) {
      const Observed &a = all[first], &b = all[second];
      // Elements are the same for certain if they are written alike in loops that are written alike.
      const bool alike = a.target == b.target && a.loops == b.loops;
      if (a.declaration != b.declaration || !(alike || a.whole || b.whole) || exclude_each_other(a, b))
        continue;
      diagnostics_
          .report(Code::observed_twice, b.statement->range,
                  "'" + (a.whole ? b.target : a.target) +
                      "' is observed twice: each statement is a factor of the likelihood")
          .label(a.statement->range, "the first observation")
          .hint("if that is meant, write the second as a factor: factor sum(d.log_density(" + b.target + "));");
      break;
    }
  }
}

} // namespace vmodel::check
