// Where temporaries lie, and how much memory they need.
//
// A temporary whose extents are arithmetic of the function's parameters has a place of its own for the whole call, so
// that its accesses never overlap those of another. The others (their extents depend on a loop's index) are stacked on
// top and released at the end of their region; the bytes for these are found by running the loops around them with
// everything left out that no extent needs.
#include "compiler/codegen/emitter.h"
#include "compiler/ir/rewrite.h"
#include "compiler/ir/typing.h"

namespace vmodel::codegen {

using ir::Opcode;
using ir::Region;
using ir::ValueId;
using llvm::Value;

namespace {

bool makes_memory(const ir::Op& op) {
  return op.opcode == Opcode::alloc_ || op.opcode == Opcode::build_;
}

/// Operations that may be done earlier than they stand: of scalars, without effect.
bool is_movable(const ir::Op& op, bool at_top) {
  if (!op.regions.empty() || op.results.size() != 1)
    return false;
  switch (op.opcode) {
  case Opcode::load_: return at_top; // elsewhere, a condition may guard the index
  case Opcode::alloc_:
  case Opcode::freeze_:
  case Opcode::random_:
  case Opcode::lane_sum_: return false;
  default: return true;
  }
}

} // namespace

void Emitter::plan_workspace() {
  const std::function<void(const Region&, bool)> visit = [&](const Region& region, bool at_top) {
    for (const ir::Op& op : region.ops) {
      if (is_movable(op, at_top))
        definitions_[op.results[0].id] = &op;
      for (const Region& inner : op.regions)
        visit(inner, false);
    }
  };
  visit(function_.body, true);
  top_ = builder_.getInt64(0);
  ir::for_each_op(function_.body, [&](const ir::Op& op) {
    if (!makes_memory(op) || is_small(op))
      return;
    if (!hooks_.allocate && is_static(op)) {
      for (const ir::Dim& dim : function_.type(op.results[0]).dims)
        if (dim.value)
          rematerialise(dim.value);
      offsets_[&op] = top_;
      top_ = builder_.CreateAdd(top_, byte_count(op), "", false, true);
    } else {
      dynamic_.insert(&op);
    }
  });
}

bool Emitter::is_static(const ir::Op& op) const {
  for (const ir::Dim& dim : function_.type(op.results[0]).dims)
    if (dim.value && !can_rematerialise(dim.value))
      return false;
  return true;
}

bool Emitter::can_rematerialise(ValueId value) const {
  const auto found = definitions_.find(value.id);
  if (found == definitions_.end()) {
    for (const ir::Parameter& parameter : function_.parameters)
      if (parameter.value == value)
        return true;
    return false;
  }
  for (const ValueId operand : found->second->operands)
    if (!can_rematerialise(operand))
      return false;
  return true;
}

/// Emits a value at the insertion point from parameters.
void Emitter::rematerialise(ValueId value) {
  const auto found = definitions_.find(value.id);
  if (scalars_[value.id] || found == definitions_.end())
    return;
  for (const ValueId operand : found->second->operands)
    rematerialise(operand);
  emit_op(*found->second);
}

Value* Emitter::emit_workspace_size() {
  plan_workspace();
  if (dynamic_.empty())
    return top_;
  find_needed(function_.body.ops);
  return stacked_size(function_.body.ops, top_);
}

/// Marks the values from which extents of stacked temporaries, and the loops around them, are computed.
void Emitter::find_needed(std::span<const ir::Op> ops) {
  needed_.assign(function_.values.size(), false);
  around_.clear();
  std::map<std::uint32_t, const ir::Op*> producers;
  std::vector<ValueId> open;
  const std::function<bool(std::span<const ir::Op>)> visit = [&](std::span<const ir::Op> inside) {
    bool found = false;
    for (const ir::Op& op : inside) {
      for (const ValueId result : op.results)
        producers[result.id] = &op;
      bool here = dynamic_.contains(&op);
      for (const Region& inner : op.regions)
        here = visit(inner.ops) || here;
      if (!here)
        continue;
      found = true;
      around_.insert(&op);
      const std::size_t count = op.opcode == Opcode::if_ ? 1 : ir::extent_count(function_, op);
      open.insert(open.end(), op.operands.begin(), op.operands.begin() + static_cast<std::ptrdiff_t>(count));
    }
    return found;
  };
  visit(ops);
  while (!open.empty()) {
    const ValueId value = open.back();
    open.pop_back();
    if (needed_[value.id])
      continue;
    needed_[value.id] = true;
    const auto producer = producers.find(value.id);
    if (producer == producers.end())
      continue;
    const std::vector<ValueId> used = ir::free_values(function_, *producer->second);
    open.insert(open.end(), used.begin(), used.end());
  }
}

/// The highest offset that the stacked temporaries of some operations reach, from `offset` on.
Value* Emitter::stacked_size(std::span<const ir::Op> ops, Value* offset) {
  const auto larger = [&](Value* a, Value* b) { return builder_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, a, b); };
  Value* highest = offset;
  for (const ir::Op& op : ops) {
    if (dynamic_.contains(&op)) {
      offset = builder_.CreateAdd(offset, byte_count(op));
      highest = larger(highest, offset);
    }
    for (const ValueId result : op.results)
      if (needed_[result.id] && !makes_memory(op)) {
        emit_op(op);
        break;
      }
    if (!around_.contains(&op) || op.regions.empty())
      continue;
    if (op.opcode == Opcode::if_ && !is_varying(op.operands[0])) {
      Value* condition = scalar(op.operands[0]);
      llvm::BasicBlock* sides[2] = {block("then"), block("else")};
      llvm::BasicBlock* after = block("after");
      builder_.CreateCondBr(condition, sides[0], sides[1]);
      Value* reached[2];
      for (int side = 0; side < 2; ++side) {
        builder_.SetInsertPoint(sides[side]);
        reached[side] = stacked_size(op.regions[static_cast<std::size_t>(side)].ops, offset);
        sides[side] = builder_.GetInsertBlock();
        builder_.CreateBr(after);
      }
      builder_.SetInsertPoint(after);
      llvm::PHINode* phi = builder_.CreatePHI(builder_.getInt64Ty(), 2);
      for (int side = 0; side < 2; ++side)
        phi->addIncoming(reached[side], sides[side]);
      highest = larger(highest, phi);
      continue;
    }
    const std::size_t count = ir::extent_count(function_, op);
    if (op.opcode == Opcode::if_ || op.opcode == Opcode::while_) {
      for (const Region& inner : op.regions)
        highest = larger(highest, stacked_size(inner.ops, offset));
      continue;
    }
    std::vector<Value*> extents;
    for (std::size_t i = 0; i < count; ++i)
      extents.push_back(scalar(op.operands[i]));
    // In which order a loop runs does not matter here.
    highest = nest(extents, op.regions[0].arguments, 0, {highest},
                   [&](const std::vector<Value*>& carried) -> std::vector<Value*> {
                     return {larger(carried[0], stacked_size(op.regions[0].ops, offset))};
                   })[0];
  }
  return highest;
}

/// Prepare: before an operation with regions, memory for all temporaries inside it.
void Emitter::reserve_scratch(const ir::Op& op) {
  if (!planned_) {
    plan_workspace();
    planned_ = true;
  }
  bool inside = false;
  for (const Region& region : op.regions)
    ir::for_each_op(region, [&](const ir::Op& inner) { inside = inside || dynamic_.contains(&inner); });
  if (!inside)
    return;
  const std::span<const ir::Op> alone(&op, 1);
  find_needed(alone);
  workspace_ = hooks_.allocate(stacked_size(alone, builder_.getInt64(0)));
  top_ = builder_.getInt64(0);
}

} // namespace vmodel::codegen
