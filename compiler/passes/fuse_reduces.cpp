// Reduces over the same extents that do not depend on each other become one.
#include "compiler/ir/axes.h"
#include "compiler/passes/fuse.h"
#include "compiler/passes/pass.h"

#include <algorithm>
#include <map>
#include <set>

namespace vmodel::passes {

namespace {

/// The operations of one region, what each has to wait for, and groups of reduces that are merged.
class Schedule {
public:
  Schedule(const Function& function, const std::vector<Axis>& axis, const ir::Definitions& definitions,
           const Region& region)
      : function_(function), axis_(axis), definitions_(definitions), region_(region), depends_(region.ops.size()),
        group_(region.ops.size()) {
    for (std::size_t i = 0; i < region.ops.size(); ++i) {
      group_[i] = i;
      members_.push_back({i});
    }
    add_edges();
    merge();
  }

  const std::vector<std::size_t>& members(std::size_t op) const { return members_[group_[op]]; }
  const std::vector<std::size_t>& depends(std::size_t op) const { return depends_[op]; }
  bool has_groups() const { return has_groups_; }

private:
  enum class Touch : std::uint8_t { load, accumulate, store };

  void touches(const Op& op, std::map<ValueId, Touch>& result) const {
    const auto note = [&](ValueId v, Touch touch) {
      const auto [entry, is_new] = result.emplace(v, touch);
      // Two kinds of access order as a store does.
      if (!is_new && entry->second != touch)
        entry->second = Touch::store;
    };
    for (std::size_t i = 0; i < op.operands.size(); ++i) {
      const ValueId v = op.operands[i];
      if (!function_.type(v).reference)
        continue;
      const bool target = i == 0;
      if (target && op.opcode == Opcode::accumulate_)
        note(v, Touch::accumulate);
      else if (target && (op.opcode == Opcode::load_ || op.opcode == Opcode::freeze_))
        note(v, Touch::load);
      else
        note(v, Touch::store);
    }
    for (const Region& region : op.regions)
      for (const Op& inner : region.ops)
        touches(inner, result);
  }

  void add_edges() {
    std::map<ValueId, std::size_t> producer;
    struct Accesses {
      std::vector<std::size_t> last; // all of the same kind
      Touch kind = Touch::load;
      std::vector<std::size_t> before; // what those wait for
    };
    std::map<ValueId, Accesses> memory;
    std::size_t last_effect = SIZE_MAX;
    for (std::size_t i = 0; i < region_.ops.size(); ++i) {
      const Op& op = region_.ops[i];
      std::set<std::size_t> waits;
      for (ValueId v : ir::free_values(function_, op))
        if (const auto found = producer.find(v); found != producer.end())
          waits.insert(found->second);
      std::map<ValueId, Touch> touched;
      touches(op, touched);
      for (const auto& [v, touch] : touched) {
        Accesses& accesses = memory[v];
        if (touch == Touch::store || touch != accesses.kind) {
          accesses.before = std::exchange(accesses.last, {});
          accesses.kind = touch;
        }
        waits.insert(accesses.before.begin(), accesses.before.end());
        accesses.last.push_back(i);
      }
      // Other effects keep their order among themselves.
      bool ordered = false;
      const auto check = [&](const Op& inner) {
        ordered |=
            ir::has_effect(inner.opcode) && inner.opcode != Opcode::store_ && inner.opcode != Opcode::accumulate_;
      };
      check(op);
      for (const Region& region : op.regions)
        ir::for_each_op(region, check);
      if (ordered) {
        if (last_effect != SIZE_MAX)
          waits.insert(last_effect);
        last_effect = i;
      }
      for (ValueId v : op.results)
        producer[v] = i;
      depends_[i].assign(waits.begin(), waits.end());
    }
  }

  // True if `to` is reached from `from` by waiting, through whole groups.
  bool waits_for(std::size_t from, std::size_t to) const {
    std::vector<bool> seen(region_.ops.size());
    std::vector<std::size_t> pending{group_[from]};
    seen[group_[from]] = true;
    while (!pending.empty()) {
      const std::size_t current = pending.back();
      pending.pop_back();
      for (std::size_t member : members_[current])
        for (std::size_t next : depends_[member]) {
          const std::size_t g = group_[next];
          if (g == group_[to] && current != g)
            return true;
          if (!seen[g]) {
            seen[g] = true;
            pending.push_back(g);
          }
        }
    }
    return false;
  }

  void merge() {
    // By extents, kind and whether the results follow from data only (those move to `prepare`).
    std::map<std::pair<std::vector<ValueId>, std::pair<std::string, bool>>, std::vector<std::size_t>> leaders;
    for (std::size_t i = 0; i < region_.ops.size(); ++i) {
      const Op& op = region_.ops[i];
      if (op.opcode != Opcode::reduce_)
        continue;
      bool only_load = true;
      for (ValueId v : op.results)
        only_load &= axis_[v.id] == Axis::load;
      std::map<ValueId, Touch> touched;
      touches(op, touched);
      for (const auto& [v, touch] : touched)
        only_load &= axis_[v.id] == Axis::load;
      std::vector<ValueId> extents;
      for (ValueId v : op.operands)
        extents.push_back(iterations(definitions_, v));
      auto& candidates = leaders[{extents, {op.symbol, only_load}}];
      bool merged = false;
      for (std::size_t leader : candidates) {
        if (waits_for(i, leader) || waits_for(leader, i))
          continue;
        members_[leader].push_back(i);
        members_[i].clear();
        group_[i] = leader;
        has_groups_ = true;
        merged = true;
        break;
      }
      if (!merged)
        candidates.push_back(i);
    }
  }

  const Function& function_;
  const std::vector<Axis>& axis_;
  const ir::Definitions& definitions_;
  const Region& region_;
  std::vector<std::vector<std::size_t>> depends_;
  std::vector<std::size_t> group_;
  std::vector<std::vector<std::size_t>> members_;
  bool has_groups_ = false;
};

class ReduceFusion {
public:
  ReduceFusion(const Function& from, Function& to)
      : from_(from), axis_(ir::axes(from)), definitions_(from.body), b_(to),
        r_(from, b_,
           [this](Rewriter&, const Op& op) { return op.regions.empty() ? false : (copy_regions(op), true); }) {}

  void run() {
    b_.function().name = from_.name;
    ir::copy_parameters(from_, b_, r_);
    copy_ops(from_.body);
    b_.yield(r_(from_.body.yields));
  }

private:
  void copy_ops(const Region& region) {
    const Schedule schedule(from_, axis_, definitions_, region);
    std::vector<bool> done(region.ops.size());
    const std::function<void(std::size_t)> emit = [&](std::size_t i) {
      if (done[i])
        return;
      const std::vector<std::size_t>& members = schedule.members(i);
      for (std::size_t member : members)
        done[member] = true;
      for (std::size_t member : members)
        for (std::size_t next : schedule.depends(member))
          emit(next);
      if (members.size() == 1)
        r_.copy(region.ops[i]);
      else
        merged(region, members);
    };
    for (std::size_t i = 0; i < region.ops.size(); ++i)
      emit(i);
  }

  Region copy_region(const Region& region) {
    if (region.absent)
      return region;
    b_.open_region();
    std::vector<ValueId> arguments = r_.declare(region.arguments);
    copy_ops(region);
    Region copied = b_.close_region(r_(region.yields));
    copied.arguments = std::move(arguments);
    return copied;
  }

  void copy_regions(const Op& op) {
    Op copied = ir::bare(op);
    copied.operands = r_(op.operands);
    for (const Region& region : op.regions)
      copied.regions.push_back(copy_region(region));
    copied.results = r_.declare(op.results);
    b_.append(std::move(copied));
  }

  void merged(const Region& region, const std::vector<std::size_t>& members) {
    const Op& first = region.ops[members.front()];
    Op op = ir::bare(first);
    op.operands = r_(first.operands);
    b_.open_region();
    const std::vector<ValueId> arguments = r_.declare(first.regions[0].arguments);
    std::vector<ValueId> yields;
    for (std::size_t member : members) {
      const Region& body = region.ops[member].regions[0];
      for (std::size_t k = 0; k < arguments.size(); ++k)
        r_.set(body.arguments[k], arguments[k]);
      copy_ops(body);
      for (ValueId v : body.yields)
        yields.push_back(r_(v));
    }
    op.regions.push_back(b_.close_region(std::move(yields)));
    op.regions[0].arguments = arguments;
    for (std::size_t member : members)
      for (ValueId v : r_.declare(region.ops[member].results))
        op.results.push_back(v);
    b_.append(std::move(op));
  }

  const Function& from_;
  std::vector<Axis> axis_;
  ir::Definitions definitions_;
  ir::Builder b_;
  Rewriter r_;
};

} // namespace

Function fuse_reduces(const Function& function) {
  Function result;
  ReduceFusion(function, result).run();
  return result;
}

} // namespace vmodel::passes
