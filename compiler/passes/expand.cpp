#include "compiler/passes/expand.h"

#include "compiler/passes/expand_functions.h"
#include "compiler/passes/pass.h"

#include <cmath>
#include <limits>
#include <unordered_map>

namespace vmodel::passes {

namespace {

constexpr double largest_power = 16; // beyond, repeated rounding costs more digits than it saves time

/// x to an integer, by squaring. Zero and negative exponents as the function `pow` has them.
ValueId integer_power(Builder& b, ValueId x, int exponent) {
  if (exponent == 0)
    return b.constant(1);
  if (exponent < 0)
    return b.div(b.constant(1), integer_power(b, x, -exponent));
  ValueId result;
  for (ValueId power = x;; power = b.mul(power, power)) {
    if (exponent & 1)
      result = result ? b.mul(result, power) : power;
    exponent >>= 1;
    if (exponent == 0)
      return result;
  }
}

/// log(1 - exp(x)) for x < 0 (Maechler 2012, "Accurately computing log(1 - exp(-|a|))"). One logarithm:
/// log1p(expm1(x) == y) where y = -exp(x), or log(-expm1(x)).
ValueId log1m_exp(Builder& b, ValueId x) {
  const ValueId near = b.compare(Opcode::gt, x, b.constant(-0.6931471805599453));
  const ValueId first = b.unary(Opcode::log, b.neg(b.unary(Opcode::expm1, x)));
  const ValueId second = b.unary(Opcode::log1p, b.neg(b.unary(Opcode::exp, x)));
  return b.select(near, first, second);
}

/// log(exp(x) - 1) = x + log(1 - exp(-x)) for x > 0.
ValueId log_expm1(Builder& b, ValueId x) {
  const ValueId near = b.compare(Opcode::lt, x, b.constant(0.6931471805599453));
  const ValueId first = b.unary(Opcode::log, b.unary(Opcode::expm1, x));
  const ValueId second = b.add(x, b.unary(Opcode::log1p, b.neg(b.unary(Opcode::exp, b.neg(x)))));
  return b.select(near, first, second);
}

/// log(x / (1 - x)); near 1/2, where that is near zero, log1p((2 x - 1) / (1 - x)), whose numerator is exact.
ValueId logit(Builder& b, ValueId x) {
  const ValueId rest = b.sub(b.constant(1), x);
  const ValueId centred = b.sub(x, b.constant(0.5));
  const ValueId near = b.compare(Opcode::lt, b.unary(Opcode::abs, centred), b.constant(0.25));
  const ValueId first = b.unary(Opcode::log1p, b.div(b.add(centred, centred), rest));
  const ValueId second = b.unary(Opcode::log, b.div(x, rest));
  return b.select(near, first, second);
}

} // namespace

ValueId expand_unary(Builder& b, Opcode opcode, ValueId x) {
  switch (opcode) {
  case Opcode::inv_logit: return inv_logit(b, x, {}, true);
  case Opcode::log1p_exp: return log1p_exp(b, x);
  case Opcode::log_inv_logit: return log_inv_logit(b, x);
  case Opcode::log1m_exp: return log1m_exp(b, x);
  case Opcode::log_expm1: return log_expm1(b, x);
  case Opcode::logit: return logit(b, x);
  case Opcode::std_normal_cdf: return std_normal_cdf(b, x);
  case Opcode::log_std_normal_cdf: return log_std_normal_cdf(b, x);
  case Opcode::std_normal_quantile: return std_normal_quantile(b, x);
  case Opcode::lgamma: return lgamma(b, x);
  case Opcode::digamma: return digamma(b, x);
  case Opcode::trigamma: return trigamma(b, x);
  case Opcode::tetragamma: return tetragamma(b, x);
  default: return {};
  }
}

ir::Function expand(const ir::Function& function) {
  std::unordered_map<std::uint32_t, double> constants;
  std::unordered_map<std::uint32_t, ValueId> negated; // what a value is the negative of
  bool shares = false;                                // whether a logarithm of a logistic function is left
  ir::for_each_op(function.body, [&](const ir::Op& op) {
    if (op.opcode == Opcode::constant_ && function.type(op.results[0]).element == ir::Element::f64)
      constants[op.results[0].id] = op.number;
    if (op.opcode == Opcode::neg)
      negated[op.results[0].id] = op.operands[0];
    shares |= op.opcode == Opcode::log1p_exp || op.opcode == Opcode::log_inv_logit;
  });
  return ir::rewrite(function, [&](ir::Rewriter& map, const ir::Op& op) {
    if (op.results.size() != 1 || function.type(op.results[0]).element != ir::Element::f64)
      return false;
    Builder& b = map.builder();
    if (op.opcode == Opcode::pow) {
      const auto exponent = constants.find(op.operands[1].id);
      if (exponent == constants.end() || std::fabs(exponent->second) > largest_power ||
          exponent->second != std::floor(exponent->second))
        return false;
      map.set(op.results[0], integer_power(b, map(op.operands[0]), static_cast<int>(exponent->second)));
      return true;
    }
    if (op.opcode == Opcode::log_add_exp) {
      map.set(op.results[0], log_add_exp(b, map(op.operands[0]), map(op.operands[1])));
      return true;
    }
    if (!ir::is_unary(op.opcode))
      return false;
    ValueId result;
    if (op.opcode == Opcode::inv_logit) {
      const auto minus = negated.find(op.operands[0].id);
      result = inv_logit(b, map(op.operands[0]), minus == negated.end() ? ValueId{} : map(minus->second), shares);
    } else {
      result = expand_unary(b, op.opcode, map(op.operands[0]));
    }
    if (!result)
      return false;
    map.set(op.results[0], result);
    return true;
  });
}

ir::Module expand(ir::Module module) {
  for (ir::Function& function : module.functions)
    function = expand(function);
  return module;
}

} // namespace vmodel::passes
