#include "compiler/codegen/products.h"

#include "compiler/ir/definitions.h"

#include <llvm/IR/MDBuilder.h>

#include <bit>
#include <cmath>

namespace vmodel::codegen {

using ir::Opcode;
using ir::ValueId;
using llvm::BasicBlock;
using llvm::Value;

namespace {

// Products are kept between 2^-range and 2^range: a normal number more or less leaves the doubles' range only where the
// comparison sees it.
constexpr int range = 900;
constexpr int least_block = 32; // iterations for which a counter is better than comparisons
constexpr int largest_block = 512;

/// Powers of two by which one factor may change a product; infinite where nothing is known.
double powers(const ir::Range& factor) {
  if (!(factor.low > 0) || !std::isfinite(factor.high))
    return std::numeric_limits<double>::infinity();
  return std::max({0.0, std::log2(factor.high), -std::log2(factor.low)});
}

} // namespace

std::optional<LogarithmSum> find_logarithms(const ir::Region& body, ValueId yield, const std::vector<int>& uses,
                                            ir::Ranges& ranges, std::set<const ir::Op*>& skipped) {
  const ir::Definitions definitions = ir::Definitions::directly_in(body);
  LogarithmSum sum;
  std::vector<const ir::Op*> found;
  double changes = 0;
  const auto walk = [&](auto&& self, ValueId v) -> bool {
    const ir::Op* op = definitions.of(v);
    if (!op || uses[v.id] != 1)
      return false;
    found.push_back(op);
    if (op->opcode == Opcode::add)
      return self(self, op->operands[0]) && self(self, op->operands[1]);
    if (op->opcode != Opcode::log && op->opcode != Opcode::log1p)
      return false;
    ir::Range factor = ranges(op->operands[0]);
    if (op->opcode == Opcode::log1p) {
      if (!(factor.low >= 0))
        return false;
      factor = {1, factor.high + 1};
    }
    changes += powers(factor);
    (op->opcode == Opcode::log ? sum.logs : sum.log1ps).push_back(op);
    return true;
  };
  if (!walk(walk, yield))
    return std::nullopt;
  skipped.insert(found.begin(), found.end());
  for (int block = largest_block; block >= least_block && sum.block == 0; block /= 2)
    if (changes * block <= range)
      sum.block = block;
  return sum;
}

std::vector<Value*> LogarithmEmitter::initial(Value* zero) const {
  std::vector<Value*> carried{zero};
  if (!sum_.logs.empty())
    carried.push_back(llvm::ConstantFP::get(zero->getType(), 1.0));
  if (!sum_.log1ps.empty())
    carried.push_back(llvm::ConstantFP::get(zero->getType(), 0.0));
  return carried;
}

/// Whether 2^-range <= product < 2^range: positive numbers are ordered as their bits are. Wrapped so that the range
/// begins at the least integer, it is one signed comparison, which is false for negative numbers and NaN too.
Value* LogarithmEmitter::in_range(Value* product) {
  llvm::Type* type = builder_.getInt64Ty();
  if (auto* vector = llvm::dyn_cast<llvm::VectorType>(product->getType()))
    type = llvm::VectorType::get(type, vector->getElementCount());
  const auto least = std::uint64_t{1} << 63;
  const auto low = std::bit_cast<std::uint64_t>(std::ldexp(1.0, -range));
  const auto high = std::bit_cast<std::uint64_t>(std::ldexp(1.0, range));
  Value* wrapped = builder_.CreateAdd(builder_.CreateBitCast(product, type), llvm::ConstantInt::get(type, least - low));
  return builder_.CreateICmpSLT(wrapped, llvm::ConstantInt::get(type, least + (high - low)));
}

std::vector<Value*> LogarithmEmitter::next(const std::vector<Value*>& carried, Value* index, std::size_t copies,
                                           Value* active, const Operands& operands) {
  std::vector<Value*> next = carried;
  std::size_t position = 1;
  // Lanes whose products all stay in range.
  Value* fine = llvm::Constant::getAllOnesValue(llvm::CmpInst::makeCmpResultType(carried[0]->getType()));
  const auto require = [&](Value* condition) { fine = builder_.CreateAnd(fine, condition); };
  // The factors of lanes that do not count change nothing.
  const auto factors = [&](const ir::Op& op) {
    std::vector<Value*> values = operands(op.operands[0]);
    for (Value*& value : values)
      if (active)
        value = builder_.CreateSelect(active, value, math_.constant_like(value, op.opcode == Opcode::log ? 1.0 : 0.0));
    return values;
  };
  if (!sum_.logs.empty()) {
    Value*& product = next[position++];
    for (const ir::Op* op : sum_.logs)
      for (Value* factor : factors(*op)) {
        product = builder_.CreateFMul(product, factor);
        if (sum_.block == 0)
          require(in_range(product));
      }
  }
  if (!sum_.log1ps.empty()) {
    Value*& product = next[position];
    for (const ir::Op* op : sum_.log1ps)
      for (Value* u : factors(*op))
        // (1 + p) (1 + u) - 1 = p (1 + u) + u.
        product = math_.fma(product, builder_.CreateFAdd(u, math_.constant_like(u, 1.0)), u);
    // These only grow.
    if (sum_.block == 0)
      require(builder_.CreateFCmpOLT(product, math_.constant_like(product, std::ldexp(1.0, range))));
  }
  Value* leave = nullptr;
  if (sum_.block > 0) {
    const auto block = static_cast<std::uint64_t>(sum_.block);
    leave = builder_.CreateICmpEQ(builder_.CreateAnd(index, builder_.getInt64(block - 1)),
                                  builder_.getInt64(block - copies));
  } else {
    leave = builder_.CreateNot(fine);
    if (leave->getType()->isVectorTy())
      leave = builder_.CreateOrReduce(leave);
  }
  BasicBlock* before = builder_.GetInsertBlock();
  llvm::Function* function = before->getParent();
  BasicBlock* taking = BasicBlock::Create(builder_.getContext(), "logarithms", function);
  BasicBlock* after = BasicBlock::Create(builder_.getContext(), "after", function);
  // Rare either way.
  builder_.CreateCondBr(leave, taking, after, llvm::MDBuilder(builder_.getContext()).createBranchWeights(1, 1000));
  builder_.SetInsertPoint(taking);
  std::vector<Value*> taken = carried;
  if (sum_.block > 0) {
    taken[0] = finish(next);
  } else {
    // As if the terms of these iterations were added without products.
    taken[0] = finish(carried);
    for (const auto* ops : {&sum_.logs, &sum_.log1ps})
      for (const ir::Op* op : *ops)
        for (Value* factor : factors(*op))
          taken[0] = builder_.CreateFAdd(taken[0], math_.emit(op->opcode, factor));
  }
  const std::vector<Value*> start = initial(llvm::Constant::getNullValue(carried[0]->getType()));
  for (std::size_t i = 1; i < taken.size(); ++i)
    taken[i] = start[i];
  BasicBlock* end = builder_.GetInsertBlock();
  builder_.CreateBr(after);
  builder_.SetInsertPoint(after);
  for (std::size_t i = 0; i < next.size(); ++i) {
    llvm::PHINode* phi = builder_.CreatePHI(next[i]->getType(), 2);
    phi->addIncoming(next[i], before);
    phi->addIncoming(taken[i], end);
    next[i] = phi;
  }
  return next;
}

Value* LogarithmEmitter::finish(const std::vector<Value*>& carried) {
  Value* sum = carried[0];
  std::size_t position = 1;
  if (!sum_.logs.empty())
    sum = builder_.CreateFAdd(sum, math_.log(carried[position++]));
  if (!sum_.log1ps.empty())
    sum = builder_.CreateFAdd(sum, math_.log1p(carried[position]));
  return sum;
}

} // namespace vmodel::codegen
