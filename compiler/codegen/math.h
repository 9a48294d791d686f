// Elementary functions as LLVM IR: inline polynomials, or calls of the vector library.
#pragma once

#include "compiler/codegen/target.h"
#include "compiler/ir/module.h"
#include "compiler/ir/ranges.h"

#include <llvm/IR/IRBuilder.h>

namespace vmodel::codegen {

/// Emits functions of doubles or vectors of doubles (any number of lanes) at a builder's insertion point.
/// docs/numerics.md lists what is inline, what is called, and the errors.
class MathEmitter {
public:
  MathEmitter(llvm::IRBuilder<>& builder, const Target& target) : builder_(builder), target_(target) {}

  /// A function of one or two arguments of type f64. Throws ir::InternalError for operations that the pass `expand`
  /// replaces.
  /// `range`: where x lies, which spares some work.
  llvm::Value* emit(ir::Opcode opcode, llvm::Value* x, llvm::Value* y = nullptr, const ir::Range& range = {});

  // inline functions (inline_math.cpp); special values are right: infinities, NaN, zeros, subnormal numbers
  llvm::Value* exp(llvm::Value* x, const ir::Range& range = {});
  llvm::Value* log(llvm::Value* x);
  llvm::Value* log1p(llvm::Value* x);
  llvm::Value* expm1(llvm::Value* x);
  llvm::Value* tanh(llvm::Value* x);
  /// The operations of these names (compiler/ir/operations.md).
  llvm::Value* exponent(llvm::Value* x);
  llvm::Value* inverse_power(llvm::Value* x);
  /// The logarithm of a number between 2^-1022 and 2^1023; others are not looked for.
  llvm::Value* log_inside(llvm::Value* x);
  /// The cosine and the sine of `turns` full turns, for 0 <= turns <= 1 a multiple of 2^-53.
  llvm::Value* cos_turns(llvm::Value* turns);
  llvm::Value* sin_turns(llvm::Value* turns);

  /// x * y + z, with one rounding where the target can do that, and the same bits for any number of lanes.
  llvm::Value* fma(llvm::Value* x, llvm::Value* y, llvm::Value* z);
  llvm::Value* square_root(llvm::Value* x);
  llvm::Value* constant_like(llvm::Value* x, double value);

private:
  /// A constant that an operation can take from memory.
  llvm::Value* coefficient_like(llvm::Value* x, double value);
  llvm::Value* call(const char* name, llvm::Value* x, llvm::Value* y);
  llvm::Value* call_register(const char* name, llvm::Value* x, llvm::Value* y);
  llvm::Value* intrinsic(llvm::Intrinsic::ID id, llvm::Value* x);
  llvm::Value* polynomial(llvm::Value* x, const double* coefficients, std::size_t count);
  llvm::Value* as_integer(llvm::Value* x);
  llvm::Value* as_real(llvm::Value* x);
  llvm::Value* integer_like(llvm::Value* x, std::int64_t value);
  llvm::Value* power_of_two(llvm::Value* exponent);
  struct Logarithm;
  Logarithm split(llvm::Value* x, llvm::Value* correction);
  llvm::Value* log_of(const Logarithm& parts);

  llvm::IRBuilder<>& builder_;
  const Target& target_;
};

} // namespace vmodel::codegen
