#include "compiler/codegen/philox.h"

#include "compiler/codegen/machine.h"

namespace vmodel::codegen {

using llvm::Value;

namespace {

llvm::Type* with_bits(Value* like, unsigned bits) {
  llvm::Type* type = llvm::Type::getIntNTy(like->getContext(), bits);
  if (auto* vector = llvm::dyn_cast<llvm::VectorType>(like->getType()))
    type = llvm::VectorType::get(type, vector->getElementCount());
  return type;
}

} // namespace

PhiloxBlock emit_philox(llvm::IRBuilder<>& builder, const PhiloxCounter& at) {
  llvm::Type* wide = with_bits(at.counter[0], 64);
  auto* vector = llvm::dyn_cast<llvm::VectorType>(wide);
  // The key is scheduled once for all lanes.
  const auto key_word = [&](Value* word) -> Value* {
    Value* extended = builder.CreateZExt(word, builder.getInt64Ty());
    return vector ? builder.CreateVectorSplat(vector->getElementCount(), extended) : extended;
  };
  Value* multiplier[2] = {llvm::ConstantInt::get(wide, 0xD2511F53), llvm::ConstantInt::get(wide, 0xCD9E8D57)};
  Value* low_half = llvm::ConstantInt::get(wide, 0xFFFFFFFF);
  // Words stand in the lower halves of 64 bits. What is in the upper ones is cleared where it would matter: the
  // instruction that multiplies takes no notice of it.
  const auto clear = [&](Value* word) { return builder.CreateAnd(word, low_half); };
  Value* c[4];
  Value* key[2] = {at.key[0], at.key[1]};
  for (int i = 0; i < 4; ++i)
    c[i] = builder.CreateZExt(at.counter[i], wide);
  for (int round = 0; round < 10; ++round) {
    Value* first = builder.CreateMul(clear(c[0]), multiplier[0]);
    Value* second = builder.CreateMul(clear(c[2]), multiplier[1]);
    c[0] = builder.CreateXor(builder.CreateXor(builder.CreateLShr(second, 32), c[1]), key_word(key[0]));
    c[1] = second;
    c[2] = builder.CreateXor(builder.CreateXor(builder.CreateLShr(first, 32), c[3]), key_word(key[1]));
    c[3] = first;
    key[0] = builder.CreateAdd(key[0], builder.getInt32(0x9E3779B9));
    key[1] = builder.CreateAdd(key[1], builder.getInt32(0xBB67AE85));
  }
  return {builder.CreateOr(clear(c[1]), builder.CreateShl(c[0], 32)),
          builder.CreateOr(clear(c[3]), builder.CreateShl(c[2], 32))};
}

Value* emit_uniform(llvm::IRBuilder<>& builder, Value* word) {
  llvm::IRBuilder<>::FastMathFlagGuard guard(builder);
  builder.clearFastMathFlags();
  // 1 + k 2^-52 by its bits, minus 1 - 2^-53: exact.
  Value* bits =
      builder.CreateOr(builder.CreateLShr(word, 12), llvm::ConstantInt::get(word->getType(), 0x3FF0000000000000));
  llvm::Type* real = llvm::Type::getDoubleTy(word->getContext());
  if (auto* vector = llvm::dyn_cast<llvm::VectorType>(word->getType()))
    real = llvm::VectorType::get(real, vector->getElementCount());
  return builder.CreateFSub(builder.CreateBitCast(bits, real), llvm::ConstantFP::get(real, 0x1.fffffffffffffp-1));
}

RandomPair emit_pair(llvm::IRBuilder<>& builder, MathEmitter& math, const PhiloxBlock& block, bool normal) {
  llvm::IRBuilder<>::FastMathFlagGuard guard(builder);
  builder.clearFastMathFlags();
  Value* u = emit_uniform(builder, block.first);
  Value* v = emit_uniform(builder, block.second);
  if (!normal)
    return {u, v};
  Value* radius = math.square_root(builder.CreateFMul(math.log_inside(u), math.constant_like(u, -2.0)));
  return {builder.CreateFMul(radius, math.cos_turns(v)), builder.CreateFMul(radius, math.sin_turns(v))};
}

Value* emit_one(llvm::IRBuilder<>& builder, MathEmitter& math, const PhiloxBlock& block, Value* odd, bool normal) {
  llvm::IRBuilder<>::FastMathFlagGuard guard(builder);
  builder.clearFastMathFlags();
  if (!normal)
    return emit_uniform(builder, builder.CreateSelect(odd, block.second, block.first));
  Value* u = emit_uniform(builder, block.first);
  Value* v = emit_uniform(builder, block.second);
  Value* radius = math.square_root(builder.CreateFMul(math.log_inside(u), math.constant_like(u, -2.0)));
  // The sine is the cosine a quarter of a turn earlier. Both are one polynomial of arguments that are exact.
  Value* turned =
      builder.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, builder.CreateFSub(v, math.constant_like(v, 0.25)));
  return builder.CreateFMul(radius, math.cos_turns(builder.CreateSelect(odd, turned, v)));
}

llvm::Function* random_function(llvm::Module& module, const Target& target, int lanes, bool normal) {
  const std::string name = std::string(normal ? "normal." : "uniform.") + std::to_string(lanes);
  if (llvm::Function* present = module.getFunction(name))
    return present;
  llvm::Type* key = llvm::Type::getInt32Ty(module.getContext());
  llvm::Type* word = key;
  llvm::Type* real = llvm::Type::getDoubleTy(module.getContext());
  if (lanes > 1) {
    word = llvm::VectorType::get(word, static_cast<unsigned>(lanes), false);
    real = llvm::VectorType::get(real, static_cast<unsigned>(lanes), false);
  }
  llvm::Function* function =
      llvm::Function::Create(llvm::FunctionType::get(real, {key, key, word, word, word, word}, false),
                             llvm::GlobalValue::ExternalLinkage, name, module);
  function->setVisibility(llvm::GlobalValue::HiddenVisibility);
  set_function_machine(*function, target);
  function->addFnAttr(llvm::Attribute::NoInline);
  function->setDoesNotAccessMemory();
  function->setWillReturn();
  return function;
}

void define_random_function(llvm::Function& function, const Target& target, bool normal) {
  llvm::IRBuilder<> builder(llvm::BasicBlock::Create(function.getContext(), "entry", &function));
  MathEmitter math(builder, target);
  PhiloxCounter at{};
  for (unsigned i = 0; i < 6; ++i)
    (i < 2 ? at.key[i] : at.counter[i - 2]) = function.getArg(i);
  Value* odd =
      builder.CreateICmpNE(builder.CreateAnd(at.counter[0], 1), llvm::Constant::getNullValue(at.counter[0]->getType()));
  at.counter[0] = builder.CreateLShr(at.counter[0], 1);
  builder.CreateRet(emit_one(builder, math, emit_philox(builder, at), odd, normal));
}

} // namespace vmodel::codegen
