// Folding, identities that keep NaN and infinity, index arithmetic in affine form, common
// subexpressions across scopes, values of memory that are known, trivial control flow.
#include "compiler/ir/rewrite.h"
#include "compiler/ir/typing.h"
#include "compiler/passes/expressions.h"
#include "compiler/passes/passes.h"

#include <cmath>
#include <optional>
#include <set>

namespace vmodel::passes {

using ir::Constant;
using ir::Element;
using ir::Function;
using ir::Module;
using ir::Op;
using ir::Opcode;
using ir::Region;
using ir::Rewriter;
using ir::Type;
using ir::ValueId;

namespace {

// Index values that are sums of more terms than this are left as they are.
constexpr std::size_t max_terms = 8;

class Simplifier {
public:
  Simplifier(const Function& from, ir::Builder& builder)
      : b_(builder), known_(builder), r_(from, builder, [this](Rewriter&, const Op& op) { return simplify(op); }) {}

  void run(Function& result);

private:
  bool is(ValueId v, double number) const {
    const auto value = b_.constant_value(v);
    return value && value->is_real(number);
  }
  Element element(ValueId v) const { return b_.function().type(v).element; }
  bool simplify(const Op& op);
  ValueId unary(Opcode opcode, ValueId x);
  ValueId binary(Opcode opcode, ValueId x, ValueId y);
  ValueId apply(Opcode opcode, ValueId x);
  ValueId combine(Opcode opcode, ValueId x, ValueId y);
  ValueId power(ValueId x, ValueId y);
  ValueId index_arithmetic(Opcode opcode, ValueId x, ValueId y);
  std::optional<bool> index_compare(Opcode opcode, ValueId x, ValueId y) const;
  ValueId value_of(const Op& op, const std::vector<ValueId>& operands);
  ValueId once(const Op& op, std::vector<ValueId> operands);
  ValueId plain(Opcode opcode, std::vector<ValueId> operands);

  bool memory(const Op& op);
  bool control(const Op& op);
  bool trivial_control(const Op& op);
  bool memory_is_fixed(ValueId reference) const { return write_once_.contains(reference); }
  std::uint64_t state(ValueId reference) const {
    const auto found = state_.find(reference);
    return found == state_.end() ? 0 : found->second;
  }
  void forget_stored(const Op& op);
  Region region(const Region& region);

  ir::Builder& b_;
  Expressions known_;
  Rewriter r_;
  std::map<ValueId, std::uint64_t> state_; // of memory; a new number after every write
  std::uint64_t next_state_ = 1;
  std::map<ValueId, ValueId> frozen_; // array -> its write-once memory
  std::set<ValueId> write_once_;      // in the new function: an element never changes after its one store
};

// --- Scalars --------------------------------------------------------------------------------------

// An operation that is not simplified further: the value computed before, or a new one.
ValueId Simplifier::once(const Op& op, std::vector<ValueId> operands) {
  Expressions::Key key = Expressions::key(op.opcode, operands, op);
  if (const ValueId found = known_.find(key))
    return found;
  Op copied;
  copied.opcode = op.opcode;
  copied.operands = std::move(operands);
  copied.number = op.number;
  copied.integer = op.integer;
  copied.symbol = op.symbol;
  copied.range = op.range;
  copied.results = r_.declare(op.results);
  const ValueId result = copied.results[0];
  known_.define(result, op.opcode, copied.operands);
  b_.append(std::move(copied));
  known_.insert(std::move(key), result);
  return result;
}

// The same for an operation that an identity makes.
ValueId Simplifier::plain(Opcode opcode, std::vector<ValueId> operands) {
  Expressions::Key key = Expressions::key(opcode, operands, {});
  if (const ValueId found = known_.find(key))
    return found;
  const Type type = ir::is_compare(opcode) ? Type{Element::boolean, false, {}} : b_.function().type(operands.back());
  const ValueId result = b_.emit(opcode, operands, {type})[0];
  known_.define(result, opcode, operands);
  known_.insert(std::move(key), result);
  return result;
}

// The operation after identities, made if it is still needed.
ValueId Simplifier::apply(Opcode opcode, ValueId x) {
  const ValueId value = unary(opcode, x);
  return value ? value : plain(opcode, {x});
}

ValueId Simplifier::combine(Opcode opcode, ValueId x, ValueId y) {
  const ValueId value = binary(opcode, x, y);
  return value ? value : plain(opcode, {x, y});
}

// A value that makes the operation unnecessary, or none.
ValueId Simplifier::unary(Opcode opcode, ValueId x) {
  if (const auto constant = b_.constant_value(x)) {
    const Constant operand[] = {*constant};
    if (const auto folded = ir::fold(opcode, operand))
      return folded->element == Element::f64 ? b_.constant(folded->number) : b_.index(folded->integer);
  }
  const Definition* negated = known_.defined_as(x, Opcode::neg);
  const Definition* magnitude = known_.defined_as(x, Opcode::abs);
  switch (opcode) {
  case Opcode::neg:
    if (negated)
      return negated->operands[0];
    // -(a - b) is b - a but for the sign of a zero.
    if (const Definition* difference = known_.defined_as(x, Opcode::sub))
      return combine(Opcode::sub, difference->operands[1], difference->operands[0]);
    break;
  case Opcode::abs:
  case Opcode::square:
    if (negated)
      return apply(opcode, negated->operands[0]);
    if (magnitude)
      return opcode == Opcode::abs ? x : apply(opcode, magnitude->operands[0]);
    break;
  case Opcode::cos:
  case Opcode::cosh:
    if (negated)
      return apply(opcode, negated->operands[0]);
    break;
  default: break;
  }
  return {};
}

// x to a constant power, where a product gives it.
ValueId Simplifier::power(ValueId x, ValueId y) {
  if (is(y, 0))
    return b_.constant(1);
  if (is(y, 2))
    return plain(Opcode::square, {x});
  if (is(y, -1))
    return combine(Opcode::div, b_.constant(1), x);
  if (is(y, 3))
    return plain(Opcode::mul, {plain(Opcode::square, {x}), x});
  if (is(y, 4)) {
    const ValueId square = plain(Opcode::square, {x});
    return plain(Opcode::square, {square});
  }
  if (is(y, -2))
    return combine(Opcode::div, b_.constant(1), plain(Opcode::square, {x}));
  return {};
}

ValueId Simplifier::binary(Opcode opcode, ValueId x, ValueId y) {
  const auto a = b_.constant_value(x);
  const auto c = b_.constant_value(y);
  if (a && c)
    return b_.binary(opcode, x, y);
  if (element(x) == Element::index)
    return index_arithmetic(opcode, x, y);
  const Definition* negated_x = known_.defined_as(x, Opcode::neg);
  const Definition* negated_y = known_.defined_as(y, Opcode::neg);
  switch (opcode) {
  case Opcode::add:
    if ((a && a->number == 0) || (c && c->number == 0))
      return b_.binary(opcode, x, y);
    if (negated_y)
      return combine(Opcode::sub, x, negated_y->operands[0]);
    if (negated_x)
      return combine(Opcode::sub, y, negated_x->operands[0]);
    break;
  case Opcode::sub:
    if (c && c->number == 0)
      return x;
    if (c)
      return combine(Opcode::add, x, b_.constant(-c->number));
    if (negated_y)
      return combine(Opcode::add, x, negated_y->operands[0]);
    break;
  case Opcode::mul:
    if ((a && a->number == 1) || (c && c->number == 1))
      return b_.binary(opcode, x, y);
    if (c && c->number == -1)
      return plain(Opcode::neg, {x});
    if (a && a->number == -1)
      return plain(Opcode::neg, {y});
    if (negated_x && negated_y)
      return combine(opcode, negated_x->operands[0], negated_y->operands[0]);
    if (negated_x && c)
      return combine(opcode, negated_x->operands[0], b_.constant(-c->number));
    if (negated_y && a)
      return combine(opcode, negated_y->operands[0], b_.constant(-a->number));
    if (x == y)
      return plain(Opcode::square, {x});
    break;
  case Opcode::div:
    if (c) {
      // Dividing by a power of two is multiplying by its inverse, which is exact.
      int exponent = 0;
      const double inverse = 1 / c->number;
      if (std::fabs(std::frexp(c->number, &exponent)) == 0.5 && std::isnormal(inverse))
        return combine(Opcode::mul, x, b_.constant(inverse));
    }
    if (negated_x && negated_y)
      return combine(opcode, negated_x->operands[0], negated_y->operands[0]);
    break;
  case Opcode::pow:
    if (c && c->number == 1)
      return x;
    return power(x, y);
  case Opcode::min:
  case Opcode::max: return x == y ? x : ValueId{};
  default: break;
  }
  // Commuted forms were not looked up above.
  return {};
}

// Sums are compared in affine form; what is a constant or another value becomes that.
ValueId Simplifier::index_arithmetic(Opcode opcode, ValueId x, ValueId y) {
  const Affine a = known_.affine(x);
  const Affine c = known_.affine(y);
  std::optional<Affine> sum;
  if (opcode == Opcode::add || opcode == Opcode::sub)
    sum = a.plus(c, opcode == Opcode::add ? 1 : -1);
  else if (opcode == Opcode::mul && c.is_constant())
    sum = a.times(c.constant);
  else if (opcode == Opcode::mul && a.is_constant())
    sum = c.times(a.constant);
  if (opcode == Opcode::min || opcode == Opcode::max) {
    const Affine difference = a.plus(c, -1);
    if (difference.is_constant())
      return (difference.constant <= 0) == (opcode == Opcode::min) ? x : y;
    return {};
  }
  if ((opcode == Opcode::idiv || opcode == Opcode::imod) && c.is_constant() && c.constant == 1)
    return opcode == Opcode::idiv ? x : b_.index(0);
  if (!sum || sum->terms.size() > max_terms)
    return {};
  if (sum->is_constant())
    return b_.index(sum->constant);
  if (sum->constant == 0 && sum->terms.size() == 1 && sum->terms[0].second == 1)
    return sum->terms[0].first;
  Expressions::Key key{~std::uint64_t{0}, static_cast<std::uint64_t>(sum->constant)};
  for (const auto& [v, coefficient] : sum->terms) {
    key.push_back(v.id);
    key.push_back(static_cast<std::uint64_t>(coefficient));
  }
  if (const ValueId found = known_.find(key))
    return found;
  // v + constant is made from v itself, so that chains of additions do not build up.
  ValueId result;
  if (sum->terms.size() == 1 && sum->terms[0].second == 1)
    result = b_.binary(Opcode::add, sum->terms[0].first, b_.index(sum->constant));
  else
    result = b_.binary(opcode, x, y);
  known_.set_affine(result, *sum);
  known_.insert(std::move(key), result);
  return result;
}

std::optional<bool> Simplifier::index_compare(Opcode opcode, ValueId x, ValueId y) const {
  const Affine difference = known_.affine(x).plus(known_.affine(y), -1);
  if (!difference.is_constant())
    return std::nullopt;
  const std::int64_t d = difference.constant;
  switch (opcode) {
  case Opcode::lt: return d < 0;
  case Opcode::le: return d <= 0;
  case Opcode::gt: return d > 0;
  case Opcode::ge: return d >= 0;
  case Opcode::eq: return d == 0;
  case Opcode::ne: return d != 0;
  default: return std::nullopt;
  }
}

// A value that makes the operation unnecessary, or none.
ValueId Simplifier::value_of(const Op& op, const std::vector<ValueId>& x) {
  if (ir::is_unary(op.opcode))
    return unary(op.opcode, x[0]);
  if (ir::is_binary(op.opcode))
    return element(x[0]) == Element::f32 ? ValueId{} : binary(op.opcode, x[0], x[1]);
  if (ir::is_compare(op.opcode)) {
    if (element(x[0]) == Element::index)
      if (const auto result = index_compare(op.opcode, x[0], x[1]))
        return b_.boolean(*result);
    if (b_.constant_value(x[0]) && b_.constant_value(x[1]))
      return b_.compare(op.opcode, x[0], x[1]);
    return {};
  }
  switch (op.opcode) {
  case Opcode::select_: {
    if (x[1] == x[2] || b_.constant_value(x[0]))
      return b_.select(x[0], x[1], x[2]);
    if (const Definition* negated = known_.defined_as(x[0], Opcode::logical_not_))
      return plain(Opcode::select_, {negated->operands[0], x[2], x[1]});
    if (element(x[1]) == Element::boolean) {
      const auto yes = b_.constant_value(x[1]);
      const auto no = b_.constant_value(x[2]);
      if (yes && no && yes->integer != no->integer && yes->integer != 0)
        return x[0];
    }
    return {};
  }
  case Opcode::logical_and_:
  case Opcode::logical_or_:
    if (x[0] == x[1] || b_.constant_value(x[0]) || b_.constant_value(x[1]))
      return op.opcode == Opcode::logical_and_ ? b_.logical_and(x[0], x[1]) : b_.logical_or(x[0], x[1]);
    return {};
  case Opcode::logical_not_:
    if (b_.constant_value(x[0]))
      return b_.logical_not(x[0]);
    if (const Definition* negated = known_.defined_as(x[0], Opcode::logical_not_))
      return negated->operands[0];
    return {};
  case Opcode::is_nan_: return b_.constant_value(x[0]) ? b_.is_nan(x[0]) : ValueId{};
  case Opcode::to_real_:
    if (element(x[0]) == Element::f64 && r_.from().type(op.results[0]).element == Element::f64)
      return x[0];
    return b_.constant_value(x[0]) && r_.from().type(op.results[0]).element == Element::f64 ? b_.to_real(x[0])
                                                                                            : ValueId{};
  case Opcode::to_index_:
    if (const Definition* real = known_.defined_as(x[0], Opcode::to_real_))
      if (element(real->operands[0]) == Element::index)
        return real->operands[0];
    return element(x[0]) == Element::index || b_.constant_value(x[0]) ? b_.to_index(x[0]) : ValueId{};
  case Opcode::stop_: return b_.constant_value(x[0]) ? x[0] : ValueId{};
  case Opcode::strong_mul_: {
    const auto linear = b_.constant_value(x[0]);
    if ((linear && linear->is_real(0)) || b_.constant_value(x[1]))
      return b_.strong_mul(x[0], x[1]);
    return {};
  }
  default: return {};
  }
}

// --- Memory -----------------------------------------------------------------------------------------

bool Simplifier::memory(const Op& op) {
  const auto load_key = [&](ValueId array, const std::vector<ValueId>& operands, std::size_t indices) {
    // Loads before and after freezing write-once memory give the same.
    const auto frozen = frozen_.find(array);
    const ValueId memory = frozen == frozen_.end() ? array : frozen->second;
    Expressions::Key key{static_cast<std::uint64_t>(Opcode::load_), memory.id};
    for (std::size_t i = 1; i <= indices; ++i)
      key.push_back(operands[i].id);
    key.push_back(memory_is_fixed(memory) ? 0 : state(memory));
    return key;
  };
  switch (op.opcode) {
  case Opcode::load_: {
    const std::vector<ValueId> operands = r_(op.operands);
    Expressions::Key key = load_key(operands[0], operands, operands.size() - 1);
    if (const ValueId found = known_.find(key)) {
      r_.set(op.results[0], found);
      return true;
    }
    r_.copy(op, false);
    known_.insert(std::move(key), r_(op.results[0]));
    return true;
  }
  case Opcode::freeze_:
    r_.copy(op, false);
    if (const ValueId memory = r_(op.operands[0]); memory_is_fixed(memory))
      frozen_[r_(op.results[0])] = memory;
    return true;
  case Opcode::alloc_:
    r_.copy(op, false);
    if (op.integer == 0)
      write_once_.insert(r_(op.results[0]));
    return true;
  case Opcode::store_: {
    r_.copy(op, false);
    const std::vector<ValueId> operands = r_(op.operands);
    state_[operands[0]] = next_state_++;
    // What was stored is what a load gives until the next write.
    known_.insert(load_key(operands[0], operands, operands.size() - 2), operands.back());
    return true;
  }
  case Opcode::accumulate_:
    r_.copy(op, false);
    state_[r_(op.operands[0])] = next_state_++;
    return true;
  case Opcode::call_:
    r_.copy(op, false);
    for (ValueId v : r_(op.operands))
      if (b_.function().type(v).reference)
        state_[v] = next_state_++;
    return true;
  default: return false;
  }
}

// Memory that is written inside of a region has another state there (iterations follow each other)
// and after it.
void Simplifier::forget_stored(const Op& op) {
  if (op.opcode == Opcode::store_ || op.opcode == Opcode::accumulate_ || op.opcode == Opcode::call_)
    for (ValueId v : op.operands)
      if (r_.from().type(v).reference && r_.has(v))
        state_[r_(v)] = next_state_++;
  for (const Region& inner : op.regions)
    for (const Op& next : inner.ops)
      forget_stored(next);
}

// --- Control flow -------------------------------------------------------------------------------------

Region Simplifier::region(const Region& region) {
  known_.open_scope();
  Region result = r_.copy_region(region);
  known_.close_scope();
  return result;
}

// Branches that are known, loops of no or one iteration.
bool Simplifier::trivial_control(const Op& op) {
  const auto constant = [&](ValueId v) { return b_.constant_value(r_(v)); };
  const auto inline_region = [&](const Region& body) {
    r_.copy_ops(body);
    for (std::size_t i = 0; i < op.results.size(); ++i)
      r_.set(op.results[i], r_(body.yields[i]));
    return true;
  };
  switch (op.opcode) {
  case Opcode::if_:
    if (const auto condition = constant(op.operands[0]))
      return inline_region(op.regions[condition->integer != 0 ? 0 : 1]);
    return false;
  case Opcode::reduce_: {
    bool is_empty = false;
    bool is_single = true;
    for (ValueId extent : op.operands) {
      const auto value = constant(extent);
      is_empty |= value && value->integer <= 0;
      is_single &= value && value->integer == 1;
    }
    if (is_empty && op.symbol == "add") {
      for (ValueId v : op.results)
        r_.set(v, r_.from().type(v).element == Element::index ? b_.index(0) : b_.constant(0));
      return true;
    }
    if (!is_single)
      return false;
    for (ValueId argument : op.regions[0].arguments)
      r_.set(argument, b_.index(0));
    return inline_region(op.regions[0]);
  }
  case Opcode::loop_: {
    const auto extent = constant(op.operands[0]);
    if (!extent || extent->integer > 1)
      return false;
    if (extent->integer <= 0) {
      for (std::size_t i = 0; i < op.results.size(); ++i)
        r_.set(op.results[i], r_(op.operands[i + 1]));
      return true;
    }
    r_.set(op.regions[0].arguments[0], b_.index(0));
    for (std::size_t i = 0; i < op.results.size(); ++i)
      r_.set(op.regions[0].arguments[i + 1], r_(op.operands[i + 1]));
    return inline_region(op.regions[0]);
  }
  default: return false;
  }
}

bool Simplifier::control(const Op& op) {
  if (trivial_control(op))
    return true;
  forget_stored(op);
  Op copied;
  copied.opcode = op.opcode;
  copied.operands = r_(op.operands);
  copied.integer = op.integer;
  copied.symbol = op.symbol;
  copied.site_kind = op.site_kind;
  copied.range = op.range;
  // Carried values that never change are the initial ones.
  std::vector<bool> is_constant(op.results.size());
  if (op.opcode == Opcode::loop_)
    for (std::size_t i = 0; i < op.results.size(); ++i)
      is_constant[i] = op.regions[0].yields[i] == op.regions[0].arguments[i + 1];
  bool has_constant = false;
  for (bool fixed : is_constant)
    has_constant |= fixed;
  if (has_constant) {
    known_.open_scope();
    b_.open_region();
    const Region& body = op.regions[0];
    std::vector<ValueId> arguments = r_.declare({body.arguments[0]});
    std::vector<ValueId> results;
    copied.operands = {r_(op.operands[0])};
    for (std::size_t i = 0; i < op.results.size(); ++i) {
      if (is_constant[i]) {
        r_.set(body.arguments[i + 1], r_(op.operands[i + 1]));
        continue;
      }
      copied.operands.push_back(r_(op.operands[i + 1]));
      arguments.push_back(r_.declare({body.arguments[i + 1]})[0]);
    }
    r_.copy_ops(body);
    std::vector<ValueId> yields;
    for (std::size_t i = 0; i < op.results.size(); ++i)
      if (!is_constant[i])
        yields.push_back(r_(body.yields[i]));
    copied.regions.push_back(b_.close_region(std::move(yields)));
    copied.regions[0].arguments = std::move(arguments);
    known_.close_scope();
    for (std::size_t i = 0; i < op.results.size(); ++i) {
      if (is_constant[i])
        r_.set(op.results[i], r_(op.operands[i + 1]));
      else
        results.push_back(r_.declare({op.results[i]})[0]);
    }
    copied.results = std::move(results);
    b_.append(std::move(copied));
    forget_stored(op);
    return true;
  }
  for (const Region& inner : op.regions) {
    if (inner.absent) {
      copied.regions.emplace_back();
      copied.regions.back().absent = true;
    } else {
      copied.regions.push_back(region(inner));
    }
  }
  const bool is_shared = !op.results.empty() && op.opcode != Opcode::while_ && !ir::has_effects(op);
  Expressions::Key key;
  if (is_shared) {
    key = known_.structural_key(copied, [this](ValueId v) { return memory_is_fixed(v) ? 0 : state(v); });
    if (const auto* found = known_.find_all(key)) {
      for (std::size_t i = 0; i < op.results.size(); ++i)
        r_.set(op.results[i], (*found)[i]);
      return true;
    }
  }
  copied.results = r_.declare(op.results);
  std::vector<ValueId> results = copied.results;
  const std::vector<Region>* regions = &copied.regions;
  // Results that are the same value: of an `if`, both sides yield the same; of a reduce, equal terms.
  if (op.opcode == Opcode::if_)
    for (std::size_t i = 0; i < results.size(); ++i)
      if ((*regions)[0].yields[i] == (*regions)[1].yields[i])
        r_.set(op.results[i], (*regions)[0].yields[i]);
  if (op.opcode == Opcode::reduce_)
    for (std::size_t i = 0; i < results.size(); ++i)
      for (std::size_t j = 0; j < i; ++j)
        if ((*regions)[0].yields[i] == (*regions)[0].yields[j]) {
          r_.set(op.results[i], results[j]);
          break;
        }
  std::vector<ValueId> replaced = r_(op.results);
  b_.append(std::move(copied));
  if (is_shared)
    known_.insert_all(std::move(key), std::move(replaced));
  forget_stored(op);
  return true;
}

bool Simplifier::simplify(const Op& op) {
  if (op.opcode == Opcode::constant_) {
    // One of a value is enough; its hint does not matter.
    const Element kind = r_.from().type(op.results[0]).element;
    if (kind == Element::f32)
      return false;
    r_.set(op.results[0], kind == Element::f64     ? b_.constant(op.number)
                          : kind == Element::index ? b_.index(op.integer)
                                                   : b_.boolean(op.integer != 0));
    return true;
  }
  if (!op.regions.empty())
    return control(op);
  if (memory(op))
    return true;
  if (op.results.size() != 1)
    return false;
  const std::vector<ValueId> operands = r_(op.operands);
  ValueId value = value_of(op, operands);
  if (!value)
    value = once(op, operands);
  r_.set(op.results[0], value);
  return true;
}

void Simplifier::run(Function& result) {
  const Function& from = r_.from();
  result.name = from.name;
  ir::copy_parameters(from, b_, r_);
  r_.copy_ops(from.body);
  b_.yield(r_(from.body.yields));
}

std::size_t count_ops(const Region& region) {
  std::size_t count = 0;
  ir::for_each_op(region, [&](const Op&) { ++count; });
  return count;
}

} // namespace

Function simplify(const Function& function) {
  Function current = remove_dead_code(function);
  // What one round finds can help the next; two are almost always enough.
  for (int round = 0; round < 3; ++round) {
    const std::size_t before = count_ops(current.body);
    Function next;
    ir::Builder builder(next);
    Simplifier(current, builder).run(next);
    current = has_dead_code(next) ? remove_dead_code(next) : std::move(next);
    // Rewriting that removes nothing has hardly anything left to find.
    if (count_ops(current.body) == before)
      break;
  }
  return current;
}

Module simplify(Module module) {
  for (Function& function : module.functions)
    function = simplify(function);
  return module;
}

} // namespace vmodel::passes
