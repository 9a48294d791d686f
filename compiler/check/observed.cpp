// Values that are observed twice: nearly always a statement that was copied and not changed.
#include "compiler/check/checker.h"

#include <algorithm>
#include <set>

namespace vmodel::check {

namespace {

using Sides = std::set<std::pair<std::string, bool>>;

/// An observation with what stands around it.
struct Observed {
  const Statement* statement = nullptr;
  const Declaration* declaration = nullptr; // of the value
  bool whole = false;                       // not elements of it
  std::string target;
  std::vector<std::string> loops; // `n in 1:N`, outermost first
  Sides sides;                    // the conditions around it as they are written, and whether they hold
};

/// True if one of two observations is made whenever the other is. Of conditions that differ it is not known whether
/// both can hold.
bool one_implies_the_other(const Sides& a, const Sides& b) {
  return std::includes(a.begin(), a.end(), b.begin(), b.end()) || std::includes(b.begin(), b.end(), a.begin(), a.end());
}

} // namespace

void Checker::report_observed_twice() {
  std::vector<Observed> all;
  std::vector<std::string> loops;
  Sides sides;
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
      for (const bool side : {true, false}) {
        const Sides outer = sides;
        if (s->kind == StatementKind::if_)
          sides.emplace(canonical(s->value), side);
        visit(side ? s->body : s->otherwise);
        sides = outer;
      }
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
      if (a.declaration != b.declaration || !(alike || a.whole || b.whole) || !one_implies_the_other(a.sides, b.sides))
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
