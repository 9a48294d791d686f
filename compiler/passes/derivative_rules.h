// The forward rules of opcode.def as code: partial derivatives of elementwise operations.
#pragma once

#include "compiler/ir/builder.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace vmodel::passes {

/// A partial derivative. It is kept as a product of values, not multiplied out, so that factors
/// that do not change in a loop can be applied to the tangent outside of it; and as a choice
/// between two of them where it is a `select`, so that the side that is not taken contributes
/// exactly zero.
struct Partial {
  enum class Kind { zero, product, choice };
  Kind kind = Kind::zero;
  bool negative = false;
  std::vector<ir::ValueId> factors; // product; empty is one
  ir::ValueId condition;            // choice
  std::shared_ptr<const Partial> yes, no;

  bool is_zero() const { return kind == Kind::zero; }
  bool is_one() const { return kind == Kind::product && factors.empty() && !negative; }
};

/// The symbol of a call that stands for a derivative that does not exist begins with this; such a
/// call that is still needed after dead code is removed is an error.
inline constexpr const char* missing_derivative = "derivative.missing: ";

/// d result / d operand of a unary or binary operation on f64, over the values of its operands and
/// result. Only the factors that are needed are appended to the builder.
Partial partial(ir::Builder& builder, ir::Opcode opcode, std::size_t operand, std::span<const ir::ValueId> operands,
                ir::ValueId result);

/// True for operations whose derivative is zero wherever it exists (sign, floor, ceil, round).
bool is_flat(ir::Opcode opcode);
/// The result is finite and the partial derivative exactly zero where the operand is infinite: exp,
/// inv_logit, tanh, a divisor ... This zero hides an infinity that the operand's own derivative
/// would bring back.
bool is_vanishing(ir::Opcode opcode, std::size_t operand);
/// The result or the partial derivative can be infinite or NaN for finite operands: log, div, sqrt ...
bool is_singular(ir::Opcode opcode);
/// The result is finite for every operand, infinite ones too: tanh, inv_logit, sin of finite ...
bool is_bounded(ir::Opcode opcode);

} // namespace vmodel::passes
