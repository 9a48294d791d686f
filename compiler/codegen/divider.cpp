#include "compiler/codegen/divider.h"

#include <llvm/IR/Constants.h>
#include <llvm/IR/Function.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/IntrinsicInst.h>
#include <llvm/IR/IntrinsicsX86.h>
#include <llvm/IR/MDBuilder.h>
#include <llvm/Transforms/Utils/BasicBlockUtils.h>

#include <vector>

namespace vmodel::codegen {

using llvm::Value;

namespace {

// Cycles for eight numbers (Intel's cores from Skylake-SP to Sapphire Rapids: 16 and 19 to 24).
constexpr double cycles_of_division = 16, cycles_of_root = 19;
// Instructions of what takes their place, its tests included, and how many begin in a cycle.
constexpr double instructions_of_division = 13, instructions_of_root = 13, instructions_a_cycle = 2;

// Classes of numbers for vfpclasspd.
constexpr unsigned quiet_nan = 0x01, zero = 0x02 | 0x04, infinite = 0x08 | 0x10, subnormal = 0x20, negative = 0x40,
                   signalling_nan = 0x80;
constexpr unsigned irregular = quiet_nan | zero | infinite | subnormal | signalling_nan;

bool is_eight_numbers(const llvm::Type* type) {
  const auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(type);
  return vector != nullptr && vector->getNumElements() == 8 && vector->getElementType()->isDoubleTy();
}

bool is_division(const llvm::Instruction& i) {
  return i.getOpcode() == llvm::Instruction::FDiv && is_eight_numbers(i.getType());
}

bool is_root(const llvm::Instruction& i) {
  const auto* call = llvm::dyn_cast<llvm::IntrinsicInst>(&i);
  return call != nullptr && call->getIntrinsicID() == llvm::Intrinsic::sqrt && is_eight_numbers(i.getType());
}

/// The divisions and roots of a loop of one block in which they take longer than the rest with their replacements.
std::vector<llvm::Instruction*> what_all_wait_for(llvm::BasicBlock& block) {
  std::vector<llvm::Instruction*> found;
  double divider = 0;
  double others = 0;
  for (llvm::Instruction& i : block) {
    if (is_division(i)) {
      divider += cycles_of_division;
      others += instructions_of_division / instructions_a_cycle;
      found.push_back(&i);
    } else if (is_root(i)) {
      divider += cycles_of_root;
      others += instructions_of_root / instructions_a_cycle;
      found.push_back(&i);
    } else if (i.getType()->isVectorTy() && !llvm::isa<llvm::LoadInst, llvm::PHINode>(i)) {
      others += 1 / instructions_a_cycle;
    }
  }
  if (divider <= others)
    found.clear();
  return found;
}

class Replacement {
public:
  explicit Replacement(llvm::Instruction& slow) : slow_(slow), builder_(&slow), type_(slow.getType()) {}

  void run() {
    Value* fast = slow_.getOpcode() == llvm::Instruction::FDiv ? quotient() : root();
    Value* any = builder_.CreateICmpNE(builder_.CreateBitCast(irregular_, builder_.getInt8Ty()), builder_.getInt8(0));
    llvm::BasicBlock* before = slow_.getParent();
    llvm::Instruction* branch = llvm::SplitBlockAndInsertIfThen(
        any, slow_.getIterator(), false, llvm::MDBuilder(slow_.getContext()).createUnlikelyBranchWeights());
    llvm::BasicBlock* after = slow_.getParent();
    slow_.moveBefore(branch);
    auto* result = llvm::PHINode::Create(type_, 2, "", after->begin());
    slow_.replaceAllUsesWith(result);
    result->addIncoming(fast, before);
    result->addIncoming(&slow_, branch->getParent());
  }

private:
  Value* constant(double x) { return llvm::ConstantFP::get(type_, x); }

  /// x y + z and z - x y with one rounding.
  Value* fma(Value* x, Value* y, Value* z) { return builder_.CreateIntrinsic(type_, llvm::Intrinsic::fma, {x, y, z}); }
  Value* fnma(Value* x, Value* y, Value* z) { return fma(builder_.CreateFNeg(x), y, z); }

  Value* approximation(llvm::Intrinsic::ID function, Value* x) {
    return builder_.CreateIntrinsic(function, {}, {x, llvm::Constant::getNullValue(type_), builder_.getInt8(255)});
  }

  Value* is(unsigned classes, Value* x) {
    return builder_.CreateIntrinsic(llvm::Intrinsic::x86_avx512_fpclass_pd_512, {}, {x, builder_.getInt32(classes)});
  }

  /// x / y: two steps for 1 / y, from 14 bits to more than there are, and one for the quotient, whose remainder is
  /// exact (Markstein 1990).
  Value* quotient() {
    Value* x = slow_.getOperand(0);
    Value* y = slow_.getOperand(1);
    Value* const first = approximation(llvm::Intrinsic::x86_avx512_rcp14_pd_512, y);
    Value* inverse = first;
    for (int step = 0; step < 2; ++step)
      inverse = fma(inverse, fnma(y, inverse, constant(1)), inverse);
    Value* near = builder_.CreateFMul(x, inverse);
    // An irregular divisor has an irregular inverse; a quotient may leave the range without one. Of a subnormal one the
    // remainder is not exact. Zeros stay zeros, and are common: adjoints of what has no part in a result.
    irregular_ = builder_.CreateOr(is(irregular, first), is(irregular & ~zero, near));
    return fma(fnma(y, near, x), inverse, near);
  }

  /// sqrt(x): two steps for the root and for half of its inverse together, and one for the root, whose remainder is
  /// exact.
  Value* root() {
    Value* x = slow_.getOperand(0);
    irregular_ = is(irregular | negative, x);
    Value* const inverse = approximation(llvm::Intrinsic::x86_avx512_rsqrt14_pd_512, x);
    Value* near = builder_.CreateFMul(x, inverse);
    Value* half = builder_.CreateFMul(inverse, constant(0.5));
    for (int step = 0; step < 2; ++step) {
      Value* miss = fnma(near, half, constant(0.5));
      near = fma(near, miss, near);
      half = fma(half, miss, half);
    }
    return fma(fnma(near, near, x), half, near);
  }

  llvm::Instruction& slow_;
  llvm::IRBuilder<> builder_;
  llvm::Type* type_;
  Value* irregular_ = nullptr; // which lanes need the divider
};

} // namespace

void unload_divider(llvm::Function& function) {
  std::vector<llvm::Instruction*> found;
  for (llvm::BasicBlock& block : function) {
    const auto* branch = llvm::dyn_cast<llvm::BranchInst>(block.getTerminator());
    if (branch == nullptr || !branch->isConditional() ||
        (branch->getSuccessor(0) != &block && branch->getSuccessor(1) != &block))
      continue;
    const std::vector<llvm::Instruction*> here = what_all_wait_for(block);
    found.insert(found.end(), here.begin(), here.end());
  }
  for (llvm::Instruction* slow : found)
    Replacement(*slow).run();
}

} // namespace vmodel::codegen
