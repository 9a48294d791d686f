#include "compiler/passes/derivative_rules.h"

#include "compiler/ir/typing.h"

namespace vmodel::passes {

using ir::Builder;
using ir::Opcode;
using ir::ValueId;

namespace {

// What the rules in opcode.def are written in: arithmetic on expressions appends to the builder,
// except that products stay lists of factors.
struct Expression {
  Builder* builder = nullptr;
  Partial partial;
};

struct Condition {
  ValueId value;
};

Expression make(Builder& builder, ValueId value) {
  return {
      &builder,
      {.kind = Partial::Kind::product, .negative = false, .factors = {value}, .condition = {}, .yes = {}, .no = {}}};
}

Expression one_of(Builder& builder) {
  return {&builder,
          {.kind = Partial::Kind::product, .negative = false, .factors = {}, .condition = {}, .yes = {}, .no = {}}};
}

ValueId value(Builder& builder, const Partial& partial) {
  switch (partial.kind) {
  case Partial::Kind::zero: return builder.constant(0);
  case Partial::Kind::choice:
    return builder.select(partial.condition, value(builder, *partial.yes), value(builder, *partial.no));
  case Partial::Kind::product: break;
  }
  if (partial.factors.empty())
    return builder.constant(partial.negative ? -1 : 1);
  ValueId result = partial.factors[0];
  for (std::size_t i = 1; i < partial.factors.size(); ++i)
    result = builder.mul(result, partial.factors[i]);
  return partial.negative ? builder.neg(result) : result;
}

ValueId value(const Expression& e) {
  return value(*e.builder, e.partial);
}

Partial times(const Partial& a, const Partial& b) {
  if (a.is_zero() || b.is_zero())
    return {};
  if (a.kind == Partial::Kind::choice || b.kind == Partial::Kind::choice) {
    const bool left = a.kind == Partial::Kind::choice;
    const Partial& choice = left ? a : b;
    const Partial& other = left ? b : a;
    Partial result = choice;
    result.yes = std::make_shared<const Partial>(times(*choice.yes, other));
    result.no = std::make_shared<const Partial>(times(*choice.no, other));
    return result;
  }
  Partial result = a;
  result.negative = a.negative != b.negative;
  result.factors.insert(result.factors.end(), b.factors.begin(), b.factors.end());
  return result;
}

Partial negated(const Partial& a) {
  Partial result = a;
  if (a.kind == Partial::Kind::product)
    result.negative = !a.negative;
  if (a.kind == Partial::Kind::choice) {
    result.yes = std::make_shared<const Partial>(negated(*a.yes));
    result.no = std::make_shared<const Partial>(negated(*a.no));
  }
  return result;
}

Expression operator-(const Expression& a) {
  return {a.builder, negated(a.partial)};
}
Expression operator*(const Expression& a, const Expression& b) {
  return {a.builder, times(a.partial, b.partial)};
}
// A quotient is a product with the reciprocal, which often does not change in a loop.
Expression operator/(const Expression& a, const Expression& b) {
  Builder& builder = *a.builder;
  return a * make(builder, builder.div(builder.constant(1), value(b)));
}
Expression operator+(const Expression& a, const Expression& b) {
  return make(*a.builder, a.builder->add(value(a), value(b)));
}
Expression operator-(const Expression& a, const Expression& b) {
  return make(*a.builder, a.builder->sub(value(a), value(b)));
}
Condition operator<=(const Expression& a, const Expression& b) {
  return {a.builder->compare(Opcode::le, value(a), value(b))};
}
Condition operator>=(const Expression& a, const Expression& b) {
  return {a.builder->compare(Opcode::ge, value(a), value(b))};
}
Condition operator==(const Expression& a, const Expression& b) {
  return {a.builder->compare(Opcode::eq, value(a), value(b))};
}

Expression select(const Condition& condition, const Expression& yes, const Expression& no) {
  Builder& builder = *yes.builder;
  if (const auto known = builder.constant_value(condition.value))
    return known->integer != 0 ? yes : no;
  if (yes.partial.is_zero() && no.partial.is_zero())
    return yes;
  Partial result;
  result.kind = Partial::Kind::choice;
  result.condition = condition.value;
  result.yes = std::make_shared<const Partial>(yes.partial);
  result.no = std::make_shared<const Partial>(no.partial);
  return {&builder, result};
}

#define VMODEL_FUNCTION(name)                                                                                          \
  Expression name(const Expression& x) {                                                                               \
    return make(*x.builder, x.builder->unary(Opcode::name, value(x)));                                                 \
  }
VMODEL_FUNCTION(sign)
VMODEL_FUNCTION(sqrt)
VMODEL_FUNCTION(exp)
VMODEL_FUNCTION(log)
VMODEL_FUNCTION(sin)
VMODEL_FUNCTION(cos)
VMODEL_FUNCTION(sinh)
VMODEL_FUNCTION(cosh)
VMODEL_FUNCTION(inv_logit)
VMODEL_FUNCTION(digamma)
VMODEL_FUNCTION(trigamma)
VMODEL_FUNCTION(tetragamma)
#undef VMODEL_FUNCTION

Expression gap(const Expression& x, const Expression& y) {
  Builder& builder = *x.builder;
  const ValueId equal = builder.compare(Opcode::eq, value(x), value(y));
  return make(builder, builder.select(equal, builder.constant(0), builder.sub(value(x), value(y))));
}

Expression pow(const Expression& x, const Expression& y) {
  Builder& builder = *x.builder;
  const ValueId exponent = value(y);
  if (const auto known = builder.constant_value(exponent)) {
    if (known->is_real(0))
      return one_of(builder);
    if (known->is_real(2))
      return make(builder, builder.unary(Opcode::square, value(x)));
  }
  return make(builder, builder.binary(Opcode::pow, value(x), exponent));
}

Expression unary_rule(Builder& builder, Opcode opcode, const Expression& x, const Expression& r) {
  const Expression zero{&builder, {}};
  const Expression one = one_of(builder);
  const auto constant = [&](double number) { return make(builder, builder.constant(number)); };
  const auto missing = [&](const char* what) {
    return make(builder, builder.call(std::string(missing_derivative) + what, {}, {ir::Type{}})[0]);
  };
  switch (opcode) {
#define VIR_UNARY(name, derivative)                                                                                    \
  case Opcode::name: return derivative;
#include "compiler/ir/opcode.def"
  default: break;
  }
  (void)x, (void)r, (void)zero, (void)one, (void)constant, (void)missing;
  ir::internal_error(std::string("no forward rule for ") + ir::name(opcode));
}

Expression binary_rule(Builder& builder, Opcode opcode, std::size_t operand, const Expression& x, const Expression& y,
                       const Expression& r) {
  const Expression zero{&builder, {}};
  const Expression one = one_of(builder);
  switch (opcode) {
#define VIR_BINARY(name, d_dx, d_dy)                                                                                   \
  case Opcode::name:                                                                                                   \
    if (operand == 0)                                                                                                  \
      return d_dx;                                                                                                     \
    return d_dy;
#include "compiler/ir/opcode.def"
  default: break;
  }
  (void)x, (void)y, (void)r, (void)zero, (void)one;
  ir::internal_error(std::string("no forward rule for ") + ir::name(opcode));
}

} // namespace

Partial partial(Builder& builder, Opcode opcode, std::size_t operand, std::span<const ValueId> operands,
                ValueId result) {
  const Expression x = make(builder, operands[0]);
  const Expression r = make(builder, result);
  if (operands.size() == 1)
    return unary_rule(builder, opcode, x, r).partial;
  return binary_rule(builder, opcode, operand, x, make(builder, operands[1]), r).partial;
}

bool is_flat(Opcode opcode) {
  return opcode == Opcode::sign || opcode == Opcode::exponent || opcode == Opcode::inverse_power ||
         opcode == Opcode::floor || opcode == Opcode::ceil || opcode == Opcode::round;
}

bool is_vanishing(Opcode opcode, std::size_t operand) {
  switch (opcode) {
  case Opcode::div: return operand == 1;
  case Opcode::pow:
  case Opcode::atan2:
  case Opcode::log_add_exp:
  case Opcode::exp:
  case Opcode::expm1:
  case Opcode::log1p_exp:
  case Opcode::log1m_exp:
  case Opcode::inv_logit:
  case Opcode::log_inv_logit:
  case Opcode::atan:
  case Opcode::tanh:
  case Opcode::erf:
  case Opcode::erfc:
  case Opcode::std_normal_cdf:
  case Opcode::log_std_normal_cdf: return true;
  default: return false;
  }
}

bool is_singular(Opcode opcode) {
  switch (opcode) {
  case Opcode::div:
  case Opcode::pow:
  case Opcode::atan2:
  case Opcode::sqrt:
  case Opcode::exp:
  case Opcode::expm1:
  case Opcode::log:
  case Opcode::log1p:
  case Opcode::log1m_exp:
  case Opcode::log_expm1:
  case Opcode::logit:
  case Opcode::tan:
  case Opcode::asin:
  case Opcode::acos:
  case Opcode::sinh:
  case Opcode::cosh:
  case Opcode::acosh:
  case Opcode::atanh:
  case Opcode::log_std_normal_cdf:
  case Opcode::std_normal_quantile:
  case Opcode::lgamma:
  case Opcode::digamma:
  case Opcode::trigamma:
  case Opcode::tetragamma: return true;
  default: return false;
  }
}

bool is_bounded(Opcode opcode) {
  switch (opcode) {
  case Opcode::sign:
  case Opcode::inv_logit:
  case Opcode::sin:
  case Opcode::cos:
  case Opcode::atan:
  case Opcode::atan2:
  case Opcode::tanh:
  case Opcode::erf:
  case Opcode::erfc:
  case Opcode::std_normal_cdf:
  case Opcode::to_real_: return true;
  default: return false;
  }
}

} // namespace vmodel::passes
