// Sums over lanes of several iterations that are carried out at once (jam.h).
//
// A weight's derivative is the sum over particles of a product. Alone it takes as many shuffles and additions as it has
// halvings; with those of its neighbours it takes about two shuffles and one addition, and what they are added to lies
// side by side.
#include "compiler/codegen/emitter.h"

#include <algorithm>

namespace vmodel::codegen {

using ir::Opcode;
using ir::ValueId;
using llvm::Value;

namespace {

/// The low and the high half of each of `groups` parts of the numbers of one or two vectors, added.
Value* add_halves(llvm::IRBuilder<>& builder, Value* first, Value* second, int numbers, int groups) {
  const int length = numbers / groups;
  std::vector<int> low, high;
  for (int i = 0; i < numbers; ++i)
    (i % length < length / 2 ? low : high).push_back(i);
  return builder.CreateFAdd(builder.CreateShuffleVector(first, second, low),
                            builder.CreateShuffleVector(first, second, high));
}

} // namespace

/// The sums over lanes of vectors, in their order: as many rows as there are lanes, or a smaller power of two.
Value* Emitter::sums_over_lanes(std::vector<Value*> rows) {
  int groups = 1; // of rows whose parts are in one vector
  while (rows.size() > 1) {
    std::vector<Value*> joined;
    for (std::size_t i = 0; i < rows.size(); i += 2)
      joined.push_back(add_halves(builder_, rows[i], rows[i + 1], 2 * lanes_, 2 * groups));
    rows = std::move(joined);
    groups *= 2;
  }
  for (int numbers = lanes_; numbers > groups; numbers /= 2)
    rows[0] = add_halves(builder_, rows[0], llvm::PoisonValue::get(rows[0]->getType()), numbers, groups);
  return rows[0];
}

/// The operation lane_sum for all copies.
void Emitter::emit_lane_sums(const ir::Op& op) {
  const auto copies = static_cast<std::size_t>(jam_->copies);
  const auto width = std::min(copies, static_cast<std::size_t>(lanes_));
  std::vector<Value*> rows;
  for (copy_ = 0; copy_ < copies; ++copy_) {
    Value* row = widened(op.operands[0]);
    rows.push_back(mask_ ? builder_.CreateSelect(mask_, row, llvm::Constant::getNullValue(row->getType())) : row);
  }
  std::vector<Value*>& sums = lane_sums_[op.results[0].id];
  sums.clear();
  for (std::size_t first = 0; first < copies; first += width)
    sums.push_back(sums_over_lanes({rows.begin() + static_cast<std::ptrdiff_t>(first),
                                    rows.begin() + static_cast<std::ptrdiff_t>(first + width)}));
  for (copy_ = 0; copy_ < copies; ++copy_)
    define(op.results[0], builder_.CreateExtractElement(sums[copy_ / width], builder_.getInt64(copy_ % width)));
  copy_ = 0;
}

/// By how much an index grows from one copy to the next, where that is a number.
std::optional<std::int64_t> Emitter::stride_of_copies(ValueId index) {
  if (index == jam_index_)
    return 1;
  if (!jam_->differs[index.id])
    return 0;
  if (!all_definitions_)
    all_definitions_.emplace(function_.body);
  const ir::Op* op = all_definitions_->of(index);
  if (!op || (op->opcode != Opcode::add && op->opcode != Opcode::sub))
    return std::nullopt;
  const std::optional<std::int64_t> x = stride_of_copies(op->operands[0]);
  const std::optional<std::int64_t> y = stride_of_copies(op->operands[1]);
  if (!x || !y)
    return std::nullopt;
  return op->opcode == Opcode::add ? *x + *y : *x - *y;
}

/// Sums over lanes that are accumulated to elements side by side; false: something else.
bool Emitter::emit_row_sum(const ir::Op& op) {
  if (op.opcode != Opcode::accumulate_)
    return false;
  const auto found = lane_sums_.find(op.operands.back().id);
  if (found == lane_sums_.end() || memory(op.operands[0]).varying)
    return false;
  for (std::size_t i = 1; i + 1 < op.operands.size(); ++i)
    if (stride_of_copies(op.operands[i]) != (i + 2 == op.operands.size() ? 1 : 0))
      return false;
  copy_ = 0;
  const Memory to = memory(op.operands[0]);
  const Address at = address(op.operands[0], {op.operands.begin() + 1, op.operands.end() - 1});
  std::uint64_t first = 0;
  for (Value* sums : found->second) {
    llvm::Type* element = sums->getType()->getScalarType();
    Value* pointer = builder_.CreateConstInBoundsGEP1_64(element, at.pointer, first);
    Value* old = annotate(builder_.CreateAlignedLoad(sums->getType(), pointer, llvm::Align(8)), to);
    annotate(builder_.CreateAlignedStore(builder_.CreateFAdd(old, sums), pointer, llvm::Align(8)), to);
    first += llvm::cast<llvm::FixedVectorType>(sums->getType())->getNumElements();
  }
  return true;
}

} // namespace vmodel::codegen
