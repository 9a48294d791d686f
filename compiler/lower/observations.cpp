// Where observed values stand among all of them.
#include "compiler/lower/master.h"
#include "compiler/lower/reads.h"

#include <algorithm>

namespace vmodel::lower {

using check::ExprKind;
using check::StatementKind;

namespace {

check::Type int_type() {
  check::Type type;
  type.element = check::Element::integer;
  return type;
}

/// The data or value of which an observed target is the whole or elements.
const Declaration* observed_declaration(const Expr& target) {
  const Expr* base = &target;
  if (base->kind == ExprKind::to_real)
    base = base->operands[0];
  if (base->kind == ExprKind::index)
    base = base->operands[0];
  return base->kind == ExprKind::name ? base->declaration : nullptr;
}

} // namespace

ModelBody::ModelBody(const check::Program& program) {
  collect_inner(program.model.body, false);
  std::vector<const Statement*> loops;
  const check::Block body = rewritten(program.model.body, loops);
  for (const Declaration& counter : declarations_) {
    Expr& zero = expressions_.emplace_back();
    zero.kind = ExprKind::int_literal;
    zero.type = int_type();
    zero.load_time = true;
    Statement& start = made_.emplace_back();
    start.kind = StatementKind::var;
    start.declaration = &counter;
    start.value = &zero;
    statements_.push_back(&start);
  }
  statements_.insert(statements_.end(), body.begin(), body.end());
}

void ModelBody::collect_inner(const check::Block& block, bool in_loop) {
  for (const Statement* s : block) {
    const bool opens = s->kind == StatementKind::for_;
    if (s->declaration && (in_loop || opens))
      inner_.insert(s->declaration);
    if (in_loop)
      inner_.insert(s->declarations.begin(), s->declarations.end());
    collect_inner(s->body, in_loop || opens);
    collect_inner(s->otherwise, in_loop);
  }
}

check::Block ModelBody::rewritten(const check::Block& block, std::vector<const Statement*>& loops) {
  check::Block result;
  for (const Statement* s : block) {
    if (s->kind == StatementKind::observe) {
      const Place place = find_place(*s, loops);
      places_[s] = place;
      result.push_back(s);
      if (place.counter)
        count(*s, *place.counter, result);
      continue;
    }
    if (s->body.empty() && s->otherwise.empty()) {
      result.push_back(s);
      continue;
    }
    const bool opens = s->kind == StatementKind::for_;
    if (opens)
      loops.push_back(s);
    check::Block body = rewritten(s->body, loops), otherwise = rewritten(s->otherwise, loops);
    if (opens)
      loops.pop_back();
    if (body != s->body || otherwise != s->otherwise) {
      Statement& copy = made_.emplace_back(*s);
      copy.body = std::move(body);
      copy.otherwise = std::move(otherwise);
      s = &copy;
    }
    result.push_back(s);
  }
  return result;
}

ModelBody::Place ModelBody::find_place(const Statement& observe, const std::vector<const Statement*>& loops) {
  Place place;
  const Declaration* declaration = observed_declaration(*observe.target);
  if (declaration && inner_.count(declaration) == 0) {
    place.declaration = declaration;
    return place;
  }
  Reads reads;
  for (const Statement* loop : loops) {
    collect(loop->from, reads);
    collect(loop->to, reads);
  }
  for (const Size& size : observe.target->type.shape)
    collect(size, reads);
  const bool changes =
      std::any_of(reads.begin(), reads.end(), [&](const Declaration* d) { return inner_.count(d) > 0; });
  if (!changes) {
    for (const Statement* loop : loops)
      place.loops.push_back({loop, turns(*loop)});
    return place;
  }
  Declaration& counter = declarations_.emplace_back();
  counter.kind = check::DeclarationKind::var;
  counter.name = "observed values of " + observe.name; // no name of the language
  counter.type = int_type();
  counter.range = observe.range;
  counter.load_time = true;
  place.counter = &counter;
  return place;
}

/// max(0, to - from + 1), an atom of its own: the limits may be any expressions.
Size ModelBody::turns(const Statement& loop) {
  const auto node = [&](ExprKind kind, std::vector<const Expr*> operands) -> Expr* {
    Expr& e = expressions_.emplace_back();
    e.kind = kind;
    e.type = int_type();
    e.range = loop.range;
    e.load_time = true;
    e.operands = std::move(operands);
    return &e;
  };
  Expr* difference = node(ExprKind::binary, {loop.to, loop.from});
  difference->op = check::Operator::sub;
  Expr* one = node(ExprKind::int_literal, {});
  one->integer = 1;
  Expr* count = node(ExprKind::binary, {difference, one});
  count->op = check::Operator::add;
  Expr* result = node(ExprKind::builtin, {node(ExprKind::int_literal, {}), count});
  result->builtin_name = "max";
  std::string key = std::to_string(loop.range.begin);
  key.insert(0, "turns of the loop at ");
  return Size::atom({key, nullptr, result});
}

/// `counter += number of values`, behind the observation.
void ModelBody::count(const Statement& observe, const Declaration& counter, check::Block& into) {
  Expr& target = expressions_.emplace_back();
  target.kind = ExprKind::name;
  target.type = int_type();
  target.load_time = true;
  target.declaration = &counter;
  // An empty slice may have a negative polynomial for its size.
  const auto node = [&](ExprKind kind, std::vector<const Expr*> operands) -> Expr* {
    Expr& e = expressions_.emplace_back();
    e.kind = kind;
    e.type = int_type();
    e.range = observe.range;
    e.load_time = true;
    e.operands = std::move(operands);
    return &e;
  };
  Expr* values = node(ExprKind::int_literal, {});
  values->integer = 1;
  for (const Size& size : observe.target->type.shape) {
    Expr* extent = node(ExprKind::size, {});
    extent->size = size;
    Expr* turns = node(ExprKind::builtin, {node(ExprKind::int_literal, {}), extent});
    turns->builtin_name = "max";
    values = node(ExprKind::binary, {values, turns});
    values->op = check::Operator::mul;
  }
  Statement& step = made_.emplace_back();
  step.kind = StatementKind::assign;
  step.range = observe.range;
  step.target = &target;
  step.value = values;
  step.add = true;
  into.push_back(&step);
}

} // namespace vmodel::lower
