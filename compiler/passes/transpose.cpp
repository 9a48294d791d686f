#include "compiler/passes/transpose.h"

#include "compiler/ir/rewrite.h"
#include "compiler/ir/typing.h"

#include <functional>
#include <optional>

namespace vmodel::passes {

using ir::Axis;
using ir::Builder;
using ir::Dim;
using ir::Function;
using ir::Op;
using ir::Opcode;
using ir::Parameter;
using ir::Region;
using ir::Type;
using ir::ValueId;

namespace {

const Type real{};

class Transposer {
public:
  Transposer(const Linearised& l, const TransposePlan& plan, std::vector<DerivativeError>& errors)
      : l_(l), plan_(plan), errors_(errors), builder_(out_), map_(l.function, builder_),
        root_(l.function.values.size()) {
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

  Function run() {
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

private:
  // An adjoint with its sign apart, so that sums become differences and no sign is computed.
  struct Adjoint {
    ValueId value;
    bool negative = false;
  };
  // Where the adjoints of an array or memory are.
  struct Memory {
    enum class Kind {
      one,  // the constant one: cotangent of an output
      read, // a parameter: cotangent of an output
      own   // memory that is accumulated to
    };
    Kind kind = Kind::own;
    ValueId value;
  };
  // Adjoints of scalars, those of outer regions' scalars included: what this region adds to them.
  using Frame = std::map<ValueId, Adjoint>;

  bool linear(ValueId v) const { return l_.is_linear(v); }

  void parameters();
  void finish();
  void transpose(const Region& region);
  void transpose(const Op& op);
  void transpose_reduce(const Op& op);
  void transpose_build(const Op& op);
  std::vector<std::pair<ValueId, Adjoint>> reverse_map(const Op& op,
                                                       const std::function<void(std::span<const ValueId>)>& seed);
  void transpose_loop(const Op& op);
  void transpose_if(const Op& op);

  ValueId materialise(const Adjoint& a) { return a.negative ? builder_.neg(a.value) : a.value; }
  std::optional<Adjoint> adjoint(ValueId v) const {
    const auto found = frames_.back().find(v);
    return found == frames_.back().end() ? std::nullopt : std::optional(found->second);
  }
  ValueId adjoint_or_zero(ValueId v) {
    const auto a = adjoint(v);
    return a ? materialise(*a) : builder_.constant(0);
  }
  void add(ValueId v, Adjoint a) {
    if (!linear(v))
      return;
    const auto [entry, is_new] = frames_.back().try_emplace(v, a);
    if (is_new)
      return;
    Adjoint& sum = entry->second;
    if (sum.negative == a.negative)
      sum.value = builder_.add(sum.value, a.value);
    else if (a.negative)
      sum.value = builder_.sub(sum.value, a.value);
    else
      sum = {builder_.sub(a.value, sum.value), false};
  }
  Adjoint scaled(const Adjoint& a, ValueId coefficient, bool strong) {
    return {strong ? builder_.strong_mul(a.value, coefficient) : builder_.mul(a.value, coefficient), a.negative};
  }
  std::vector<ValueId> indices(const Op& op, std::size_t trailing) {
    std::vector<ValueId> result;
    for (std::size_t i = 1; i + trailing < op.operands.size(); ++i)
      result.push_back(map_(op.operands[i]));
    return result;
  }
  // Linear scalars of outer regions that a region uses, in order of their first use.
  std::vector<ValueId> outer_scalars(const Op& op) const {
    std::vector<ValueId> result;
    std::set<ValueId> own;
    std::set<ValueId> seen;
    const std::function<void(const Region&)> visit = [&](const Region& region) {
      const auto use = [&](ValueId v) {
        if (linear(v) && l_.function.type(v).is_scalar() && !own.contains(v) && seen.insert(v).second)
          result.push_back(v);
      };
      own.insert(region.arguments.begin(), region.arguments.end());
      for (const Op& inner : region.ops) {
        for (ValueId v : inner.operands)
          use(v);
        for (const Region& nested : inner.regions)
          visit(nested);
        own.insert(inner.results.begin(), inner.results.end());
      }
      for (ValueId v : region.yields)
        use(v);
    };
    for (const Region& region : op.regions)
      visit(region);
    return result;
  }
  bool touches_memory(const Region& region) const {
    for (const Op& op : region.ops) {
      for (ValueId v : op.operands)
        if (linear(v) && !l_.function.type(v).is_scalar())
          return true;
      for (const Region& inner : op.regions)
        if (touches_memory(inner))
          return true;
    }
    return false;
  }
  // The reverse of a region with seeds for its yields; `outer` then holds what it adds to scalars
  // outside.
  Region reverse_region(const Region& region, const std::vector<ValueId>& arguments, const std::function<void()>& seed,
                        const std::function<std::vector<ValueId>()>& yields) {
    builder_.open_region();
    frames_.emplace_back();
    seed();
    transpose(region);
    std::vector<ValueId> values = yields();
    frames_.pop_back();
    Region result = builder_.close_region(std::move(values));
    result.arguments = arguments;
    return result;
  }

  const Linearised& l_;
  const TransposePlan& plan_;
  std::vector<DerivativeError>& errors_;
  Function out_;
  Builder builder_;
  ir::Rewriter map_;
  std::vector<ValueId> root_;
  std::set<ValueId> mutable_;
  std::vector<bool> zero_, infinite_;
  std::vector<Frame> frames_;
  std::map<ValueId, Memory> memory_; // by root
  struct Output {
    ValueId tangent, adjoint;
    bool summed; // per-lane memory, then the sum over lanes
  };
  std::vector<Output> outputs_;
  bool lanes_ = false; // cotangents are per particle
};

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

void Transposer::transpose_reduce(const Op& op) {
  const Region& body = op.regions[0];
  std::vector<std::pair<ValueId, Adjoint>> seeds;
  for (std::size_t i = 0; i < op.results.size(); ++i)
    if (const auto a = adjoint(op.results[i]))
      seeds.emplace_back(body.yields[i], *a);
  const bool memory = touches_memory(body);
  if (seeds.empty() && !memory)
    return;
  // One seed, and only sums come out: they are taken with the seed one and multiplied afterwards.
  std::optional<Adjoint> factor;
  bool strong = false;
  if (!memory && seeds.size() == 1 && op.results.size() == 1) {
    factor = seeds[0].second;
    strong = zero_[op.results[0].id];
    seeds[0].second = {builder_.constant(1), false};
  }
  const std::vector<std::pair<ValueId, Adjoint>> sums = reverse_map(op, [&](std::span<const ValueId>) {
    for (const auto& [v, a] : seeds)
      add(v, a);
  });
  for (auto [v, a] : sums) {
    if (factor) {
      const ValueId product =
          strong ? builder_.strong_mul(factor->value, a.value) : builder_.mul(a.value, factor->value);
      a = {product, a.negative != factor->negative};
    }
    add(v, a);
  }
}

void Transposer::transpose_build(const Op& op) {
  const Region& body = op.regions[0];
  if (!linear(body.yields[0]))
    return;
  const ValueId memory = memory_.at(op.results[0]).value;
  const auto sums = reverse_map(
      op, [&](std::span<const ValueId> indices) { add(body.yields[0], {builder_.load(memory, indices), false}); });
  for (const auto& [v, a] : sums)
    add(v, a);
}

// The reverse of a map is a map: it adds to memory, and what it adds to scalars outside are its
// results.
std::vector<std::pair<ValueId, Transposer::Adjoint>>
Transposer::reverse_map(const Op& op, const std::function<void(std::span<const ValueId>)>& seed) {
  const Region& body = op.regions[0];
  const std::vector<ValueId> outer = outer_scalars(op);
  std::vector<std::pair<ValueId, Adjoint>> sums;     // values are filled in afterwards
  std::vector<std::pair<std::size_t, double>> equal; // the same constant in every iteration
  std::vector<std::size_t> moved;
  const std::vector<ValueId> arguments = map_.declare(body.arguments);
  Region region = reverse_region(
      body, arguments, [&] { seed(arguments); },
      [&] {
        std::vector<ValueId> yields;
        for (ValueId v : outer)
          if (const auto a = adjoint(v)) {
            if (const auto constant = builder_.constant_value(a->value)) {
              equal.emplace_back(sums.size(), constant->number);
            } else {
              moved.push_back(sums.size());
              yields.push_back(a->value);
            }
            sums.emplace_back(v, Adjoint{{}, a->negative});
          }
        return yields;
      });
  std::vector<Region> regions;
  regions.push_back(std::move(region));
  const std::vector<ValueId> results = builder_.emit(Opcode::reduce_, map_(op.operands),
                                                     std::vector<Type>(moved.size(), real), std::move(regions), "add");
  for (std::size_t i = 0; i < moved.size(); ++i)
    sums[moved[i]].second.value = results[i];
  if (equal.empty())
    return sums;
  ValueId count = builder_.index(1);
  for (ValueId extent : op.operands)
    count = builder_.mul(count, builder_.binary(Opcode::max, map_(extent), builder_.index(0)));
  for (const auto& [i, constant] : equal)
    sums[i].second.value = builder_.mul(builder_.to_real(count), builder_.constant(constant));
  return sums;
}

// The adjoints of carried values are carried the other way; so are the sums for scalars outside.
void Transposer::transpose_loop(const Op& op) {
  const Region& body = op.regions[0];
  const std::vector<ValueId> outer = outer_scalars(op);
  const std::size_t carried = op.results.size();
  std::vector<ValueId> operands{map_(op.operands[0])};
  for (ValueId v : op.results)
    operands.push_back(adjoint_or_zero(v));
  for (ValueId v : outer)
    operands.push_back(adjoint_or_zero(v));
  std::vector<ValueId> arguments = map_.declare({body.arguments[0]});
  for (std::size_t i = 0; i < carried + outer.size(); ++i)
    arguments.push_back(out_.add_value(real));
  Region region = reverse_region(
      body, arguments,
      [&] {
        for (std::size_t i = 0; i < carried; ++i)
          add(body.yields[i], {arguments[1 + i], false});
        for (std::size_t i = 0; i < outer.size(); ++i)
          add(outer[i], {arguments[1 + carried + i], false});
      },
      [&] {
        std::vector<ValueId> yields;
        for (std::size_t i = 0; i < carried; ++i)
          yields.push_back(adjoint_or_zero(body.arguments[i + 1]));
        for (ValueId v : outer)
          yields.push_back(adjoint_or_zero(v));
        return yields;
      });
  std::vector<Region> regions;
  regions.push_back(std::move(region));
  const std::vector<ValueId> results =
      builder_.emit(Opcode::loop_, std::move(operands), std::vector<Type>(carried + outer.size(), real),
                    std::move(regions), {}, op.integer == 0 ? 1 : 0);
  for (std::size_t i = 0; i < outer.size(); ++i)
    frames_.back()[outer[i]] = {results[carried + i], false};
  for (std::size_t i = 0; i < carried; ++i)
    add(op.operands[i + 1], {results[i], false});
}

void Transposer::transpose_if(const Op& op) {
  const std::vector<ValueId> outer = outer_scalars(op);
  std::vector<Adjoint> seeds;
  for (ValueId v : op.results) {
    const auto a = adjoint(v);
    seeds.push_back(a ? *a : Adjoint{});
  }
  std::vector<bool> moved(outer.size());
  std::vector<Region> regions;
  for (const Region& side : op.regions)
    regions.push_back(reverse_region(
        side, {},
        [&] {
          for (std::size_t i = 0; i < seeds.size(); ++i)
            if (seeds[i].value)
              add(side.yields[i], seeds[i]);
        },
        [&] {
          std::vector<ValueId> yields;
          for (std::size_t i = 0; i < outer.size(); ++i) {
            moved[i] = moved[i] || adjoint(outer[i]);
            yields.push_back(adjoint_or_zero(outer[i]));
          }
          return yields;
        }));
  const std::vector<ValueId> results = builder_.emit(Opcode::if_, std::vector<ValueId>{map_(op.operands[0])},
                                                     std::vector<Type>(outer.size(), real), std::move(regions));
  for (std::size_t i = 0; i < outer.size(); ++i)
    if (moved[i])
      add(outer[i], {results[i], false});
}

} // namespace

Function transpose(const Linearised& linearised, const TransposePlan& plan, std::vector<DerivativeError>& errors) {
  return Transposer(linearised, plan, errors).run();
}

} // namespace vmodel::passes
