// Loop-invariant code moves out of reduces, loops and builds, one level in a round.
#include "compiler/passes/invariant_addends.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/passes.h"

#include <set>

namespace vmodel::passes {

namespace {

// Deeper nests are not worked through completely.
constexpr int max_rounds = 6;

class LoopHoister {
public:
  explicit LoopHoister(const Function& function) : function_(function) {
    ir::for_each_op(function.body, [&](const Op& op) {
      for (ValueId v : op.results)
        producer_.resize(function.values.size()), producer_[v.id] = &op;
      for (const Region& region : op.regions)
        if (op.opcode == Opcode::reduce_ || op.opcode == Opcode::build_)
          loop_indices_.insert(region.arguments.begin(), region.arguments.end());
        else if (op.opcode == Opcode::loop_)
          loop_indices_.insert(region.arguments[0]);
    });
  }

  Function run() {
    return ir::rewrite(function_, [this](Rewriter& r, const Op& op) { return copy(r, op); });
  }
  std::size_t moved() const { return moved_.size(); }

private:
  // A load may be done although the loop has no iteration if its index is certainly in range: a
  // constant, the index of a loop around it, or what such a load gives.
  bool is_safe_load(const Op& op) const {
    const ir::Type& type = function_.type(op.operands[0]);
    if (type.reference)
      return false;
    for (std::size_t i = 0; i < type.rank(); ++i) {
      const ValueId index = op.operands[i + 1];
      if (loop_indices_.contains(index))
        continue;
      const Op* producer = index.id < producer_.size() ? producer_[index.id] : nullptr;
      if (!producer)
        return false;
      if (producer->opcode == Opcode::load_ && is_safe_load(*producer))
        continue;
      if (producer->opcode == Opcode::constant_ && !type.dims[i].value && producer->integer >= 0 &&
          producer->integer < type.dims[i].constant)
        continue;
      return false;
    }
    return true;
  }

  bool is_pure(const Op& op) const {
    if (ir::has_effects(op) || op.opcode == Opcode::alloc_ || op.opcode == Opcode::freeze_ ||
        op.opcode == Opcode::while_)
      return false;
    if (op.opcode == Opcode::load_ && !is_safe_load(op))
      return false;
    for (const Region& region : op.regions) {
      bool pure = true;
      ir::for_each_op(region, [&](const Op& inner) {
        // Loads at the inner loop's own indices are in range whether or not the outer one runs.
        pure &= inner.opcode != Opcode::load_ || is_safe_load(inner);
        pure &= inner.opcode != Opcode::alloc_ && inner.opcode != Opcode::while_;
      });
      if (!pure)
        return false;
    }
    return true;
  }

  bool copy(Rewriter& r, const Op& op) {
    if (moved_.contains(&op))
      return true;
    if (op.opcode != Opcode::reduce_ && op.opcode != Opcode::loop_ && op.opcode != Opcode::build_)
      return false;
    for (const Op& inner : op.regions[0].ops) {
      if (inner.opcode == Opcode::constant_ || !is_pure(inner))
        continue;
      bool invariant = true;
      for (ValueId v : ir::free_values(function_, inner))
        invariant &= r.has(v) || is_constant(v);
      if (!invariant)
        continue;
      for (ValueId v : ir::free_values(function_, inner))
        if (!r.has(v))
          r.copy(*producer_[v.id], false);
      r.copy(inner, false);
      moved_.insert(&inner);
    }
    return false;
  }

  bool is_constant(ValueId v) const {
    return v.id < producer_.size() && producer_[v.id] && producer_[v.id]->opcode == Opcode::constant_;
  }

  const Function& function_;
  std::vector<const Op*> producer_;
  std::set<ValueId> loop_indices_;
  std::set<const Op*> moved_; // looked up only, never walked
};

} // namespace

Function hoist_loops(Function function) {
  for (int round = 0; round < max_rounds; ++round) {
    LoopHoister hoister(function);
    Function next = hoister.run();
    if (hoister.moved() == 0)
      break;
    function = std::move(next);
  }
  return function;
}

Module hoist_loops(Module module) {
  for (Function& function : module.functions)
    function = hoist_loops(std::move(function));
  return module;
}

} // namespace vmodel::passes
