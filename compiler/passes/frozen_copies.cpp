// A mutable array that is read as a whole is copied, since it might change later. Where nothing is stored to it after
// that, the copy is the memory itself, frozen.
#include "compiler/passes/pass.h"
#include "compiler/passes/passes.h"

#include <algorithm>
#include <map>
#include <set>

namespace vmodel::passes {

namespace {

class FrozenCopies {
public:
  explicit FrozenCopies(const Function& function) : from_(function) { find(function.body); }

  bool any() const { return !copies_.empty(); }

  Function run() {
    return ir::rewrite(from_, [this](Rewriter& r, const Op& op) {
      const auto found = copies_.find(&op);
      if (found == copies_.end())
        return false;
      r.set(op.results[0], r.builder().freeze(r(found->second)));
      return true;
    });
  }

private:
  void find(const Region& region) {
    std::set<ValueId> own;
    std::map<ValueId, std::vector<const Op*>> copied; // by memory: copies after which nothing was stored so far
    for (const Op& op : region.ops) {
      for (const Region& inner : op.regions)
        find(inner);
      if (op.opcode == Opcode::alloc_)
        own.insert(op.results[0]);
      forget_written(op, copied);
      if (const ValueId memory = copied_memory(op); own.contains(memory))
        copied[memory].push_back(&op);
    }
    for (const auto& [memory, copies] : copied)
      for (const Op* copy : copies)
        copies_[copy] = memory;
  }

  static void forget_written(const Op& op, std::map<ValueId, std::vector<const Op*>>& copied) {
    if (copied.empty())
      return;
    const auto forget = [&](const Op& write) {
      if (write.opcode == Opcode::store_ || write.opcode == Opcode::accumulate_ || write.opcode == Opcode::call_)
        for (const ValueId v : write.operands)
          copied.erase(v);
    };
    forget(op);
    for (const Region& inner : op.regions)
      ir::for_each_op(inner, forget);
  }

  /// The memory of which the operation builds a copy, element by element; none for others.
  ValueId copied_memory(const Op& op) const {
    if (op.opcode != Opcode::build_ || op.regions[0].ops.size() != 1)
      return {};
    const Region& body = op.regions[0];
    const Op& load = body.ops[0];
    if (load.opcode != Opcode::load_ || body.yields[0] != load.results[0] ||
        !std::equal(body.arguments.begin(), body.arguments.end(), load.operands.begin() + 1, load.operands.end()))
      return {};
    const Type& memory = from_.type(load.operands[0]);
    return memory.reference && memory.dims == from_.type(op.results[0]).dims ? load.operands[0] : ValueId{};
  }

  const Function& from_;
  std::map<const Op*, ValueId> copies_; // looked up only, never walked
};

} // namespace

Function frozen_copies(Function function) {
  return rewritten<FrozenCopies>(std::move(function));
}

Module frozen_copies(Module module) {
  return rewritten<FrozenCopies>(std::move(module));
}

} // namespace vmodel::passes
