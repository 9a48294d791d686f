// Iterations of a loop in lanes, in kernels for one lane (rows.h).
#include "compiler/codegen/emitter.h"
#include "compiler/ir/typing.h"

#include <algorithm>
#include <bit>

namespace vmodel::codegen {

using ir::Opcode;
using ir::Region;
using ir::ValueId;
using llvm::Value;

namespace {

/// Loops of fewer iterations, if that is known, are as fast one by one.
constexpr std::int64_t least_rows = 3;

} // namespace

std::optional<Rows> Emitter::find_rows(const ir::Op& loop, const std::vector<Value*>& extents) const {
  if (jams_ != Jams::all || lanes_ > 1 || jam_ || extents.empty())
    return std::nullopt;
  if (const auto* count = llvm::dyn_cast<llvm::ConstantInt>(extents.back());
      count && count->getSExtValue() < least_rows)
    return std::nullopt;
  return plan_rows(function_, *varying_, loop);
}

/// A reduce or build whose innermost iterations are lanes.
void Emitter::emit_rows(const ir::Op& loop, const Rows& rows, const std::vector<Value*>& extents) {
  const Varying* one_lane = varying_;
  lanes_ = target_.lanes;
  varying_ = &rows.varying;
  rows_ = &rows;
  const bool is_reduce = loop.opcode == Opcode::reduce_;
  Results results{loop, is_reduce ? find_logarithms(loop) : std::vector<std::optional<LogarithmSum>>{}};
  // Without sums no vector waits for the one before.
  const std::optional<Jam> jam = is_reduce && !loop.results.empty()
                                     ? plan_jam(function_, *varying_, lanes_, target_, loop, skipped_)
                                     : std::nullopt;
  results.sums = jam ? static_cast<std::size_t>(jam->sums) : 1;
  const std::vector<Value*> outer(extents.begin(), extents.end() - 1);
  const std::vector<Value*> sums =
      nest(outer, loop.regions[0].arguments, 0, is_reduce ? initial(results) : std::vector<Value*>{},
           [&](const std::vector<Value*>& begun) {
             return emit_innermost(results, jam ? &*jam : nullptr, extents.back(), begun);
           });
  if (is_reduce)
    define_results(results, sums);
  lanes_ = 1;
  varying_ = one_lane;
  rows_ = nullptr;
}

/// The innermost loop: several vectors of rows at once, one after the other, and what is left under a mask. Returns
/// what the results have become.
std::vector<Value*> Emitter::emit_innermost(const Results& results, const Jam* jam, Value* extent,
                                            const std::vector<Value*>& begun) {
  std::vector<Value*> carried = begun;
  for (const ir::Op* sum : rows_->sums)
    carried.push_back(widen(llvm::Constant::getNullValue(element_type(function_.type(sum->operands[0]).element))));
  AfterLoop after{builder_.getInt64(0), std::move(carried)};
  const auto whole_vectors = [&](std::size_t copies) {
    const int step = lanes_ * static_cast<int>(copies);
    Value* end = builder_.CreateSub(extent, builder_.getInt64(static_cast<std::uint64_t>(step - 1)), "", false, true);
    return stepped_loop(after.index, end, step, after.values, [&](Value* first, const std::vector<Value*>& values) {
      return emit_vectors(results, copies, first, values);
    });
  };
  if (jam && jam->copies > 1) {
    jam_ = jam;
    jam_index_ = results.op.regions[0].arguments.back();
    after = whole_vectors(static_cast<std::size_t>(jam->copies));
    jam_ = nullptr;
  }
  after = whole_vectors(1);
  after = stepped_loop(after.index, extent, lanes_, after.values, [&](Value* first, const std::vector<Value*>& values) {
    Value* left = builder_.CreateSub(extent, first, "", true, true);
    mask_ = builder_.CreateICmpULT(row_numbers(), widen(left));
    const std::vector<Value*> next = emit_vectors(results, 1, first, values);
    mask_ = nullptr;
    return next;
  });
  std::size_t position = begun.size();
  for (const ir::Op* sum : rows_->sums) {
    const ValueId reference = sum->operands[0];
    const Address at = address(reference, {sum->operands.begin() + 1, sum->operands.end() - 1});
    add_to(reference, at, across_lanes("add", after.values[position++]));
  }
  after.values.resize(begun.size());
  return after.values;
}

/// One iteration: a vector of rows for each copy, the first of which begins at the row `first`.
std::vector<Value*> Emitter::emit_vectors(const Results& results, std::size_t copies, Value* first,
                                          const std::vector<Value*>& carried) {
  const Region& body = results.op.regions[0];
  if (jam_)
    copies_.assign(copies, std::vector<Value*>(function_.values.size(), nullptr));
  first_row_ = first;
  for (copy_ = 0; copy_ < copies; ++copy_)
    place(body.arguments.back()) = builder_.CreateAdd(widen(first_row(body.arguments.back())), row_numbers());
  copy_ = 0;
  const std::size_t own = carried.size() - rows_->sums.size();
  for (std::size_t i = 0; i < rows_->sums.size(); ++i)
    row_sums_[rows_->sums[i]] = carried[own + i];
  emit_region(body);
  std::vector<Value*> next(carried.begin(), carried.begin() + static_cast<std::ptrdiff_t>(own));
  if (results.op.opcode == Opcode::build_) {
    const ValueId array = results.op.results[0];
    store_to(array, address(array, body.arguments), scalar(body.yields[0]));
  } else {
    const auto shift = static_cast<std::uint64_t>(std::countr_zero(static_cast<unsigned>(lanes_)));
    add_iterations(results, next, builder_.CreateLShr(first, shift), copies);
  }
  for (const ir::Op* sum : rows_->sums)
    next.push_back(row_sums_[sum]);
  return next;
}

/// Rows that add to one element do so one after the other, unless all of a vector do.
void Emitter::accumulate_rows(const ir::Op& op, Value* value) {
  const ValueId reference = op.operands[0];
  const std::vector<ValueId> indices(op.operands.begin() + 1, op.operands.end() - 1);
  Value* zero = llvm::Constant::getNullValue(value->getType());
  if (const auto sum = row_sums_.find(&op); sum != row_sums_.end()) {
    sum->second = combine("add", sum->second, if_active(value, zero));
    return;
  }
  const Address at = address(reference, indices);
  if (at.rows) {
    add_to(reference, at, value);
    return;
  }
  if (!at.gathered) {
    add_to(reference, at, across_lanes("add", if_active(value, zero)));
    return;
  }
  // Each addition waits for the one before, if that was to the same element. Rows are often sorted by their groups.
  Value* same = nullptr;
  for (const ValueId index : indices)
    if (is_varying(index)) {
      Value* equal = builder_.CreateICmpEQ(scalar(index), widen(of_row(index, 0)));
      same = same ? builder_.CreateAnd(same, equal) : equal;
    }
  llvm::BasicBlock* together = block("together");
  llvm::BasicBlock* apart = block("apart");
  llvm::BasicBlock* after = block("after");
  builder_.CreateCondBr(builder_.CreateAndReduce(same), together, apart);
  builder_.SetInsertPoint(together);
  add_to(reference, address_of_row(reference, indices, 0), across_lanes("add", if_active(value, zero)));
  builder_.CreateBr(after);
  builder_.SetInsertPoint(apart);
  llvm::Type* stored = stored_type(function_.type(reference).element);
  Value* nowhere = nullptr;
  if (mask_)
    nowhere = llvm::IRBuilder<>(&into_->getEntryBlock(), into_->getEntryBlock().begin()).CreateAlloca(stored);
  for (int lane = 0; lane < lanes_; ++lane) {
    Address at_row = address_of_row(reference, indices, lane);
    if (mask_)
      at_row.pointer =
          builder_.CreateSelect(builder_.CreateExtractElement(mask_, builder_.getInt32(lane)), at_row.pointer, nowhere);
    add_to(reference, at_row, builder_.CreateExtractElement(value, builder_.getInt32(lane)));
  }
  builder_.CreateBr(after);
  builder_.SetInsertPoint(after);
}

/// The element for the row in a lane.
Emitter::Address Emitter::address_of_row(ValueId array, const std::vector<ValueId>& indices, int lane) {
  const ir::Type& type = function_.type(array);
  Value* flat = builder_.getInt64(0);
  for (std::size_t i = 0; i < indices.size(); ++i)
    flat = builder_.CreateAdd(builder_.CreateMul(flat, extent(type.dims[i]), "", false, true), of_row(indices[i], lane),
                              "", false, true);
  Address result;
  result.pointer = builder_.CreateInBoundsGEP(stored_type(type.element), memory(array).pointer, flat);
  return result;
}

/// The value that a consecutive index has in the first lane.
Value* Emitter::first_row(ValueId index) {
  const ir::Op* op = rows_->definitions.of(index);
  if (!op) {
    // Copies may be those of a loop inside.
    const std::size_t copy = jam_ && jam_->differs[index.id] ? copy_ : 0;
    return builder_.CreateAdd(first_row_, builder_.getInt64(copy * static_cast<std::size_t>(lanes_)), "", true, true);
  }
  const auto operand = [&](ValueId v) { return rows_->consecutive[v.id] ? first_row(v) : scalar(v); };
  Value* x = operand(op->operands[0]);
  Value* y = operand(op->operands[1]);
  return op->opcode == Opcode::add ? builder_.CreateAdd(x, y) : builder_.CreateSub(x, y);
}

/// The scalar that a value is in a lane.
Value* Emitter::of_row(ValueId value, int lane) {
  if (!is_varying(value))
    return scalar(value);
  // What stands in memory is not taken out of a vector, but read again.
  const ir::Op* load = rows_->definitions.as(value, Opcode::load_);
  if (load && !mask_ && !function_.type(load->operands[0]).reference) {
    Address at = address(load->operands[0], {load->operands.begin() + 1, load->operands.end()});
    if (at.rows) {
      const ir::Element element = function_.type(load->operands[0]).element;
      at.rows = false;
      at.pointer = builder_.CreateInBoundsGEP(stored_type(element), at.pointer, builder_.getInt64(lane));
      return load_from(load->operands[0], at);
    }
  }
  return builder_.CreateExtractElement(scalar(value), builder_.getInt32(lane));
}

/// 0, 1, 2 ... in lanes.
Value* Emitter::row_numbers() {
  std::vector<llvm::Constant*> numbers;
  for (int lane = 0; lane < lanes_; ++lane)
    numbers.push_back(builder_.getInt64(static_cast<std::uint64_t>(lane)));
  return llvm::ConstantVector::get(numbers);
}

/// The lanes of a number, combined by halves until one is left.
Value* Emitter::fold_lanes(Value* value, const std::function<Value*(Value*, Value*)>& join) {
  for (int half = lanes_ / 2; half >= 1; half /= 2) {
    std::vector<int> low;
    std::vector<int> high;
    for (int i = 0; i < half; ++i) {
      low.push_back(i);
      high.push_back(half + i);
    }
    value = join(builder_.CreateShuffleVector(value, low), builder_.CreateShuffleVector(value, high));
  }
  return builder_.CreateExtractElement(value, builder_.getInt32(0));
}

Value* Emitter::across_lanes(const std::string& kind, Value* value) {
  return fold_lanes(value, [&](Value* low, Value* high) { return combine(kind, low, high); });
}

/// A value in the lanes that count.
Value* Emitter::if_active(Value* value, Value* other) {
  return mask_ ? builder_.CreateSelect(mask_, widen(value), widen(other)) : value;
}

} // namespace vmodel::codegen
