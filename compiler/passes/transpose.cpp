#include "compiler/passes/transpose.h"

#include "compiler/ir/typing.h"
#include "compiler/passes/transpose_internal.h"

namespace vmodel::passes {

using ir::Parameter;

Transposer::Transposer(const Linearised& l, const TransposePlan& plan, std::vector<DerivativeError>& errors)
    : l_(l), plan_(plan), errors_(errors), builder_(out_), map_(l.function, builder_), root_(l.function.values.size()) {
  out_.name = l.function.name;
  for (std::uint32_t id = 0; id < root_.size(); ++id)
    root_[id] = ValueId{id};
  ir::for_each_op(l.function.body, [&](const Op& op) {
    if (op.opcode == Opcode::freeze_)
      root_[op.results[0].id] = root_[op.operands[0].id];
    if (op.opcode == Opcode::alloc_ && op.integer != 0)
      mutable_.insert(op.results[0]);
  });
}

Function Transposer::run() {
  parameters();
  std::set<ValueId> ones;
  for (const auto& [root, memory] : memory_)
    if (memory.kind == Memory::Kind::one)
      ones.insert(root);
  zero_ = find_zero_adjoints(l_, ones);
  infinite_ = find_infinite(l_.function);
  frames_.emplace_back();
  transpose(l_.function.body);
  finish();
  builder_.yield(map_(l_.function.body.yields));
  return std::move(out_);
}

// --- Parameters -------------------------------------------------------------------------------------

void Transposer::parameters() {
  const Function& f = l_.function;
  std::map<std::string, const Parameter*> by_name;
  for (const Parameter& parameter : f.parameters) {
    by_name[parameter.name] = &parameter;
    if (linear(parameter.value))
      continue;
    map_.set(parameter.value, builder_.parameter(parameter.name, map_(f.type(parameter.value)), parameter.axis));
  }
  bool any_lanes = false, any_uniform = false;
  for (const DerivativeName& of : plan_.of) {
    const ValueId t = l_.tangents.at(of.parameter);
    Axis axis = Axis::particle;
    for (const Parameter& parameter : f.parameters)
      if (parameter.value == t)
        axis = parameter.axis;
    (axis == Axis::particle ? any_lanes : any_uniform) = true;
    if (of.derivative.empty()) {
      memory_[t] = {Memory::Kind::one, {}};
      continue;
    }
    Type type = map_(f.type(t));
    type.reference = false;
    memory_[t] = {Memory::Kind::read, builder_.parameter(of.derivative, type, axis)};
  }
  if (any_lanes && any_uniform)
    errors_.push_back(
        {{}, "outputs for each particle and outputs for all particles cannot be differentiated together"});
  lanes_ = any_lanes;
  std::vector<std::pair<ValueId, Axis>> adjoints;
  for (const DerivativeName& wrt : plan_.wrt) {
    const ValueId t = l_.tangents.at(wrt.parameter);
    Axis axis = Axis::particle;
    for (const Parameter& parameter : f.parameters)
      if (parameter.value == t)
        axis = parameter.axis;
    Type type = map_(f.type(t));
    type.reference = true;
    outputs_.push_back({t, builder_.parameter(wrt.derivative, type, axis), lanes_ && axis != Axis::particle});
  }
  // Memory of adjoints: the output itself, zeroed, or memory of each lane.
  for (const Output& output : outputs_) {
    const Type type = out_.type(output.adjoint);
    if (type.rank() == 0)
      continue;
    if (output.summed) {
      memory_[output.tangent] = {Memory::Kind::own, builder_.alloc(type.dims, type.element, true)};
      continue;
    }
    memory_[output.tangent] = {Memory::Kind::own, output.adjoint};
    builder_.for_each(type.dims, [&](Builder::Indices i) { builder_.store(output.adjoint, i, builder_.constant(0)); });
  }
}

void Transposer::finish() {
  for (const Output& output : outputs_) {
    const Type type = out_.type(output.adjoint);
    if (type.rank() == 0) {
      const ValueId a = adjoint_or_zero(output.tangent);
      builder_.store(output.adjoint, {}, output.summed ? builder_.lane_sum(a) : a);
    } else if (output.summed) {
      const ValueId memory = memory_.at(output.tangent).value;
      builder_.for_each(type.dims, [&](Builder::Indices i) {
        builder_.store(output.adjoint, i, builder_.lane_sum(builder_.load(memory, i)));
      });
    }
  }
}

// --- Regions ------------------------------------------------------------------------------------------

void Transposer::transpose(const Region& region) {
  std::vector<const Op*> linear_ops;
  for (const Op& op : region.ops) {
    if (is_linear_op(l_, op)) {
      linear_ops.push_back(&op);
      continue;
    }
    builder_.set_range(op.range);
    map_.copy(op);
  }
  for (const Op* op : linear_ops)
    if (op->opcode == Opcode::alloc_ || op->opcode == Opcode::build_) {
      std::vector<Dim> dims;
      for (std::size_t i = 0; i < l_.function.type(op->results[0]).rank(); ++i)
        dims.push_back(builder_.dim(map_(op->operands[i])));
      memory_[op->results[0]] = {Memory::Kind::own, builder_.alloc(dims, ir::Element::f64, true)};
    }
  for (auto op = linear_ops.rbegin(); op != linear_ops.rend(); ++op) {
    builder_.set_range((*op)->range);
    transpose(**op);
  }
}

void Transposer::transpose(const Op& op) {
  const auto result = [&] { return op.results.empty() ? std::nullopt : adjoint(op.results[0]); };
  const auto may_be_nan = [&](ValueId coefficient) { return zero_[op.results[0].id] && infinite_[coefficient.id]; };
  switch (op.opcode) {
  case Opcode::alloc_:
  case Opcode::freeze_:
  case Opcode::call_: return;
  case Opcode::build_: return transpose_build(op);
  case Opcode::reduce_: return transpose_reduce(op);
  case Opcode::loop_: return transpose_loop(op);
  case Opcode::if_: return transpose_if(op);
  case Opcode::load_:
    if (const auto a = result()) {
      const Memory& memory = memory_.at(root_[op.operands[0].id]);
      if (memory.kind != Memory::Kind::own)
        ir::internal_error("transpose: a tangent is read from an output");
      builder_.accumulate(memory.value, indices(op, 0), materialise(*a));
    }
    return;
  case Opcode::store_:
  case Opcode::accumulate_: {
    const Memory& memory = memory_.at(root_[op.operands[0].id]);
    const ValueId t = op.operands.back();
    if (memory.kind == Memory::Kind::one)
      return add(t, {builder_.constant(1), false});
    const std::vector<ValueId> at = indices(op, 1);
    if (linear(t)) {
      const bool is_scalar = out_.type(memory.value).is_scalar(); // cotangent of a scalar output
      add(t, {is_scalar ? memory.value : builder_.load(memory.value, at), false});
    }
    // What was there before has no part in what is read later.
    if (op.opcode == Opcode::store_ && memory.kind == Memory::Kind::own && mutable_.contains(root_[op.operands[0].id]))
      builder_.store(memory.value, at, builder_.constant(0));
    return;
  }
  default: break;
  }
  const auto a = result();
  if (!a)
    return;
  switch (op.opcode) {
  case Opcode::add:
    add(op.operands[0], *a);
    add(op.operands[1], *a);
    return;
  case Opcode::sub:
    add(op.operands[0], *a);
    add(op.operands[1], {a->value, !a->negative});
    return;
  case Opcode::neg: add(op.operands[0], {a->value, !a->negative}); return;
  case Opcode::mul: add(op.operands[0], scaled(*a, map_(op.operands[1]), may_be_nan(op.operands[1]))); return;
  case Opcode::strong_mul_: {
    if (linear(op.operands[0])) {
      add(op.operands[0], scaled(*a, map_(op.operands[1]), true));
      return;
    }
    const ValueId coefficient = map_(op.operands[0]);
    add(op.operands[1], {builder_.strong_mul(coefficient, a->value), a->negative});
    return;
  }
  case Opcode::select_: {
    const ValueId condition = map_(op.operands[0]);
    const ValueId none = builder_.constant(0);
    if (linear(op.operands[1]))
      add(op.operands[1], {builder_.select(condition, a->value, none), a->negative});
    if (linear(op.operands[2]))
      add(op.operands[2], {builder_.select(condition, none, a->value), a->negative});
    return;
  }
  // Every lane reads the sum, so its adjoint is the sum of theirs.
  case Opcode::lane_sum_: add(op.operands[0], lanes_ ? Adjoint{builder_.lane_sum(a->value), a->negative} : *a); return;
  default: ir::internal_error(std::string("transpose: ") + ir::name(op.opcode) + " is not linear");
  }
}

Function transpose(const Linearised& linearised, const TransposePlan& plan, std::vector<DerivativeError>& errors) {
  return Transposer(linearised, plan, errors).run();
}

} // namespace vmodel::passes
