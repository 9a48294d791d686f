// Statements shared by models, families, functions and members. What means something only in a model or
// a family (priors, observations, draws ...) goes to the owner's handler.
#include "compiler/ir/typing.h"
#include "compiler/lower/emitter.h"

#include <algorithm>
#include <limits>

namespace vmodel::lower {

using check::ExprKind;
using check::StatementKind;

namespace {

void collect_assigned(const check::Block& block, const Environment& environment,
                      std::vector<const Declaration*>& result) {
  for (const Statement* s : block) {
    if (s->kind == StatementKind::assign && s->target->kind == ExprKind::name) {
      const Declaration* target = s->target->declaration;
      const bool scalar = target->type.is_scalar();
      if (scalar && environment.count(target) && std::find(result.begin(), result.end(), target) == result.end())
        result.push_back(target);
    }
    collect_assigned(s->body, environment, result);
    collect_assigned(s->otherwise, environment, result);
  }
}

} // namespace

std::vector<const Declaration*> assigned_scalars(const check::Block& block, const Environment& environment) {
  std::vector<const Declaration*> result;
  collect_assigned(block, environment, result);
  return result;
}

void Emitter::block(const check::Block& statements) {
  for (const Statement* s : statements)
    statement(*s);
}

void Emitter::load_time_block(const check::Block& statements, const std::set<const Declaration*>* wanted) {
  load_time_only_ = true;
  wanted_ = wanted;
  block(statements);
  load_time_only_ = false;
  wanted_ = nullptr;
}

bool Emitter::is_left_out(const Statement& s) const {
  if (!load_time_only_)
    return false;
  const auto is_wanted = [&](const Declaration* d) { return !wanted_ || wanted_->count(d); };
  switch (s.kind) {
  case StatementKind::let: return !s.value->load_time || !is_wanted(s.declaration);
  case StatementKind::let_tuple:
    return !s.value->load_time || std::none_of(s.declarations.begin(), s.declarations.end(), is_wanted);
  case StatementKind::var:
    return !s.declaration->load_time || (s.value && !s.value->load_time) || !is_wanted(s.declaration);
  case StatementKind::assign: {
    const Expr* base = s.target->kind == ExprKind::index ? s.target->operands[0] : s.target;
    return !base->declaration || !base->declaration->load_time || !s.value->load_time || !is_wanted(base->declaration);
  }
  case StatementKind::for_:
  case StatementKind::if_: {
    // Nothing in it is wanted: its limits may read what has not been lowered.
    const auto left_out = [&](const Statement* inner) { return is_left_out(*inner); };
    return std::all_of(s.body.begin(), s.body.end(), left_out) &&
           std::all_of(s.otherwise.begin(), s.otherwise.end(), left_out);
  }
  default: return true;
  }
}

Value& Emitter::bound(const Declaration* declaration) {
  const auto found = environment.find(declaration);
  if (found == environment.end()) {
    ir::internal_error("lowering: '" + (declaration ? declaration->name : std::string("?")) + "' has no value in @" +
                       b.function().name);
  }
  return found->second;
}

void Emitter::convert_to_declared(Value& value, const check::Type& type) {
  // `let m: real = 1;`: the checker marks conversions, except for literals of a fill.
  if (!value.id || type.element != check::Element::real)
    return;
  if (b.function().type(value.id).element == ir::Element::index && rank_of(value) == 0)
    value = b.to_real(value.id);
}

void Emitter::statement(const Statement& s) {
  if (is_left_out(s))
    return;
  b.set_range(s.range);
  switch (s.kind) {
  case StatementKind::let: {
    Value value = expression(*s.value);
    convert_to_declared(value, s.declaration->type);
    environment[s.declaration] = value;
    return;
  }
  case StatementKind::let_tuple: {
    const Value value = expression(*s.value);
    for (std::size_t k = 0; k < s.declarations.size(); ++k)
      environment[s.declarations[k]] = value.tuple.at(k);
    return;
  }
  case StatementKind::var: {
    const check::Type& type = s.declaration->type;
    if (type.is_scalar()) {
      Value value = s.value ? expression(*s.value) : Value();
      convert_to_declared(value, type);
      if (!value.id) {
        value = type.element == check::Element::real      ? b.constant(std::numeric_limits<double>::quiet_NaN())
                : type.element == check::Element::integer ? b.index(0)
                                                          : b.boolean(false);
      }
      environment[s.declaration] = value;
      return;
    }
    Value fill = s.value ? expression(*s.value) : Value();
    convert_to_declared(fill, type);
    const std::vector<Dim> extents = fill.id && rank_of(fill) > 0 ? shape_of(fill) : dims(type.shape);
    const ValueId memory = b.alloc(extents, element_of(type), !s.declaration->write_once);
    if (fill.id)
      b.for_each(extents, [&](Indices i) { b.store(memory, i, element(fill, i)); });
    environment[s.declaration] = memory;
    return;
  }
  case StatementKind::assign: assign(s); return;
  case StatementKind::for_: for_statement(s); return;
  case StatementKind::if_: if_statement(s); return;
  case StatementKind::while_: while_statement(s); return;
  case StatementKind::return_: returned = expression(*s.value); return;
  case StatementKind::require: return; // the function `checks` has them
  default:
    if (model_statement)
      model_statement(s);
    return;
  }
}

void Emitter::assign(const Statement& s) {
  Value value = expression(*s.value);
  convert_to_declared(value, s.target->type);
  if (s.target->kind == ExprKind::name) {
    Value& current = bound(s.target->declaration);
    if (s.target->type.is_scalar()) {
      current = s.add ? Value(b.add(current.id, value.id)) : value;
      return;
    }
    const ValueId memory = current.id;
    b.for_each(shape_of(current), [&](Indices i) {
      if (s.add)
        b.accumulate(memory, i, element(value, i));
      else
        b.store(memory, i, element(value, i));
    });
    return;
  }
  const ValueId memory = bound(s.target->operands[0]->declaration).id;
  const auto write = [&](Indices result_indices) {
    const std::vector<ValueId> at = base_indices(*s.target, result_indices);
    const ValueId x = element(value, result_indices);
    if (s.add)
      b.accumulate(memory, at, x);
    else
      b.store(memory, at, x);
  };
  if (s.target->type.shape.empty()) {
    write({});
    return;
  }
  b.for_each(rank_of(value) > 0 ? shape_of(value) : dims(s.target->type.shape), write);
}

void Emitter::for_statement(const Statement& s) {
  const std::vector<const Declaration*> carried = assigned_scalars(s.body, environment);
  const ValueId from = scalar(*s.from);
  const Dim extent = b.dim(range_extent(from, scalar(*s.to)));
  std::vector<ValueId> initial;
  for (const Declaration* d : carried)
    initial.push_back(bound(d).id);
  const ValueId element_before = random_element_;
  const std::vector<ValueId> last = b.loop(extent, initial, false, [&](ValueId i, std::span<const ValueId> values) {
    const Environment outer = environment;
    environment[s.declaration] = b.add(from, i);
    for (std::size_t k = 0; k < carried.size(); ++k)
      environment[carried[k]] = values[k];
    // Draws inside are numbered by the iteration, in the draw that is being made around it.
    random_element_ =
        element_before ? numbered(element_before, i, b.extent(extent), same_each_turn(s.from) && same_each_turn(s.to))
                       : i;
    block(s.body);
    std::vector<ValueId> next;
    for (const Declaration* d : carried)
      next.push_back(bound(d).id);
    environment = outer;
    return next;
  });
  random_element_ = element_before;
  for (std::size_t k = 0; k < carried.size(); ++k)
    environment[carried[k]] = last[k];
}

void Emitter::if_statement(const Statement& s) {
  check::Block both = s.body;
  both.insert(both.end(), s.otherwise.begin(), s.otherwise.end());
  const std::vector<const Declaration*> assigned = assigned_scalars(both, environment);
  const auto run = [&](const check::Block& side) {
    const Environment outer = environment;
    block(side);
    std::vector<ValueId> values;
    for (const Declaration* d : assigned)
      values.push_back(bound(d).id);
    environment = outer;
    return values;
  };
  const ValueId condition = scalar(*s.value);
  const std::vector<ValueId> results = b.if_(condition, [&] { return run(s.body); }, [&] { return run(s.otherwise); });
  for (std::size_t k = 0; k < assigned.size(); ++k)
    environment[assigned[k]] = results[k];
}

void Emitter::while_statement(const Statement& s) {
  const std::vector<const Declaration*> carried = assigned_scalars(s.body, environment);
  // The last carried value counts the attempts, so that every pass draws fresh numbers.
  std::vector<ValueId> initial;
  for (const Declaration* d : carried)
    initial.push_back(bound(d).id);
  initial.push_back(b.index(1));
  const ValueId attempt_before = random_attempt_;
  const auto bind = [&](std::span<const ValueId> values) {
    for (std::size_t k = 0; k < carried.size(); ++k)
      environment[carried[k]] = values[k];
    random_attempt_ = values.back();
  };
  const std::vector<ValueId> last = b.while_(
      initial,
      [&](std::span<const ValueId> values) {
        bind(values);
        return scalar(*s.value);
      },
      [&](std::span<const ValueId> values) {
        const Environment outer = environment;
        bind(values);
        block(s.body);
        std::vector<ValueId> next;
        for (const Declaration* d : carried)
          next.push_back(bound(d).id);
        next.push_back(b.add(values.back(), b.index(1)));
        environment = outer;
        b.set_range(s.range); // of the loop, which is made behind its body
        return next;
      });
  random_attempt_ = attempt_before;
  for (std::size_t k = 0; k < carried.size(); ++k)
    environment[carried[k]] = last[k];
}

} // namespace vmodel::lower
