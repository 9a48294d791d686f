// Loops of random numbers.
#include "compiler/codegen/emitter.h"
#include "compiler/codegen/machine.h"

namespace vmodel::codegen {

using ir::Opcode;
using ir::Region;
using llvm::Value;

namespace {

/// Loops that draw random numbers and do no more operations than this draw two numbers in a turn.
constexpr std::size_t most_noise_operations = 16;

/// The random number of a loop without results whose turns draw one, numbered as they are, and do little else; or
/// nullptr.
const ir::Op* noise_of(const ir::Op& loop) {
  if (loop.opcode != Opcode::reduce_ || !loop.results.empty() || loop.operands.size() != 1)
    return nullptr;
  const Region& body = loop.regions[0];
  const ir::Op* found = nullptr;
  if (body.ops.size() > most_noise_operations)
    return nullptr;
  for (const ir::Op& op : body.ops) {
    if (!op.regions.empty())
      return nullptr;
    if (op.opcode != Opcode::random_)
      continue;
    if (found || op.operands[0] != body.arguments[0] || op.operands[1] == body.arguments[0])
      return nullptr;
    found = &op;
  }
  // The attempt is known before the turns.
  for (const ir::Op& op : body.ops)
    if (found && op.opcode != Opcode::constant_ && op.results == std::vector{found->operands[1]})
      return nullptr;
  return found;
}

} // namespace

/// A loop that does little but draw the random numbers of its turns: two turns for each block of random bits, and one
/// for the last where their number is odd. False: it is no such loop.
bool Emitter::emit_noise(const ir::Op& loop) {
  const ir::Op* found = noise_of(loop);
  if (!found || mask_ || into_->hasFnAttribute(cold_attribute))
    return false;
  const ir::Op& random = *found;
  const Region& body = loop.regions[0];
  const bool normal = random.symbol == "normal";
  Value* count = scalar(loop.operands[0]);
  const auto turn = [&](Value* index, Value* number) {
    scalars_[body.arguments[0].id] = index;
    numbers_[&random] = number;
    emit_region(body);
  };
  Value* pairs = builder_.CreateAShr(count, 1);
  counted_loop(pairs, {}, [&](Value* pair, const std::vector<Value*>&) {
    for (const ir::Op& op : body.ops)
      if (op.opcode == Opcode::constant_)
        emit_op(op); // the attempt may be one of them
    const RandomPair numbers = emit_pair(builder_, math_, emit_philox(builder_, random_counter(random, pair)), normal);
    Value* even = builder_.CreateShl(pair, 1, "", true, true);
    turn(even, numbers.even);
    turn(builder_.CreateOr(even, 1), numbers.odd);
    return std::vector<Value*>{};
  });
  numbers_.erase(&random);
  Value* rest = builder_.CreateSelect(builder_.CreateICmpSGT(count, builder_.getInt64(0)), builder_.CreateAnd(count, 1),
                                      builder_.getInt64(0));
  counted_loop(rest, {}, [&](Value*, const std::vector<Value*>&) {
    scalars_[body.arguments[0].id] = builder_.CreateSub(count, builder_.getInt64(1));
    emit_region(body);
    return std::vector<Value*>{};
  });
  return true;
}

} // namespace vmodel::codegen
