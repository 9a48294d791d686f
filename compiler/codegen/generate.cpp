// The functions and tables of a compiled model.
#include "compiler/codegen/codegen.h"
#include "compiler/codegen/deal.h"
#include "compiler/codegen/emitter.h"
#include "compiler/codegen/kernels.h"
#include "compiler/codegen/machine.h"
#include "compiler/codegen/philox.h"
#include "compiler/ir/rewrite.h"
#include "compiler/ir/typing.h"

#include <llvm/IR/Module.h>
#include <llvm/IR/Verifier.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/TargetParser/Triple.h>

#include <algorithm>
#include <map>
#include <set>

namespace vmodel::codegen {

using ir::Axis;
using ir::Element;
using ir::Parameter;
using llvm::Value;

namespace {

class Generator {
public:
  Generator(const ir::Module& kernels, const Options& options, llvm::LLVMContext& context, Part part)
      : kernels_(kernels), options_(options), context_(context), part_(part), known_(ir::slot_ranges(kernels)),
        module_(std::make_unique<llvm::Module>("model", context)) {
    set_machine(*module_, options.target);
    for (std::size_t i = 0; i < options.slots.size(); ++i)
      slots_[options.slots[i]] = i;
    pointer_ = llvm::PointerType::get(context, 0);
    word_ = llvm::Type::getInt32Ty(context);
    wide_ = llvm::Type::getInt64Ty(context);
  }

  std::unique_ptr<llvm::Module> run() {
    std::vector<llvm::Constant*> rows;
    const Deal dealt = deal(kernels_, options_, part_.count);
    random_ = dealt.random;
    for (const KernelRow& row : dealt.rows)
      rows.push_back(kernel(row));
    if (part_.index == 0)
      export_model(rows, prepare(kernels_.find("prepare")));
    define_random_functions();
    if (!has_hot_)
      module_->getOrInsertNamedMetadata(cold_module);
    if (options_.verify)
      verify_module(*module_, "generation");
    return std::move(module_);
  }

private:
  /// The generators stand in the first hot part, or in the only one.
  void define_random_functions() {
    if (part_.index != std::min(1, part_.count - 1))
      return;
    for (const auto& [lanes, normal] : random_)
      define_random_function(*random_function(*module_, options_.target, lanes, normal), options_.target, normal);
  }

  /// A slot's value, loaded once at the start of a function.
  Value* load_slot(llvm::IRBuilder<>& builder, Value* slots, const ir::Function& function, const Parameter& parameter) {
    const auto found = slots_.find(parameter.name);
    if (found == slots_.end())
      ir::internal_error("code generation: @" + function.name + " reads '" + parameter.name + "', which is no slot");
    const ir::Type& type = function.type(parameter.value);
    llvm::Type* loaded = pointer_;
    if (type.is_scalar())
      loaded =
          type.element == Element::f64 || type.element == Element::f32 ? builder.getDoubleTy() : builder.getInt64Ty();
    Value* address = builder.CreateConstInBoundsGEP1_64(wide_, slots, found->second);
    Value* value = builder.CreateLoad(loaded, address, parameter.name);
    if (type.is_scalar() && type.element == Element::boolean)
      return builder.CreateICmpNE(value, builder.getInt64(0));
    if (type.is_scalar() && type.element == Element::f32)
      return builder.CreateFPTrunc(value, builder.getFloatTy());
    return value;
  }

  llvm::Function* make_function(const std::string& name, llvm::Type* result, const std::vector<llvm::Type*>& types,
                                bool local) {
    auto* function = llvm::Function::Create(
        llvm::FunctionType::get(result, types, false),
        local ? llvm::GlobalValue::InternalLinkage : llvm::GlobalValue::ExternalLinkage, name, *module_);
    set_function_machine(*function, options_.target);
    return function;
  }

  /// A function that the table names: with several parts, seen by all of them.
  llvm::Function* make_shared_function(const std::string& name, llvm::Type* result,
                                       const std::vector<llvm::Type*>& types) {
    if (llvm::Function* present = module_->getFunction(name))
      return present;
    llvm::Function* function = make_function(name, result, types, part_.count == 1);
    if (part_.count > 1)
      function->setVisibility(llvm::GlobalValue::HiddenVisibility);
    return function;
  }

  static void set_array_attributes(llvm::Argument& argument, bool written, std::uint64_t alignment) {
    llvm::AttrBuilder attributes(argument.getContext());
    attributes.addAttribute(llvm::Attribute::NoAlias);
    attributes.addAttribute(llvm::Attribute::NoUndef);
    attributes.addAttribute(llvm::Attribute::NoCapture);
    attributes.addAlignmentAttr(llvm::Align(alignment));
    if (!written)
      attributes.addAttribute(llvm::Attribute::ReadOnly);
    argument.addAttrs(attributes);
  }

  /// One row of the table: the kernel for a number of lanes.
  ///
  /// The body is a function of its own, whose parameters say that arrays do not overlap; `run` reads slots and
  /// arguments and calls it. Where that would not pay, `run` is the body.
  llvm::Constant* kernel(const KernelRow& row) {
    const ir::Function& function = *row.function;
    const std::string name = row.code->name + "." + std::to_string(row.lanes);
    llvm::Function* run =
        make_shared_function("run." + name, llvm::Type::getVoidTy(context_), {pointer_, pointer_, pointer_, pointer_});
    llvm::Function* size =
        has_temporaries(function.body) ? make_shared_function("workspace." + name, wide_, {pointer_}) : nullptr;
    if (row.part == part_.index && row.code == row.function)
      define_kernel(function, row.lanes, row.cold, name, run, size);
    std::vector<const Parameter*> arguments;
    for (const Parameter& parameter : function.parameters)
      if (parameter.axis != Axis::load)
        arguments.push_back(&parameter);
    llvm::Constant* none = llvm::ConstantPointerNull::get(pointer_);
    return part_.index == 0 ? kernel_row(function, row.lanes, arguments, size ? size : none, run) : nullptr;
  }

  void define_kernel(const ir::Function& function, int lanes, bool cold, const std::string& name, llvm::Function* run,
                     llvm::Function* size) {
    const Varying varying = find_varying(function, lanes);
    const std::vector<bool> used = used_values(function);
    std::vector<const Parameter*> passed;
    for (const Parameter& parameter : function.parameters)
      if (used[parameter.value.id])
        passed.push_back(&parameter);
    has_hot_ |= !cold;
    // What runs once a call, or once a process.
    run->addFnAttr(cold_attribute);
    if (cold) {
      Emitter emitter(function, varying, lanes, options_.target, known_, run);
      const std::vector<Value*> values = read_arguments(emitter.builder(), function, passed, run);
      bind(emitter, function, passed, values);
      emitter.emit_body();
      emitter.builder().CreateRetVoid();
      emitter.finish();
    } else {
      std::vector<llvm::Type*> types;
      for (const Parameter* parameter : passed) {
        const ir::Type& type = function.type(parameter->value);
        types.push_back(parameter->axis == Axis::load && type.is_scalar() ? scalar_type(type.element) : pointer_);
      }
      types.push_back(pointer_); // workspace
      types.push_back(pointer_); // random
      llvm::Function* body = make_function(name, llvm::Type::getVoidTy(context_), types, true);
      body->addFnAttr(llvm::Attribute::NoInline);
      if ((lanes == 1 && is_density(function.name)) || is_step(function.name))
        body->addFnAttr(vectorise_attribute);
      const Emitter::Jams jams = is_density(function.name) ? Emitter::Jams::all
                                 : is_step(function.name)  ? Emitter::Jams::products
                                                           : Emitter::Jams::none;
      emit_body(function, varying, lanes, passed, body, jams);
      llvm::IRBuilder<> builder(llvm::BasicBlock::Create(context_, "entry", run));
      builder.CreateCall(body, read_arguments(builder, function, passed, run))->setTailCall();
      builder.CreateRetVoid();
    }
    if (size) {
      size->addFnAttr(cold_attribute);
      workspace_size(function, varying, lanes, size);
    }
  }

  /// What a kernel's body needs, from the arguments of `run`: slots, arguments, the workspace, the random state.
  std::vector<Value*> read_arguments(llvm::IRBuilder<>& builder, const ir::Function& function,
                                     const std::vector<const Parameter*>& passed, llvm::Function* run) {
    std::vector<const Parameter*> arguments;
    for (const Parameter& parameter : function.parameters)
      if (parameter.axis != Axis::load)
        arguments.push_back(&parameter);
    std::vector<Value*> values;
    for (const Parameter* parameter : passed) {
      if (parameter->axis == Axis::load) {
        values.push_back(load_slot(builder, run->getArg(0), function, *parameter));
        continue;
      }
      const auto position =
          static_cast<std::uint64_t>(std::find(arguments.begin(), arguments.end(), parameter) - arguments.begin());
      values.push_back(builder.CreateLoad(
          pointer_, builder.CreateConstInBoundsGEP1_64(pointer_, run->getArg(1), position), parameter->name));
    }
    values.push_back(run->getArg(2));
    values.push_back(run->getArg(3));
    return values;
  }

  /// Gives the emitter of a body what read_arguments found.
  static void bind(Emitter& emitter, const ir::Function& function, const std::vector<const Parameter*>& passed,
                   const std::vector<Value*>& values) {
    std::size_t position = 0;
    for (const Parameter* parameter : passed) {
      Value* value = values[position++];
      if (!value->getType()->isPointerTy())
        emitter.set_scalar(parameter->value, value);
      else if (function.type(parameter->value).is_scalar())
        emitter.set_scalar(parameter->value, emitter.load_argument(parameter->value, value));
      else
        // Arguments may lie anywhere: unaligned accesses cost nothing where they are aligned.
        emitter.set_memory(parameter->value, value, true, parameter->axis == Axis::load ? 64 : 8);
    }
    emitter.set_workspace(values[position]);
    emitter.set_random(values[position + 1]);
  }

  llvm::Type* scalar_type(Element element) const {
    switch (element) {
    case Element::f64: return llvm::Type::getDoubleTy(context_);
    case Element::f32: return llvm::Type::getFloatTy(context_);
    case Element::index: return wide_;
    case Element::boolean: return llvm::Type::getInt1Ty(context_);
    }
    return nullptr;
  }

  void emit_body(const ir::Function& function, const Varying& varying, int lanes,
                 const std::vector<const Parameter*>& passed, llvm::Function* body, Emitter::Jams jams) {
    Emitter emitter(function, varying, lanes, options_.target, known_, body);
    emitter.allow_jams(jams);
    std::vector<Value*> values;
    for (llvm::Argument& argument : body->args())
      values.push_back(&argument);
    for (std::size_t i = 0; i < passed.size(); ++i) {
      llvm::Argument* argument = body->getArg(static_cast<unsigned>(i));
      argument->setName(passed[i]->name);
      if (argument->getType()->isPointerTy())
        set_array_attributes(*argument, function.type(passed[i]->value).reference,
                             passed[i]->axis == Axis::load ? 64 : 8);
    }
    llvm::Argument* workspace = body->getArg(static_cast<unsigned>(passed.size()));
    llvm::Argument* random = body->getArg(static_cast<unsigned>(passed.size()) + 1);
    workspace->setName("workspace");
    random->setName("random");
    set_array_attributes(*workspace, true, 64);
    random->addAttr(llvm::Attribute::NoAlias);
    random->addAttr(llvm::Attribute::ReadOnly);
    bind(emitter, function, passed, values);
    emitter.emit_body();
    emitter.builder().CreateRetVoid();
    emitter.finish();
  }

  void workspace_size(const ir::Function& function, const Varying& varying, int lanes, llvm::Function* size) {
    Emitter emitter(function, varying, lanes, options_.target, known_, size);
    // All slots are read here; those that are not needed vanish when the function is optimised.
    for (const Parameter& parameter : function.parameters) {
      if (parameter.axis != Axis::load)
        continue;
      Value* value = load_slot(emitter.builder(), size->getArg(0), function, parameter);
      if (function.type(parameter.value).is_scalar())
        emitter.set_scalar(parameter.value, value);
      else
        emitter.set_memory(parameter.value, value, false);
    }
    emitter.builder().CreateRet(emitter.emit_workspace_size());
    emitter.finish();
  }

  llvm::Constant* text(const std::string& value) {
    auto [entry, is_new] = texts_.try_emplace(value, nullptr);
    if (is_new) {
      llvm::Constant* bytes = llvm::ConstantDataArray::getString(context_, value);
      auto* global =
          new llvm::GlobalVariable(*module_, bytes->getType(), true, llvm::GlobalValue::PrivateLinkage, bytes, "text");
      global->setUnnamedAddr(llvm::GlobalValue::UnnamedAddr::Global);
      entry->second = global;
    }
    return entry->second;
  }

  llvm::Constant* number(std::int64_t value) { return llvm::ConstantInt::getSigned(word_, value); }

  llvm::Constant* table(const char* name, llvm::StructType* type, const std::vector<llvm::Constant*>& rows) {
    auto* array = llvm::ArrayType::get(type, rows.size());
    return new llvm::GlobalVariable(*module_, array, true, llvm::GlobalValue::PrivateLinkage,
                                    llvm::ConstantArray::get(array, rows), name);
  }

  llvm::Constant* kernel_row(const ir::Function& function, int lanes, const std::vector<const Parameter*>& arguments,
                             llvm::Constant* workspace, llvm::Constant* run) {
    auto* argument_type = llvm::StructType::get(context_, {pointer_, word_, word_, word_, word_});
    std::vector<llvm::Constant*> rows;
    for (const Parameter* parameter : arguments) {
      const ir::Type& type = function.type(parameter->value);
      rows.push_back(llvm::ConstantStruct::get(
          argument_type, {text(parameter->name), number(static_cast<int>(parameter->axis)),
                          number(type.reference ? 1 : 0), number(type.element == Element::index ? 1 : 0), number(0)}));
    }
    llvm::Constant* list = rows.empty() ? static_cast<llvm::Constant*>(llvm::ConstantPointerNull::get(pointer_))
                                        : table("arguments", argument_type, rows);
    auto* type = llvm::StructType::get(context_, {pointer_, word_, word_, pointer_, pointer_, pointer_});
    return llvm::ConstantStruct::get(type, {text(function.name), number(lanes),
                                            number(static_cast<std::int64_t>(arguments.size())), list, workspace, run});
  }

  /// int32 prepare(slots, host): 0, or 1 as soon as the host has no memory left.
  llvm::Constant* prepare(const ir::Function* function) {
    llvm::Function* into = make_function("prepare", word_, {pointer_, pointer_}, true);
    const auto found = options_.kernels.find("prepare");
    if (!function || (found != options_.kernels.end() && found->second.cold))
      into->addFnAttr(cold_attribute);
    else
      has_hot_ = true;
    if (!function) {
      llvm::IRBuilder<> builder(llvm::BasicBlock::Create(context_, "entry", into));
      builder.CreateRet(number(0));
      return into;
    }
    const Varying varying = find_varying(*function, 1);
    Emitter emitter(*function, varying, 1, options_.target, known_, into);
    llvm::IRBuilder<>& builder = emitter.builder();
    Value* slots = into->getArg(0);
    Value* host = into->getArg(1);
    for (const Parameter& parameter : function->parameters) {
      if (parameter.axis != Axis::load)
        ir::internal_error("code generation: 'prepare' has a parameter that is not known at load");
      Value* value = load_slot(builder, slots, *function, parameter);
      if (function->type(parameter.value).is_scalar())
        emitter.set_scalar(parameter.value, value);
      else
        emitter.set_memory(parameter.value, value, false);
    }
    Value* host_context = builder.CreateLoad(pointer_, host);
    const auto member = [&](unsigned index) {
      return builder.CreateLoad(pointer_, builder.CreateConstInBoundsGEP1_64(pointer_, host, index));
    };
    Value* allocate = member(1);
    Value* fail = member(2);
    llvm::BasicBlock* exhausted = llvm::BasicBlock::Create(context_, "exhausted", into);
    llvm::IRBuilder<>(exhausted).CreateRet(number(1));

    Emitter::Hooks hooks;
    hooks.allocate = [&](Value* bytes) -> Value* {
      auto* type = llvm::FunctionType::get(pointer_, {pointer_, wide_}, false);
      Value* memory = builder.CreateCall(type, allocate, {host_context, bytes});
      llvm::BasicBlock* next = llvm::BasicBlock::Create(context_, "allocated", into);
      builder.CreateCondBr(builder.CreateIsNull(memory), exhausted, next);
      builder.SetInsertPoint(next);
      return memory;
    };
    hooks.require = [&](const ir::Op& op) { emit_require(emitter, op, fail, host_context); };
    hooks.output = [&](const ir::Op& op) {
      const auto slot = slots_.find(op.symbol);
      if (slot == slots_.end())
        ir::internal_error("code generation: 'prepare' gives '" + op.symbol + "', which is no slot");
      const ir::ValueId given = op.operands[0];
      const ir::Type& type = function->type(given);
      Value* value = type.is_scalar() ? emitter.scalar(given) : emitter.memory(given).pointer;
      if (type.is_scalar() && type.element == Element::boolean)
        value = builder.CreateZExt(value, wide_);
      if (type.is_scalar() && type.element == Element::f32)
        value = builder.CreateFPExt(value, builder.getDoubleTy());
      builder.CreateStore(value, builder.CreateConstInBoundsGEP1_64(wide_, slots, slot->second));
    };
    emitter.set_hooks(std::move(hooks));
    emitter.emit_body();
    builder.CreateRet(number(0));
    emitter.finish();
    return into;
  }

  void emit_require(Emitter& emitter, const ir::Op& op, Value* fail, Value* host_context) {
    llvm::IRBuilder<>& builder = emitter.builder();
    llvm::Function* into = builder.GetInsertBlock()->getParent();
    char* end = nullptr;
    const std::int64_t message = std::strtoll(op.symbol.c_str(), &end, 10);
    if (op.symbol.empty() || *end != 0)
      ir::internal_error("code generation: the message '" + op.symbol + "' of a condition is not a number");
    const std::size_t count = op.operands.size() - 1;
    llvm::BasicBlock* failed = llvm::BasicBlock::Create(context_, "failed", into);
    llvm::BasicBlock* next = llvm::BasicBlock::Create(context_, "next", into);
    builder.CreateCondBr(emitter.scalar(op.operands[0]), next, failed);
    builder.SetInsertPoint(failed);
    auto* array = llvm::ArrayType::get(builder.getDoubleTy(), std::max<std::size_t>(count, 1));
    Value* values = llvm::IRBuilder<>(&into->getEntryBlock(), into->getEntryBlock().begin()).CreateAlloca(array);
    for (std::size_t i = 0; i < count; ++i) {
      Value* value = emitter.scalar(op.operands[i + 1]);
      if (value->getType()->isIntegerTy(1))
        value = builder.CreateUIToFP(value, builder.getDoubleTy());
      else if (value->getType()->isIntegerTy())
        value = builder.CreateSIToFP(value, builder.getDoubleTy());
      else
        value = builder.CreateFPCast(value, builder.getDoubleTy());
      builder.CreateStore(value, builder.CreateConstInBoundsGEP2_64(array, values, 0, i));
    }
    auto* type = llvm::FunctionType::get(builder.getVoidTy(), {pointer_, wide_, pointer_, wide_}, false);
    builder.CreateCall(
        type, fail,
        {host_context, builder.getInt64(static_cast<std::uint64_t>(message)), values, builder.getInt64(count)});
    builder.CreateBr(next);
    builder.SetInsertPoint(next);
  }

  /// The struct vmodel_model; the one symbol that is exported.
  void export_model(const std::vector<llvm::Constant*>& rows, llvm::Constant* prepare_function) {
    auto* row = llvm::StructType::get(context_, {pointer_, word_, word_, pointer_, pointer_, pointer_});
    auto* type =
        llvm::StructType::get(context_, {word_, word_, pointer_, word_, word_, pointer_, word_, word_, pointer_});
    const auto size = static_cast<std::int64_t>(module_->getDataLayout().getTypeAllocSize(type).getFixedValue());
    llvm::Constant* value = llvm::ConstantStruct::get(type, {number(1), number(size), text(options_.metadata),
                                                             number(static_cast<std::int64_t>(options_.slots.size())),
                                                             number(options_.data_count), prepare_function,
                                                             number(static_cast<std::int64_t>(rows.size())),
                                                             number(options_.size_count), table("kernels", row, rows)});
    auto* model = llvm::cast<llvm::GlobalVariable>(module_->getOrInsertGlobal("vmodel_model", type));
    model->setConstant(true);
    model->setInitializer(value);
  }

  const ir::Module& kernels_;
  const Options& options_;
  llvm::LLVMContext& context_;
  Part part_;
  std::map<std::string, ir::Range> known_; // of data and of what follows from them, by parameter
  std::unique_ptr<llvm::Module> module_;
  bool has_hot_ = false;
  std::set<std::pair<int, bool>> random_; // lanes, normal: the generators that kernels call
  std::map<std::string, std::size_t> slots_;
  std::map<std::string, llvm::Constant*> texts_;
  llvm::PointerType* pointer_;
  llvm::IntegerType* word_;
  llvm::IntegerType* wide_;
};

} // namespace

std::unique_ptr<llvm::Module> generate(const ir::Module& kernels, const Options& options, llvm::LLVMContext& context) {
  return Generator(kernels, options, context, {}).run();
}

std::unique_ptr<llvm::Module> generate(const ir::Module& kernels, const Options& options, llvm::LLVMContext& context,
                                       Part part) {
  return Generator(kernels, options, context, part).run();
}

} // namespace vmodel::codegen
