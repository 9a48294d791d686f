#include "compiler/ir/builder.h"

#include "compiler/ir/typing.h"

#include <bit>

namespace vmodel::ir {

namespace {

const Type scalar_f64{Element::f64, false, {}};
const Type scalar_index{Element::index, false, {}};
const Type scalar_boolean{Element::boolean, false, {}};

} // namespace

Builder::Builder(Function& function) : function_(function) {
  open_.push_back(std::move(function_.body));
  function_.body = {};
  open_.back().yields.clear();
  constants_.emplace_back();
  for (const Op& op : open_.back().ops)
    note_constant(op);
}

// --- Operations as such -----------------------------------------------------------------------

void Builder::note_constant(const Op& op) {
  if (op.opcode != Opcode::constant_ || op.results.size() != 1)
    return;
  const Constant constant = constant_of(function_, op);
  const std::uint32_t id = op.results[0].id;
  if (known_.size() <= id)
    known_.resize(function_.values.size());
  known_[id] = constant;
  const bool is_real = constant.element == Element::f64 || constant.element == Element::f32;
  const std::int64_t bits = is_real ? std::bit_cast<std::int64_t>(constant.number) : constant.integer;
  constants_.back().try_emplace({constant.element, bits}, op.results[0]);
}

const std::vector<ValueId>& Builder::append(Op op) {
  if (open_.empty())
    internal_error(std::string("an operation '") + name(op.opcode) + "' is appended to a finished function");
  if (const std::string error = type_error(function_, op); !error.empty())
    internal_error("in function '" + function_.name + "': " + error);
  if (op.opcode == Opcode::constant_)
    note_constant(op);
  open_.back().ops.push_back(std::move(op));
  return open_.back().ops.back().results;
}

std::vector<ValueId> Builder::emit(Opcode opcode, std::vector<ValueId> operands, std::vector<Type> results,
                                   std::vector<Region> regions, std::string symbol, std::int64_t integer) {
  Op op;
  op.opcode = opcode;
  op.operands = std::move(operands);
  for (Type& type : results)
    op.results.push_back(function_.add_value(std::move(type)));
  op.regions = std::move(regions);
  op.symbol = std::move(symbol);
  op.integer = integer;
  op.range = range_;
  return append(std::move(op));
}

void Builder::open_region() {
  open_.emplace_back();
  constants_.emplace_back();
}

Region Builder::close_region(std::vector<ValueId> yields) {
  if (open_.size() < 2)
    internal_error("a region is closed that was not opened");
  Region region = std::move(open_.back());
  open_.pop_back();
  constants_.pop_back();
  region.yields = std::move(yields);
  return region;
}

void Builder::yield(std::vector<ValueId> values) {
  if (open_.size() != 1)
    internal_error("function '" + function_.name + "' ends inside a region");
  function_.body = std::move(open_.back());
  open_.clear();
  constants_.clear();
  function_.results.clear();
  for (ValueId v : values)
    function_.results.push_back(function_.type(v));
  function_.body.yields = std::move(values);
}

ValueId Builder::parameter(std::string name, Type type, Axis axis) {
  if (open_.size() != 1 || !open_.back().ops.empty())
    internal_error("parameter '" + name + "' comes after the first operation");
  const ValueId value = function_.add_value(std::move(type), name);
  function_.parameters.push_back({value, std::move(name), axis});
  return value;
}

// --- Scalars ------------------------------------------------------------------------------------

std::optional<Constant> Builder::constant_value(ValueId v) const {
  return v.id < known_.size() ? known_[v.id] : std::nullopt;
}

Type Builder::type_of(ValueId v, Opcode user) const {
  if (v.id == 0 || v.id >= function_.values.size())
    internal_error("in function '" + function_.name + "': " + ir::name(user) + ": an operand is not a value");
  return function_.type(v);
}

ValueId Builder::make(const Constant& constant) {
  const bool is_real = constant.element == Element::f64 || constant.element == Element::f32;
  const std::int64_t bits = is_real ? std::bit_cast<std::int64_t>(constant.number) : constant.integer;
  for (auto scope = constants_.rbegin(); scope != constants_.rend(); ++scope)
    if (const auto found = scope->find({constant.element, bits}); found != scope->end())
      return found->second;
  Op op;
  op.opcode = Opcode::constant_;
  op.number = constant.number;
  op.integer = constant.integer;
  op.range = range_;
  op.results.push_back(function_.add_value(Type{constant.element, false, {}}));
  return append(std::move(op))[0];
}

ValueId Builder::constant(double value) {
  return make(Constant::real(value));
}
ValueId Builder::index(std::int64_t value) {
  return make(Constant::index(value));
}
ValueId Builder::boolean(bool value) {
  return make(Constant::boolean(value));
}

ValueId Builder::scalar(Opcode opcode, std::vector<ValueId> operands, Type result) {
  std::vector<Constant> values;
  for (ValueId operand : operands)
    if (const auto value = constant_value(operand))
      values.push_back(*value);
  if (values.size() == operands.size())
    if (const auto folded = fold(opcode, values); folded && folded->element == result.element)
      return make(*folded);
  return emit(opcode, std::move(operands), {std::move(result)})[0];
}

ValueId Builder::unary(Opcode opcode, ValueId x) {
  return scalar(opcode, {x}, type_of(x, opcode));
}

// x where the operation gives x back, else none. Adding zero is such an identity although it would
// turn -0 into +0: no operation of VIR promises the sign of a zero.
ValueId Builder::identity(Opcode opcode, ValueId x, ValueId y) const {
  const auto is = [this](ValueId v, int number) {
    const auto value = constant_value(v);
    return value && (value->is_real(number) || value->is_index(number));
  };
  switch (opcode) {
  case Opcode::add:
    if (is(y, 0))
      return x;
    return is(x, 0) ? y : ValueId{};
  case Opcode::sub: return is(y, 0) ? x : ValueId{};
  case Opcode::mul:
    if (is(y, 1))
      return x;
    return is(x, 1) ? y : ValueId{};
  case Opcode::div:
  case Opcode::idiv: return is(y, 1) ? x : ValueId{};
  case Opcode::pow: return is(y, 1) ? x : ValueId{};
  case Opcode::min:
  case Opcode::max: return x == y ? x : ValueId{};
  default: return {};
  }
}

ValueId Builder::binary(Opcode opcode, ValueId x, ValueId y) {
  const Type type = type_of(x, opcode);
  if (const ValueId same = identity(opcode, x, y))
    return same;
  if (type.element == Element::index && opcode == Opcode::mul)
    for (ValueId v : {x, y})
      if (const auto value = constant_value(v); value && value->integer == 0)
        return v;
  return scalar(opcode, {x, y}, type);
}

ValueId Builder::compare(Opcode opcode, ValueId x, ValueId y) {
  return scalar(opcode, {x, y}, scalar_boolean);
}

ValueId Builder::select(ValueId condition, ValueId a, ValueId b) {
  if (a == b)
    return a;
  if (const auto value = constant_value(condition))
    return value->integer != 0 ? a : b;
  return scalar(Opcode::select_, {condition, a, b}, type_of(a, Opcode::select_));
}

ValueId Builder::logical_and(ValueId a, ValueId b) {
  if (const auto value = constant_value(a))
    return value->integer != 0 ? b : a;
  if (const auto value = constant_value(b))
    return value->integer != 0 ? a : b;
  return a == b ? a : scalar(Opcode::logical_and_, {a, b}, scalar_boolean);
}

ValueId Builder::logical_or(ValueId a, ValueId b) {
  if (const auto value = constant_value(a))
    return value->integer != 0 ? a : b;
  if (const auto value = constant_value(b))
    return value->integer != 0 ? b : a;
  return a == b ? a : scalar(Opcode::logical_or_, {a, b}, scalar_boolean);
}

ValueId Builder::logical_not(ValueId a) {
  return scalar(Opcode::logical_not_, {a}, scalar_boolean);
}
ValueId Builder::is_nan(ValueId x) {
  return scalar(Opcode::is_nan_, {x}, scalar_boolean);
}

ValueId Builder::to_real(ValueId x) {
  return type_of(x, Opcode::to_real_) == scalar_f64 ? x : scalar(Opcode::to_real_, {x}, scalar_f64);
}

ValueId Builder::to_index(ValueId x) {
  return type_of(x, Opcode::to_index_) == scalar_index ? x : scalar(Opcode::to_index_, {x}, scalar_index);
}

ValueId Builder::only_derivative(ValueId x) {
  return scalar(Opcode::only_derivative_, {x}, type_of(x, Opcode::only_derivative_));
}
ValueId Builder::stop(ValueId x) {
  return scalar(Opcode::stop_, {x}, type_of(x, Opcode::stop_));
}

ValueId Builder::strong_mul(ValueId linear, ValueId coefficient) {
  const auto x = constant_value(linear);
  if (x && x->is_real(0))
    return linear;
  if (const auto y = constant_value(coefficient)) {
    if (y->is_real(1))
      return linear;
    // A finite coefficient makes it an ordinary product.
    if (y->number - y->number == 0)
      return binary(Opcode::mul, linear, coefficient);
  }
  return scalar(Opcode::strong_mul_, {linear, coefficient}, type_of(linear, Opcode::strong_mul_));
}

ValueId Builder::lane_sum(ValueId x) {
  return emit(Opcode::lane_sum_, {x}, {type_of(x, Opcode::lane_sum_)})[0];
}

// --- Extents --------------------------------------------------------------------------------------

Dim Builder::dim(ValueId extent) {
  if (const auto value = constant_value(extent))
    return {value->integer, {}};
  return {0, extent};
}

ValueId Builder::extent(const Dim& dim) {
  return dim.value ? dim.value : index(dim.constant);
}

ValueId Builder::product(std::span<const Dim> dims) {
  ValueId result = index(1);
  for (const Dim& dim : dims)
    result = mul(result, extent(dim));
  return result;
}

std::vector<ValueId> Builder::extents(std::span<const Dim> dims) {
  std::vector<ValueId> values;
  for (const Dim& dim : dims)
    values.push_back(extent(dim));
  return values;
}

// Opens a region with an index argument an extent.
std::vector<ValueId> Builder::arguments(std::span<const ValueId> extents) {
  open_region();
  for (std::size_t i = 0; i < extents.size(); ++i)
    open_.back().arguments.push_back(function_.add_value(scalar_index));
  return open_.back().arguments;
}

// --- Arrays and memory ------------------------------------------------------------------------------

ValueId Builder::load(ValueId array, Indices indices) {
  std::vector<ValueId> operands{array};
  operands.insert(operands.end(), indices.begin(), indices.end());
  const Element element = type_of(array, Opcode::load_).element;
  return emit(Opcode::load_, std::move(operands), {Type{element, false, {}}})[0];
}

ValueId Builder::load(ValueId array, std::initializer_list<ValueId> indices) {
  return load(array, Indices(indices.begin(), indices.size()));
}

ValueId Builder::build(std::span<const Dim> dims, Element element, const std::function<ValueId(Indices)>& body) {
  std::vector<ValueId> operands = extents(dims);
  Type type{element, false, {}};
  for (ValueId operand : operands)
    type.dims.push_back(dim(operand));
  const std::vector<ValueId> indices = arguments(operands);
  const ValueId value = body(indices);
  Region region = close_region({value});
  std::vector<Region> regions;
  regions.push_back(std::move(region));
  return emit(Opcode::build_, std::move(operands), {std::move(type)}, std::move(regions))[0];
}

ValueId Builder::alloc(std::span<const Dim> dims, Element element, bool zeroed) {
  std::vector<ValueId> operands = extents(dims);
  Type type{element, true, {}};
  for (ValueId operand : operands)
    type.dims.push_back(dim(operand));
  return emit(Opcode::alloc_, std::move(operands), {std::move(type)}, {}, {}, zeroed ? 1 : 0)[0];
}

void Builder::store(ValueId reference, Indices indices, ValueId value) {
  std::vector<ValueId> operands{reference};
  operands.insert(operands.end(), indices.begin(), indices.end());
  operands.push_back(value);
  emit(Opcode::store_, std::move(operands), {});
}

void Builder::accumulate(ValueId reference, Indices indices, ValueId value) {
  std::vector<ValueId> operands{reference};
  operands.insert(operands.end(), indices.begin(), indices.end());
  operands.push_back(value);
  emit(Opcode::accumulate_, std::move(operands), {});
}

ValueId Builder::freeze(ValueId reference) {
  Type type = type_of(reference, Opcode::freeze_);
  type.reference = false;
  return emit(Opcode::freeze_, {reference}, {std::move(type)})[0];
}

// --- Control flow -------------------------------------------------------------------------------------

namespace {

std::vector<Region> regions_of(Region first) {
  std::vector<Region> regions;
  regions.push_back(std::move(first));
  return regions;
}

} // namespace

std::vector<ValueId> Builder::reduce(const std::string& kind, std::span<const Dim> dims,
                                     const std::function<std::vector<ValueId>(Indices)>& body) {
  std::vector<ValueId> operands = extents(dims);
  const std::vector<ValueId> indices = arguments(operands);
  std::vector<ValueId> yields = body(indices);
  std::vector<Type> types;
  for (ValueId v : yields)
    types.push_back(type_of(v, Opcode::reduce_));
  Region region = close_region(std::move(yields));
  return emit(Opcode::reduce_, std::move(operands), std::move(types), regions_of(std::move(region)), kind);
}

ValueId Builder::sum(std::span<const Dim> dims, const std::function<ValueId(Indices)>& body) {
  return reduce("add", dims, [&](Indices indices) { return std::vector<ValueId>{body(indices)}; })[0];
}

void Builder::for_each(std::span<const Dim> dims, const std::function<void(Indices)>& body) {
  reduce("add", dims, [&](Indices indices) {
    body(indices);
    return std::vector<ValueId>{};
  });
}

std::vector<ValueId> Builder::loop(const Dim& extent_, std::span<const ValueId> initial, bool reverse,
                                   const std::function<std::vector<ValueId>(ValueId, std::span<const ValueId>)>& body) {
  std::vector<ValueId> operands{extent(extent_)};
  operands.insert(operands.end(), initial.begin(), initial.end());
  std::vector<Type> types;
  for (ValueId v : initial)
    types.push_back(type_of(v, Opcode::loop_));
  open_region();
  open_.back().arguments.push_back(function_.add_value(scalar_index));
  for (const Type& type : types)
    open_.back().arguments.push_back(function_.add_value(type));
  const std::vector<ValueId> all = open_.back().arguments;
  std::vector<ValueId> next = body(all[0], std::span(all).subspan(1));
  Region region = close_region(std::move(next));
  return emit(Opcode::loop_, std::move(operands), std::move(types), regions_of(std::move(region)), {}, reverse ? 1 : 0);
}

std::vector<ValueId> Builder::if_(ValueId condition, const std::function<std::vector<ValueId>()>& then_body,
                                  const std::function<std::vector<ValueId>()>& else_body) {
  std::vector<Region> regions;
  std::vector<Type> types;
  open_region();
  std::vector<ValueId> yields = then_body();
  for (ValueId v : yields)
    types.push_back(type_of(v, Opcode::if_));
  regions.push_back(close_region(std::move(yields)));
  open_region();
  yields = else_body ? else_body() : std::vector<ValueId>{};
  regions.push_back(close_region(std::move(yields)));
  return emit(Opcode::if_, {condition}, std::move(types), std::move(regions));
}

std::vector<ValueId> Builder::while_(std::span<const ValueId> initial,
                                     const std::function<ValueId(std::span<const ValueId>)>& condition,
                                     const std::function<std::vector<ValueId>(std::span<const ValueId>)>& body) {
  std::vector<Type> types;
  for (ValueId v : initial)
    types.push_back(type_of(v, Opcode::while_));
  const auto open = [&] {
    open_region();
    for (const Type& type : types)
      open_.back().arguments.push_back(function_.add_value(type));
    return open_.back().arguments;
  };
  std::vector<Region> regions;
  std::vector<ValueId> carried = open();
  const ValueId go_on = condition(carried);
  regions.push_back(close_region({go_on}));
  carried = open();
  std::vector<ValueId> next = body(carried);
  regions.push_back(close_region(std::move(next)));
  return emit(Opcode::while_, {initial.begin(), initial.end()}, std::move(types), std::move(regions));
}

std::vector<ValueId> Builder::call(const std::string& callee, std::span<const ValueId> call_arguments,
                                   std::vector<Type> results) {
  return emit(Opcode::call_, {call_arguments.begin(), call_arguments.end()}, std::move(results), {}, callee);
}

// --- Statements ---------------------------------------------------------------------------------------

void Builder::site(SiteKind kind, const std::string& name, std::span<const Dim> batch, const SiteBodies& bodies) {
  Op op;
  op.opcode = Opcode::site_;
  op.operands = extents(batch);
  op.symbol = name;
  op.site_kind = kind;
  op.range = range_;
  for (const auto* body : {&bodies.density, &bodies.sample, &bodies.support, &bodies.entropy}) {
    Region region;
    if (*body) {
      const std::vector<ValueId> indices = arguments(op.operands);
      std::vector<ValueId> yields{(*body)(indices)};
      if (bodies.positions && body == &bodies.sample)
        yields.push_back(bodies.positions(indices));
      else if (bodies.position && body != &bodies.entropy)
        yields.push_back(bodies.position(indices));
      region = close_region(std::move(yields));
    } else {
      region.absent = true;
    }
    op.regions.push_back(std::move(region));
  }
  append(std::move(op));
}

void Builder::output(const std::string& name, ValueId value) {
  emit(Opcode::output_, {value}, {}, {}, name);
}

void Builder::require(ValueId condition, const std::string& message_id, std::span<const ValueId> values) {
  std::vector<ValueId> operands{condition};
  operands.insert(operands.end(), values.begin(), values.end());
  emit(Opcode::require_, std::move(operands), {}, {}, message_id);
}

ValueId Builder::random(const std::string& kind, std::int64_t site, ValueId element, ValueId attempt) {
  return emit(Opcode::random_, {element, attempt}, {scalar_f64}, {}, kind, site)[0];
}

} // namespace vmodel::ir
