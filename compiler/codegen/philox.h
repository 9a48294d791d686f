// Counter-based random numbers as LLVM IR; runtime/random/philox.h gives the same in C++.
#pragma once

#include "compiler/codegen/math.h"

#include <llvm/IR/IRBuilder.h>

namespace vmodel::codegen {

/// The words of key and counter, as runtime/abi/vmodel_abi.h lays them out: i32, counters also <W x i32>, all four of
/// the same type. The key is the same for all lanes.
struct PhiloxCounter {
  llvm::Value* key[2];
  llvm::Value* counter[4];
};

/// Ten rounds of Philox4x32 (Salmon, Moraes, Dror and Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3").
/// Gives two words of 64 bits: output words 0 and 2 are the upper halves, 1 and 3 the lower.
struct PhiloxBlock {
  llvm::Value* first;
  llvm::Value* second;
};
PhiloxBlock emit_philox(llvm::IRBuilder<>& builder, const PhiloxCounter& at);

/// The upper 52 bits of a word as (n + 1/2) / 2^52: equally spaced, symmetric about 1/2, never 0 nor 1.
llvm::Value* emit_uniform(llvm::IRBuilder<>& builder, llvm::Value* word);

/// The two numbers of a block: uniform ones from one word each, normal ones from both (Box and Muller 1958):
/// sqrt(-2 log u) cos(2 pi v) and sqrt(-2 log u) sin(2 pi v).
struct RandomPair {
  llvm::Value* even;
  llvm::Value* odd;
};
RandomPair emit_pair(llvm::IRBuilder<>& builder, MathEmitter& math, const PhiloxBlock& block, bool normal);

/// One number of a block, the same bits as in the pair: the odd one where `odd` (i1, or a vector of them) is true.
llvm::Value* emit_one(llvm::IRBuilder<>& builder, MathEmitter& math, const PhiloxBlock& block, llvm::Value* odd,
                      bool normal);

/// The function of a module that gives one normal or uniform number: key (i32, i32), counter (four of i32 or
/// <lanes x i32>, the element in place of the block's number); declared if there is none yet.
llvm::Function* random_function(llvm::Module& module, const Target& target, int lanes, bool normal);

/// Gives a declared function of that kind its body.
void define_random_function(llvm::Function& function, const Target& target, bool normal);

} // namespace vmodel::codegen
