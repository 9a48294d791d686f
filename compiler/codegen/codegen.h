// From final VIR to an object file. Interface header.
#pragma once

#include "compiler/codegen/target.h"
#include "compiler/ir/module.h"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace llvm {
class LLVMContext;
class Module;
} // namespace llvm

namespace vmodel::codegen {

/// How one kernel is compiled.
struct KernelCode {
  std::vector<int> lanes; // as Options::lanes
  bool cold = false;      // runs a few times in the life of a process: compiled quickly instead of well
};

/// What the code is for.
struct Options {
  Target target;
  /// Numbers of lanes for which every kernel with particle arguments is compiled; kernels without any are compiled
  /// once, for one lane. Each is 1 or a power of two up to 64.
  std::vector<int> lanes;
  std::map<std::string, KernelCode> kernels; // by name, `prepare` among them: exceptions from `lanes`, hot
  std::string metadata;                      // JSON, stored as it is
  std::vector<std::string>
      slots; // names of the load-axis parameters in the order of the slots: data.NAME ..., prepared.K ...
  std::int32_t data_count = 0; // how many of them are data
  std::int32_t size_count = 0; // entries written by the kernel "sizes"
  int parts = 1;               // `compile` to an object: kernels are dealt out to as many modules, joined to an archive
  int threads = 1;             // how many parts are compiled at once; the bytes do not depend on it
  bool verify = false;         // run LLVM's verifier after generation and after optimisation
};

/// The module of `vmodel_model` (runtime/abi/vmodel_abi.h), not optimised.
///
/// `kernels` holds one function per kernel and, where there are slots after the data, `prepare`. Functions are final:
/// calls inlined, sites lowered, special functions expanded. A parameter of axis `load` is a slot, found by its name;
/// the others are the kernel's arguments, in order; references among them are outputs. `prepare` has parameters of axis
/// `load` only (data); its operations `output @prepared.K` fill the slots, its operations `require` have the index of
/// their message as symbol. Outputs of a kernel that it does not store to are left as they are.
/// Throws ir::InternalError where a function is not what is said here.
std::unique_ptr<llvm::Module> generate(const ir::Module& kernels, const Options& options, llvm::LLVMContext& context);

/// The same for one of several modules that are linked together: the first part has the tables and the cold kernels,
/// the others are dealt out by their size. Every part is generated from the same module and options.
struct Part {
  int index = 0;
  int count = 1;
};
std::unique_ptr<llvm::Module> generate(const ir::Module& kernels, const Options& options, llvm::LLVMContext& context,
                                       Part part);

/// Optimises a generated module in place, for the options' target.
void optimise(llvm::Module& module, const Options& options);

/// Machine code of an optimised module: assembly text, or the bytes of a position-independent object file.
std::string emit_assembly(llvm::Module& module, const Options& options);
std::string emit_object(llvm::Module& module, const Options& options);

/// What `compile` shall stop at.
enum class Stage : std::uint8_t { llvm, optimised_llvm, assembly, object };

/// The result of all steps and the seconds that they took.
struct Compiled {
  std::string bytes; // text of LLVM IR, assembly, or the object file (of several parts: an archive of them)
  double generate_seconds = 0;
  double optimise_seconds = 0;
  double emit_seconds = 0;
};

/// All the steps at once, without LLVM's types.
Compiled compile(const ir::Module& kernels, const Options& options, Stage stage);

} // namespace vmodel::codegen
