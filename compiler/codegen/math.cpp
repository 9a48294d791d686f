#include "compiler/codegen/math.h"

#include "compiler/ir/typing.h"

#include <llvm/IR/Module.h>
#include <llvm/Transforms/Utils/ModuleUtils.h>

#include <string>
#include <vector>

namespace vmodel::codegen {

using ir::Opcode;
using llvm::Value;

namespace {

unsigned lanes_of(const Value* x) {
  const auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(x->getType());
  return vector ? vector->getNumElements() : 1;
}

/// The name of a function in glibc's vector library, by the vector function ABI: b, d and e are SSE, AVX2 and AVX-512.
std::string vector_name(const char* name, unsigned lanes, bool binary) {
  const char isa = lanes == 2 ? 'b' : lanes == 4 ? 'd' : 'e';
  return std::string("_ZGV") + isa + "N" + std::to_string(lanes) + (binary ? "vv_" : "v_") + name;
}

} // namespace

/// A call for no more lanes than a register has. A scalar call names its vector variants, so that LLVM's loop
/// vectoriser can use them.
Value* MathEmitter::call_register(const char* name, Value* x, Value* y) {
  llvm::Module* module = builder_.GetInsertBlock()->getModule();
  llvm::LLVMContext& context = builder_.getContext();
  const unsigned lanes = lanes_of(x);
  const auto declare = [&](const std::string& symbol, llvm::Type* type) {
    std::vector<llvm::Type*> types(y ? 2 : 1, type);
    llvm::FunctionCallee callee = module->getOrInsertFunction(symbol, llvm::FunctionType::get(type, types, false));
    auto* function = llvm::cast<llvm::Function>(callee.getCallee());
    function->setDoesNotThrow();
    function->setWillReturn();
    function->setDoesNotAccessMemory();
    return function;
  };
  std::vector<Value*> arguments{x};
  if (y)
    arguments.push_back(y);
  if (lanes > 1)
    return builder_.CreateCall(declare(vector_name(name, lanes, y != nullptr), x->getType()), arguments);
  llvm::CallInst* call = builder_.CreateCall(declare(name, x->getType()), arguments);
  std::string variants;
  for (unsigned width = 2; width <= static_cast<unsigned>(target_.lanes); width *= 2) {
    const std::string symbol = vector_name(name, width, y != nullptr);
    llvm::Function* variant = declare(symbol, llvm::FixedVectorType::get(x->getType(), width));
    // The vectoriser takes only variants that stand in the module.
    if (!module->getNamedMetadata("vmodel.variant." + symbol)) {
      module->getOrInsertNamedMetadata("vmodel.variant." + symbol);
      llvm::appendToCompilerUsed(*module, {variant});
    }
    variants += (variants.empty() ? "" : ",") + std::string("_ZGV_LLVM_N") + std::to_string(width) +
                (y ? "vv_" : "v_") + name + "(" + symbol + ")";
  }
  call->addFnAttr(llvm::Attribute::get(context, "vector-function-abi-variant", variants));
  return call;
}

/// A call for any number of lanes: several registers are several calls.
Value* MathEmitter::call(const char* name, Value* x, Value* y) {
  const unsigned lanes = lanes_of(x);
  const unsigned width = static_cast<unsigned>(target_.lanes);
  if (lanes <= width)
    return call_register(name, x, y);
  const auto part = [&](Value* value, unsigned first, unsigned count) {
    std::vector<int> positions;
    for (unsigned i = 0; i < count; ++i)
      positions.push_back(static_cast<int>(first + i));
    return builder_.CreateShuffleVector(value, positions);
  };
  std::vector<Value*> parts;
  for (unsigned first = 0; first < lanes; first += width)
    parts.push_back(call_register(name, part(x, first, width), y ? part(y, first, width) : nullptr));
  while (parts.size() > 1) {
    std::vector<Value*> joined;
    for (std::size_t i = 0; i < parts.size(); i += 2) {
      std::vector<int> positions;
      for (unsigned j = 0; j < 2 * lanes_of(parts[i]); ++j)
        positions.push_back(static_cast<int>(j));
      joined.push_back(builder_.CreateShuffleVector(parts[i], parts[i + 1], positions));
    }
    parts = std::move(joined);
  }
  return parts[0];
}

Value* MathEmitter::intrinsic(llvm::Intrinsic::ID id, Value* x) {
  return builder_.CreateUnaryIntrinsic(id, x);
}

Value* MathEmitter::emit(Opcode opcode, Value* x, Value* y, const ir::Range& range) {
  switch (opcode) {
  case Opcode::neg: return builder_.CreateFNeg(x);
  case Opcode::abs: return intrinsic(llvm::Intrinsic::fabs, x);
  case Opcode::sign: {
    // Zeros and NaN are their own sign.
    Value* zero = constant_like(x, 0.0);
    Value* negative = builder_.CreateSelect(builder_.CreateFCmpOLT(x, zero), constant_like(x, -1.0), x);
    return builder_.CreateSelect(builder_.CreateFCmpOGT(x, zero), constant_like(x, 1.0), negative);
  }
  case Opcode::floor: return intrinsic(llvm::Intrinsic::floor, x);
  case Opcode::ceil: return intrinsic(llvm::Intrinsic::ceil, x);
  case Opcode::round: return intrinsic(llvm::Intrinsic::round, x);
  case Opcode::square: return builder_.CreateFMul(x, x);
  case Opcode::sqrt: return square_root(x);
  case Opcode::exponent: return exponent(x);
  case Opcode::inverse_power: return inverse_power(x);
  case Opcode::exp: return exp(x, range);
  case Opcode::expm1: return expm1(x);
  case Opcode::log: return log(x);
  case Opcode::log1p: return log1p(x);
  case Opcode::tanh: return tanh(x);
  case Opcode::sin: return call("sin", x, nullptr);
  case Opcode::cos: return call("cos", x, nullptr);
  case Opcode::tan: return call("tan", x, nullptr);
  case Opcode::asin: return call("asin", x, nullptr);
  case Opcode::acos: return call("acos", x, nullptr);
  case Opcode::atan: return call("atan", x, nullptr);
  case Opcode::sinh: return call("sinh", x, nullptr);
  case Opcode::cosh: return call("cosh", x, nullptr);
  case Opcode::asinh: return call("asinh", x, nullptr);
  case Opcode::acosh: return call("acosh", x, nullptr);
  case Opcode::atanh: return call("atanh", x, nullptr);
  case Opcode::erf: return call("erf", x, nullptr);
  case Opcode::erfc: return call("erfc", x, nullptr);
  case Opcode::pow: return call("pow", x, y);
  case Opcode::atan2: return call("atan2", x, y);
  default: ir::internal_error(std::string("code generation: '") + ir::name(opcode) + "' should have been expanded");
  }
}

} // namespace vmodel::codegen
