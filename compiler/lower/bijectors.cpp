// Bijectors: their members, and the steps of transformed distributions in both directions.
#include "compiler/ir/typing.h"
#include "compiler/lower/emitter.h"
#include "compiler/passes/passes.h"

#include <algorithm>

namespace vmodel::lower {

using check::Bijector;
using check::BijectorStep;
using ir::Opcode;

// ---------------------------------------------------------------- members

namespace {

Emitter::MemberOwner owner(const Bijector& bijector) {
  return {bijector.symbol, bijector.inputs, bijector.size_names};
}

const std::vector<check::Element> value_and_log_det{check::Element::real, check::Element::real};

} // namespace

Value Emitter::bijector_forward(const Bijector& bijector, const std::vector<Value>& arguments,
                                const BijectorSizes& sizes, const Value& x) {
  if (bijector.forward)
    return member(owner(bijector), "forward", *bijector.forward, arguments, sizes, {x});
  return member(owner(bijector), "forward_and_log_det", *bijector.forward_and_log_det, arguments, sizes, {x},
                value_and_log_det)
      .tuple[0];
}

Value Emitter::bijector_inverse(const Bijector& bijector, const std::vector<Value>& arguments,
                                const BijectorSizes& sizes, const Value& y) {
  if (bijector.inverse)
    return member(owner(bijector), "inverse", *bijector.inverse, arguments, sizes, {y});
  return member(owner(bijector), "inverse_and_log_det", *bijector.inverse_and_log_det, arguments, sizes, {y},
                value_and_log_det)
      .tuple[0];
}

ValueId Emitter::bijector_log_det(const Bijector& bijector, const std::vector<Value>& arguments,
                                  const BijectorSizes& sizes, const Value& x) {
  if (bijector.log_det)
    return member(owner(bijector), "log_det", *bijector.log_det, arguments, sizes, {x}).id;
  if (bijector.forward_and_log_det)
    return member(owner(bijector), "forward_and_log_det", *bijector.forward_and_log_det, arguments, sizes, {x},
                  value_and_log_det)
        .tuple[1]
        .id;
  if (bijector.forward && bijector.is_scalar())
    return log_slope(bijector, "forward", *bijector.forward, arguments, x.id);
  const Value y = bijector_forward(bijector, arguments, sizes, x);
  return member(owner(bijector), "inverse_and_log_det", *bijector.inverse_and_log_det, arguments, sizes, {y},
                value_and_log_det)
      .tuple[1]
      .id;
}

/// log |d member / dx| of a scalar bijector, by forward-mode differentiation: the function NAME.MEMBER.slope.
ValueId Emitter::log_slope(const Bijector& bijector, const std::string& direction, const check::Member& m,
                           const std::vector<Value>& arguments, ValueId x) {
  const std::string name = bijector.symbol + "." + direction + ".slope";
  if (context_.lowered_callees.insert(name).second) {
    // The member as a function with an output, its own calls inlined: what `linearise` takes.
    ir::Function function;
    function.name = name;
    Emitter inner(context_, function);
    ir::Builder& builder = inner.builder();
    const ir::Type real{ir::Element::f64, false, {}};
    std::vector<ValueId> parameters{builder.parameter("x", real, ir::Axis::particle)};
    std::vector<Value> owner_arguments;
    for (const Declaration* p : bijector.inputs) {
      const ir::Axis axis = p->type.element == check::Element::real ? ir::Axis::particle : ir::Axis::load;
      owner_arguments.emplace_back(builder.parameter("argument." + p->name, {element_of(p->type), false, {}}, axis));
    }
    const ValueId value = builder.parameter("value", {ir::Element::f64, true, {}}, ir::Axis::particle);
    const Value y = inner.member(owner(bijector), direction, m, owner_arguments, {}, {parameters[0]});
    builder.store(value, {}, y.id);
    builder.yield({});
    ir::Module single;
    for (const ir::Function& callee : context_.module.functions) {
      if (context_.lowered_callees.count(callee.name) != 0)
        single.functions.push_back(callee);
    }
    single.functions.push_back(std::move(function));
    single = passes::inline_calls(std::move(single));
    const ir::Function* inlined = single.find(name);
    passes::LineariseOptions options;
    options.inputs = {{"x", "x.t"}};
    options.outputs = {{"value", "value.t"}};
    options.keep_outputs = false;
    std::vector<passes::DerivativeError> errors;
    ir::Function slope = passes::linearise(single, *inlined, options, errors);
    if (!errors.empty())
      ir::internal_error("the derivative of '" + bijector.name + "': " + errors[0].message);
    // The store to the output becomes the result.
    const auto output = std::find_if(slope.parameters.begin(), slope.parameters.end(),
                                     [](const ir::Parameter& p) { return p.name == "value.t"; });
    const ValueId reference = output->value;
    slope.parameters.erase(output);
    std::erase_if(slope.body.ops, [&](const ir::Op& op) {
      if (op.opcode != Opcode::store_ || op.operands[0] != reference)
        return false;
      slope.body.yields = {op.operands[1]};
      return true;
    });
    slope.results = {real};
    slope.name = name;
    context_.module.functions.push_back(std::move(slope));
  }
  std::vector<ValueId> all{x, b.constant(1)};
  for (const Value& v : arguments)
    all.push_back(v.id);
  const ValueId slope = b.call(name, all, {ir::Type{ir::Element::f64, false, {}}})[0];
  return b.unary(Opcode::log, b.unary(Opcode::abs, slope));
}

// ---------------------------------------------------------------- steps

std::vector<LoweredStep> Emitter::steps(const std::vector<const BijectorStep*>& steps) {
  std::vector<LoweredStep> result;
  for (const BijectorStep* step : steps) {
    LoweredStep& lowered = result.emplace_back();
    lowered.step = step;
    for (const Expr* a : step->arguments)
      lowered.arguments.push_back(expression(*a));
    if (step->bijector)
      continue;
    lowered.first = scalar(*step->turns.from);
    lowered.turns = range_extent(lowered.first, scalar(*step->turns.to));
  }
  return result;
}

Emitter::Mapped Emitter::mapped(const std::vector<LoweredStep>& steps, bool backward, Indices batch, const Value& event,
                                bool with_log_det) {
  Mapped result{event, with_log_det ? b.constant(0) : ValueId{}};
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const LoweredStep& step = steps[backward ? steps.size() - 1 - i : i];
    const Mapped next = step.step->bijector ? mapped_by(step, backward, batch, result.value, with_log_det)
                                            : mapped_by_turns(step, backward, batch, result.value, with_log_det);
    result.value = next.value;
    if (with_log_det)
      result.log_det = b.add(result.log_det, next.log_det);
  }
  return result;
}

/// One event of the bijector.
Emitter::Mapped Emitter::mapped_once(const BijectorStep& step, bool forward, const std::vector<Value>& arguments,
                                     const Value& event, bool with_log_det) {
  const Bijector& bijector = *step.bijector;
  BijectorSizes sizes;
  for (const auto& [name, size] : step.sizes)
    sizes[name] = this->size(size);
  for (const Declaration* name : bijector.size_names)
    bind_size_name(name, step.sizes.at(name->name));
  const auto both = [&](const char* name, const check::Member& m) {
    return member(owner(bijector), name, m, arguments, sizes, {event}, value_and_log_det);
  };
  if (!with_log_det) {
    return {forward ? bijector_forward(bijector, arguments, sizes, event)
                    : bijector_inverse(bijector, arguments, sizes, event),
            {}};
  }
  if (forward) {
    if (bijector.forward_and_log_det) {
      const Value result = both("forward_and_log_det", *bijector.forward_and_log_det);
      return {result.tuple[0], result.tuple[1].id};
    }
    return {bijector_forward(bijector, arguments, sizes, event), bijector_log_det(bijector, arguments, sizes, event)};
  }
  if (bijector.inverse_and_log_det) {
    const Value result = both("inverse_and_log_det", *bijector.inverse_and_log_det);
    return {result.tuple[0], b.neg(result.tuple[1].id)};
  }
  const Value x = bijector_inverse(bijector, arguments, sizes, event);
  if (!bijector.has_forward() && !bijector.log_det)
    return {x, log_slope(bijector, "inverse", *bijector.inverse, arguments, event.id)};
  return {x, b.neg(bijector_log_det(bijector, arguments, sizes, x))};
}

/// The bijector for each of the value's axes before those of its own events.
Emitter::Mapped Emitter::mapped_by(const LoweredStep& lowered, bool backward, Indices batch, const Value& event,
                                   bool with_log_det) {
  const BijectorStep& step = *lowered.step;
  const bool forward = backward == step.inverted;
  const check::Shape& before = backward ? step.to : step.from;
  const check::Shape& after = backward ? step.from : step.to;
  const std::vector<Dim> shape = shape_of(event);
  const std::vector<Dim> lead(shape.begin(), shape.end() - static_cast<std::ptrdiff_t>(before.size()));
  const auto arguments_at = [&](Indices i) {
    std::vector<ValueId> all(batch.begin(), batch.end());
    all.insert(all.end(), i.begin(), i.end());
    std::vector<Value> result;
    for (std::size_t k = 0; k < lowered.arguments.size(); ++k)
      result.push_back(beside(lowered.arguments[k], step.bijector->inputs[k]->type.rank(), all));
    return result;
  };
  if (lead.empty())
    return mapped_once(step, forward, arguments_at({}), event, with_log_det);
  const std::vector<Dim> inner = dims(after);
  std::vector<Dim> extents = lead;
  extents.insert(extents.end(), inner.begin(), inner.end());
  if (inner.empty() && !with_log_det) {
    return {b.build(extents, ir::Element::f64,
                    [&](Indices i) {
                      return mapped_once(step, forward, arguments_at(i), element(event, i), false).value.id;
                    }),
            {}};
  }
  const ValueId memory = b.alloc(extents, ir::Element::f64, false);
  const auto one = [&](Indices i) {
    const std::vector<ValueId> head(i.begin(), i.end());
    const Mapped result = mapped_once(step, forward, arguments_at(head), slice(event, head), with_log_det);
    if (inner.empty()) {
      b.store(memory, head, result.value.id);
    } else {
      b.for_each(inner, [&](Indices k) {
        std::vector<ValueId> at = head;
        at.insert(at.end(), k.begin(), k.end());
        b.store(memory, at, element(result.value, k));
      });
    }
    return result.log_det;
  };
  Mapped result;
  if (with_log_det)
    result.log_det = b.sum(lead, one);
  else
    b.for_each(lead, [&](Indices i) { one(i); });
  result.value = b.freeze(memory);
  return result;
}

/// A range of steps: a recurrence whose values are all kept, so that a reverse pass reads them again.
Emitter::Mapped Emitter::mapped_by_turns(const LoweredStep& lowered, bool backward, Indices batch, const Value& event,
                                         bool with_log_det) {
  const BijectorStep& step = *lowered.step;
  const bool last_first = backward != step.inverted;
  const std::vector<Dim> shape = shape_of(event);
  const Dim turns = b.dim(lowered.turns);
  std::vector<Dim> extents{b.dim(b.add(lowered.turns, b.index(1)))};
  extents.insert(extents.end(), shape.begin(), shape.end());
  const ValueId memory = b.alloc(extents, ir::Element::f64, false);
  const auto keep = [&](ValueId turn, const Value& value) {
    if (shape.empty()) {
      b.store(memory, std::vector{turn}, value.id);
      return;
    }
    b.for_each(shape, [&](Indices i) {
      std::vector<ValueId> at{turn};
      at.insert(at.end(), i.begin(), i.end());
      b.store(memory, at, element(value, i));
    });
  };
  keep(b.index(0), event);
  std::vector<ValueId> initial;
  if (with_log_det)
    initial.push_back(b.constant(0));
  const std::vector<ValueId> head(batch.begin(), batch.end());
  const std::vector<ValueId> total = b.loop(turns, initial, false, [&](ValueId turn, std::span<const ValueId> carried) {
    const Environment outer = environment;
    const ValueId from_end = b.sub(b.sub(lowered.turns, b.index(1)), turn);
    environment[step.turns.index] = b.add(lowered.first, last_first ? from_end : turn);
    const ValueId now[] = {turn};
    const Mapped next = mapped(steps(step.body), backward, head, slice(memory, now), with_log_det);
    keep(b.add(turn, b.index(1)), next.value);
    environment = outer;
    return with_log_det ? std::vector{b.add(carried[0], next.log_det)} : std::vector<ValueId>{};
  });
  const ValueId end[] = {lowered.turns};
  return {slice(b.freeze(memory), end), with_log_det ? total[0] : ValueId{}};
}

// ---------------------------------------------------------------- draws

Emitter::Draws Emitter::transformed_draws(const DistributionExpr& expr, const std::vector<Dim>& batch,
                                          const std::function<ValueId(Indices)>& number) {
  const LoweredDistribution d = distribution(expr);
  const LoweredDistribution base = d.components[0];
  if (batch.empty()) {
    const Value x = sample(base, {}, number({}));
    const Mapped y = mapped(d.steps, false, {}, x, true);
    return {y.value, [this, base, x, y](Indices) { return b.sub(log_density(base, {}, x), y.log_det); }};
  }
  const auto memory = [&](const check::Shape& event) {
    std::vector<Dim> extents = batch;
    for (const Dim& dim : dims(event))
      extents.push_back(dim);
    return b.alloc(extents, ir::Element::f64, false);
  };
  const auto keep = [&](ValueId place, Indices head, const Value& value) {
    if (rank_of(value) == 0) {
      b.store(place, head, value.id);
      return;
    }
    const std::vector<ValueId> first(head.begin(), head.end());
    b.for_each(shape_of(value), [&](Indices i) {
      std::vector<ValueId> at = first;
      at.insert(at.end(), i.begin(), i.end());
      b.store(place, at, element(value, i));
    });
  };
  const ValueId drawn = memory(base.expr->event), value = memory(expr.event), log_det = memory({});
  b.for_each(batch, [&](Indices i) {
    const std::vector<ValueId> head(i.begin(), i.end());
    const Value x = sample(base, head, number(head));
    const Mapped y = mapped(d.steps, false, head, x, true);
    keep(drawn, head, x);
    keep(value, head, y.value);
    b.store(log_det, head, y.log_det);
  });
  const Value kept = b.freeze(drawn), determinants = b.freeze(log_det);
  return {Value(b.freeze(value)), [this, base, kept, determinants](Indices i) {
            return b.sub(log_density(base, i, slice(kept, i)), element(determinants, i));
          }};
}

} // namespace vmodel::lower
