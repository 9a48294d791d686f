#include "compiler/codegen/machine.h"

#include "compiler/ir/typing.h"

#include <llvm/IR/Verifier.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Support/CommandLine.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Support/raw_ostream.h>

#include <mutex>

namespace vmodel::codegen {

namespace {

constexpr const char* triple = "x86_64-unknown-linux-gnu";

/// Leaves out passes of code generation that take a quarter of the time and make the code of kernels no faster: the
/// addresses of their loops are simple enough, processors reorder what a second scheduling would, and no integers wait
/// in general registers for the masks of vectors.
void leave_out_passes() {
  const auto& options = llvm::cl::getRegisteredOptions();
  for (const char* name : {"disable-lsr", "disable-post-ra", "disable-x86-domain-reassignment"})
    if (const auto found = options.find(name); found != options.end())
      static_cast<llvm::cl::opt<bool>*>(found->second)->setValue(true);
}

} // namespace

std::unique_ptr<llvm::TargetMachine> make_machine(const Target& target, llvm::CodeGenOptLevel level) {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    leave_out_passes();
  });
  std::string error;
  const llvm::Target* found = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!found)
    ir::internal_error("code generation: " + error);
  llvm::TargetOptions options;
  // Products and sums that carry the permission are fused; no others.
  options.AllowFPOpFusion = llvm::FPOpFusion::Standard;
  return std::unique_ptr<llvm::TargetMachine>(
      found->createTargetMachine(triple, target.level, "", options, llvm::Reloc::PIC_, llvm::CodeModel::Small, level));
}

void set_machine(llvm::Module& module, const Target& target) {
  module.setTargetTriple(triple);
  // The layout follows from the triple alone; a machine for it is dear.
  static const llvm::DataLayout layout = make_machine(target)->createDataLayout();
  module.setDataLayout(layout);
  module.setPICLevel(llvm::PICLevel::BigPIC);
}

void set_function_machine(llvm::Function& function, const Target& target) {
  function.addFnAttr("target-cpu", target.level);
  function.addFnAttr("tune-cpu", target.tune);
  if (target.lanes == 8) {
    // LLVM avoids wide registers by default; vectors of particles are as wide as they are.
    function.addFnAttr("prefer-vector-width", "512");
    function.addFnAttr("min-legal-vector-width", "512");
  }
  function.addFnAttr(llvm::Attribute::NoUnwind);
  function.addFnAttr("no-builtins");
}

void verify_module(const llvm::Module& module, const char* after) {
  std::string message;
  llvm::raw_string_ostream stream(message);
  if (llvm::verifyModule(module, &stream))
    ir::internal_error(std::string("LLVM's verifier after ") + after + ": " + message);
}

} // namespace vmodel::codegen
