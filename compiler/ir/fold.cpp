#include "compiler/ir/fold.h"

#include <bit>
#include <cmath>
#include <limits>

namespace vmodel::ir {

std::int64_t floor_divide(std::int64_t a, std::int64_t b) {
  if (b == -1)
    return static_cast<std::int64_t>(0 - static_cast<std::uint64_t>(a));
  const std::int64_t quotient = a / b;
  return quotient - (a % b != 0 && ((a % b < 0) != (b < 0)));
}

std::int64_t floor_modulo(std::int64_t a, std::int64_t b) {
  if (b == -1)
    return 0;
  const std::int64_t remainder = a % b;
  return remainder != 0 && ((remainder < 0) != (b < 0)) ? remainder + b : remainder;
}

Constant constant_of(const Function& function, const Op& op) {
  return {function.type(op.results[0]).element, op.number, op.integer};
}

namespace {

constexpr std::uint64_t exponent_bits = 0x7ff0000000000000;

double exponent(double x) {
  return static_cast<double>((std::bit_cast<std::uint64_t>(x) & exponent_bits) >> 52) - 1023;
}

double inverse_power(double x) {
  return std::bit_cast<double>(0x7fe0000000000000 - (std::bit_cast<std::uint64_t>(x) & exponent_bits));
}

std::optional<Constant> fold_unary(Opcode opcode, double x) {
  switch (opcode) {
  case Opcode::neg: return Constant::real(-x);
  case Opcode::abs: return Constant::real(std::fabs(x));
  case Opcode::sign: return Constant::real(std::isnan(x) ? x : (x > 0) - (x < 0));
  case Opcode::floor: return Constant::real(std::floor(x));
  case Opcode::ceil: return Constant::real(std::ceil(x));
  case Opcode::round: return Constant::real(std::nearbyint(x));
  case Opcode::square: return Constant::real(x * x);
  case Opcode::sqrt: return Constant::real(std::sqrt(x));
  case Opcode::exponent: return Constant::real(exponent(x));
  case Opcode::inverse_power: return Constant::real(inverse_power(x));
  case Opcode::exp: return Constant::real(std::exp(x));
  case Opcode::expm1: return Constant::real(std::expm1(x));
  case Opcode::log: return Constant::real(std::log(x));
  case Opcode::log1p: return Constant::real(std::log1p(x));
  case Opcode::sin: return Constant::real(std::sin(x));
  case Opcode::cos: return Constant::real(std::cos(x));
  case Opcode::tan: return Constant::real(std::tan(x));
  case Opcode::asin: return Constant::real(std::asin(x));
  case Opcode::acos: return Constant::real(std::acos(x));
  case Opcode::atan: return Constant::real(std::atan(x));
  case Opcode::sinh: return Constant::real(std::sinh(x));
  case Opcode::cosh: return Constant::real(std::cosh(x));
  case Opcode::tanh: return Constant::real(std::tanh(x));
  case Opcode::asinh: return Constant::real(std::asinh(x));
  case Opcode::acosh: return Constant::real(std::acosh(x));
  case Opcode::atanh: return Constant::real(std::atanh(x));
  case Opcode::erf: return Constant::real(std::erf(x));
  case Opcode::erfc: return Constant::real(std::erfc(x));
  case Opcode::lgamma: return x > 0 ? std::optional(Constant::real(std::lgamma(x))) : std::nullopt;
  default: return std::nullopt;
  }
}

std::optional<Constant> fold_binary(Opcode opcode, double x, double y) {
  switch (opcode) {
  case Opcode::add: return Constant::real(x + y);
  case Opcode::sub: return Constant::real(x - y);
  case Opcode::mul: return Constant::real(x * y);
  case Opcode::div: return Constant::real(x / y);
  case Opcode::pow: return Constant::real(std::pow(x, y));
  case Opcode::atan2: return Constant::real(std::atan2(x, y));
  case Opcode::log_add_exp: {
    const double gap = x == y ? 0 : x - y;
    return Constant::real((x > y ? x : y) + std::log1p(std::exp(-std::fabs(gap))));
  }
  case Opcode::min: return Constant::real(std::isnan(x) || std::isnan(y) ? x + y : x <= y ? x : y);
  case Opcode::max: return Constant::real(std::isnan(x) || std::isnan(y) ? x + y : x >= y ? x : y);
  case Opcode::lt: return Constant::boolean(x < y);
  case Opcode::le: return Constant::boolean(x <= y);
  case Opcode::gt: return Constant::boolean(x > y);
  case Opcode::ge: return Constant::boolean(x >= y);
  case Opcode::eq: return Constant::boolean(x == y);
  case Opcode::ne: return Constant::boolean(x != y);
  case Opcode::strong_mul_: return Constant::real(x == 0 ? 0 : x * y);
  default: return std::nullopt;
  }
}

// Index arithmetic wraps, as the machine's does.
std::int64_t wrapped(std::uint64_t value) {
  return static_cast<std::int64_t>(value);
}

std::optional<Constant> fold_integer(Opcode opcode, std::int64_t x, std::int64_t y) {
  const auto ux = static_cast<std::uint64_t>(x);
  const auto uy = static_cast<std::uint64_t>(y);
  switch (opcode) {
  case Opcode::add: return Constant::index(wrapped(ux + uy));
  case Opcode::sub: return Constant::index(wrapped(ux - uy));
  case Opcode::mul: return Constant::index(wrapped(ux * uy));
  case Opcode::min: return Constant::index(x < y ? x : y);
  case Opcode::max: return Constant::index(x > y ? x : y);
  case Opcode::idiv: return y == 0 ? std::nullopt : std::optional(Constant::index(floor_divide(x, y)));
  case Opcode::imod: return y == 0 ? std::nullopt : std::optional(Constant::index(floor_modulo(x, y)));
  case Opcode::lt: return Constant::boolean(x < y);
  case Opcode::le: return Constant::boolean(x <= y);
  case Opcode::gt: return Constant::boolean(x > y);
  case Opcode::ge: return Constant::boolean(x >= y);
  case Opcode::eq: return Constant::boolean(x == y);
  case Opcode::ne: return Constant::boolean(x != y);
  default: return std::nullopt;
  }
}

} // namespace

std::optional<Constant> fold(Opcode opcode, std::span<const Constant> operands) {
  for (const Constant& operand : operands)
    if (operand.element == Element::f32)
      return std::nullopt;
  if (operands.empty())
    return std::nullopt;
  const Constant& x = operands[0];
  if (operands.size() == 1) {
    switch (opcode) {
    case Opcode::logical_not_: return Constant::boolean(x.integer == 0);
    case Opcode::is_nan_: return Constant::boolean(std::isnan(x.number));
    case Opcode::to_real_: return x.element == Element::f64 ? x : Constant::real(static_cast<double>(x.integer));
    case Opcode::to_index_:
      if (x.element != Element::f64)
        return Constant::index(x.integer);
      // Outside the exact range the result is the machine's affair.
      if (!(std::fabs(x.number) < 9007199254740992.0))
        return std::nullopt;
      return Constant::index(static_cast<std::int64_t>(x.number));
    case Opcode::stop_: return x;
    case Opcode::only_derivative_: return Constant::real(0);
    default: break;
    }
    if (x.element == Element::f64)
      return fold_unary(opcode, x.number);
    if (x.element == Element::index && opcode == Opcode::neg)
      return Constant::index(wrapped(0 - static_cast<std::uint64_t>(x.integer)));
    if (x.element == Element::index && opcode == Opcode::abs)
      return Constant::index(x.integer < 0 ? wrapped(0 - static_cast<std::uint64_t>(x.integer)) : x.integer);
    return std::nullopt;
  }
  const Constant& y = operands[1];
  if (operands.size() == 3 && opcode == Opcode::select_)
    return x.integer != 0 ? y : operands[2];
  if (operands.size() != 2)
    return std::nullopt;
  if (opcode == Opcode::logical_and_)
    return Constant::boolean(x.integer != 0 && y.integer != 0);
  if (opcode == Opcode::logical_or_)
    return Constant::boolean(x.integer != 0 || y.integer != 0);
  if (x.element == Element::f64)
    return fold_binary(opcode, x.number, y.number);
  return fold_integer(opcode, x.integer, y.integer);
}

} // namespace vmodel::ir
