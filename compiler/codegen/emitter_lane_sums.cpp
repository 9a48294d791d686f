// Sums over lanes of several iterations that are carried out at once (jam.h).
//
// A weight's derivative is the sum over particles of a product. Alone it takes as many shuffles and additions as it has
// halvings; with those of its neighbours it takes about two shuffles and one addition, and what they are added to lies
// side by side. Where the product has a factor that is the same for all copies and another one that is the same in all
// turns of the loop around it, as in a layer of a net, the latter is transposed before that loop: rows then stand in
// lanes, and a product and an addition for each particle give their sums without any shuffle.
#include "compiler/codegen/emitter.h"
#include "compiler/ir/rewrite.h"

#include <llvm/IR/MDBuilder.h>

#include <algorithm>
#include <limits>
#include <numeric>

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

/// The vectors that hold the first numbers of all rows, the second ones, and so on: as many as there are rows.
std::vector<Value*> Emitter::transposed(std::vector<Value*> rows) {
  const int size = static_cast<int>(rows.size());
  for (int distance = 1; distance < size; distance *= 2) {
    std::vector<int> first, second;
    for (int j = 0; j < size; ++j) {
      const bool upper = (j & distance) != 0;
      first.push_back(upper ? size + j - distance : j);
      second.push_back(upper ? size + j : j + distance);
    }
    for (int i = 0; i < size; ++i) {
      if ((i & distance) != 0)
        continue;
      Value*& low = rows[static_cast<std::size_t>(i)];
      Value*& high = rows[static_cast<std::size_t>(i + distance)];
      Value* joined = builder_.CreateShuffleVector(low, high, first);
      high = builder_.CreateShuffleVector(low, high, second);
      low = joined;
    }
  }
  return rows;
}

/// The factors of a product whose sum over lanes `sum` is, in a loop that all copies share, if they can be summed by
/// transposing; nothing: they cannot.
std::optional<Emitter::LaneProduct> Emitter::find_lane_product(const ir::Op& sum) {
  if (mask_ || rows_ || function_.type(sum.operands[0]).element != ir::Element::f64)
    return std::nullopt;
  if (!all_definitions_)
    all_definitions_.emplace(function_.body);
  const ir::Op* product = all_definitions_->of(sum.operands[0]);
  if (!product || (product->opcode != Opcode::mul && product->opcode != Opcode::strong_mul_))
    return std::nullopt;
  const std::size_t differing = jam_->differs[product->operands[0].id] ? 0 : 1;
  const ValueId factor = product->operands[differing];
  const ir::Op* load = all_definitions_->of(product->operands[1 - differing]);
  if (!jam_->differs[factor.id] || !is_varying(factor) || !load || load->opcode != Opcode::load_ ||
      jam_->differs[load->results[0].id] || !memory(load->operands[0]).varying)
    return std::nullopt;
  for (const ir::Op* loop : jam_->shared) {
    bool holds_sum = false, holds_factor = false, writes = false;
    ir::for_each_op(loop->regions[0], [&](const ir::Op& op) {
      holds_sum |= &op == &sum;
      holds_factor |= std::find(op.results.begin(), op.results.end(), factor) != op.results.end();
      writes |= (op.opcode == Opcode::store_ || op.opcode == Opcode::accumulate_) &&
                varying_->root[op.operands[0].id] == varying_->root[load->operands[0].id];
    });
    if (holds_sum)
      return holds_factor || writes ? std::nullopt : std::optional(LaneProduct{product, factor, load});
  }
  return std::nullopt;
}

/// The sums over lanes of a product, of as many copies as a register holds numbers. Particles that fill several
/// registers are transposed register by register.
Value* Emitter::sums_of_products(const LaneProduct& product, std::size_t first) {
  const auto width = static_cast<std::size_t>(target_.lanes);
  std::vector<Value*> rows;
  for (copy_ = first; copy_ < first + width; ++copy_)
    rows.push_back(widened(product.factor));
  copy_ = 0;
  const ir::Op& load = *product.load;
  const Address at = address(load.operands[0], {load.operands.begin() + 1, load.operands.end()});
  llvm::Type* real = builder_.getDoubleTy();
  // Two sums, whose additions do not wait for each other. LLVM moves the transposition before the loop.
  Value* sums[2] = {nullptr, nullptr};
  for (std::size_t begin = 0; begin < static_cast<std::size_t>(lanes_); begin += width) {
    std::vector<int> positions(width);
    std::iota(positions.begin(), positions.end(), static_cast<int>(begin));
    std::vector<Value*> registers;
    for (Value* row : rows)
      registers.push_back(builder_.CreateShuffleVector(row, positions));
    const std::vector<Value*> lanes = transposed(std::move(registers));
    for (std::size_t lane = 0; lane < width; ++lane) {
      Value* pointer = builder_.CreateConstInBoundsGEP1_64(real, at.pointer, begin + lane);
      Value* number = annotate(builder_.CreateAlignedLoad(real, pointer, llvm::Align(8)), memory(load.operands[0]));
      Value* all = builder_.CreateVectorSplat(static_cast<unsigned>(width), number);
      Value* term = builder_.CreateFMul(lanes[lane], all);
      Value*& sum = sums[lane % 2];
      sum = sum ? builder_.CreateFAdd(sum, term) : term;
    }
  }
  Value* sum = builder_.CreateFAdd(sums[0], sums[1]);
  if (product.product->opcode != Opcode::strong_mul_)
    return sum;
  // Nothing that is infinite or no number was met where all sums are finite: then zeros made zeros by themselves.
  Value* size = builder_.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, sum);
  Value* most = llvm::ConstantFP::get(size->getType(), std::numeric_limits<double>::max());
  Value* unclear = builder_.CreateOrReduce(builder_.CreateFCmpUGT(size, most));
  llvm::BasicBlock* before = builder_.GetInsertBlock();
  llvm::BasicBlock* apart = block("unbounded");
  llvm::BasicBlock* after = block("summed");
  builder_.CreateCondBr(unclear, apart, after, llvm::MDBuilder(builder_.getContext()).createBranchWeights(1, 1000));
  builder_.SetInsertPoint(apart);
  Value* other = widened(load.results[0]);
  const bool is_linear = product.product->operands[0] == product.factor;
  for (Value*& row : rows) {
    Value* zero = llvm::Constant::getNullValue(row->getType());
    row = builder_.CreateSelect(builder_.CreateFCmpOEQ(is_linear ? row : other, zero), zero,
                                builder_.CreateFMul(row, other));
  }
  Value* exact = sums_over_lanes(rows);
  llvm::BasicBlock* end = builder_.GetInsertBlock();
  builder_.CreateBr(after);
  builder_.SetInsertPoint(after);
  llvm::PHINode* result = builder_.CreatePHI(sum->getType(), 2);
  result->addIncoming(sum, before);
  result->addIncoming(exact, end);
  return result;
}

/// The operation lane_sum for all copies.
void Emitter::emit_lane_sums(const ir::Op& op) {
  const auto copies = static_cast<std::size_t>(jam_->copies);
  const auto width = std::min(copies, static_cast<std::size_t>(lanes_));
  std::vector<Value*>& sums = lane_sums_[op.results[0].id];
  sums.clear();
  const std::optional<LaneProduct> product =
      width == static_cast<std::size_t>(target_.lanes) && lanes_ % target_.lanes == 0 ? find_lane_product(op)
                                                                                      : std::nullopt;
  for (std::size_t first = 0; first < copies; first += width) {
    if (product) {
      sums.push_back(sums_of_products(*product, first));
      continue;
    }
    std::vector<Value*> rows;
    for (copy_ = first; copy_ < first + width; ++copy_) {
      Value* row = widened(op.operands[0]);
      rows.push_back(mask_ ? builder_.CreateSelect(mask_, row, llvm::Constant::getNullValue(row->getType())) : row);
    }
    sums.push_back(sums_over_lanes(std::move(rows)));
  }
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
