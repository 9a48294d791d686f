// Folding, identities that keep NaN and infinity, index arithmetic in affine form.
#include "compiler/ir/typing.h"
#include "compiler/passes/simplify_internal.h"

#include <cmath>

namespace vmodel::passes {

using ir::Constant;

namespace {

// Index values that are sums of more terms than this are left as they are.
constexpr std::size_t max_terms = 8;

} // namespace

// An operation that is not simplified further: the value computed before, or a new one.
ValueId Simplifier::once(const Op& op, std::vector<ValueId> operands) {
  Expressions::Key key = Expressions::key(op.opcode, operands, op);
  if (const ValueId found = known_.find(key))
    return found;
  Op copied = ir::bare(op);
  copied.operands = std::move(operands);
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
  case Opcode::log:
    // The logarithm of a scale; where exp overflows or vanishes, x is what was meant.
    if (const Definition* exponential = known_.defined_as(x, Opcode::exp))
      return exponential->operands[0];
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

// (m + s z - m) / s and s z / s are z, as in the density of a variable that is given by its standardised coordinate.
ValueId Simplifier::standardised(ValueId x, ValueId scale) {
  const Definition* product = known_.defined_as(x, Opcode::mul);
  if (const Definition* difference = product ? nullptr : known_.defined_as(x, Opcode::sub))
    if (const Definition* sum = known_.defined_as(difference->operands[0], Opcode::add))
      for (const std::size_t i : {0, 1})
        if (sum->operands[i] == difference->operands[1])
          product = known_.defined_as(sum->operands[1 - i], Opcode::mul);
  if (product)
    for (const std::size_t i : {0, 1})
      if (product->operands[i] == scale)
        return product->operands[1 - i];
  return {};
}

// (c x) x is c x^2, whose derivative is one product; c (x + x) is (2 c) x.
ValueId Simplifier::scaled_product(ValueId x, ValueId y) {
  const auto small = [&](ValueId v) {
    const auto constant = b_.constant_value(v);
    return constant && std::fabs(constant->number) <= 0x1p20 && std::fabs(constant->number) >= 0x1p-20;
  };
  if (const Definition* product = known_.defined_as(x, Opcode::mul))
    for (const std::size_t i : {0, 1})
      if (product->operands[i] == y && small(product->operands[1 - i]))
        return combine(Opcode::mul, product->operands[1 - i], plain(Opcode::square, {y}));
  if (const Definition* twice = known_.defined_as(x, Opcode::add))
    if (twice->operands[0] == twice->operands[1] && small(y))
      return combine(Opcode::mul, b_.constant(2 * b_.constant_value(y)->number), twice->operands[0]);
  return {};
}

// m + log(exp(x - m) + exp(y - m)) is log(exp(x) + exp(y)) whatever m is: one exponential instead of two.
ValueId Simplifier::log_of_two(ValueId m, ValueId logarithm) {
  const Definition* log = known_.defined_as(logarithm, Opcode::log);
  const Definition* sum = log ? known_.defined_as(log->operands[0], Opcode::add) : nullptr;
  if (!sum)
    return {};
  ValueId terms[2];
  for (const std::size_t i : {0, 1}) {
    const Definition* exp = known_.defined_as(sum->operands[i], Opcode::exp);
    const Definition* shifted = exp ? known_.defined_as(exp->operands[0], Opcode::sub) : nullptr;
    if (!shifted || shifted->operands[1] != m)
      return {};
    terms[i] = shifted->operands[0];
  }
  return plain(Opcode::log_add_exp, {terms[0], terms[1]});
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
    for (const auto& [shift, other] : {std::pair(x, y), std::pair(y, x)})
      if (const ValueId value = log_of_two(shift, other))
        return value;
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
    for (const auto& [scaled, other] : {std::pair(x, y), std::pair(y, x)})
      if (const ValueId value = scaled_product(scaled, other))
        return value;
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
    return standardised(x, y);
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
  case Opcode::only_derivative_: return b_.constant_value(x[0]) ? b_.constant(0) : ValueId{};
  case Opcode::strong_mul_: {
    const auto linear = b_.constant_value(x[0]);
    if ((linear && linear->is_real(0)) || b_.constant_value(x[1]))
      return b_.strong_mul(x[0], x[1]);
    return {};
  }
  default: return {};
  }
}

} // namespace vmodel::passes
