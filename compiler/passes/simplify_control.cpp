// Values of memory that are known, branches that are known, loops of no or one iteration, equal loops.
#include "compiler/ir/typing.h"
#include "compiler/passes/simplify_internal.h"

namespace vmodel::passes {

// --- Memory -----------------------------------------------------------------------------------------

bool Simplifier::memory(const Op& op) {
  const auto load_key = [&](ValueId array, const std::vector<ValueId>& operands, std::size_t indices) {
    // Loads before and after freezing write-once memory give the same.
    const auto frozen = frozen_.find(array);
    const ValueId memory = frozen == frozen_.end() ? array : frozen->second;
    Expressions::Key key{static_cast<std::uint64_t>(Opcode::load_), memory.id};
    for (std::size_t i = 1; i <= indices; ++i)
      key.push_back(operands[i].id);
    key.push_back(memory_is_fixed(memory) ? 0 : state(memory));
    return key;
  };
  switch (op.opcode) {
  case Opcode::load_: {
    const std::vector<ValueId> operands = r_(op.operands);
    Expressions::Key key = load_key(operands[0], operands, operands.size() - 1);
    if (const ValueId found = known_.find(key)) {
      r_.set(op.results[0], found);
      return true;
    }
    r_.copy(op, false);
    known_.insert(std::move(key), r_(op.results[0]));
    return true;
  }
  case Opcode::freeze_:
    r_.copy(op, false);
    if (const ValueId memory = r_(op.operands[0]); memory_is_fixed(memory))
      frozen_[r_(op.results[0])] = memory;
    return true;
  case Opcode::alloc_:
    r_.copy(op, false);
    if (op.integer == 0)
      write_once_.insert(r_(op.results[0]));
    return true;
  case Opcode::store_: {
    r_.copy(op, false);
    const std::vector<ValueId> operands = r_(op.operands);
    state_[operands[0]] = next_state_++;
    // What was stored is what a load gives until the next write.
    known_.insert(load_key(operands[0], operands, operands.size() - 2), operands.back());
    return true;
  }
  case Opcode::accumulate_:
    r_.copy(op, false);
    state_[r_(op.operands[0])] = next_state_++;
    return true;
  case Opcode::call_:
    r_.copy(op, false);
    for (ValueId v : r_(op.operands))
      if (b_.function().type(v).reference)
        state_[v] = next_state_++;
    return true;
  default: return false;
  }
}

// Memory that is written inside of a region has another state there (iterations follow each other)
// and after it.
void Simplifier::forget_stored(const Op& op) {
  if (op.opcode == Opcode::store_ || op.opcode == Opcode::accumulate_ || op.opcode == Opcode::call_)
    for (ValueId v : op.operands)
      if (r_.from().type(v).reference && r_.has(v))
        state_[r_(v)] = next_state_++;
  for (const Region& inner : op.regions)
    for (const Op& next : inner.ops)
      forget_stored(next);
}

// --- Control flow -------------------------------------------------------------------------------------

Region Simplifier::region(const Region& region) {
  known_.open_scope();
  Region result = r_.copy_region(region);
  known_.close_scope();
  return result;
}

// Branches that are known, loops of no or one iteration.
bool Simplifier::trivial_control(const Op& op) {
  const auto constant = [&](ValueId v) { return b_.constant_value(r_(v)); };
  const auto inline_region = [&](const Region& body) {
    r_.copy_ops(body);
    for (std::size_t i = 0; i < op.results.size(); ++i)
      r_.set(op.results[i], r_(body.yields[i]));
    return true;
  };
  switch (op.opcode) {
  case Opcode::if_:
    if (const auto condition = constant(op.operands[0]))
      return inline_region(op.regions[condition->integer != 0 ? 0 : 1]);
    return false;
  case Opcode::reduce_: {
    bool is_empty = false;
    bool is_single = true;
    for (ValueId extent : op.operands) {
      const auto value = constant(extent);
      is_empty |= value && value->integer <= 0;
      is_single &= value && value->integer == 1;
    }
    if (is_empty && op.symbol == "add") {
      for (ValueId v : op.results)
        r_.set(v, r_.from().type(v).element == Element::index ? b_.index(0) : b_.constant(0));
      return true;
    }
    if (!is_single)
      return false;
    for (ValueId argument : op.regions[0].arguments)
      r_.set(argument, b_.index(0));
    return inline_region(op.regions[0]);
  }
  case Opcode::loop_: {
    const auto extent = constant(op.operands[0]);
    if (!extent || extent->integer > 1)
      return false;
    if (extent->integer <= 0) {
      for (std::size_t i = 0; i < op.results.size(); ++i)
        r_.set(op.results[i], r_(op.operands[i + 1]));
      return true;
    }
    r_.set(op.regions[0].arguments[0], b_.index(0));
    for (std::size_t i = 0; i < op.results.size(); ++i)
      r_.set(op.regions[0].arguments[i + 1], r_(op.operands[i + 1]));
    return inline_region(op.regions[0]);
  }
  default: return false;
  }
}

bool Simplifier::control(const Op& op) {
  if (trivial_control(op))
    return true;
  forget_stored(op);
  Op copied = ir::bare(op);
  copied.operands = r_(op.operands);
  // Carried values that never change are the initial ones.
  std::vector<bool> is_constant(op.results.size());
  if (op.opcode == Opcode::loop_)
    for (std::size_t i = 0; i < op.results.size(); ++i)
      is_constant[i] = op.regions[0].yields[i] == op.regions[0].arguments[i + 1];
  bool has_constant = false;
  for (bool fixed : is_constant)
    has_constant |= fixed;
  if (has_constant) {
    known_.open_scope();
    b_.open_region();
    const Region& body = op.regions[0];
    std::vector<ValueId> arguments = r_.declare({body.arguments[0]});
    std::vector<ValueId> results;
    copied.operands = {r_(op.operands[0])};
    for (std::size_t i = 0; i < op.results.size(); ++i) {
      if (is_constant[i]) {
        r_.set(body.arguments[i + 1], r_(op.operands[i + 1]));
        continue;
      }
      copied.operands.push_back(r_(op.operands[i + 1]));
      arguments.push_back(r_.declare({body.arguments[i + 1]})[0]);
    }
    r_.copy_ops(body);
    std::vector<ValueId> yields;
    for (std::size_t i = 0; i < op.results.size(); ++i)
      if (!is_constant[i])
        yields.push_back(r_(body.yields[i]));
    copied.regions.push_back(b_.close_region(std::move(yields)));
    copied.regions[0].arguments = std::move(arguments);
    known_.close_scope();
    for (std::size_t i = 0; i < op.results.size(); ++i) {
      if (is_constant[i])
        r_.set(op.results[i], r_(op.operands[i + 1]));
      else
        results.push_back(r_.declare({op.results[i]})[0]);
    }
    copied.results = std::move(results);
    b_.append(std::move(copied));
    forget_stored(op);
    return true;
  }
  for (const Region& inner : op.regions)
    copied.regions.push_back(region(inner));
  const bool is_shared = !op.results.empty() && op.opcode != Opcode::while_ && !ir::has_effects(op);
  Expressions::Key key;
  if (is_shared) {
    key = known_.structural_key(copied, [this](ValueId v) { return memory_is_fixed(v) ? 0 : state(v); });
    if (const auto* found = known_.find_all(key)) {
      for (std::size_t i = 0; i < op.results.size(); ++i)
        r_.set(op.results[i], (*found)[i]);
      return true;
    }
  }
  copied.results = r_.declare(op.results);
  std::vector<ValueId> results = copied.results;
  const std::vector<Region>* regions = &copied.regions;
  // Results that are the same value: of an `if`, both sides yield the same; of a reduce, equal terms.
  if (op.opcode == Opcode::if_)
    for (std::size_t i = 0; i < results.size(); ++i)
      if ((*regions)[0].yields[i] == (*regions)[1].yields[i])
        r_.set(op.results[i], (*regions)[0].yields[i]);
  if (op.opcode == Opcode::reduce_)
    for (std::size_t i = 0; i < results.size(); ++i)
      for (std::size_t j = 0; j < i; ++j)
        if ((*regions)[0].yields[i] == (*regions)[0].yields[j]) {
          r_.set(op.results[i], results[j]);
          break;
        }
  std::vector<ValueId> replaced = r_(op.results);
  b_.append(std::move(copied));
  if (is_shared)
    known_.insert_all(std::move(key), std::move(replaced));
  forget_stored(op);
  return true;
}

} // namespace vmodel::passes
