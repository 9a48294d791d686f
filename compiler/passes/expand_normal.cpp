#include "compiler/passes/expand_functions.h"

#include <limits>

namespace vmodel::passes {

using ir::Builder;
using ir::Opcode;
using ir::ValueId;

namespace {

#include "compiler/passes/expand_normal.inc"

/// exp(a^2/2) P(X > a) for a >= 0: a polynomial of (a - K) / (a + K), divided by 1 + sqrt(2) a (Shepherd and
/// Laframboise 1981, "Chebyshev approximation of (1 + 2x) exp(x^2) erfc x").
ValueId scaled_tail(Builder& b, ValueId a) {
  // Where a is infinite the argument is 1.
  const ValueId size = b.binary(Opcode::min, a, b.constant(1e150));
  const ValueId k = b.constant(tail_centre);
  const ValueId t = b.div(b.sub(size, k), b.add(size, k));
  return b.div(polynomial(b, t, normal_tail), b.add(b.constant(1), b.mul(b.constant(1.4142135623730951), size)));
}

/// exp(-a^2/2) to full precision: a = h + l, where the square of h is exact (Cody 1969).
ValueId bell(Builder& b, ValueId a) {
  const ValueId size = b.binary(Opcode::min, a, b.constant(64)); // beyond 39 the result is zero
  const ValueId h = b.mul(b.unary(Opcode::round, b.mul(size, b.constant(16))), b.constant(0.0625));
  const ValueId l = b.mul(b.sub(size, h), b.add(size, h));
  const ValueId first = b.unary(Opcode::exp, b.mul(b.constant(-0.5), b.mul(h, h)));
  return b.mul(first, b.unary(Opcode::exp, b.mul(b.constant(-0.5), l)));
}

template <std::size_t N, std::size_t M>
ValueId ratio(Builder& b, ValueId x, const double (&above)[N], const double (&below)[M]) {
  return b.div(polynomial(b, x, above), polynomial(b, x, below));
}

} // namespace

ValueId std_normal_cdf(Builder& b, ValueId x) {
  const ValueId a = b.unary(Opcode::abs, x);
  const ValueId tail = b.mul(bell(b, a), scaled_tail(b, a));
  return b.select(b.compare(Opcode::gt, x, b.constant(0)), b.sub(b.constant(1), tail), tail);
}

/// Below zero -x^2/2 + log(tail): both terms have one sign.
ValueId log_std_normal_cdf(Builder& b, ValueId x) {
  const ValueId a = b.unary(Opcode::abs, x);
  const ValueId scaled = scaled_tail(b, a);
  const ValueId half_square = b.mul(b.constant(-0.5), b.mul(x, x));
  const ValueId below = b.add(half_square, b.unary(Opcode::log, scaled));
  const ValueId above = b.unary(Opcode::log1p, b.neg(b.mul(b.unary(Opcode::exp, half_square), scaled)));
  return b.select(b.compare(Opcode::gt, x, b.constant(0)), above, below);
}

/// Algorithm AS 241, PPND16 (Wichura 1988): three rational functions, 16 digits.
ValueId std_normal_quantile(Builder& b, ValueId p) {
  static const double centre_above[] = {3.3871328727963666080e0,  1.3314166789178437745e+2, 1.9715909503065514427e+3,
                                        1.3731693765509461125e+4, 4.5921953931549871457e+4, 6.7265770927008700853e+4,
                                        3.3430575583588128105e+4, 2.5090809287301226727e+3};
  static const double centre_below[] = {1.0,
                                        4.2313330701600911252e+1,
                                        6.8718700749205790830e+2,
                                        5.3941960214247511077e+3,
                                        2.1213794301586595867e+4,
                                        3.9307895800092710610e+4,
                                        2.8729085735721942674e+4,
                                        5.2264952788528545610e+3};
  static const double near_above[] = {1.42343711074968357734e0,  4.63033784615654529590e0, 5.76949722146069140550e0,
                                      3.64784832476320460504e0,  1.27045825245236838258e0, 2.41780725177450611770e-1,
                                      2.27238449892691845833e-2, 7.74545014278341407640e-4};
  static const double near_below[] = {1.0,
                                      2.05319162663775882187e0,
                                      1.67638483018380384940e0,
                                      6.89767334985100004550e-1,
                                      1.48103976427480074590e-1,
                                      1.51986665636164571966e-2,
                                      5.47593808499534494600e-4,
                                      1.05075007164441684324e-9};
  static const double far_above[] = {6.65790464350110377720e0,  5.46378491116411436990e0,  1.78482653991729133580e0,
                                     2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
                                     2.71155556874348757815e-5, 2.01033439929228813265e-7};
  static const double far_below[] = {1.0,
                                     5.99832206555887937690e-1,
                                     1.36929880922735805310e-1,
                                     1.48753612908506148525e-2,
                                     7.86869131145613259100e-4,
                                     1.84631831751005468180e-5,
                                     1.42151175831644588870e-7,
                                     2.04426310338993978564e-15};
  const double infinity = std::numeric_limits<double>::infinity();
  const ValueId q = b.sub(p, b.constant(0.5));
  const ValueId r = b.sub(b.constant(0.180625), b.mul(q, q));
  const ValueId centre = b.mul(q, ratio(b, r, centre_above, centre_below));
  const ValueId left = b.compare(Opcode::lt, q, b.constant(0));
  const ValueId smaller = b.select(left, p, b.sub(b.constant(1), p));
  const ValueId s = b.unary(Opcode::sqrt, b.neg(b.unary(Opcode::log, smaller)));
  const ValueId is_near = b.compare(Opcode::le, s, b.constant(5));
  const ValueId near = ratio(b, b.sub(s, b.constant(1.6)), near_above, near_below);
  const ValueId far = ratio(b, b.sub(s, b.constant(5)), far_above, far_below);
  const ValueId size = b.select(is_near, near, far);
  const ValueId tail = b.select(left, b.neg(size), size);
  const ValueId inside = b.compare(Opcode::le, b.unary(Opcode::abs, q), b.constant(0.425));
  ValueId result = b.select(inside, centre, tail);
  result = b.select(b.compare(Opcode::eq, p, b.constant(0)), b.constant(-infinity), result);
  return b.select(b.compare(Opcode::eq, p, b.constant(1)), b.constant(infinity), result);
}

} // namespace vmodel::passes
