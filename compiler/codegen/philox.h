// Counter-based random numbers as LLVM IR; runtime/random/philox.h gives the same in C++.
#pragma once

#include "compiler/codegen/math.h"

#include <llvm/IR/IRBuilder.h>

namespace vmodel::codegen {

/// The words of key and counter, as runtime/abi/vmodel_abi.h lays them out. i32 or <W x i32>; all of the same type.
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

/// A standard normal number from both words (Box and Muller 1958): sqrt(-2 log u) cos(2 pi v).
llvm::Value* emit_normal(llvm::IRBuilder<>& builder, MathEmitter& math, const PhiloxBlock& block);

/// The function of a module that gives a normal or a uniform number for key and counter, six arguments of i32 or
/// <lanes x i32>; declared if there is none yet.
llvm::Function* random_function(llvm::Module& module, const Target& target, int lanes, bool normal);

/// Gives a declared function of that kind its body.
void define_random_function(llvm::Function& function, const Target& target, bool normal);

} // namespace vmodel::codegen
