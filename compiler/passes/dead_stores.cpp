// Stores that nothing reads any more.
//
// The adjoint of what is stored to memory is taken from the memory's adjoint, which is then set to zero: an earlier
// value of that element has none. Memory that is written once has no earlier values, so that nobody looks at the zero;
// without it the memory is accumulated to and read, and nothing else (accumulations.cpp).
#include "compiler/ir/definitions.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/passes.h"

#include <algorithm>
#include <map>
#include <set>

namespace vmodel::passes {

namespace {

class DeadStores {
public:
  explicit DeadStores(const Function& function) : from_(function), definitions_(function.body) {
    visit(function.body);
    for (const Op* store : stores_)
      if (is_dead(*store))
        dead_.insert(store);
  }

  bool any() const { return !dead_.empty(); }

  Function run() {
    return ir::rewrite(from_, [this](Rewriter&, const Op& op) { return dead_.contains(&op); });
  }

private:
  /// Where an operation stands: the regions around it, outermost first, each with the operation in it.
  using Path = std::vector<std::pair<const Region*, const Op*>>;

  void visit(const Region& region) {
    for (const Op& op : region.ops) {
      path_.emplace_back(&region, &op);
      if (op.opcode == Opcode::alloc_)
        home_[op.results[0]] = &region;
      if (op.opcode == Opcode::store_) {
        stores_.push_back(&op);
        paths_[&op] = path_;
      } else if (op.opcode == Opcode::load_) {
        loads_[op.operands[0]].push_back({&op, path_});
      } else if (op.opcode != Opcode::accumulate_) {
        seen_.insert(op.operands.begin(), op.operands.end());
      }
      for (const Region& inner : op.regions) {
        seen_.insert(inner.yields.begin(), inner.yields.end());
        for (const ValueId v : inner.arguments)
          loop_[v] = &op;
        visit(inner);
      }
      path_.pop_back();
    }
  }

  /// Memory of this function that is only loaded from, stored and accumulated to, and no load of it that may come after
  /// the store may be of its element.
  bool is_dead(const Op& store) const {
    const ValueId memory = store.operands[0];
    const auto home = home_.find(memory);
    if (home == home_.end() || seen_.contains(memory))
      return false;
    const auto loads = loads_.find(memory);
    return loads == loads_.end() || std::ranges::none_of(loads->second, [&](const auto& load) {
             return may_see(store, *load.first, load.second, *home->second);
           });
  }

  bool may_see(const Op& store, const Op& load, const Path& where, const Region& home) const {
    const Path& here = paths_.at(&store);
    // The innermost region that holds both.
    std::size_t level = 0;
    while (level + 1 < std::min(here.size(), where.size()) && here[level].second == where[level].second &&
           here[level + 1].first == where[level + 1].first)
      ++level;
    // Iterations of what is between the memory and that region: of a reduce they do not depend on each other.
    bool in_home = false;
    for (std::size_t i = 0; i < level; ++i) {
      in_home |= here[i].first == &home;
      const Opcode opcode = here[i].second->opcode;
      if (in_home && opcode != Opcode::reduce_ && opcode != Opcode::build_ && opcode != Opcode::if_)
        return true;
    }
    if (here[level].second == where[level].second)
      return true; // the two sides of a condition: not looked into
    const auto place = [&](const Op* op) { return op - here[level].first->ops.data(); };
    if (place(where[level].second) < place(here[level].second))
      return false;
    // Indices of the region itself mean the same in both.
    return level + 1 != here.size() || !is_elsewhere(store, load);
  }

  bool is_elsewhere(const Op& store, const Op& load) const {
    for (std::size_t i = 1; i < load.operands.size(); ++i)
      if (is_below(load.operands[i], store.operands[i]) || is_below(store.operands[i], load.operands[i]))
        return true;
    return false;
  }

  /// Whether an index is that of a loop with `limit`, or max(0, limit), iterations.
  bool is_below(ValueId index, ValueId limit) const {
    const auto found = loop_.find(index);
    if (found == loop_.end() || !is_counted_loop(*found->second))
      return false;
    const Op& loop = *found->second;
    const std::vector<ValueId>& arguments = loop.regions[0].arguments;
    const auto position = static_cast<std::size_t>(std::ranges::find(arguments, index) - arguments.begin());
    if (loop.opcode == Opcode::loop_ && position > 0)
      return false; // carried
    const ValueId extent = loop.operands[position];
    if (extent == limit)
      return true;
    const Op* op = definitions_.as(extent, Opcode::max);
    if (!op)
      return false;
    const auto is_zero = [&](ValueId v) {
      const Op* constant = definitions_.as(v, Opcode::constant_);
      return constant && constant->integer == 0;
    };
    return (op->operands[0] == limit && is_zero(op->operands[1])) ||
           (op->operands[1] == limit && is_zero(op->operands[0]));
  }

  const Function& from_;
  const ir::Definitions definitions_;
  Path path_;
  std::vector<const Op*> stores_;
  std::map<const Op*, Path> paths_; // looked up only, never walked
  std::map<ValueId, std::vector<std::pair<const Op*, Path>>> loads_;
  std::map<ValueId, const Region*> home_; // of memory: where it is made
  std::map<ValueId, const Op*> loop_;     // of arguments of regions
  std::set<ValueId> seen_;                // by something else than loads, stores and accumulations
  std::set<const Op*> dead_;              // looked up only, never walked
};

} // namespace

Module dead_stores(Module module) {
  for (Function& function : module.functions) {
    DeadStores stores(function);
    if (stores.any())
      function = remove_dead_code(stores.run());
  }
  return module;
}

} // namespace vmodel::passes
