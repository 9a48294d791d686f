// The logistic function and its logarithm. A density of binary data needs both at the same point: they share one
// exponential and one division.
#include "compiler/passes/expand_functions.h"

namespace vmodel::passes {

using ir::Builder;
using ir::Opcode;
using ir::ValueId;

namespace {

#include "compiler/passes/expand_logit.inc"

/// e = exp(-|x|), and 1 / ((1 + e)(2 + e)), from which follow 1 / (1 + e) and e / (2 + e).
struct Shared {
  ValueId e, one_plus, two_plus, reciprocal;
};

Shared shared(Builder& b, ValueId x) {
  Shared s;
  s.e = b.unary(Opcode::exp, b.neg(b.unary(Opcode::abs, x)));
  s.one_plus = b.add(s.e, b.constant(1));
  s.two_plus = b.add(s.e, b.constant(2));
  s.reciprocal = b.div(b.constant(1), b.mul(s.one_plus, s.two_plus));
  return s;
}

/// log(1 + e) = 2 atanh(e / (2 + e)), e in [0, 1]; the series begins with its first term, so that small e keep their
/// digits.
ValueId log1p_exp_of_minus_size(Builder& b, ValueId x) {
  const Shared s = shared(b, x);
  const ValueId ratio = b.mul(b.mul(s.e, s.one_plus), s.reciprocal);
  const ValueId square = b.mul(ratio, ratio);
  const ValueId twice = b.add(ratio, ratio);
  return b.add(b.mul(b.mul(twice, square), polynomial(b, square, atanh_rest)), twice);
}

} // namespace

ValueId inv_logit(Builder& b, ValueId x, ValueId minus_x, bool shares) {
  // At zero e is 1, and both are the same.
  const auto either = [&](ValueId e, ValueId upper) {
    const ValueId lower = b.mul(e, upper);
    return minus_x ? b.select(b.compare(Opcode::lt, minus_x, b.constant(0)), upper, lower)
                   : b.select(b.compare(Opcode::lt, x, b.constant(0)), lower, upper);
  };
  if (shares) {
    const Shared s = shared(b, x);
    return either(s.e, b.mul(s.two_plus, s.reciprocal));
  }
  const ValueId e = b.unary(Opcode::exp, b.neg(b.unary(Opcode::abs, x)));
  return either(e, b.div(b.constant(1), b.add(e, b.constant(1))));
}

ValueId log1p_exp(Builder& b, ValueId x) {
  return b.add(b.binary(Opcode::max, x, b.constant(0)), log1p_exp_of_minus_size(b, x));
}

ValueId log_inv_logit(Builder& b, ValueId x) {
  return b.sub(b.binary(Opcode::min, x, b.constant(0)), log1p_exp_of_minus_size(b, x));
}

} // namespace vmodel::passes
