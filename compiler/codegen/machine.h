// LLVM's view of a target; internal to code generation.
#pragma once

#include "compiler/codegen/target.h"

#include <llvm/IR/Module.h>
#include <llvm/Target/TargetMachine.h>

#include <memory>

namespace vmodel::codegen {

/// Marks functions whose loops over data are worth vectorising: the model's density for one lane.
inline constexpr const char* vectorise_attribute = "vmodel-vectorise";

/// Marks functions that are compiled quickly instead of well.
inline constexpr const char* cold_attribute = "vmodel-cold";

/// Named metadata of modules in which all kernels are.
inline constexpr const char* cold_module = "vmodel.cold";

/// A target machine for position-independent code.
std::unique_ptr<llvm::TargetMachine> make_machine(const Target& target,
                                                  llvm::CodeGenOptLevel level = llvm::CodeGenOptLevel::Default);

/// Sets triple and data layout.
void set_machine(llvm::Module& module, const Target& target);

/// Sets the attributes that say for which processor a function is.
void set_function_machine(llvm::Function& function, const Target& target);

/// Throws ir::InternalError with the first complaint of LLVM's verifier.
void verify_module(const llvm::Module& module, const char* after);

} // namespace vmodel::codegen
