// Calls: functions, members of distributions and bijectors, operations of the library.
#include "compiler/lower/emitter.h"
#include "compiler/lower/reads.h"

#include <algorithm>
#include <limits>
#include <map>

namespace vmodel::lower {

using check::Method;
using ir::Opcode;

bool all_scalar(const std::vector<const Declaration*>& declarations) {
  for (const Declaration* d : declarations) {
    if (!d->type.is_scalar())
      return false;
  }
  return true;
}

namespace {

/// Adds `name` with these scalar parameters to the module, its body lowered by `body`.
void add_scalar_function(ModuleContext& context, const std::string& name,
                         const std::vector<const Declaration*>& parameters, const std::vector<check::Type>& results,
                         const check::Block& statements) {
  if (!context.lowered_callees.insert(name).second)
    return;
  ir::Function function;
  function.name = name;
  Emitter inner(context, function);
  for (const Declaration* p : parameters) {
    // Ints may be extents, and what is one is known at load (the checker has seen to it at each call).
    const ir::Axis axis = p->type.element == check::Element::real ? ir::Axis::particle : ir::Axis::load;
    inner.environment[p] = inner.builder().parameter(p->name, {element_of(p->type), false, {}}, axis);
  }
  for (const check::Type& type : results)
    function.results.push_back({element_of(type), false, {}});
  inner.block(statements);
  std::vector<ValueId> yields;
  if (inner.returned.tuple.empty()) {
    yields.push_back(inner.returned.id);
  } else {
    for (const Value& part : inner.returned.tuple)
      yields.push_back(part.id);
  }
  inner.builder().yield(std::move(yields));
  // Lowering the body may have added callees of its own; they stand before this one.
  context.module.functions.push_back(std::move(function));
}

std::vector<ValueId> ids(const std::vector<Value>& values) {
  std::vector<ValueId> result;
  for (const Value& v : values)
    result.push_back(v.id);
  return result;
}

Value from_results(const std::vector<ValueId>& results) {
  if (results.size() == 1)
    return results[0];
  Value value;
  for (const ValueId id : results)
    value.tuple.emplace_back(id);
  return value;
}

/// A scalar callee's body may call scalar functions but not draw: draws are numbered where they are made.
bool contains_sample(const check::Block& block);

bool contains_sample(const check::Expr* e) {
  if (!e)
    return false;
  if (e->kind == check::ExprKind::method && e->method == Method::sample)
    return true;
  if (e->kind == check::ExprKind::builtin && e->builtin_name.starts_with("standard_"))
    return true;
  if (e->kind == check::ExprKind::call && contains_sample(e->function->body))
    return true;
  for (const check::Expr* operand : e->operands) {
    if (contains_sample(operand))
      return true;
  }
  return false;
}

bool contains_sample(const check::Block& block) {
  for (const Statement* s : block) {
    if (contains_sample(s->value) || contains_sample(s->target) || contains_sample(s->body) ||
        contains_sample(s->otherwise))
      return true;
  }
  return false;
}

} // namespace

Value Emitter::run_body(const check::Block& body, Environment inner) {
  std::swap(environment, inner);
  const Value returned_before = returned;
  const bool load_time_before = load_time_only_;
  returned = {};
  load_time_only_ = false; // a callee runs as a whole
  block(body);
  load_time_only_ = load_time_before;
  Value result = returned;
  returned = returned_before;
  std::swap(environment, inner);
  return result;
}

Value Emitter::call(const check::Function& callee, const std::map<std::string, Size>& sizes,
                    const std::vector<Value>& arguments, const check::Shape& lifted) {
  const bool scalar_call =
      all_scalar(callee.parameters) && callee.size_names.empty() && !contains_sample(callee.body) &&
      std::all_of(callee.results.begin(), callee.results.end(), [](const check::Type& t) { return t.is_scalar(); });
  if (scalar_call) {
    // Overloads share a name; the element types tell them apart.
    std::string name = callee.symbol;
    for (const Declaration* p : callee.parameters)
      name += p->type.element == check::Element::real ? "" : ".int";
    add_scalar_function(context_, name, callee.parameters, callee.results, callee.body);
    std::vector<ir::Type> results;
    for (const check::Type& type : callee.results)
      results.push_back({element_of(type), false, {}});
    if (lifted.empty())
      return from_results(b.call(name, ids(arguments), results));
    return elementwise(
        lifted, arguments, [&](Indices x) { return b.call(name, x, results)[0]; }, element_of(callee.results[0]));
  }
  Environment inner;
  for (const Declaration* name : callee.size_names) {
    inner[name] = size(sizes.at(name->name));
    bind_size_name(name, sizes.at(name->name));
  }
  const auto bind_and_run = [&](const std::vector<Value>& values) {
    for (std::size_t k = 0; k < values.size(); ++k)
      inner[callee.parameters[k]] = values[k];
    return run_body(callee.body, inner);
  };
  if (lifted.empty())
    return bind_and_run(arguments);
  return elementwise(
      lifted, arguments, [&](Indices x) { return bind_and_run({x.begin(), x.end()}).id; },
      element_of(callee.results[0]));
}

Value Emitter::member(const MemberOwner& owner, const std::string& member_name, const check::Member& member,
                      const std::vector<Value>& owner_arguments, const std::map<std::string, ValueId>& sizes,
                      const std::vector<Value>& arguments, const std::vector<check::Element>& results) {
  if (all_scalar(owner.parameters) && all_scalar(member.parameters) && owner.size_names.empty() &&
      !contains_sample(member.body)) {
    const std::string name = owner.name + "." + member_name;
    std::vector<const Declaration*> parameters = member.parameters;
    parameters.insert(parameters.end(), owner.parameters.begin(), owner.parameters.end());
    std::vector<check::Type> types;
    std::vector<ir::Type> ir_types;
    for (const check::Element element : results) {
      types.emplace_back().element = element;
      ir_types.push_back({element_of(types.back()), false, {}});
    }
    add_scalar_function(context_, name, parameters, types, member.body);
    std::vector<ValueId> all = ids(arguments);
    for (const Value& v : owner_arguments)
      all.push_back(v.id);
    return from_results(b.call(name, all, ir_types));
  }
  Environment inner;
  for (const Declaration* name : owner.size_names)
    inner[name] = sizes.at(name->name);
  for (std::size_t k = 0; k < owner_arguments.size(); ++k)
    inner[owner.parameters[k]] = owner_arguments[k];
  for (std::size_t k = 0; k < arguments.size(); ++k)
    inner[member.parameters[k]] = arguments[k];
  return run_body(member.body, inner);
}

// ---------------------------------------------------------------- operations of the library

ValueId Emitter::log_sum_exp(const Value& terms) {
  const std::vector<Dim> extents = shape_of(terms);
  const ValueId largest = b.reduce("max", extents, [&](Indices i) { return std::vector{b.load(terms.id, i)}; })[0];
  // All terms -inf: subtract nothing, so that the result is -inf and not NaN. The shift has no derivative
  // (it cancels), which makes the derivative of a term of weight zero exactly zero.
  const ValueId minus_infinity = b.constant(-std::numeric_limits<double>::infinity());
  const ValueId shift = b.stop(b.select(b.compare(Opcode::eq, largest, minus_infinity), b.constant(0), largest));
  const ValueId sum =
      b.sum(extents, [&](Indices i) { return b.unary(Opcode::exp, b.sub(b.load(terms.id, i), shift)); });
  return b.add(shift, b.unary(Opcode::log, sum));
}

ValueId Emitter::random(const std::string& kind) {
  const ValueId element = random_element_ ? random_element_ : b.index(0);
  const ValueId attempt = random_attempt_ ? random_attempt_ : b.index(0);
  return b.random(kind, context_.next_random_site++, element, attempt);
}

namespace {

bool same_each_turn(const Reads& reads, const std::set<const Declaration*>& that_vary) {
  return std::all_of(reads.begin(), reads.end(), [&](const Declaration* d) {
    return d->kind == check::DeclarationKind::data ||
           (d->kind == check::DeclarationKind::size_name && that_vary.count(d) == 0);
  });
}

} // namespace

bool Emitter::same_each_turn(const Expr* e) const {
  Reads reads;
  collect(e, reads);
  return lower::same_each_turn(reads, size_names_that_vary_);
}

bool Emitter::same_each_turn(const Size& size) const {
  Reads reads;
  collect(size, reads);
  return lower::same_each_turn(reads, size_names_that_vary_);
}

bool Emitter::same_each_turn(const check::Shape& shape) const {
  return std::all_of(shape.begin(), shape.end(), [&](const Size& s) { return same_each_turn(s); });
}

void Emitter::bind_size_name(const Declaration* name, const Size& size) {
  if (same_each_turn(size))
    size_names_that_vary_.erase(name);
  else
    size_names_that_vary_.insert(name);
}

ValueId Emitter::numbered(ValueId outer, ValueId inner, ValueId extent, bool equal_extents) {
  if (equal_extents)
    return b.add(b.mul(outer, extent), inner);
  const ValueId diagonal = b.add(outer, inner);
  const ValueId before = b.binary(Opcode::idiv, b.mul(diagonal, b.add(diagonal, b.index(1))), b.index(2));
  return b.add(before, inner);
}

namespace {

/// Elementwise operations whose name in the language is that of the operation are found by name.
const std::map<std::string, Opcode>& operations() {
  static const std::map<std::string, Opcode> table = [] {
    std::map<std::string, Opcode> t;
#define VIR_UNARY(op, derivative) t[#op] = Opcode::op;
#define VIR_BINARY(op, d_dx, d_dy) t[#op] = Opcode::op;
#include "compiler/ir/opcode.def"
    t["div"] = Opcode::idiv;
    t["mod"] = Opcode::imod;
    t["Phi"] = Opcode::std_normal_cdf;
    return t;
  }();
  return table;
}

} // namespace

Value Emitter::builtin(const check::Expr& e) {
  const std::string& name = e.builtin_name;
  if (name == "standard_normal" || name == "random_normal")
    return random("normal");
  if (name == "standard_uniform" || name == "random_uniform")
    return random("uniform");
  if (name == "inf" || name == "infinity")
    return b.constant(std::numeric_limits<double>::infinity());
  if (name == "nan" || name == "not_a_number")
    return b.constant(std::numeric_limits<double>::quiet_NaN());
  std::vector<Value> operands;
  for (const check::Expr* operand : e.operands)
    operands.push_back(expression(*operand));
  const bool whole_array = operands.size() == 1 && e.type.shape.empty() && e.lifted.empty() && rank_of(operands[0]) > 0;
  if (whole_array) {
    const Value& x = operands[0];
    const std::map<std::string, std::string> reductions{
        {"sum", "add"}, {"min", "min"}, {"max", "max"}, {"all", "and"}, {"any", "or"}};
    if (const auto found = reductions.find(name); found != reductions.end()) {
      return b.reduce(found->second, shape_of(x), [&](Indices i) { return std::vector{b.load(x.id, i)}; })[0];
    }
  }
  const check::Shape& shape = e.lifted.empty() ? e.type.shape : e.lifted;
  return elementwise(
      shape, operands,
      [&](Indices x) -> ValueId {
        if (name == "stop")
          return b.stop(x[0]);
        if (name == "only_derivative")
          return b.only_derivative(x[0]);
        if (name == "is_nan")
          return b.is_nan(x[0]);
        if (name == "to_int" || name == "to_index")
          return b.to_index(x[0]);
        const auto found = operations().find(name);
        if (found == operations().end())
          return x[0];
        return x.size() == 1 ? b.unary(found->second, x[0]) : b.binary(found->second, x[0], x[1]);
      },
      element_of(e.type));
}

} // namespace vmodel::lower
