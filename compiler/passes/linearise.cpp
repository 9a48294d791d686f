#include "compiler/passes/linearise.h"

#include "compiler/ir/typing.h"
#include "compiler/passes/linearise_internal.h"

#include <algorithm>

namespace vmodel::passes {

using ir::Parameter;

namespace {

std::vector<ValueId> input_values(const Function& function, const LinearisePlan& plan) {
  std::vector<ValueId> values;
  for (const DerivativeName& input : plan.inputs)
    for (const Parameter& parameter : function.parameters)
      if (parameter.name == input.parameter)
        values.push_back(parameter.value);
  return values;
}

const DerivativeName* find(const std::vector<DerivativeName>& names, const std::string& parameter) {
  for (const DerivativeName& name : names)
    if (name.parameter == parameter)
      return &name;
  return nullptr;
}

} // namespace

Lineariser::Lineariser(const Function& source, const LinearisePlan& plan)
    : source_(source), plan_(plan), activity_(source, input_values(source, plan)), tangent_(source.values.size()),
      memory_depth_(source.values.size()), axis_(ir::axes(source)) {
  out_.name = source.name;
  builder_.emplace(out_);
  map_.emplace(source, *builder_, [this](Rewriter&, const Op& op) { return emit(op); });
}

Linearised Lineariser::run() {
  parameters();
  map_->copy_ops(source_.body);
  for (const auto& [from, to] : copied_)
    for_each_element(from, [&, from = from, to = to](Builder::Indices indices) {
      builder_->store(to, indices, linear([&] { return builder_->load(from, indices); }));
    });
  builder_->yield((*map_)(source_.body.yields));
  linear_.resize(out_.values.size());
  vanishing_.resize(out_.values.size());
  return {std::move(out_), std::move(linear_), std::move(vanishing_), std::move(tangent_parameters_)};
}

void Lineariser::mark(ValueId v) {
  if (linear_.size() <= v.id)
    linear_.resize(v.id + 1);
  linear_[v.id] = true;
}

void Lineariser::set_wild(ValueId v) {
  if (wild_.size() <= v.id)
    wild_.resize(v.id + 1);
  wild_[v.id] = true;
}

// Parameters, their tangents next to them, and local memory in place of outputs that are dropped or
// whose tangent is needed but not given out.
void Lineariser::parameters() {
  std::vector<const Parameter*> local, local_tangent, copied, zeroed;
  for (const Parameter& parameter : source_.parameters) {
    const Type& type = source_.type(parameter.value);
    const bool dropped = plan_.dropped.contains(parameter.name);
    const auto named = [&](const std::string& name) {
      return builder_->parameter(name, (*map_)(type), parameter.axis);
    };
    if (dropped)
      local.push_back(&parameter);
    else
      map_->set(parameter.value, named(parameter.name));
    const DerivativeName* name = find(type.reference ? plan_.outputs : plan_.inputs, parameter.name);
    if (name) {
      const ValueId t = named(name->derivative);
      mark(t);
      set_tangent(parameter.value, t);
      tangent_parameters_[parameter.name] = t;
      if (apart() && type.reference && activity_.active(parameter.value) &&
          activity_.overwritten_or_read(parameter.value))
        copied.push_back(&parameter);
      else if (type.reference && (!activity_.active(parameter.value) || activity_.accumulated(parameter.value)))
        zeroed.push_back(&parameter);
    } else if (type.reference && activity_.active(parameter.value)) {
      local_tangent.push_back(&parameter);
    }
  }
  const auto memory = [&](ValueId v) {
    const Type type = (*map_)(source_.type(v));
    return builder_->alloc(type.dims, type.element, true);
  };
  for (const Parameter* parameter : local)
    map_->set(parameter->value, memory(parameter->value));
  for (const Parameter* parameter : local_tangent) {
    const ValueId t = memory(parameter->value);
    mark(t);
    set_tangent(parameter->value, t);
  }
  for (const Parameter* parameter : zeroed) {
    const ValueId t = tangent(parameter->value);
    for_each_element(t, [&](Builder::Indices indices) { builder_->store(t, indices, builder_->constant(0)); });
  }
  // The transposer takes the cotangent of an output where it is stored; so it must be stored once.
  for (const Parameter* parameter : copied) {
    const ValueId t = memory(parameter->value);
    mark(t);
    copied_.emplace_back(t, tangent(parameter->value));
    set_tangent(parameter->value, t);
  }
}

void Lineariser::for_each_element(ValueId array, const std::function<void(Builder::Indices)>& body) {
  const std::vector<Dim> dims = out_.type(array).dims;
  if (dims.empty())
    body({});
  else
    builder_->for_each(dims, body);
}

ValueId Lineariser::tangent_or_zero(ValueId source) {
  const ValueId t = tangent(source);
  return t ? t : builder_->constant(0);
}

bool Lineariser::emit(const Op& op) {
  if (const auto stored = read_back_.find(&op); stored != read_back_.end()) {
    // The value lies in write-once memory already: a load is cheaper than computing it again.
    read_back(op, *stored->second);
    if (with_tangents_ && activity_.active(op))
      scalar(op);
    return true;
  }
  const Kept* kept = kept_to_read(op);
  if (kept && op.opcode != Opcode::reduce_) {
    map_->set(op.results[0], load_kept(*kept));
    if (with_tangents_ && activity_.active(op))
      scalar(op);
    return true;
  }
  switch (op.opcode) {
  case Opcode::load_: load(op); break;
  case Opcode::store_:
  case Opcode::accumulate_: store(op); break;
  case Opcode::alloc_: alloc(op); break;
  case Opcode::freeze_: freeze(op); break;
  case Opcode::build_: build(op); break;
  case Opcode::reduce_: reduce(op); break;
  case Opcode::loop_: loop(op); break;
  case Opcode::if_: branch(op); break;
  case Opcode::while_: while_loop(op); break;
  case Opcode::require_:
    if (linear_depth_ == 0)
      map_->copy(op, false);
    break;
  case Opcode::call_:
  case Opcode::site_:
  case Opcode::output_:
    // A call that stands for a missing derivative is copied: it matters only if it stays needed.
    if (op.opcode != Opcode::call_ || !op.symbol.starts_with(missing_derivative))
      ir::internal_error("derivative of '" + source_.name + "': a " + ir::name(op.opcode) + " is left in it");
    map_->copy(op, false);
    break;
  default:
    map_->copy(op, false);
    if (const Kept* filled = kept_to_fill(op))
      store_kept(*filled, (*map_)(op.results[0]));
    if (op.results.size() == 1) {
      set_tangent(op.results[0], {});
      if (with_tangents_ && activity_.active(op.results[0]))
        scalar(op);
    }
    break;
  }
  return true;
}

// --- Scalars ------------------------------------------------------------------------------------

ValueId Lineariser::sum(std::optional<Term> a, std::optional<Term> b) {
  if (!a || !a->value)
    a = b, b.reset();
  if (!a || !a->value)
    return {};
  const bool is_wild = wild(a->value) || (b && b->value && wild(b->value));
  const ValueId result = linear([&] {
    if (!b || !b->value)
      return a->negative ? builder_->neg(a->value) : a->value;
    if (a->negative && b->negative)
      return builder_->neg(linear([&] { return builder_->add(a->value, b->value); }));
    if (a->negative)
      return builder_->sub(b->value, a->value);
    return b->negative ? builder_->sub(a->value, b->value) : builder_->add(a->value, b->value);
  });
  if (is_wild)
    set_wild(result);
  return result;
}

// The tangent times a partial derivative; none where that is zero.
ValueId Lineariser::apply(const Partial& partial, ValueId t, bool singular, bool vanishing, bool& negative) {
  switch (partial.kind) {
  case Partial::Kind::zero: return {};
  case Partial::Kind::choice: {
    const auto side = [&](const Partial& p) {
      bool side_negative = false;
      const ValueId v = apply(p, t, singular, vanishing, side_negative);
      return v ? sum(Term{v, side_negative}, {}) : builder_->constant(0);
    };
    const ValueId yes = side(*partial.yes);
    const ValueId no = side(*partial.no);
    const ValueId result = linear([&] { return builder_->select(partial.condition, yes, no); });
    if (singular || wild(t))
      set_wild(result);
    return result;
  }
  case Partial::Kind::product: break;
  }
  const bool strong = !apart() && vanishing && wild(t);
  for (const ValueId factor : partial.factors) {
    const std::size_t before = out_.values.size();
    const ValueId scaled = linear([&] { return strong ? builder_->strong_mul(factor, t) : builder_->mul(t, factor); });
    if (scaled.id >= before && vanishing) {
      vanishing_.resize(std::max<std::size_t>(vanishing_.size(), scaled.id + 1));
      vanishing_[scaled.id] = true;
    }
    if (singular || wild(t))
      set_wild(scaled);
    t = scaled;
  }
  negative = partial.negative;
  return t;
}

void Lineariser::missing(const Op& op, const std::string& what) {
  const ValueId t = builder_->call(missing_derivative + what, {}, {Type{}})[0];
  mark(t);
  set_tangent(op.results[0], t);
}

// The tangent of an operation whose operands and result are scalars, after its primal copy.
void Lineariser::scalar(const Op& op) {
  const auto t = [&](std::size_t i) { return tangent(op.operands[i]); };
  const auto v = [&](std::size_t i) { return (*map_)(op.operands[i]); };
  Builder& b = *builder_;
  ValueId result;
  switch (op.opcode) {
  case Opcode::add: result = sum(Term{t(0)}, Term{t(1)}); break;
  case Opcode::sub: result = sum(Term{t(0)}, Term{t(1), true}); break;
  case Opcode::neg: result = sum(Term{t(0), true}, {}); break;
  case Opcode::min:
  case Opcode::max: {
    if (!t(0) && !t(1))
      break;
    const ValueId first = b.compare(op.opcode == Opcode::min ? Opcode::le : Opcode::ge, v(0), v(1));
    const ValueId x = tangent_or_zero(op.operands[0]), y = tangent_or_zero(op.operands[1]);
    result = linear([&] { return b.select(first, x, y); });
    break;
  }
  case Opcode::select_: {
    if (!t(1) && !t(2))
      break;
    const ValueId x = tangent_or_zero(op.operands[1]), y = tangent_or_zero(op.operands[2]);
    result = linear([&] { return b.select(v(0), x, y); });
    if (wild(x) || wild(y))
      set_wild(result);
    break;
  }
  case Opcode::to_real_:
  case Opcode::only_derivative_: result = t(0); break;
  case Opcode::strong_mul_: {
    // d(ab) = da b + a db, each zero where its left factor is.
    ValueId left, right;
    if (t(0))
      left = linear([&] { return b.strong_mul(t(0), v(1)); });
    if (t(1)) {
      right = linear([&] { return b.emit(Opcode::strong_mul_, {v(0), t(1)}, {Type{}})[0]; });
      vanishing_.resize(std::max<std::size_t>(vanishing_.size(), right.id + 1));
      vanishing_[right.id] = true;
    }
    result = sum(Term{left}, Term{right});
    break;
  }
  case Opcode::lane_sum_:
    if (t(0))
      result = linear([&] { return b.lane_sum(t(0)); });
    break;
  case Opcode::stop_: break;
  default: {
    if (!ir::is_unary(op.opcode) && !ir::is_binary(op.opcode)) {
      missing(op, std::string("the derivative of ") + ir::name(op.opcode));
      return;
    }
    std::vector<ValueId> operands;
    for (std::size_t i = 0; i < op.operands.size(); ++i)
      operands.push_back(v(i));
    std::optional<Term> terms[2];
    for (std::size_t i = 0; i < op.operands.size(); ++i)
      if (t(i)) {
        Term term;
        const Partial p = partial(b, op.opcode, i, operands, (*map_)(op.results[0]));
        term.value = apply(p, t(i), is_singular(op.opcode), is_vanishing(op.opcode, i), term.negative);
        terms[i] = term;
      }
    result = sum(terms[0], terms[1]);
  }
  }
  set_tangent(op.results[0], result);
}

// --- Memory ---------------------------------------------------------------------------------------

void Lineariser::load(const Op& op) {
  const ValueId root = activity_.root(op.operands[0]);
  const auto saved = saved_.find(&op);
  if (saved != saved_.end() && linear_depth_ > saved->second.depth) {
    map_->set(op.results[0], builder_->load(saved->second.memory, save_indices(saved->second.plan)));
  } else {
    map_->copy(op, false);
    if (saved != saved_.end())
      builder_->store(saved->second.memory, save_indices(saved->second.plan), (*map_)(op.results[0]));
  }
  set_tangent(op.results[0], {});
  if (!with_tangents_ || !activity_.active(op.results[0]) || !tangent(op.operands[0]))
    return;
  std::vector<ValueId> indices;
  for (std::size_t i = 1; i < op.operands.size(); ++i)
    indices.push_back((*map_)(op.operands[i]));
  const ValueId t = linear([&] { return builder_->load(tangent(op.operands[0]), indices); });
  if (activity_.definition(root))
    set_wild(t);
  set_tangent(op.results[0], t);
}

void Lineariser::store(const Op& op) {
  const ValueId root = activity_.root(op.operands[0]);
  if (!is_outside(root))
    map_->copy(op, false);
  if (!with_tangents_ || !tangent(op.operands[0]))
    return;
  const ValueId t = tangent(op.operands.back());
  if (!t && (op.opcode == Opcode::accumulate_ || !activity_.active(root)))
    return;
  std::vector<ValueId> indices;
  for (std::size_t i = 1; i + 1 < op.operands.size(); ++i)
    indices.push_back((*map_)(op.operands[i]));
  if (op.opcode == Opcode::store_)
    builder_->store(tangent(op.operands[0]), indices, tangent_or_zero(op.operands.back()));
  else
    builder_->accumulate(tangent(op.operands[0]), indices, t);
}

void Lineariser::alloc(const Op& op) {
  map_->copy(op, false);
  memory_depth_[op.results[0].id] = linear_depth_;
  set_tangent(op.results[0], {});
  if (!with_tangents_ || !activity_.active(op.results[0]))
    return;
  std::vector<Dim> dims = out_.type((*map_)(op.results[0])).dims;
  const ValueId t = builder_->alloc(dims, Element::f64, op.integer != 0);
  mark(t);
  set_tangent(op.results[0], t);
}

void Lineariser::freeze(const Op& op) {
  map_->copy(op, false);
  set_tangent(op.results[0], {});
  if (!with_tangents_ || !activity_.active(op.results[0]) || !tangent(op.operands[0]))
    return;
  const ValueId memory = tangent(op.operands[0]);
  set_tangent(op.results[0], linear([&] {
                return out_.type(memory).rank() == 0 ? builder_->load(memory, {}) : builder_->freeze(memory);
              }));
}

Linearised linearise(const Function& function, const LinearisePlan& plan) {
  return Lineariser(function, plan).run();
}

} // namespace vmodel::passes
