// Memory of adjoints is zeroed and accumulated to. Where a map over all of its elements is the only one to write it,
// and stands before all that reads it, it is stored to instead: no zeros are written and read again.
#include "compiler/passes/pass.h"
#include "compiler/passes/passes.h"

#include <map>
#include <set>

namespace vmodel::passes {

namespace {

class FirstWrites {
public:
  explicit FirstWrites(const Function& function) : from_(function) {
    find(function.body);
    std::erase_if(accumulation_, [&](const auto& entry) { return other_writes_.contains(entry.first); });
    for (const auto& [memory, op] : accumulation_)
      stores_.insert(op);
  }

  bool any() const { return !stores_.empty(); }

  Function run() {
    return ir::rewrite(from_, [this](Rewriter& r, const Op& op) {
      if (op.opcode == Opcode::alloc_ && accumulation_.contains(op.results[0])) {
        r.set(op.results[0], r.builder().alloc(r(from_.type(op.results[0])).dims, ir::Element::f64, false));
        return true;
      }
      if (stores_.contains(&op)) {
        const std::vector<ValueId> operands = r(op.operands);
        r.builder().store(operands[0], std::span(operands).subspan(1, operands.size() - 2), operands.back());
        return true;
      }
      return false;
    });
  }

private:
  // In order of the text. An operation of the region in which the memory is allocated may hold the one accumulation;
  // a load before it, or another write, spoils it.
  void find(const Region& region) {
    for (const Op& op : region.ops) {
      if (op.opcode == Opcode::alloc_ && op.integer != 0) {
        extents_[op.results[0]] = op.operands;
        here_[op.results[0]] = &region;
      }
      const bool is_map = op.opcode == Opcode::reduce_;
      for (const Region& inner : op.regions) {
        if (is_map)
          for (const Op& write : inner.ops)
            if (write.opcode == Opcode::accumulate_ && fills(region, op, write) &&
                accumulation_.try_emplace(write.operands[0], &write).second)
              expected_.insert(&write);
        find(inner);
        for (const Op& write : inner.ops)
          if (expected_.contains(&write))
            done_.insert(write.operands[0]);
      }
      touch(op);
    }
  }

  bool fills(const Region& region, const Op& map, const Op& write) const {
    const auto found = extents_.find(write.operands[0]);
    if (found == extents_.end() || here_.at(write.operands[0]) != &region || found->second != map.operands ||
        found->second.empty() || from_.type(write.operands.back()).element != ir::Element::f64)
      return false;
    for (std::size_t i = 0; i < map.operands.size(); ++i)
      if (write.operands[i + 1] != map.regions[0].arguments[i])
        return false;
    return true;
  }

  void touch(const Op& op) {
    if (op.opcode == Opcode::alloc_)
      return;
    for (ValueId v : op.operands) {
      if (!extents_.contains(v))
        continue;
      const bool is_read = op.opcode == Opcode::load_ || op.opcode == Opcode::freeze_;
      if (expected_.contains(&op) || (is_read && done_.contains(v)))
        continue;
      other_writes_.insert(v);
    }
  }

  const Function& from_;
  std::map<ValueId, std::vector<ValueId>> extents_; // of zeroed memory
  std::map<ValueId, const Region*> here_;
  std::map<ValueId, const Op*> accumulation_;
  std::set<const Op*> expected_, stores_; // looked up only, never walked
  std::set<ValueId> other_writes_;
  std::set<ValueId> done_; // the map that fills it lies behind: what is read in it would be other elements' zeros
};

} // namespace

ir::Module first_writes(ir::Module module) {
  return rewritten<FirstWrites>(std::move(module));
}

} // namespace vmodel::passes
