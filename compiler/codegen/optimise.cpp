#include "compiler/codegen/codegen.h"
#include "compiler/codegen/divider.h"
#include "compiler/codegen/machine.h"
#include "compiler/ir/typing.h"

#include <llvm/Analysis/LoopInfo.h>
#include <llvm/Analysis/TargetLibraryInfo.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Module.h>
#include <llvm/Object/ArchiveWriter.h>
#include <llvm/Passes/PassBuilder.h>
#include <llvm/Support/SmallVectorMemoryBuffer.h>
#include <llvm/Support/raw_ostream.h>
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

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <thread>

namespace vmodel::codegen {

namespace {

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// For all steps of a module: to make one takes a millisecond.
std::unique_ptr<llvm::TargetMachine> machine_for(const llvm::Module& module, const Options& options) {
  const bool cold = module.getNamedMetadata(cold_module) != nullptr;
  return make_machine(options.target, cold ? llvm::CodeGenOptLevel::None : llvm::CodeGenOptLevel::Default);
}

std::string emit(llvm::Module& module, const Options& options, llvm::TargetMachine& machine,
                 llvm::CodeGenFileType type) {
  llvm::SmallString<0> bytes;
  llvm::raw_svector_ostream stream(bytes);
  llvm::legacy::PassManager passes;
  if (machine.addPassesToEmitFile(passes, stream, nullptr, type, !options.verify))
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

} // namespace

namespace {

/// The passes for a cold function: only what leaves code generation less to do than it takes.
llvm::FunctionPassManager cold_pipeline() {
  llvm::FunctionPassManager passes;
  passes.addPass(llvm::SROAPass(llvm::SROAOptions::PreserveCFG));
  passes.addPass(llvm::EarlyCSEPass());
  passes.addPass(llvm::ADCEPass());
  return passes;
}

/// The passes for one function. A model's kernels are small, have no calls to inline and no memory but arrays, so most
/// of LLVM's standard pipeline has nothing to do; what is here was chosen by what changed the code.
llvm::FunctionPassManager pipeline(bool vectorise) {
  llvm::FunctionPassManager passes;
  passes.addPass(llvm::SROAPass(llvm::SROAOptions::ModifyCFG));
  passes.addPass(llvm::EarlyCSEPass(true));
  passes.addPass(llvm::SimplifyCFGPass());
  // It takes a third of the time of all these passes, but brings what is used after a loop only behind it.
  passes.addPass(llvm::InstCombinePass());
  {
    llvm::LoopPassManager loops;
    loops.addPass(llvm::LoopRotatePass());
    loops.addPass(llvm::LICMPass(llvm::LICMOptions()));
    passes.addPass(llvm::createFunctionToLoopPassAdaptor(std::move(loops), /*UseMemorySSA=*/true));
  }
  {
    llvm::LoopPassManager loops;
    // Loops count by one from the start; what is left to simplify serves the vectoriser.
    if (vectorise)
      loops.addPass(llvm::IndVarSimplifyPass());
    loops.addPass(llvm::LoopDeletionPass());
    loops.addPass(llvm::LoopFullUnrollPass());
    passes.addPass(llvm::createFunctionToLoopPassAdaptor(std::move(loops)));
  }
  // Unrolled loops over small temporaries leave registers only.
  passes.addPass(llvm::SROAPass(llvm::SROAOptions::ModifyCFG));
  passes.addPass(llvm::EarlyCSEPass());
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

/// Whether any innermost loop has no vectors yet: LLVM's vectoriser leaves others as they are, and takes its time.
bool has_scalar_loop(llvm::Function& function, llvm::FunctionAnalysisManager& analyses) {
  const auto is_scalar = [](const llvm::Loop& loop) {
    for (const llvm::BasicBlock* block : loop.blocks())
      for (const llvm::Instruction& instruction : *block)
        if (instruction.getType()->isVectorTy())
          return false;
    return true;
  };
  for (const llvm::Loop* loop : analyses.getResult<llvm::LoopAnalysis>(function).getLoopsInPreorder())
    if (loop->isInnermost() && is_scalar(*loop))
      return true;
  return false;
}

void optimise(llvm::Module& module, const Options& options, llvm::TargetMachine& machine) {
  llvm::PassBuilder builder(&machine);
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
  llvm::FunctionPassManager cold = cold_pipeline();
  for (llvm::Function& function : module) {
    if (function.isDeclaration())
      continue;
    const auto has = [&](const char* attribute) { return function.hasFnAttribute(attribute); };
    const bool vectorise = has(vectorise_attribute) && has_scalar_loop(function, functions);
    (has(cold_attribute) ? cold : vectorise ? vectorising : plain).run(function, functions);
    if (options.target.lanes == 8 && !has(cold_attribute))
      unload_divider(function);
    functions.clear(function, function.getName());
  }
  if (options.verify)
    verify_module(module, "optimisation");
}

} // namespace

void optimise(llvm::Module& module, const Options& options) {
  optimise(module, options, *machine_for(module, options));
}

std::string emit_assembly(llvm::Module& module, const Options& options) {
  return emit(module, options, *machine_for(module, options), llvm::CodeGenFileType::AssemblyFile);
}

std::string emit_object(llvm::Module& module, const Options& options) {
  return emit(module, options, *machine_for(module, options), llvm::CodeGenFileType::ObjectFile);
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
  const std::unique_ptr<llvm::TargetMachine> machine = machine_for(*module, options);
  optimise(*module, options, *machine);
  const double optimised = seconds();
  result.optimise_seconds = optimised - generated;
  if (stage == Stage::optimised_llvm)
    result.bytes = print(*module);
  else
    result.bytes =
        emit(*module, options, *machine,
             stage == Stage::assembly ? llvm::CodeGenFileType::AssemblyFile : llvm::CodeGenFileType::ObjectFile);
  result.emit_seconds = seconds() - optimised;
  return result;
}

std::string archive(const std::vector<Compiled>& parts) {
  std::vector<llvm::NewArchiveMember> members;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    llvm::NewArchiveMember member(llvm::MemoryBufferRef(parts[i].bytes, "part.o"));
    members.push_back(std::move(member));
  }
  llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>> buffer = llvm::writeArchiveToBuffer(
      members, llvm::SymtabWritingMode::NoSymtab, llvm::object::Archive::K_GNU, /*Deterministic=*/true, /*Thin=*/false);
  if (!buffer)
    ir::internal_error("code generation: " + llvm::toString(buffer.takeError()));
  return (*buffer)->getBuffer().str();
}

} // namespace

Compiled compile(const ir::Module& kernels, const Options& options, Stage stage) {
  if (options.parts <= 1 || stage != Stage::object)
    return compile_part(kernels, options, stage, {});
  const double start = seconds();
  make_machine(options.target); // registers the target before there are threads
  const auto count = static_cast<std::size_t>(options.parts);
  std::vector<Compiled> parts(count);
  std::vector<std::exception_ptr> failures(count);
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i = next++; i < count; i = next++) {
      try {
        parts[i] = compile_part(kernels, options, stage, {static_cast<int>(i), options.parts});
      } catch (...) {
        failures[i] = std::current_exception();
      }
    }
  };
  std::vector<std::thread> threads;
  for (std::size_t i = 1; i < std::min(count, static_cast<std::size_t>(std::max(options.threads, 1))); ++i)
    threads.emplace_back(work);
  work();
  for (std::thread& thread : threads)
    thread.join();
  for (const std::exception_ptr& failure : failures)
    if (failure)
      std::rethrow_exception(failure);
  // The user waits for all of them at once: shares of the wall time.
  Compiled result;
  double total = 0;
  for (const Compiled& part : parts) {
    result.generate_seconds += part.generate_seconds;
    result.optimise_seconds += part.optimise_seconds;
    result.emit_seconds += part.emit_seconds;
    total += part.generate_seconds + part.optimise_seconds + part.emit_seconds;
  }
  const double share = total > 0 ? (seconds() - start) / total : 0;
  result.generate_seconds *= share;
  result.optimise_seconds *= share;
  result.emit_seconds *= share;
  result.bytes = archive(parts);
  return result;
}

} // namespace vmodel::codegen
