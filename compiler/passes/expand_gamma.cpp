// The logarithm of the gamma function and its derivatives. Without branches for positive arguments; negative ones go
// through the reflection formulas, under a condition, so that lanes without any pay nothing.
#include "compiler/passes/expand_functions.h"

#include <limits>

namespace vmodel::passes {

using ir::Builder;
using ir::Opcode;
using ir::ValueId;

namespace {

#include "compiler/passes/expand_gamma.inc"

constexpr double pi = 3.14159265358979323846;
// From here on the asymptotic series have 16 digits.
constexpr double asymptotic = 8;
constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

ValueId is_negative(Builder& b, ValueId x) {
  return b.compare(Opcode::lt, x, b.constant(0));
}

/// x minus the nearest integer, exactly.
ValueId fraction(Builder& b, ValueId x) {
  return b.sub(x, b.unary(Opcode::round, x));
}

// sum of B_2k / (2k (2k - 1)) x^(1 - 2k) (Abramowitz and Stegun 6.1.41), B_2k the Bernoulli numbers
constexpr double lgamma_series[] = {1.0 / 12,        -1.0 / 360, 1.0 / 1260,       -1.0 / 1680,     1.0 / 1188,
                                    -691.0 / 360360, 1.0 / 156,  -3617.0 / 122400, 43867.0 / 244188};
// B_2k / 2k (6.3.18)
constexpr double digamma_series[] = {1.0 / 12,       -1.0 / 120, 1.0 / 252,      -1.0 / 240,     1.0 / 132,
                                     -691.0 / 32760, 1.0 / 12,   -3617.0 / 8160, 43867.0 / 14364};
// B_2k (6.4.12)
constexpr double trigamma_series[] = {1.0 / 6,       -1.0 / 30, 1.0 / 42,      -1.0 / 30,    5.0 / 66,
                                      -691.0 / 2730, 7.0 / 6,   -3617.0 / 510, 43867.0 / 798};

/// For x >= 0 (NaN passes).
ValueId lgamma_positive(Builder& b, ValueId x) {
  const ValueId one = b.constant(1);
  const ValueId is_large = b.compare(Opcode::ge, x, b.constant(asymptotic));
  // Below 8: lgamma(x) = lgamma(y) + log of a product, y in [3/2, 5/2); below 3/2 minus the logarithm.
  const ValueId is_below = b.compare(Opcode::lt, x, b.constant(1.5));
  const ValueId is_far_below = b.compare(Opcode::lt, x, b.constant(0.5));
  ValueId product = b.select(is_below, x, one);
  product = b.mul(product, b.select(is_far_below, b.add(x, one), one));
  ValueId y = b.select(is_below, b.add(x, one), x);
  y = b.select(is_far_below, b.add(x, b.constant(2)), y);
  for (int step = 1; step <= 6; ++step) {
    const ValueId lower = b.sub(x, b.constant(step));
    const ValueId applies = b.compare(Opcode::ge, lower, b.constant(1.5));
    product = b.mul(product, b.select(applies, lower, one));
    y = b.select(applies, lower, y);
  }
  const ValueId logarithm = b.unary(Opcode::log, b.select(is_large, x, product));
  const ValueId f = b.sub(y, b.constant(2));
  const ValueId near = b.mul(f, polynomial(b, f, lgamma_near_two));
  const ValueId small = b.add(near, b.select(is_below, b.neg(logarithm), logarithm));
  // Stirling: (x - 1/2) (log x - 1) + log(2 pi) / 2 - 1/2 + series.
  const ValueId inverse = b.div(one, x);
  const ValueId series = b.mul(inverse, polynomial(b, b.mul(inverse, inverse), lgamma_series));
  const ValueId large =
      b.add(b.mul(b.sub(x, b.constant(0.5)), b.sub(logarithm, one)), b.add(b.constant(0.41893853320467274178), series));
  return b.select(is_large, large, small);
}

/// For x >= 0 (NaN passes).
ValueId digamma_positive(Builder& b, ValueId x) {
  const ValueId one = b.constant(1);
  const ValueId is_large = b.compare(Opcode::ge, x, b.constant(asymptotic));
  const ValueId is_below = b.compare(Opcode::lt, x, one);
  // Below 8: digamma(x) = digamma(y) + a sum of reciprocals as one fraction, y in [1, 2); below 1 minus 1 / x.
  ValueId above = b.select(is_below, b.constant(-1), b.constant(0));
  ValueId below = b.select(is_below, x, one);
  ValueId y = b.select(is_below, b.add(x, one), x);
  for (int step = 1; step <= 6; ++step) {
    const ValueId lower = b.sub(x, b.constant(step));
    const ValueId applies = b.compare(Opcode::ge, lower, one);
    above = b.select(applies, b.add(b.mul(above, lower), below), above);
    below = b.select(applies, b.mul(below, lower), below);
    y = b.select(applies, lower, y);
  }
  const ValueId fraction = b.div(b.select(is_large, one, above), b.select(is_large, x, below));
  const ValueId distance = b.sub(b.sub(y, b.constant(digamma_root)), b.constant(digamma_root_rest));
  const ValueId near = b.mul(distance, polynomial(b, b.sub(y, b.constant(1.5)), digamma_near_root));
  const ValueId small = b.add(near, fraction);
  const ValueId square = b.mul(fraction, fraction);
  const ValueId series = b.add(b.mul(b.constant(0.5), fraction), b.mul(square, polynomial(b, square, digamma_series)));
  const ValueId large = b.sub(b.unary(Opcode::log, x), series);
  return b.select(is_large, large, small);
}

/// sum over k >= 0 of 1 / (x + k)^order for order 2 and 3, x > 0: terms up to x + k = 8, then the series.
ValueId power_sum(Builder& b, ValueId x, int order) {
  const ValueId one = b.constant(1);
  ValueId above = b.constant(0);
  ValueId below = one;
  ValueId y = x;
  for (int step = 0; step < 8; ++step) {
    const ValueId raised = b.add(x, b.constant(step));
    const ValueId applies = b.compare(Opcode::lt, raised, b.constant(asymptotic));
    ValueId power = b.mul(raised, raised);
    if (order == 3)
      power = b.mul(power, raised);
    above = b.select(applies, b.add(b.mul(above, power), below), above);
    below = b.select(applies, b.mul(below, power), below);
    y = b.select(applies, b.add(raised, one), y);
  }
  const ValueId inverse = b.div(one, y);
  const ValueId square = b.mul(inverse, inverse);
  ValueId rest;
  if (order == 2) {
    rest =
        b.add(inverse, b.mul(square, b.add(b.constant(0.5), b.mul(inverse, polynomial(b, square, trigamma_series)))));
  } else {
    // Half the negative derivative, term by term.
    double series[std::size(trigamma_series)];
    for (std::size_t k = 0; k < std::size(trigamma_series); ++k)
      series[k] = trigamma_series[k] * static_cast<double>(2 * k + 3) / 2;
    rest = b.mul(square, b.add(b.constant(0.5),
                               b.mul(inverse, b.add(b.constant(0.5), b.mul(inverse, polynomial(b, square, series))))));
  }
  return b.add(b.div(above, below), rest);
}

ValueId reflected(Builder& b, ValueId x) {
  return b.select(is_negative(b, x), b.sub(b.constant(1), x), x);
}

/// Sine and cosine of pi times the fraction of x; NaN instead of a sine of zero, at a pole.
struct Angle {
  ValueId sine;
  ValueId cosine;
};
Angle angle(Builder& b, ValueId x) {
  const ValueId turned = b.mul(b.constant(pi), fraction(b, x));
  const ValueId sine = b.unary(Opcode::sin, turned);
  const ValueId at_pole = b.compare(Opcode::eq, turned, b.constant(0));
  return {b.select(at_pole, b.constant(not_a_number), sine), b.unary(Opcode::cos, turned)};
}

ValueId nan_at_zero(Builder& b, ValueId x, ValueId value) {
  return b.select(b.compare(Opcode::eq, x, b.constant(0)), b.constant(not_a_number), value);
}

} // namespace

/// log |Gamma(x)|; infinite at the poles. For x < 0: log(pi / |x sin(pi x)|) - lgamma(|x|).
ValueId lgamma(Builder& b, ValueId x) {
  const ValueId size = b.unary(Opcode::abs, x);
  const ValueId positive = lgamma_positive(b, size);
  const auto reflect = [&] {
    const ValueId sine = b.unary(Opcode::sin, b.mul(b.constant(pi), fraction(b, size)));
    const ValueId sized = b.mul(size, b.unary(Opcode::abs, sine));
    const ValueId value = b.sub(b.sub(b.constant(1.1447298858494001741), b.unary(Opcode::log, sized)), positive);
    // Close to zero the logarithm is all, and the product would vanish. Beyond 2^52 all numbers are integers: poles.
    const ValueId not_tiny = b.select(b.compare(Opcode::lt, size, b.constant(1e-18)), positive, value);
    return b.select(b.compare(Opcode::ge, size, b.constant(0x1p52)), b.constant(infinity), not_tiny);
  };
  return b.if_(
      is_negative(b, x), [&] { return std::vector<ValueId>{reflect()}; },
      [&] { return std::vector<ValueId>{positive}; })[0];
}

/// d/dx log |Gamma(x)|. For x < 0: digamma(1 - x) - pi / tan(pi x).
ValueId digamma(Builder& b, ValueId x) {
  const ValueId positive = digamma_positive(b, reflected(b, x));
  const auto reflect = [&] {
    const Angle at = angle(b, x);
    return b.sub(positive, b.div(b.mul(b.constant(pi), at.cosine), at.sine));
  };
  const ValueId value = b.if_(
      is_negative(b, x), [&] { return std::vector<ValueId>{reflect()}; },
      [&] { return std::vector<ValueId>{positive}; })[0];
  return nan_at_zero(b, x, value);
}

/// For x < 0: (pi / sin(pi x))^2 - trigamma(1 - x).
ValueId trigamma(Builder& b, ValueId x) {
  const ValueId positive = power_sum(b, reflected(b, x), 2);
  const auto reflect = [&] {
    const ValueId ratio = b.div(b.constant(pi), angle(b, x).sine);
    return b.sub(b.mul(ratio, ratio), positive);
  };
  const ValueId value = b.if_(
      is_negative(b, x), [&] { return std::vector<ValueId>{reflect()}; },
      [&] { return std::vector<ValueId>{positive}; })[0];
  return nan_at_zero(b, x, value);
}

/// For x < 0: tetragamma(1 - x) - 2 pi^3 cos(pi x) / sin(pi x)^3.
ValueId tetragamma(Builder& b, ValueId x) {
  const ValueId positive = b.mul(b.constant(-2), power_sum(b, reflected(b, x), 3));
  const auto reflect = [&] {
    const Angle at = angle(b, x);
    const ValueId ratio = b.div(b.constant(pi), at.sine);
    return b.sub(positive, b.mul(b.mul(b.constant(2), at.cosine), b.mul(ratio, b.mul(ratio, ratio))));
  };
  const ValueId value = b.if_(
      is_negative(b, x), [&] { return std::vector<ValueId>{reflect()}; },
      [&] { return std::vector<ValueId>{positive}; })[0];
  return nan_at_zero(b, x, value);
}

} // namespace vmodel::passes
