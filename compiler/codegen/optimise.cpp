#include <algorithm>
#include <chrono>
#include <exception>
#include <thread>

#include <llvm/Analysis/TargetLibraryInfo.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Module.h>
#include <llvm/Object/ArchiveWriter.h>
#include <llvm/Passes/PassBuilder.h>
#include <llvm/Transforms/InstCombine/InstCombine.h>
#include <llvm/Transforms/Scalar/ADCE.h>
#include <llvm/Transforms/Scalar/DeadStoreElimination.h>
#include <llvm/Transforms/Scalar/EarlyCSE.h>
#include <llvm/Transforms/Scalar/IndVarSimplify.h>
#include <llvm/Transforms/Scalar/LICM.h>
#include <llvm/Transforms/Scalar/LoopDeletion.h>
#include <llvm/Transforms/Scalar/LoopPassManager.h>
#include <llvm/Transforms/Scalar/LoopRotation.h>
#include <llvm/Transforms/Scalar/LoopUnrollPass.h>
#include <llvm/Transforms/Scalar/SROA.h>
#include <llvm/Transforms/Scalar/SimplifyCFG.h>
#include <llvm/Transforms/Vectorize/LoopVectorize.h>
#include <llvm/Support/SmallVectorMemoryBuffer.h>
#include <llvm/Support/raw_ostream.h>

#include "compiler/codegen/codegen.h"
#include "compiler/codegen/machine.h"
#include "compiler/ir/typing.h"

namespace vmodel::codegen {

namespace {

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::string emit(llvm::Module& module, const Options& options, llvm::CodeGenFileType type) {
  const std::unique_ptr<llvm::TargetMachine> machine = make_machine(options.target);
  llvm::SmallString<0> bytes;
  llvm::raw_svector_ostream stream(bytes);
  llvm::legacy::PassManager passes;
  if (machine->addPassesToEmitFile(passes, stream, nullptr, type, !options.verify))
    ir::internal_error("code generation: LLVM cannot emit this kind of file");
  passes.run(module);
  return std::string(bytes);
}

std::string print(const llvm::Module& module) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  module.print(stream, nullptr);
  return text;
}

}  // namespace

namespace {

/// The passes for one function. A model's kernels are small, have no calls to inline and no memory but arrays, so most of
/// LLVM's standard pipeline has nothing to do; what is here was chosen by what changed the code.
llvm::FunctionPassManager pipeline(bool vectorise) {
  llvm::FunctionPassManager passes;
  passes.addPass(llvm::SROAPass(llvm::SROAOptions::ModifyCFG));
  passes.addPass(llvm::EarlyCSEPass(true));
  passes.addPass(llvm::SimplifyCFGPass());
  passes.addPass(llvm::InstCombinePass());
  {
    llvm::LoopPassManager loops;
    loops.addPass(llvm::LoopRotatePass());
    loops.addPass(llvm::LICMPass(llvm::LICMOptions()));
    passes.addPass(llvm::createFunctionToLoopPassAdaptor(std::move(loops), /*UseMemorySSA=*/true));
  }
  {
    llvm::LoopPassManager loops;
    loops.addPass(llvm::IndVarSimplifyPass());
    loops.addPass(llvm::LoopDeletionPass());
    loops.addPass(llvm::LoopFullUnrollPass());
    passes.addPass(llvm::createFunctionToLoopPassAdaptor(std::move(loops)));
  }
  // Unrolled loops over small temporaries leave registers only.
  passes.addPass(llvm::SROAPass(llvm::SROAOptions::ModifyCFG));
  passes.addPass(llvm::EarlyCSEPass(true));
  passes.addPass(llvm::DSEPass());
  if (vectorise) {
    passes.addPass(llvm::LoopVectorizePass());
    passes.addPass(llvm::InstCombinePass());
  }
  {
    llvm::LoopPassManager loops;
    loops.addPass(llvm::LICMPass(llvm::LICMOptions()));
    passes.addPass(llvm::createFunctionToLoopPassAdaptor(std::move(loops), /*UseMemorySSA=*/true));
  }
  passes.addPass(llvm::ADCEPass());
  passes.addPass(llvm::SimplifyCFGPass());
  return passes;
}

}  // namespace

void optimise(llvm::Module& module, const Options& options) {
  const std::unique_ptr<llvm::TargetMachine> machine = make_machine(options.target);
  llvm::PassBuilder builder(machine.get());
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager graphs;
  llvm::ModuleAnalysisManager modules;
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(graphs);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, graphs, modules);
  llvm::FunctionPassManager plain = pipeline(false);
  llvm::FunctionPassManager vectorising = pipeline(true);
  for (llvm::Function& function : module) {
    if (function.isDeclaration())
      continue;
    (function.hasFnAttribute(vectorise_attribute) ? vectorising : plain).run(function, functions);
    functions.clear(function, function.getName());
  }
  if (options.verify)
    verify_module(module, "optimisation");
}

std::string emit_assembly(llvm::Module& module, const Options& options) {
  return emit(module, options, llvm::CodeGenFileType::AssemblyFile);
}

std::string emit_object(llvm::Module& module, const Options& options) {
  return emit(module, options, llvm::CodeGenFileType::ObjectFile);
}

namespace {

/// One part: seconds of the steps and the bytes.
Compiled compile_part(const ir::Module& kernels, const Options& options, Stage stage, Part part) {
  Compiled result;
  llvm::LLVMContext context;
  context.setDiscardValueNames(stage == Stage::object || stage == Stage::assembly);
  const double start = seconds();
  const std::unique_ptr<llvm::Module> module = generate(kernels, options, context, part);
  const double generated = seconds();
  result.generate_seconds = generated - start;
  if (stage == Stage::llvm) {
    result.bytes = print(*module);
    return result;
  }
  optimise(*module, options);
  const double optimised = seconds();
  result.optimise_seconds = optimised - generated;
  if (stage == Stage::optimised_llvm)
    result.bytes = print(*module);
  else
    result.bytes = stage == Stage::assembly ? emit_assembly(*module, options) : emit_object(*module, options);
  result.emit_seconds = seconds() - optimised;
  return result;
}

std::string archive(const std::vector<Compiled>& parts) {
  std::vector<llvm::NewArchiveMember> members;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    llvm::NewArchiveMember member(llvm::MemoryBufferRef(parts[i].bytes, "part.o"));
    members.push_back(std::move(member));
  }
  llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>> buffer =
      llvm::writeArchiveToBuffer(members, llvm::SymtabWritingMode::NoSymtab, llvm::object::Archive::K_GNU, /*Deterministic=*/true, /*Thin=*/false);
  if (!buffer)
    ir::internal_error("code generation: " + llvm::toString(buffer.takeError()));
  return (*buffer)->getBuffer().str();
}

}  // namespace

Compiled compile(const ir::Module& kernels, const Options& options, Stage stage) {
  if (options.threads <= 1 || stage != Stage::object)
    return compile_part(kernels, options, stage, {});
  make_machine(options.target);  // registers the target before there are threads
  const auto count = static_cast<std::size_t>(options.threads);
  std::vector<Compiled> parts(count);
  std::vector<std::exception_ptr> failures(count);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < count; ++i)
    threads.emplace_back([&, i] {
      try {
        parts[i] = compile_part(kernels, options, stage, {static_cast<int>(i), options.threads});
      } catch (...) {
        failures[i] = std::current_exception();
      }
    });
  for (std::thread& thread : threads)
    thread.join();
  for (const std::exception_ptr& failure : failures)
    if (failure)
      std::rethrow_exception(failure);
  // The slowest part is what the user waits for.
  Compiled result = *std::max_element(parts.begin(), parts.end(), [](const Compiled& a, const Compiled& b) {
    return a.generate_seconds + a.optimise_seconds + a.emit_seconds < b.generate_seconds + b.optimise_seconds + b.emit_seconds;
  });
  result.bytes = archive(parts);
  return result;
}

}  // namespace vmodel::codegen
