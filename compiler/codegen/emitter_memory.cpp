// Arrays: addresses, loads and stores, temporaries.
#include "compiler/codegen/emitter.h"
#include "compiler/ir/typing.h"

#include <algorithm>
#include <utility>

namespace vmodel::codegen {

using ir::Element;
using ir::Opcode;
using ir::ValueId;
using llvm::Value;

namespace {

constexpr std::int64_t small_bytes = 1024; // temporaries up to this size lie on the stack, where LLVM may break them up
constexpr std::int64_t alignment = 64;

std::int64_t size_of(Element element) {
  return element == Element::boolean ? 1 : element == Element::f32 ? 4 : 8;
}

} // namespace

Value* Emitter::extent(const ir::Dim& dim) const {
  return dim.value ? scalar(dim.value)
                   : const_cast<Emitter*>(this)->builder_.getInt64(static_cast<std::uint64_t>(dim.constant));
}

const Memory& Emitter::memory(ValueId value) const {
  const auto found = memories_.find(varying_->root[value.id].id);
  if (found == memories_.end())
    ir::internal_error("code generation: array " + std::to_string(value.id) + " of @" + function_.name +
                       " is used before it is defined");
  return found->second;
}

Value* Emitter::load_argument(ValueId value, Value* pointer) {
  llvm::Type* type = element_type(function_.type(value).element);
  if (is_varying(value))
    return builder_.CreateAlignedLoad(llvm::VectorType::get(type, static_cast<unsigned>(lanes_), false), pointer,
                                      llvm::Align(8));
  return builder_.CreateAlignedLoad(type, pointer, llvm::Align(8));
}

void Emitter::set_memory(ValueId value, Value* pointer, bool own, std::uint64_t alignment) {
  Memory made;
  made.pointer = pointer;
  made.varying = is_varying(value);
  made.depth = depth_;
  made.alignment = alignment;
  if (own) {
    made.scope = llvm::MDBuilder(into_->getContext()).createAnonymousAliasScope(scope_domain_);
    scopes_.push_back(made.scope);
  }
  memories_[varying_->root[value.id].id] = made;
}

llvm::Instruction* Emitter::annotate(llvm::Instruction* access, const Memory& memory) {
  if (memory.scope)
    accesses_.push_back({access, memory.scope});
  return access;
}

void Emitter::finish() {
  llvm::LLVMContext& context = into_->getContext();
  std::map<llvm::MDNode*, llvm::MDNode*> others;
  for (llvm::MDNode* scope : scopes_) {
    std::vector<llvm::Metadata*> list;
    for (llvm::MDNode* other : scopes_)
      if (other != scope)
        list.push_back(other);
    others[scope] = list.empty() ? nullptr : llvm::MDNode::get(context, list);
  }
  for (const Access& access : accesses_) {
    access.instruction->setMetadata(llvm::LLVMContext::MD_alias_scope, llvm::MDNode::get(context, {access.scope}));
    if (llvm::MDNode* list = others[access.scope])
      access.instruction->setMetadata(llvm::LLVMContext::MD_noalias, list);
  }
}

/// The flat row-major index, by Horner's rule over the extents, and the address of its element.
Emitter::Address Emitter::address(ValueId array, const std::vector<ValueId>& indices) {
  if (const std::optional<Address> beside = beside_first_copy(array, indices))
    return *beside;
  const Memory& at = memory(array);
  const ir::Type& type = function_.type(array);
  Address result;
  const auto is_vector = [&](ValueId index) { return scalar(index)->getType()->isVectorTy(); };
  result.rows = rows_ && !indices.empty() && rows_->consecutive[indices.back().id] &&
                std::none_of(indices.begin(), indices.end() - 1, is_vector);
  const bool varies = !result.rows && std::any_of(indices.begin(), indices.end(), is_vector);
  Value* flat = nullptr;
  for (std::size_t i = 0; i < indices.size(); ++i) {
    Value* index = varies                                   ? widened(indices[i])
                   : result.rows && i + 1 == indices.size() ? first_row(indices[i])
                                                            : scalar(indices[i]);
    Value* size = extent(type.dims[i]);
    if (hooks_.allocate) {
      Value* inside = builder_.CreateICmpULT(index, size);
      result.valid = result.valid ? builder_.CreateAnd(result.valid, inside) : inside;
    }
    if (flat) {
      Value* scaled = builder_.CreateMul(flat, varies ? widen(size) : size, "", false, true);
      flat = builder_.CreateAdd(scaled, index, "", false, true);
    } else {
      flat = index;
    }
  }
  if (!flat)
    flat = builder_.getInt64(0);
  llvm::Type* stored = stored_type(type.element);
  result.gathered = varies;
  if (at.varying) {
    Value* width = builder_.getInt64(static_cast<std::uint64_t>(lanes_));
    flat = builder_.CreateMul(flat, varies ? widen(width) : width, "", false, true);
    if (varies) {
      std::vector<llvm::Constant*> numbers;
      for (int lane = 0; lane < lanes_; ++lane)
        numbers.push_back(builder_.getInt64(static_cast<std::uint64_t>(lane)));
      flat = builder_.CreateAdd(flat, llvm::ConstantVector::get(numbers), "", false, true);
    }
  }
  if (result.valid)
    flat = builder_.CreateSelect(result.valid, flat, builder_.getInt64(0));
  result.pointer = builder_.CreateInBoundsGEP(stored, at.pointer, flat);
  return result;
}

/// Of copies whose elements stand side by side, the first one's address and a constant distance: an address of its own
/// for each costs more instructions than what is done with the element.
std::optional<Emitter::Address> Emitter::beside_first_copy(ValueId array, const std::vector<ValueId>& indices) {
  if (!jam_ || copy_ == 0 || is_again_ || rows_ || hooks_.allocate || indices.empty() || jam_->differs[array.id])
    return std::nullopt;
  for (std::size_t i = 0; i + 1 < indices.size(); ++i)
    if (step_of(*jam_, indices[i]) != 0)
      return std::nullopt;
  const std::optional<std::int64_t> step = step_of(*jam_, indices.back());
  if (!step || *step == 0)
    return std::nullopt;
  const std::size_t copy = std::exchange(copy_, 0);
  Address result = address(array, indices);
  copy_ = copy;
  const std::int64_t distance = static_cast<std::int64_t>(copy) * *step * (memory(array).varying ? lanes_ : 1);
  result.pointer = builder_.CreateInBoundsGEP(stored_type(function_.type(array).element), result.pointer,
                                              builder_.getInt64(static_cast<std::uint64_t>(distance)));
  return result;
}

/// The alignment of all lanes of one element.
llvm::Align Emitter::lane_alignment(const Memory& at, Element element) const {
  return llvm::Align(std::min(static_cast<std::uint64_t>(size_of(element) * lanes_), at.alignment));
}

Value* Emitter::load_from(ValueId array, const Address& at) {
  const Memory& from = memory(array);
  const Element element = function_.type(array).element;
  llvm::Type* stored = stored_type(element);
  const llvm::Align align(static_cast<std::uint64_t>(size_of(element)));
  Value* loaded = nullptr;
  if (at.gathered) {
    llvm::Type* type = llvm::VectorType::get(stored, static_cast<unsigned>(lanes_), false);
    Value* mask = mask_ ? mask_ : builder_.CreateVectorSplat(static_cast<unsigned>(lanes_), builder_.getTrue());
    loaded =
        annotate(builder_.CreateMaskedGather(type, at.pointer, align, mask, llvm::Constant::getNullValue(type)), from);
  } else if (at.rows && mask_) {
    llvm::Type* type = llvm::VectorType::get(stored, static_cast<unsigned>(lanes_), false);
    loaded =
        annotate(builder_.CreateMaskedLoad(type, at.pointer, align, mask_, llvm::Constant::getNullValue(type)), from);
  } else if (from.varying || at.rows) {
    llvm::Type* type = llvm::VectorType::get(stored, static_cast<unsigned>(lanes_), false);
    loaded =
        annotate(builder_.CreateAlignedLoad(type, at.pointer, at.rows ? align : lane_alignment(from, element)), from);
  } else {
    Value* pointer = at.pointer;
    if (at.valid) {
      // Prepare goes on after a failed condition: reads outside of an array give zero.
      llvm::AllocaInst* nothing =
          llvm::IRBuilder<>(&into_->getEntryBlock(), into_->getEntryBlock().begin()).CreateAlloca(stored);
      builder_.CreateStore(llvm::Constant::getNullValue(stored), nothing);
      pointer = builder_.CreateSelect(at.valid, pointer, nothing);
      loaded = builder_.CreateAlignedLoad(stored, pointer, align);
    } else {
      loaded = annotate(builder_.CreateAlignedLoad(stored, pointer, align), from);
    }
  }
  if (element != Element::boolean)
    return loaded;
  return builder_.CreateICmpNE(loaded, llvm::Constant::getNullValue(loaded->getType()));
}

/// Stores under the mask where the memory was made outside of it: lanes that are not active keep what they have.
void Emitter::store_to(ValueId reference, const Address& at, Value* value) {
  const Memory to = memory(reference);
  const Element element = function_.type(reference).element;
  llvm::Type* stored = stored_type(element);
  if (element == Element::boolean) {
    llvm::Type* type =
        value->getType()->isVectorTy() ? llvm::VectorType::get(stored, static_cast<unsigned>(lanes_), false) : stored;
    value = builder_.CreateZExt(value, type);
  }
  const llvm::Align align(static_cast<std::uint64_t>(size_of(element)));
  const bool blended = mask_ && to.varying && depth_ > to.depth;
  if (at.gathered) {
    Value* mask = mask_ ? mask_ : builder_.CreateVectorSplat(static_cast<unsigned>(lanes_), builder_.getTrue());
    annotate(builder_.CreateMaskedScatter(widen(value), at.pointer, align, mask), to);
    return;
  }
  if (at.rows) {
    if (mask_)
      annotate(builder_.CreateMaskedStore(widen(value), at.pointer, align, mask_), to);
    else
      annotate(builder_.CreateAlignedStore(widen(value), at.pointer, align), to);
    return;
  }
  if (to.varying) {
    value = widen(value);
    const llvm::Align wide = lane_alignment(to, element);
    if (blended) {
      Value* old = annotate(builder_.CreateAlignedLoad(value->getType(), at.pointer, wide), to);
      value = builder_.CreateSelect(mask_, value, old);
    }
    annotate(builder_.CreateAlignedStore(value, at.pointer, wide), to);
    return;
  }
  if (at.valid) {
    llvm::AllocaInst* nowhere =
        llvm::IRBuilder<>(&into_->getEntryBlock(), into_->getEntryBlock().begin()).CreateAlloca(stored);
    builder_.CreateAlignedStore(value, builder_.CreateSelect(at.valid, at.pointer, nowhere), align);
    return;
  }
  annotate(builder_.CreateAlignedStore(value, at.pointer, align), to);
}

void Emitter::emit_load(const ir::Op& op) {
  const Address at = address(op.operands[0], {op.operands.begin() + 1, op.operands.end()});
  define(op.results[0], load_from(op.operands[0], at));
}

void Emitter::emit_store(const ir::Op& op) {
  if (op.opcode == Opcode::accumulate_ && rows_) {
    accumulate_rows(op, widened(op.operands.back()));
    return;
  }
  const ValueId reference = op.operands[0];
  const Address at = address(reference, {op.operands.begin() + 1, op.operands.end() - 1});
  if (op.opcode == Opcode::store_)
    store_to(reference, at, scalar(op.operands.back()));
  else
    add_to(reference, at, scalar(op.operands.back()));
}

void Emitter::add_to(ValueId reference, const Address& at, Value* value) {
  Value* old = load_from(reference, at);
  if (old->getType()->isVectorTy())
    value = widen(value);
  store_to(reference, at, plus(old, value));
}

bool Emitter::is_small(const ir::Op& op) const {
  const ir::Type& type = function_.type(op.results[0]);
  std::int64_t bytes = size_of(type.element) * (is_varying(op.results[0]) ? lanes_ : 1);
  for (const ir::Dim& dim : type.dims) {
    if (dim.value || dim.constant < 0 || dim.constant > small_bytes)
      return false;
    bytes *= dim.constant;
    if (bytes > small_bytes)
      return false;
  }
  return true;
}

/// Bytes of an array, a multiple of the alignment; nothing for a negative extent.
Value* Emitter::byte_count(const ir::Op& op) {
  const ir::Type& type = function_.type(op.results[0]);
  Value* bytes =
      builder_.getInt64(static_cast<std::uint64_t>(size_of(type.element) * (is_varying(op.results[0]) ? lanes_ : 1)));
  for (const ir::Dim& dim : type.dims) {
    Value* size = builder_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, extent(dim), builder_.getInt64(0));
    bytes = builder_.CreateMul(bytes, size);
  }
  Value* padded = builder_.CreateAdd(bytes, builder_.getInt64(alignment - 1));
  return builder_.CreateAnd(padded, builder_.getInt64(static_cast<std::uint64_t>(-alignment)));
}

/// Gives an array or reference its memory: the stack, the workspace, or what the host of prepare gives.
void Emitter::make_memory(const ir::Op& op) {
  const ValueId result = op.results[0];
  const bool kept = hooks_.allocate && nesting_ == 1;
  if (is_small(op) && !kept) {
    std::uint64_t count = is_varying(result) ? static_cast<std::uint64_t>(lanes_) : 1;
    for (const ir::Dim& dim : function_.type(result).dims)
      count *= static_cast<std::uint64_t>(dim.constant);
    // As long as byte_count says, which is what zeroing writes; and room for one element where the size is zero.
    const auto width = static_cast<std::uint64_t>(size_of(function_.type(result).element));
    count = (std::max<std::uint64_t>(count * width, 1) + alignment - 1) / alignment * alignment / width;
    llvm::IRBuilder<> entry(&into_->getEntryBlock(), into_->getEntryBlock().begin());
    llvm::AllocaInst* slot =
        entry.CreateAlloca(llvm::ArrayType::get(stored_type(function_.type(result).element), count));
    slot->setAlignment(llvm::Align(alignment));
    set_memory(result, slot, true);
    return;
  }
  if (kept) {
    set_memory(result, hooks_.allocate(byte_count(op)), false);
    return;
  }
  if (!workspace_)
    ir::internal_error("code generation: @" + function_.name + " needs memory where there is none");
  const auto planned = offsets_.find(&op);
  if (planned != offsets_.end()) {
    set_memory(result, builder_.CreateInBoundsGEP(builder_.getInt8Ty(), workspace_, planned->second), true);
    return;
  }
  // Its size is known only here: stacked above what is in use. Nothing is said about overlaps.
  set_memory(result, builder_.CreateInBoundsGEP(builder_.getInt8Ty(), workspace_, top_), false);
  top_ = builder_.CreateAdd(top_, byte_count(op));
}

void Emitter::emit_alloc(const ir::Op& op) {
  make_memory(op);
  if (op.integer != 1)
    return;
  builder_.CreateMemSet(memory(op.results[0]).pointer, builder_.getInt8(0), byte_count(op),
                        llvm::MaybeAlign(alignment));
}

void Emitter::emit_build(const ir::Op& op) {
  make_memory(op);
  const ir::Region& body = op.regions[0];
  std::vector<Value*> extents;
  for (const ValueId operand : op.operands)
    extents.push_back(scalar(operand));
  if (const std::optional<Rows> rows = find_rows(op, extents)) {
    emit_rows(op, *rows, extents);
    return;
  }
  const auto store = [&] {
    const Address at = address(op.results[0], body.arguments);
    store_to(op.results[0], at, scalar(body.yields[0]));
  };
  if (const std::optional<Jam> jam = plan(op)) {
    jammed_nest(op, *jam, extents, {}, [&](std::vector<Value*>&, Value*, std::size_t copies) {
      for (copy_ = 0; copy_ < copies; ++copy_)
        store();
      copy_ = 0;
    });
    return;
  }
  nest(extents, body.arguments, 0, {}, [&](const std::vector<Value*>&) -> std::vector<Value*> {
    emit_region(body);
    store();
    return {};
  });
}

} // namespace vmodel::codegen
