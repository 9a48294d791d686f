// Regions: loops, conditions, masks.
#include "compiler/codegen/emitter.h"
#include "compiler/ir/rewrite.h"
#include "compiler/ir/typing.h"

namespace vmodel::codegen {

using ir::Opcode;
using ir::Region;
using ir::ValueId;
using llvm::BasicBlock;
using llvm::Value;

namespace {

/// Regions of more operations than this are skipped by a branch where no lane is active.
constexpr std::size_t cheap_operations = 24;
/// Of regions that reach into arrays, more instructions than this. Which lanes are active changes from turn to turn in
/// a way that processors cannot guess, and a wrong guess costs some forty instructions.
constexpr double cheap_instructions = 8;

} // namespace

BasicBlock* Emitter::block(const char* name) {
  return BasicBlock::Create(into_->getContext(), name, into_);
}

void Emitter::emit_body() {
  if (!hooks_.allocate)
    plan_workspace();
  emit_region(function_.body);
}

void Emitter::emit_region(const Region& region) {
  Value* top = top_;
  ++nesting_;
  for (const ir::Op& op : region.ops)
    if (jam_ && !in_copy_)
      emit_copies(op);
    else
      emit_op(op);
  --nesting_;
  if (nesting_ > 0)
    top_ = top;
}

void Emitter::emit_op(const ir::Op& op) {
  if (hooks_.allocate && nesting_ == 1 && !op.regions.empty())
    reserve_scratch(op);
  if (skipped_.contains(&op))
    return;
  switch (op.opcode) {
  case Opcode::load_: emit_load(op); return;
  case Opcode::store_:
  case Opcode::accumulate_: emit_store(op); return;
  case Opcode::alloc_: emit_alloc(op); return;
  case Opcode::build_: emit_build(op); return;
  case Opcode::freeze_: return; // the same root
  case Opcode::reduce_: emit_reduce(op); return;
  case Opcode::loop_: emit_loop(op); return;
  case Opcode::if_: emit_if(op); return;
  case Opcode::while_: emit_while(op); return;
  case Opcode::output_:
  case Opcode::require_: {
    const auto& hook = op.opcode == Opcode::output_ ? hooks_.output : hooks_.require;
    if (!hook)
      ir::internal_error(std::string("code generation: '") + ir::name(op.opcode) + "' outside of prepare, in @" +
                         function_.name);
    hook(op);
    return;
  }
  case Opcode::call_:
  case Opcode::site_:
    ir::internal_error(std::string("code generation: '") + ir::name(op.opcode) + "' in @" + function_.name);
  default: break;
  }
  define(op.results[0], emit_scalar(op));
}

/// for (index = 0; index < count; ++index) carried = body(index, carried)
std::vector<Value*> Emitter::counted_loop(Value* count, const std::vector<Value*>& carried, const IndexedBody& body) {
  if (const auto* constant = llvm::dyn_cast<llvm::ConstantInt>(count); constant && constant->getSExtValue() <= 1)
    return constant->getSExtValue() < 1 ? carried : body(builder_.getInt64(0), carried);
  return stepped_loop(builder_.getInt64(0), count, 1, carried, body).values;
}

/// for (index = first; index < end; index += step) carried = body(index, carried)
Emitter::AfterLoop Emitter::stepped_loop(Value* first, Value* end, int step, const std::vector<Value*>& carried,
                                         const IndexedBody& body) {
  BasicBlock* before = builder_.GetInsertBlock();
  BasicBlock* header = block("loop");
  BasicBlock* inside = block("body");
  BasicBlock* after = block("after");
  builder_.CreateBr(header);
  builder_.SetInsertPoint(header);
  llvm::PHINode* index = builder_.CreatePHI(builder_.getInt64Ty(), 2);
  index->addIncoming(first, before);
  std::vector<Value*> values;
  for (Value* initial : carried) {
    llvm::PHINode* phi = builder_.CreatePHI(initial->getType(), 2);
    phi->addIncoming(initial, before);
    values.push_back(phi);
  }
  builder_.CreateCondBr(builder_.CreateICmpSLT(index, end), inside, after);
  builder_.SetInsertPoint(inside);
  const std::vector<Value*> next = body(index, values);
  Value* stride = builder_.getInt64(static_cast<std::uint64_t>(step));
  index->addIncoming(builder_.CreateAdd(index, stride, "", true, true), builder_.GetInsertBlock());
  for (std::size_t i = 0; i < next.size(); ++i)
    llvm::cast<llvm::PHINode>(values[i])->addIncoming(next[i], builder_.GetInsertBlock());
  builder_.CreateBr(header);
  builder_.SetInsertPoint(after);
  return {index, std::move(values)};
}

/// Loops over all extents from `level` on, the last one innermost.
std::vector<Value*> Emitter::nest(const std::vector<Value*>& extents, const std::vector<ValueId>& indices,
                                  std::size_t level, const std::vector<Value*>& carried,
                                  const std::function<std::vector<Value*>(const std::vector<Value*>&)>& body) {
  if (level == extents.size())
    return body(carried);
  return counted_loop(extents[level], carried, [&](Value* index, const std::vector<Value*>& inner) {
    set_scalar(indices[level], index);
    return nest(extents, indices, level + 1, inner, body);
  });
}

void Emitter::emit_loop(const ir::Op& op) {
  const Region& body = op.regions[0];
  Value* count = scalar(op.operands[0]);
  std::vector<Value*> initial;
  for (std::size_t i = 0; i < op.results.size(); ++i)
    initial.push_back(is_varying(op.results[i]) ? widened(op.operands[i + 1]) : scalar(op.operands[i + 1]));
  const std::vector<Value*> last = counted_loop(count, initial, [&](Value* index, const std::vector<Value*>& carried) {
    if (op.integer == 1)
      index = builder_.CreateSub(builder_.CreateSub(count, builder_.getInt64(1)), index, "", false, true);
    set_scalar(body.arguments[0], index);
    for (std::size_t i = 0; i < carried.size(); ++i)
      set_scalar(body.arguments[i + 1], carried[i]);
    emit_region(body);
    std::vector<Value*> next;
    for (std::size_t i = 0; i < carried.size(); ++i)
      next.push_back(carried[i]->getType()->isVectorTy() ? widened(body.yields[i]) : scalar(body.yields[i]));
    return next;
  });
  for (std::size_t i = 0; i < last.size(); ++i)
    define(op.results[i], last[i]);
}

void Emitter::emit_if(const ir::Op& op) {
  if (scalar(op.operands[0])->getType()->isVectorTy())
    emit_varying_if(op);
  else
    emit_uniform_if(op);
}

void Emitter::emit_uniform_if(const ir::Op& op) {
  BasicBlock* sides[2] = {block("then"), block("else")};
  BasicBlock* after = block("after");
  builder_.CreateCondBr(scalar(op.operands[0]), sides[0], sides[1]);
  std::vector<Value*> given[2];
  BasicBlock* ends[2];
  for (int side = 0; side < 2; ++side) {
    builder_.SetInsertPoint(sides[side]);
    emit_region(op.regions[side]);
    for (std::size_t i = 0; i < op.results.size(); ++i) {
      const ValueId yield = op.regions[side].yields[i];
      given[side].push_back(is_varying(op.results[i]) ? widened(yield) : scalar(yield));
    }
    ends[side] = builder_.GetInsertBlock();
    builder_.CreateBr(after);
  }
  builder_.SetInsertPoint(after);
  for (std::size_t i = 0; i < op.results.size(); ++i) {
    llvm::PHINode* phi = builder_.CreatePHI(given[0][i]->getType(), 2);
    phi->addIncoming(given[0][i], ends[0]);
    phi->addIncoming(given[1][i], ends[1]);
    define(op.results[i], phi);
  }
}

/// Only arithmetic that costs less than a branch, and nothing that could go wrong in lanes that do not want it.
bool Emitter::is_cheap(const Region& region) {
  if (region.ops.size() > cheap_operations)
    return false;
  bool reaches = false;
  double total = 0;
  for (const ir::Op& op : region.ops) {
    if (!op.regions.empty() || op.opcode == Opcode::random_)
      return false;
    total += instructions(op.opcode);
    if (op.opcode != Opcode::load_ && op.opcode != Opcode::accumulate_ && op.opcode != Opcode::store_)
      continue;
    // An index that is right in the selected lanes only must not be read where there are none.
    const std::vector<ir::Dim>& dims = function_.type(op.operands[0]).dims;
    for (std::size_t i = 0; i < dims.size(); ++i) {
      reaches = true;
      if (!is_within(op.operands[i + 1], dims[i]))
        return false;
    }
  }
  return !reaches || total <= cheap_instructions;
}

/// Whether an index is within an extent wherever it is computed.
bool Emitter::is_within(ValueId index, const ir::Dim& extent) {
  if (rows_)
    return false; // lanes are iterations, of which the last ones may not exist
  if (!extent.value) {
    const ir::Range range = ranges_(index);
    return range.low >= 0 && range.high < static_cast<double>(extent.constant);
  }
  if (turns_.empty()) {
    ir::for_each_op(function_.body, [&](const ir::Op& op) {
      const bool is_nest = op.opcode == Opcode::reduce_ || op.opcode == Opcode::build_;
      for (std::size_t i = 0; is_nest && i < op.operands.size(); ++i)
        turns_[op.regions[0].arguments[i].id] = op.operands[i];
      if (op.opcode == Opcode::loop_)
        turns_[op.regions[0].arguments[0].id] = op.operands[0];
    });
  }
  const auto turns = turns_.find(index.id);
  return turns != turns_.end() && turns->second == extent.value;
}

/// Runs a region for the lanes of a mask; with `branch`, not at all where there are none.
std::vector<Value*> Emitter::masked_region(const Region& region, const std::vector<ValueId>& results, Value* mask) {
  Value* outer = mask_;
  const auto yields = [&] {
    std::vector<Value*> values;
    for (std::size_t i = 0; i < results.size(); ++i)
      values.push_back(widened(region.yields[i]));
    return values;
  };
  mask_ = mask;
  ++depth_;
  std::vector<Value*> given;
  if (region.ops.empty()) {
    given = yields();
  } else if (is_cheap(region)) {
    emit_region(region);
    given = yields();
  } else {
    BasicBlock* before = nullptr;
    BasicBlock* inside = block("lanes");
    BasicBlock* after = block("after");
    Value* any = any_lane(mask);
    before = builder_.GetInsertBlock();
    builder_.CreateCondBr(any, inside, after);
    builder_.SetInsertPoint(inside);
    emit_region(region);
    const std::vector<Value*> values = yields();
    BasicBlock* end = builder_.GetInsertBlock();
    builder_.CreateBr(after);
    builder_.SetInsertPoint(after);
    for (Value* value : values) {
      llvm::PHINode* phi = builder_.CreatePHI(value->getType(), 2);
      phi->addIncoming(llvm::Constant::getNullValue(value->getType()), before);
      phi->addIncoming(value, end);
      given.push_back(phi);
    }
  }
  --depth_;
  mask_ = outer;
  return given;
}

void Emitter::emit_varying_if(const ir::Op& op) {
  Value* condition = scalar(op.operands[0]);
  Value* opposite = builder_.CreateNot(condition);
  Value* masks[2] = {mask_ ? builder_.CreateAnd(mask_, condition) : condition,
                     mask_ ? builder_.CreateAnd(mask_, opposite) : opposite};
  const std::vector<Value*> first = masked_region(op.regions[0], op.results, masks[0]);
  const std::vector<Value*> second = masked_region(op.regions[1], op.results, masks[1]);
  for (std::size_t i = 0; i < op.results.size(); ++i)
    define(op.results[i], builder_.CreateSelect(condition, first[i], second[i]));
}

/// Lanes whose condition is false keep their values; the loop ends when no lane is active.
void Emitter::emit_while(const ir::Op& op) {
  const Region& test = op.regions[0];
  const Region& body = op.regions[1];
  const bool varying = is_varying(test.yields[0]);
  BasicBlock* header = block("while");
  BasicBlock* inside = block("body");
  BasicBlock* after = block("after");
  std::vector<Value*> initial;
  for (std::size_t i = 0; i < op.results.size(); ++i)
    initial.push_back(is_varying(op.results[i]) ? widened(op.operands[i]) : scalar(op.operands[i]));
  Value* all = varying ? (mask_ ? mask_ : widen(builder_.getTrue())) : nullptr;
  BasicBlock* before = builder_.GetInsertBlock();
  builder_.CreateBr(header);
  builder_.SetInsertPoint(header);
  std::vector<llvm::PHINode*> carried;
  for (Value* value : initial) {
    carried.push_back(builder_.CreatePHI(value->getType(), 2));
    carried.back()->addIncoming(value, before);
  }
  llvm::PHINode* active = nullptr;
  Value* outer = mask_;
  if (varying) {
    active = builder_.CreatePHI(all->getType(), 2);
    active->addIncoming(all, before);
    mask_ = active;
    ++depth_;
  }
  for (std::size_t i = 0; i < carried.size(); ++i) {
    set_scalar(test.arguments[i], carried[i]);
    set_scalar(body.arguments[i], carried[i]);
  }
  emit_region(test);
  Value* condition = scalar(test.yields[0]);
  if (varying)
    condition = mask_ = builder_.CreateAnd(active, widen(condition));
  builder_.CreateCondBr(any_lane(condition), inside, after);
  builder_.SetInsertPoint(inside);
  emit_region(body);
  for (std::size_t i = 0; i < carried.size(); ++i) {
    Value* next = carried[i]->getType()->isVectorTy() ? widened(body.yields[i]) : scalar(body.yields[i]);
    if (varying)
      next = builder_.CreateSelect(condition, next, carried[i]);
    carried[i]->addIncoming(next, builder_.GetInsertBlock());
  }
  if (varying) {
    active->addIncoming(condition, builder_.GetInsertBlock());
    --depth_;
  }
  builder_.CreateBr(header);
  mask_ = outer;
  builder_.SetInsertPoint(after);
  for (std::size_t i = 0; i < carried.size(); ++i)
    define(op.results[i], carried[i]);
}

} // namespace vmodel::codegen
