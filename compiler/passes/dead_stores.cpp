// Stores that change nothing: what nothing loads after them, and zeros to elements that are zero still. Both come from
// derivatives (the adjoint of what is stored is zero from there on), and from arrays that begin as zeros.
#include "compiler/passes/pass.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/positions.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>

namespace vmodel::passes {

namespace {

class DeadStores {
public:
  explicit DeadStores(const Function& function) : from_(function) {
    collect(function.body);
    std::optional<Positions> positions;
    for (const auto& [memory, accesses] : memories_) {
      if (!accesses.is_known)
        continue;
      for (const Access& store : accesses.stores) {
        if (!positions)
          positions.emplace(function);
        const std::size_t depth = positions->depth(memory);
        const auto meets_later = [&](const Access& load) { return !positions->never_meet_later(store, load, depth); };
        const auto comes_earlier = [&](const Access& write) {
          return write.op != store.op && !positions->never_meet_later(write, store, depth);
        };
        if (std::none_of(accesses.loads.begin(), accesses.loads.end(), meets_later) ||
            (accesses.is_zeroed && is_zero(store.op->operands.back()) &&
             std::none_of(accesses.stores.begin(), accesses.stores.end(), comes_earlier) &&
             std::none_of(accesses.sums.begin(), accesses.sums.end(), comes_earlier)))
          dead_.insert(store.op);
      }
    }
  }

  bool any() const { return !dead_.empty(); }

  Function run() {
    return remove_dead_code(ir::rewrite(from_, [this](Rewriter&, const Op& op) { return dead_.contains(&op); }));
  }

private:
  struct Accesses {
    std::vector<Access> loads, stores, sums;
    bool is_zeroed = false;
    bool is_known = false; // allocated here, and nothing else is done to it
  };

  void collect(const Region& region) {
    for (const Op& op : region.ops) {
      ++position_;
      if (op.opcode == Opcode::constant_ && op.number == 0 && !std::signbit(op.number))
        zeros_.insert(op.results[0]);
      if (op.opcode == Opcode::alloc_) {
        memories_[op.results[0]].is_zeroed = op.integer != 0;
        memories_[op.results[0]].is_known = true;
      }
      note(op);
      around_.push_back(&op);
      for (const Region& inner : op.regions) {
        collect(inner);
        for (const ValueId v : inner.yields)
          lose(v);
      }
      around_.pop_back();
    }
  }

  void note(const Op& op) {
    const bool is_access = op.opcode == Opcode::load_ || op.opcode == Opcode::store_ ||
                           op.opcode == Opcode::accumulate_ || op.opcode == Opcode::freeze_;
    for (std::size_t i = is_access ? 1 : 0; i < op.operands.size(); ++i)
      lose(op.operands[i]);
    if (!is_access)
      return;
    const ValueId memory = root(op.operands[0]);
    const auto found = memories_.find(memory);
    if (found == memories_.end())
      return;
    const Access access{&op, around_, position_};
    switch (op.opcode) {
    case Opcode::load_: found->second.loads.push_back(access); break;
    case Opcode::store_: found->second.stores.push_back(access); break;
    case Opcode::accumulate_: found->second.sums.push_back(access); break;
    default: roots_[op.results[0]] = memory; break;
    }
  }

  ValueId root(ValueId v) const {
    const auto found = roots_.find(v);
    return found == roots_.end() ? v : found->second;
  }

  /// Memory that is used in another way.
  void lose(ValueId v) {
    if (const auto found = memories_.find(root(v)); found != memories_.end())
      found->second.is_known = false;
  }

  bool is_zero(ValueId v) const { return zeros_.contains(v); }

  const Function& from_;
  std::map<ValueId, Accesses> memories_;
  std::map<ValueId, ValueId> roots_; // of frozen memory
  std::set<ValueId> zeros_;
  std::set<const Op*> dead_; // looked up only, never walked
  std::vector<const Op*> around_;
  std::size_t position_ = 0;
};

} // namespace

Function dead_stores(Function function) {
  return rewritten<DeadStores>(std::move(function));
}

Module dead_stores(Module module) {
  return rewritten<DeadStores>(std::move(module));
}

} // namespace vmodel::passes
