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
  llvm::Type* narrow = at.counter[0]->getType();
  llvm::Type* wide = with_bits(at.counter[0], 64);
  Value* multiplier[2] = {llvm::ConstantInt::get(wide, 0xD2511F53), llvm::ConstantInt::get(wide, 0xCD9E8D57)};
  Value* weyl[2] = {llvm::ConstantInt::get(narrow, 0x9E3779B9), llvm::ConstantInt::get(narrow, 0xBB67AE85)};
  // All words are kept in 64 bits with clear upper halves: the multiplications want them so.
  Value* c[4];
  Value* key[2] = {at.key[0], at.key[1]};
  for (int i = 0; i < 4; ++i)
    c[i] = builder.CreateZExt(at.counter[i], wide);
  Value* low_half = llvm::ConstantInt::get(wide, 0xFFFFFFFF);
  for (int round = 0; round < 10; ++round) {
    Value* first = builder.CreateMul(c[0], multiplier[0]);
    Value* second = builder.CreateMul(c[2], multiplier[1]);
    Value* k0 = builder.CreateZExt(key[0], wide);
    Value* k1 = builder.CreateZExt(key[1], wide);
    c[0] = builder.CreateXor(builder.CreateXor(builder.CreateLShr(second, 32), c[1]), k0);
    c[1] = builder.CreateAnd(second, low_half);
    c[2] = builder.CreateXor(builder.CreateXor(builder.CreateLShr(first, 32), c[3]), k1);
    c[3] = builder.CreateAnd(first, low_half);
    key[0] = builder.CreateAdd(key[0], weyl[0]);
    key[1] = builder.CreateAdd(key[1], weyl[1]);
  }
  return {builder.CreateOr(c[1], builder.CreateShl(c[0], 32)), builder.CreateOr(c[3], builder.CreateShl(c[2], 32))};
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

Value* emit_normal(llvm::IRBuilder<>& builder, MathEmitter& math, const PhiloxBlock& block) {
  llvm::IRBuilder<>::FastMathFlagGuard guard(builder);
  builder.clearFastMathFlags();
  Value* u = emit_uniform(builder, block.first);
  Value* v = emit_uniform(builder, block.second);
  Value* radius = math.square_root(builder.CreateFMul(math.log(u), math.constant_like(u, -2.0)));
  return builder.CreateFMul(radius, math.cos_turns(v));
}

llvm::Function* random_function(llvm::Module& module, const Target& target, int lanes, bool normal) {
  const std::string name = std::string(normal ? "normal." : "uniform.") + std::to_string(lanes);
  if (llvm::Function* present = module.getFunction(name))
    return present;
  llvm::Type* word = llvm::Type::getInt32Ty(module.getContext());
  llvm::Type* real = llvm::Type::getDoubleTy(module.getContext());
  if (lanes > 1) {
    word = llvm::VectorType::get(word, static_cast<unsigned>(lanes), false);
    real = llvm::VectorType::get(real, static_cast<unsigned>(lanes), false);
  }
  llvm::Function* function =
      llvm::Function::Create(llvm::FunctionType::get(real, std::vector<llvm::Type*>(6, word), false),
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
  const PhiloxBlock block = emit_philox(builder, at);
  builder.CreateRet(normal ? emit_normal(builder, math, block) : emit_uniform(builder, block.first));
}

} // namespace vmodel::codegen
