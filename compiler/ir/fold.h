// Arithmetic on constants, as the compiled code would do it.
#pragma once

#include "compiler/ir/module.h"

#include <cstdint>
#include <optional>
#include <span>

namespace vmodel::ir {

/// The value of a `constant` operation.
struct Constant {
  Element element = Element::f64;
  double number = 0;        // f64, f32
  std::int64_t integer = 0; // index; boolean as 0 or 1

  static Constant real(double value) { return {Element::f64, value, 0}; }
  static Constant index(std::int64_t value) { return {Element::index, 0, value}; }
  static Constant boolean(bool value) { return {Element::boolean, 0, value}; }
  bool is_real(double value) const { return element == Element::f64 && number == value; }
  bool is_index(std::int64_t value) const { return element == Element::index && integer == value; }
};

/// The result of a scalar operation on constants; nothing where it is better left to run time
/// (special functions, division by zero of indices, f32).
std::optional<Constant> fold(Opcode opcode, std::span<const Constant> operands);

/// The value of an operation that is a constant.
Constant constant_of(const Function& function, const Op& op);

/// Floor division and its remainder (the sign of the divisor); the divisor is not zero.
std::int64_t floor_divide(std::int64_t a, std::int64_t b);
std::int64_t floor_modulo(std::int64_t a, std::int64_t b);

} // namespace vmodel::ir
