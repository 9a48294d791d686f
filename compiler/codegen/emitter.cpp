// Scalar operations.
#include "compiler/codegen/emitter.h"

#include "compiler/codegen/machine.h"
#include "compiler/codegen/philox.h"
#include "compiler/ir/typing.h"

namespace vmodel::codegen {

using ir::Element;
using ir::Opcode;
using ir::ValueId;
using llvm::Value;

Emitter::Emitter(const ir::Function& function, const Varying& varying, int lanes, const Target& target,
                 const std::map<std::string, ir::Range>& known, llvm::Function* into)
    : function_(function), varying_(&varying), lanes_(lanes), target_(target), into_(into),
      builder_(llvm::BasicBlock::Create(into->getContext(), "entry", into)), math_(builder_, target),
      scalars_(function.values.size(), nullptr), ranges_(function, known) {
  // The only permission: a product and a sum may become one operation with one rounding.
  llvm::FastMathFlags flags;
  flags.setAllowContract(true);
  builder_.setFastMathFlags(flags);
  scope_domain_ = llvm::MDBuilder(into->getContext()).createAnonymousAliasScopeDomain(into->getName());
}

llvm::Type* Emitter::element_type(Element element) const {
  llvm::LLVMContext& context = into_->getContext();
  switch (element) {
  case Element::f64: return llvm::Type::getDoubleTy(context);
  case Element::f32: return llvm::Type::getFloatTy(context);
  case Element::index: return llvm::Type::getInt64Ty(context);
  case Element::boolean: return llvm::Type::getInt1Ty(context);
  }
  return nullptr;
}

llvm::Type* Emitter::stored_type(Element element) const {
  return element == Element::boolean ? llvm::Type::getInt8Ty(into_->getContext()) : element_type(element);
}

Value* Emitter::scalar(ValueId value) const {
  Value* found = const_cast<Emitter*>(this)->place(value);
  if (!found)
    ir::internal_error("code generation: value " + std::to_string(value.id) + " of @" + function_.name +
                       " is used before it is defined");
  return found;
}

Value* Emitter::widen(Value* value) const {
  if (lanes_ == 1 || value->getType()->isVectorTy())
    return value;
  return const_cast<Emitter*>(this)->builder_.CreateVectorSplat(static_cast<unsigned>(lanes_), value);
}

Value* Emitter::widened(ValueId value) const {
  return widen(scalar(value));
}

/// Records a result, in lanes where the analysis says that it varies.
void Emitter::define(ValueId value, Value* result) {
  place(value) = is_varying(value) ? widen(result) : result;
}

/// The operands, all in lanes if one of them is.
std::vector<Value*> Emitter::agreeing(const ir::Op& op, std::size_t first) const {
  bool varying = false;
  for (std::size_t i = first; i < op.operands.size(); ++i)
    varying = varying || scalar(op.operands[i])->getType()->isVectorTy();
  std::vector<Value*> operands;
  for (std::size_t i = first; i < op.operands.size(); ++i)
    operands.push_back(varying ? widened(op.operands[i]) : scalar(op.operands[i]));
  return operands;
}

Value* Emitter::any_lane(Value* mask) {
  return mask->getType()->isVectorTy() ? builder_.CreateOrReduce(mask) : mask;
}

Value* Emitter::constant_of(const ir::Op& op) {
  llvm::Type* type = element_type(function_.type(op.results[0]).element);
  return type->isFloatingPointTy() ? llvm::ConstantFP::get(type, op.number)
                                   : static_cast<Value*>(llvm::ConstantInt::getSigned(type, op.integer));
}

/// Towards minus infinity, as the language says; a divisor of zero gives nothing useful, but no trap (lanes that are
/// not active divide too).
Value* Emitter::emit_divide(Value* x, Value* y, bool remainder) {
  llvm::Type* type = x->getType();
  Value* zero = llvm::ConstantInt::get(type, 0);
  Value* one = llvm::ConstantInt::get(type, 1);
  Value* minus_one = llvm::ConstantInt::getSigned(type, -1);
  Value* is_minus_one = builder_.CreateICmpEQ(y, minus_one);
  Value* unsafe = builder_.CreateOr(is_minus_one, builder_.CreateICmpEQ(y, zero));
  Value* divisor = builder_.CreateSelect(unsafe, one, y);
  Value* rest = builder_.CreateSRem(x, divisor);
  Value* opposite = builder_.CreateICmpSLT(builder_.CreateXor(rest, divisor), zero);
  Value* adjust = builder_.CreateAnd(builder_.CreateICmpNE(rest, zero), opposite);
  if (remainder)
    return builder_.CreateSelect(adjust, builder_.CreateAdd(rest, divisor), rest);
  Value* quotient = builder_.CreateSDiv(x, divisor);
  quotient = builder_.CreateSub(quotient, builder_.CreateZExt(adjust, type));
  return builder_.CreateSelect(is_minus_one, builder_.CreateNeg(x), quotient);
}

Value* Emitter::emit_index(const ir::Op& op, Value* x, Value* y) {
  switch (op.opcode) {
  case Opcode::add: return builder_.CreateAdd(x, y);
  case Opcode::sub: return builder_.CreateSub(x, y);
  case Opcode::mul: return builder_.CreateMul(x, y);
  case Opcode::min: return builder_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, x, y);
  case Opcode::max: return builder_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, x, y);
  case Opcode::neg: return builder_.CreateNeg(x);
  case Opcode::abs: return builder_.CreateBinaryIntrinsic(llvm::Intrinsic::abs, x, builder_.getFalse());
  case Opcode::idiv: return emit_divide(x, y, false);
  case Opcode::imod: return emit_divide(x, y, true);
  default:
    ir::internal_error(std::string("code generation: no form of '") + ir::name(op.opcode) + "' for index values");
  }
}

/// A NaN on either side is the result.
Value* Emitter::emit_min_max(Value* x, Value* y, bool max) {
  Value* first = max ? builder_.CreateFCmpOGT(x, y) : builder_.CreateFCmpOLT(x, y);
  // A NaN in y fails the comparison and is chosen by it; one in x is chosen by the second selection.
  Value* chosen = builder_.CreateSelect(first, x, y);
  return builder_.CreateSelect(builder_.CreateFCmpUNO(x, x), x, chosen);
}

Value* Emitter::emit_real(const ir::Op& op, const std::vector<Value*>& operands) {
  Value* x = operands[0];
  Value* y = operands.size() > 1 ? operands[1] : nullptr;
  switch (op.opcode) {
  case Opcode::add: return builder_.CreateFAdd(x, y);
  case Opcode::sub: return builder_.CreateFSub(x, y);
  case Opcode::mul: return builder_.CreateFMul(x, y);
  case Opcode::div: return builder_.CreateFDiv(x, y);
  case Opcode::min: return emit_min_max(x, y, false);
  case Opcode::max: return emit_min_max(x, y, true);
  default: break;
  }
  llvm::Type* type = x->getType();
  if (!type->getScalarType()->isFloatTy())
    return math_.emit(op.opcode, x, y, op.opcode == Opcode::exp ? ranges_(op.operands[0]) : ir::Range{});
  // Elementary functions of single precision are computed in double precision.
  llvm::Type* wide = builder_.getDoubleTy();
  if (auto* vector = llvm::dyn_cast<llvm::VectorType>(type))
    wide = llvm::VectorType::get(wide, vector->getElementCount());
  Value* result = math_.emit(op.opcode, builder_.CreateFPExt(x, wide), y ? builder_.CreateFPExt(y, wide) : nullptr);
  return builder_.CreateFPTrunc(result, type);
}

Value* Emitter::emit_compare(const ir::Op& op, Value* x, Value* y) {
  if (x->getType()->getScalarType()->isFloatingPointTy()) {
    switch (op.opcode) {
    case Opcode::lt: return builder_.CreateFCmpOLT(x, y);
    case Opcode::le: return builder_.CreateFCmpOLE(x, y);
    case Opcode::gt: return builder_.CreateFCmpOGT(x, y);
    case Opcode::ge: return builder_.CreateFCmpOGE(x, y);
    case Opcode::eq: return builder_.CreateFCmpOEQ(x, y);
    default: return builder_.CreateFCmpUNE(x, y);
    }
  }
  switch (op.opcode) {
  case Opcode::lt: return builder_.CreateICmpSLT(x, y);
  case Opcode::le: return builder_.CreateICmpSLE(x, y);
  case Opcode::gt: return builder_.CreateICmpSGT(x, y);
  case Opcode::ge: return builder_.CreateICmpSGE(x, y);
  case Opcode::eq: return builder_.CreateICmpEQ(x, y);
  default: return builder_.CreateICmpNE(x, y);
  }
}

/// The same tree of additions on every machine. Lanes that are not active do not count.
Value* Emitter::emit_lane_sum(ValueId value) {
  if (lanes_ == 1)
    return scalar(value);
  Value* terms = widened(value);
  return fold_lanes(if_active(terms, llvm::Constant::getNullValue(terms->getType())),
                    [&](Value* low, Value* high) { return builder_.CreateFAdd(low, high); });
}

/// Key and counter of a number or, where the counter's first word is one, of a block.
PhiloxCounter Emitter::random_counter(const ir::Op& op, Value* first_word) {
  if (!random_)
    ir::internal_error("code generation: random numbers in @" + function_.name);
  // The fields of vmodel_random.
  const auto field = [&](unsigned offset, llvm::Type* type) {
    Value* address = builder_.CreateConstInBoundsGEP1_64(builder_.getInt8Ty(), random_, offset);
    llvm::LoadInst* load = builder_.CreateLoad(type, address);
    load->setMetadata(llvm::LLVMContext::MD_invariant_load, llvm::MDNode::get(into_->getContext(), {}));
    return load;
  };
  llvm::Type* narrow = builder_.getInt32Ty();
  Value* seed = field(0, builder_.getInt64Ty());
  Value* stream = field(8, narrow);
  Value* step = field(12, narrow);
  Value* particle = widen(field(16, narrow));
  if (lanes_ > 1) {
    std::vector<llvm::Constant*> numbers;
    for (int lane = 0; lane < lanes_; ++lane)
      numbers.push_back(builder_.getInt32(static_cast<std::uint32_t>(lane)));
    particle = builder_.CreateAdd(particle, llvm::ConstantVector::get(numbers));
  }
  const auto low_word = [&](Value* v) {
    return widen(builder_.CreateTrunc(
        v, v->getType()->isVectorTy() ? llvm::VectorType::get(narrow, static_cast<unsigned>(lanes_), false) : narrow));
  };
  PhiloxCounter at{};
  Value* high_seed =
      builder_.CreateAnd(builder_.CreateTrunc(builder_.CreateLShr(seed, 32), narrow), builder_.getInt32(0xFFFF));
  at.key[0] = builder_.CreateTrunc(seed, narrow);
  at.key[1] = builder_.CreateOr(high_seed, builder_.CreateShl(stream, 16));
  at.counter[0] = low_word(first_word);
  Value* site = widen(builder_.getInt32(static_cast<std::uint32_t>(op.integer)));
  at.counter[1] = builder_.CreateOr(site, builder_.CreateShl(low_word(scalar(op.operands[1])), 16));
  at.counter[2] = particle;
  at.counter[3] = widen(step);
  return at;
}

/// A number as f32 where the operation says so.
Value* Emitter::rounded_random(const ir::Op& op, Value* number) {
  if (function_.type(op.results[0]).element != Element::f32)
    return number;
  llvm::Type* single = builder_.getFloatTy();
  return builder_.CreateFPTrunc(number, lanes_ > 1 ? llvm::VectorType::get(single, static_cast<unsigned>(lanes_), false)
                                                   : single);
}

Value* Emitter::emit_random(const ir::Op& op) {
  if (const auto known = numbers_.find(&op); known != numbers_.end())
    return rounded_random(op, known->second);
  const PhiloxCounter at = random_counter(op, scalar(op.operands[0]));
  // Inline, the generator's instructions would be most of the code of a family.
  llvm::Function* generator = random_function(*into_->getParent(), target_, lanes_, op.symbol == "normal");
  return rounded_random(op, builder_.CreateCall(generator, {at.key[0], at.key[1], at.counter[0], at.counter[1],
                                                            at.counter[2], at.counter[3]}));
}

/// Operations from scalars to one scalar.
Value* Emitter::emit_scalar(const ir::Op& op) {
  switch (op.opcode) {
  case Opcode::constant_: return constant_of(op);
  case Opcode::lane_sum_: return emit_lane_sum(op.operands[0]);
  case Opcode::random_: return emit_random(op);
  case Opcode::stop_: return scalar(op.operands[0]);
  case Opcode::only_derivative_: return llvm::Constant::getNullValue(scalar(op.operands[0])->getType());
  case Opcode::select_: {
    Value* condition = scalar(op.operands[0]);
    const std::vector<Value*> sides = agreeing(op, 1);
    if (!condition->getType()->isVectorTy())
      return builder_.CreateSelect(condition, sides[0], sides[1]);
    return builder_.CreateSelect(condition, widen(sides[0]), widen(sides[1]));
  }
  default: break;
  }
  const std::vector<Value*> operands = agreeing(op);
  Value* x = operands[0];
  const bool real = x->getType()->getScalarType()->isFloatingPointTy();
  const auto as = [&](llvm::Type* type) -> llvm::Type* {
    auto* vector = llvm::dyn_cast<llvm::VectorType>(x->getType());
    return vector ? llvm::VectorType::get(type, vector->getElementCount()) : type;
  };
  switch (op.opcode) {
  case Opcode::logical_and_: return builder_.CreateAnd(x, operands[1]);
  case Opcode::logical_or_: return builder_.CreateOr(x, operands[1]);
  case Opcode::logical_not_: return builder_.CreateNot(x);
  case Opcode::is_nan_: return builder_.CreateFCmpUNO(x, x);
  case Opcode::to_real_: {
    llvm::Type* type = as(element_type(function_.type(op.results[0]).element));
    if (real)
      return x->getType() == type ? x : builder_.CreateFPCast(x, type);
    return x->getType()->getScalarType()->isIntegerTy(1) ? builder_.CreateUIToFP(x, type)
                                                         : builder_.CreateSIToFP(x, type);
  }
  case Opcode::to_index_:
    // Saturates, and gives zero for NaN: a defined value in lanes that are not active.
    return builder_.CreateIntrinsic(llvm::Intrinsic::fptosi_sat, {as(builder_.getInt64Ty()), x->getType()}, {x});
  case Opcode::strong_mul_: {
    Value* zero = llvm::Constant::getNullValue(x->getType());
    // With AVX-512 a multiplication masks what it makes.
    if (target_.lanes == 8)
      return builder_.CreateSelect(builder_.CreateFCmpOEQ(x, zero), zero, builder_.CreateFMul(x, operands[1]));
    // The factor is masked and not the product: that may become one operation with the addition that follows. A product
    // that is multiplied by the same factor again is zero only where the masked factor is a number.
    const auto before = masked_.find({x, operands[1]});
    Value* masked = before != masked_.end() ? before->second
                                            : builder_.CreateSelect(builder_.CreateFCmpOEQ(x, zero), zero, operands[1]);
    Value* product = builder_.CreateFMul(x, masked);
    masked_[{product, operands[1]}] = masked;
    return product;
  }
  default: break;
  }
  if (ir::is_compare(op.opcode))
    return emit_compare(op, x, operands[1]);
  if (op.opcode == Opcode::pow)
    return emit_real(op, operands);
  return real ? emit_real(op, operands) : emit_index(op, x, operands.size() > 1 ? operands[1] : nullptr);
}

} // namespace vmodel::codegen
