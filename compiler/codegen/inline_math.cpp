// exp, log, log1p, expm1, tanh and the cosine as polynomials. Every step is an explicit operation without permission to
// contract, so that results are the same bits for any number of lanes. Errors: docs/numerics.md.
#include "compiler/codegen/math.h"

#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/IntrinsicsX86.h>
#include <llvm/IR/Module.h>

#include <bit>
#include <cstdint>
#include <string>

namespace vmodel::codegen {

using llvm::Value;

namespace {

#include "compiler/codegen/coefficients.inc"

constexpr double log2_of_e = 0x1.71547652b82fep+0;
// log(2) in two parts: the first has 21 trailing zeros, so that products with exponents are exact.
constexpr double ln2_high = 0x1.62e42fee00000p-1;
constexpr double ln2_low = 0x1.a39ef35793c76p-33;
// Adding it rounds to the nearest integer, which then stands in the low bits.
constexpr double rounder = 0x1.8p52;

/// Switches permissions off while it lives.
class Exactly {
public:
  explicit Exactly(llvm::IRBuilder<>& builder) : guard_(builder) { builder.clearFastMathFlags(); }

private:
  llvm::IRBuilder<>::FastMathFlagGuard guard_;
};

} // namespace

Value* MathEmitter::constant_like(Value* x, double value) {
  return llvm::ConstantFP::get(x->getType(), value);
}

/// With AVX2, LLVM loads a number of the code into all lanes by an instruction of its own, because no operation takes
/// one number for all lanes from memory, as they do with AVX-512. A loop has more coefficients than there are
/// registers, so each would cost an instruction in every iteration. A whole vector in memory is a part of the
/// operation; memory that might change is what LLVM does not take for the number that it holds.
Value* MathEmitter::coefficient_like(Value* x, double value) {
  auto* type = llvm::dyn_cast<llvm::FixedVectorType>(x->getType());
  if (target_.lanes != 4 || !type || type->getNumElements() != 4)
    return constant_like(x, value);
  llvm::Module* module = builder_.GetInsertBlock()->getModule();
  const std::string name = "coefficient." + std::to_string(std::bit_cast<std::uint64_t>(value));
  llvm::GlobalVariable* global = module->getNamedGlobal(name);
  if (!global) {
    global = new llvm::GlobalVariable(*module, type, false, llvm::GlobalValue::PrivateLinkage,
                                      llvm::ConstantFP::get(type, value), name);
    global->setAlignment(llvm::Align(32));
    global->setExternallyInitialized(true);
  }
  llvm::LoadInst* load = builder_.CreateAlignedLoad(type, global, llvm::Align(32));
  load->setMetadata(llvm::LLVMContext::MD_invariant_load, llvm::MDNode::get(builder_.getContext(), {}));
  return load;
}

Value* MathEmitter::integer_like(Value* x, std::int64_t value) {
  llvm::Type* type = builder_.getInt64Ty();
  if (auto* vector = llvm::dyn_cast<llvm::VectorType>(x->getType()))
    type = llvm::VectorType::get(type, vector->getElementCount());
  return llvm::ConstantInt::get(type, static_cast<std::uint64_t>(value), true);
}

Value* MathEmitter::as_integer(Value* x) {
  return builder_.CreateBitCast(x, integer_like(x, 0)->getType());
}

Value* MathEmitter::as_real(Value* x) {
  llvm::Type* type = builder_.getDoubleTy();
  if (auto* vector = llvm::dyn_cast<llvm::VectorType>(x->getType()))
    type = llvm::VectorType::get(type, vector->getElementCount());
  return builder_.CreateBitCast(x, type);
}

Value* MathEmitter::fma(Value* x, Value* y, Value* z) {
  Exactly exactly(builder_);
  if (!target_.fused)
    return builder_.CreateFAdd(builder_.CreateFMul(x, y), z);
  return builder_.CreateIntrinsic(x->getType(), llvm::Intrinsic::fma, {x, y, z});
}

Value* MathEmitter::square_root(Value* x) {
  Exactly exactly(builder_);
  return builder_.CreateUnaryIntrinsic(llvm::Intrinsic::sqrt, x);
}

/// Estrin's scheme in pairs: the chain of dependent operations is about half of Horner's.
Value* MathEmitter::polynomial(Value* x, const double* coefficients, std::size_t count) {
  std::vector<Value*> terms;
  for (std::size_t i = 0; i < count; ++i)
    terms.push_back(coefficient_like(x, coefficients[i]));
  Exactly exactly(builder_);
  // One level of pairs, then Horner in x^2: fewer registers than the full tree.
  Value* square = builder_.CreateFMul(x, x);
  std::vector<Value*> pairs;
  for (std::size_t i = 0; i < count; i += 2)
    pairs.push_back(i + 1 < count ? fma(terms[i + 1], x, terms[i]) : terms[i]);
  Value* sum = pairs.back();
  for (std::size_t i = pairs.size() - 1; i-- > 0;)
    sum = fma(sum, square, pairs[i]);
  return sum;
}

/// 2^n for integers -1022 <= n <= 1023.
Value* MathEmitter::power_of_two(Value* exponent) {
  Value* biased = builder_.CreateAdd(exponent, llvm::ConstantInt::get(exponent->getType(), 1023));
  return as_real(builder_.CreateShl(biased, 52));
}

/// exp(x) = 2^n exp(r), n = round(x / log 2), |r| <= log(2) / 2.
Value* MathEmitter::exp(Value* x, const ir::Range& range) {
  Exactly exactly(builder_);
  // Beyond these bounds the result overflows or vanishes; NaN passes through both comparisons.
  Value* y = x;
  if (range.high > 709) {
    Value* high = constant_like(x, 710.0);
    y = builder_.CreateSelect(builder_.CreateFCmpOGT(x, high), high, x);
  }
  if (range.low < -745) {
    Value* low = constant_like(x, -746.0);
    y = builder_.CreateSelect(builder_.CreateFCmpOLT(y, low), low, y);
  }
  auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(x->getType());
  const bool scales = target_.lanes == 8 && vector && vector->getNumElements() == 8;
  // The power of two comes in two factors, of which the second is 2^64 or 2^-64: the first is then always a normal
  // number. Its exponent is n -+ 64, which the rounder's low bits add.
  const double offset = 64;
  Value* shift = coefficient_like(x, rounder);
  Value* factor = constant_like(x, 1.0);
  if (!scales && range.high <= 0) {
    shift = coefficient_like(x, rounder + offset);
    factor = constant_like(x, 0x1p-64);
  } else if (!scales && range.low >= 0) {
    shift = coefficient_like(x, rounder - offset);
    factor = constant_like(x, 0x1p64);
  } else if (!scales) {
    Value* negative = builder_.CreateFCmpOLT(y, constant_like(x, 0.0));
    shift = builder_.CreateSelect(negative, constant_like(x, rounder + offset), constant_like(x, rounder - offset));
    factor = builder_.CreateSelect(negative, constant_like(x, 0x1p-64), constant_like(x, 0x1p64));
  }
  Value* shifted = fma(y, coefficient_like(x, log2_of_e), shift);
  Value* n = builder_.CreateFSub(shifted, shift);
  Value* r = fma(n, coefficient_like(x, -ln2_high), y);
  r = fma(n, coefficient_like(x, -ln2_low), r);
  Value* square = builder_.CreateFMul(r, r);
  Value* tail = polynomial(r, exp_tail, std::size(exp_tail));
  Value* p = builder_.CreateFAdd(constant_like(x, 1.0), fma(square, tail, r));
  if (scales) {
    // One instruction that is right for subnormal results and overflow.
    Value* all = llvm::ConstantInt::getSigned(builder_.getInt8Ty(), -1);
    return builder_.CreateIntrinsic(x->getType(), llvm::Intrinsic::x86_avx512_mask_scalef_pd_512,
                                    {p, n, x, all, builder_.getInt32(4)});
  }
  // Added to the exponent of p, which is 0 or -1: all other bits of the rounder leave the word.
  Value* exponent = builder_.CreateShl(as_integer(shifted), 52);
  return builder_.CreateFMul(as_real(builder_.CreateAdd(as_integer(p), exponent)), factor);
}

/// What is left of a positive number u = 2^k (1 + f), 1 + f in [sqrt(1/2), sqrt(2)).
struct MathEmitter::Logarithm {
  Value* k; // as a real number
  Value* f;
  Value* correction; // to be added to f, far smaller; may be null
};

MathEmitter::Logarithm MathEmitter::split(Value* x, Value* correction) {
  Value* bits = as_integer(x);
  // The exponent that makes the rest fall in [sqrt(1/2), sqrt(2)): shift the bits so that carries do the comparison.
  Value* moved = builder_.CreateSub(bits, integer_like(x, 0x3fe6a09e667f3bcd));
  Value* exponent = builder_.CreateAShr(moved, 52);
  if (target_.lanes < 8) {
    // No arithmetic shift of 64 bits before AVX-512: a logical one of a number made positive.
    Value* positive = builder_.CreateAdd(moved, integer_like(x, std::int64_t{1} << 62));
    exponent = builder_.CreateSub(builder_.CreateLShr(positive, 52), integer_like(x, 1 << 10));
  }
  Value* shift = builder_.CreateShl(exponent, 52);
  Value* m = as_real(builder_.CreateSub(bits, shift));
  Logarithm parts{};
  // The conversion by way of the rounder: there is none for 64-bit integers before AVX-512.
  Value* k = as_real(builder_.CreateAdd(exponent, as_integer(constant_like(x, rounder))));
  parts.k = builder_.CreateFSub(k, constant_like(x, rounder));
  parts.f = builder_.CreateFSub(m, constant_like(x, 1.0));
  if (correction) {
    Value* scale = as_real(builder_.CreateSub(integer_like(x, 0x3ff0000000000000), shift));
    // Where 2^-k is no number, the correction is nothing anyway.
    Value* huge = builder_.CreateFCmpOGT(x, constant_like(x, 0x1p60));
    parts.correction = builder_.CreateSelect(huge, constant_like(x, 0.0), builder_.CreateFMul(correction, scale));
  }
  return parts;
}

/// k log 2 + log(1 + f + correction), by s = f / (2 + f): log(1 + f) = f - f^2/2 + s (f^2/2 + z p(z)), z = s^2.
Value* MathEmitter::log_of(const Logarithm& parts) {
  Value* f = parts.f;
  Value* s = builder_.CreateFDiv(f, builder_.CreateFAdd(f, constant_like(f, 2.0)));
  Value* z = builder_.CreateFMul(s, s);
  Value* tail = builder_.CreateFMul(z, polynomial(z, log_tail, std::size(log_tail)));
  Value* half = builder_.CreateFMul(builder_.CreateFMul(f, constant_like(f, 0.5)), f);
  Value* small = builder_.CreateFMul(s, builder_.CreateFAdd(half, tail));
  small = fma(parts.k, coefficient_like(f, ln2_low), small);
  if (parts.correction) {
    // d/df log(1 + f) = 1 - f + O(f^2): enough for a correction below the last digit.
    small = fma(parts.correction, builder_.CreateFSub(constant_like(f, 1.0), f), small);
  }
  Value* lower = builder_.CreateFSub(half, small);
  return fma(parts.k, coefficient_like(f, ln2_high), builder_.CreateFSub(f, lower));
}

Value* MathEmitter::log(Value* x) {
  Exactly exactly(builder_);
  Value* subnormal = builder_.CreateFCmpOLT(x, constant_like(x, 0x1p-1022));
  Value* scaled = builder_.CreateSelect(subnormal, builder_.CreateFMul(x, constant_like(x, 0x1p54)), x);
  Logarithm parts = split(scaled, nullptr);
  parts.k =
      builder_.CreateFSub(parts.k, builder_.CreateSelect(subnormal, constant_like(x, 54.0), constant_like(x, 0.0)));
  Value* result = log_of(parts);
  const double infinity = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  // Ordered comparisons are false for NaN, for which the sum x + x stands.
  Value* finite = builder_.CreateFCmpOLT(x, constant_like(x, infinity));
  result = builder_.CreateSelect(finite, result, builder_.CreateFAdd(x, x));
  Value* positive = builder_.CreateFCmpOGT(x, constant_like(x, 0.0));
  Value* zero = builder_.CreateFCmpOEQ(x, constant_like(x, 0.0));
  Value* other = builder_.CreateSelect(zero, constant_like(x, -infinity), constant_like(x, nan));
  return builder_.CreateSelect(positive, result, other);
}

Value* MathEmitter::log_inside(Value* x) {
  Exactly exactly(builder_);
  return log_of(split(x, nullptr));
}

Value* MathEmitter::log1p(Value* x) {
  Exactly exactly(builder_);
  const double infinity = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  Value* one = constant_like(x, 1.0);
  Value* u = builder_.CreateFAdd(x, one);
  // What rounding took away from 1 + x, exactly (Knuth's two-sum).
  Value* back = builder_.CreateFSub(u, one);
  Value* lost =
      builder_.CreateFAdd(builder_.CreateFSub(x, back), builder_.CreateFSub(one, builder_.CreateFSub(u, back)));
  Value* result = log_of(split(u, lost));
  // A zero keeps its sign, and numbers that vanish beside 1 are their own result.
  Value* tiny =
      builder_.CreateFCmpOLT(builder_.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, x), constant_like(x, 0x1p-54));
  result = builder_.CreateSelect(tiny, x, result);
  Value* finite = builder_.CreateFCmpOLT(x, constant_like(x, infinity));
  result = builder_.CreateSelect(finite, result, builder_.CreateFAdd(x, x));
  Value* inside = builder_.CreateFCmpOGT(x, constant_like(x, -1.0));
  Value* edge = builder_.CreateFCmpOEQ(x, constant_like(x, -1.0));
  Value* other = builder_.CreateSelect(edge, constant_like(x, -infinity), constant_like(x, nan));
  return builder_.CreateSelect(inside, result, other);
}

/// 2^n expm1(r) + (2^n - 1), with 2^n split where it would overflow.
Value* MathEmitter::expm1(Value* x) {
  Exactly exactly(builder_);
  Value* high = constant_like(x, 710.0);
  Value* low = constant_like(x, -40.0); // below, the result is -1
  Value* y = builder_.CreateSelect(builder_.CreateFCmpOGT(x, high), high, x);
  y = builder_.CreateSelect(builder_.CreateFCmpOLT(y, low), low, y);
  Value* shifted = fma(y, coefficient_like(x, log2_of_e), constant_like(x, rounder));
  Value* n = builder_.CreateFSub(shifted, constant_like(x, rounder));
  Value* r = fma(n, coefficient_like(x, -ln2_high), y);
  r = fma(n, coefficient_like(x, -ln2_low), r);
  Value* tail = polynomial(r, expm1_tail, std::size(expm1_tail));
  Value* square = builder_.CreateFMul(r, r);
  Value* p = fma(square, tail, r);
  // Half the power of two, so that n = 1024 is no overflow; doubled at the end.
  Value* integer = builder_.CreateSub(as_integer(shifted), as_integer(constant_like(x, rounder)));
  Value* half_scale = power_of_two(builder_.CreateSub(integer, integer_like(x, 1)));
  Value* rest = builder_.CreateFSub(half_scale, constant_like(x, 0.5));
  Value* half = fma(p, half_scale, rest);
  Value* result = builder_.CreateFAdd(half, half);
  // Zeros keep their sign; subnormal numbers are exact.
  Value* tiny =
      builder_.CreateFCmpOLT(builder_.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, x), constant_like(x, 0x1p-54));
  result = builder_.CreateSelect(tiny, x, result);
  return builder_.CreateSelect(builder_.CreateFCmpUNO(x, x), x, result);
}

/// tanh |x| = -expm1(-2 |x|) / (expm1(-2 |x|) + 2).
Value* MathEmitter::tanh(Value* x) {
  Exactly exactly(builder_);
  Value* size = builder_.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, x);
  Value* e = expm1(builder_.CreateFMul(size, constant_like(x, -2.0)));
  Value* ratio = builder_.CreateFDiv(builder_.CreateFNeg(e), builder_.CreateFAdd(e, constant_like(x, 2.0)));
  return builder_.CreateBinaryIntrinsic(llvm::Intrinsic::copysign, ratio, x);
}

/// cos(2 pi v) = sin(2 pi (|v - 1/2| - 1/4)).
Value* MathEmitter::cos_turns(Value* turns) {
  Exactly exactly(builder_);
  Value* centred = builder_.CreateFSub(turns, constant_like(turns, 0.5));
  Value* s =
      builder_.CreateFSub(builder_.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, centred), constant_like(turns, 0.25));
  Value* z = builder_.CreateFMul(s, s);
  return builder_.CreateFMul(s, polynomial(z, sine_turns, std::size(sine_turns)));
}

/// sin(2 pi v) = -sin(2 pi u), u = v - 1/2; |u| beyond a quarter of a turn is reflected, which is exact.
Value* MathEmitter::sin_turns(Value* turns) {
  Exactly exactly(builder_);
  const auto absolute = [&](Value* x) { return builder_.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, x); };
  Value* quarter = constant_like(turns, 0.25);
  Value* centred = builder_.CreateFSub(turns, constant_like(turns, 0.5));
  Value* s = builder_.CreateFSub(quarter, absolute(builder_.CreateFSub(absolute(centred), quarter)));
  Value* z = builder_.CreateFMul(s, s);
  Value* size = builder_.CreateFMul(s, polynomial(z, sine_turns, std::size(sine_turns)));
  return builder_.CreateBinaryIntrinsic(llvm::Intrinsic::copysign, size, builder_.CreateFNeg(centred));
}

// The field of the exponent in the low bits of 2^52 is a double as it stands.
Value* MathEmitter::exponent(Value* x) {
  Exactly exactly(builder_);
  Value* field = builder_.CreateAnd(builder_.CreateLShr(as_integer(x), integer_like(x, 52)), integer_like(x, 0x7ff));
  Value* shifted = as_real(builder_.CreateOr(field, integer_like(x, 0x4330000000000000)));
  return builder_.CreateFSub(shifted, constant_like(x, 0x1p52 + 1023));
}

Value* MathEmitter::inverse_power(Value* x) {
  Value* field = builder_.CreateAnd(as_integer(x), integer_like(x, 0x7ff0000000000000));
  return as_real(builder_.CreateSub(integer_like(x, 0x7fe0000000000000), field));
}

} // namespace vmodel::codegen
