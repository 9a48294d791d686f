#include "compiler/passes/derivative_activity.h"

#include "compiler/passes/derivative_rules.h"
#include "compiler/passes/pass.h"

#include <algorithm>

namespace vmodel::passes {

Activity::Activity(const ir::Function& function, const std::vector<ValueId>& inputs)
    : function_(function), active_(function.values.size()), accumulated_(function.values.size()),
      loaded_(function.values.size()), root_(function.values.size()), definition_(function.values.size()),
      depth_(function.values.size()) {
  for (std::uint32_t id = 0; id < function.values.size(); ++id)
    root_[id] = ValueId{id};
  index(function.body);
  for (ValueId v : inputs)
    active_[v.id] = true;
  while (spread(function.body)) {
  }
  find_saved_loads();
}

void Activity::index(const Region& region) {
  for (ValueId v : region.arguments)
    depth_[v.id] = around_.size();
  for (const Op& op : region.ops) {
    const std::size_t position = place_.size();
    place_[&op] = {position, around_.size()};
    for (ValueId v : op.results) {
      definition_[v.id] = &op;
      depth_[v.id] = around_.size();
    }
    if (op.opcode == Opcode::freeze_)
      root_[op.results[0].id] = root(op.operands[0]);
    if (op.opcode == Opcode::load_) {
      loaded_[root(op.operands[0]).id] = true;
      loads_.push_back({{&op, around_, position}, root(op.operands[0])});
    }
    if (op.opcode == Opcode::store_ || op.opcode == Opcode::accumulate_) {
      const ValueId memory = root(op.operands[0]);
      if (op.opcode == Opcode::accumulate_)
        accumulated_[memory.id] = true;
      writes_.push_back({{&op, around_, position}, memory});
    }
    around_.push_back(&op);
    for (const Region& inner : op.regions)
      index(inner);
    around_.pop_back();
  }
}

bool Activity::set(ValueId v, bool on) {
  const Element element = function_.type(v).element;
  if (!on || active_[v.id] || element == Element::index || element == Element::boolean)
    return false;
  active_[v.id] = true;
  return true;
}

bool Activity::any_active_use(const Op& op) const {
  for (ValueId v : ir::free_values(function_, op))
    if (active_[v.id])
      return true;
  return false;
}

// One step of the propagation; true if something became active.
bool Activity::spread(const Region& region) {
  bool changed = false;
  for (const Op& op : region.ops) {
    const auto on = [&](std::size_t i) { return active_[op.operands[i].id]; };
    switch (op.opcode) {
    case Opcode::constant_:
    case Opcode::stop_:
    case Opcode::alloc_: break;
    case Opcode::load_:
    case Opcode::freeze_: changed |= set(op.results[0], active_[root(op.operands[0]).id]); break;
    case Opcode::store_:
    case Opcode::accumulate_: changed |= set(root(op.operands[0]), active_[op.operands.back().id]); break;
    case Opcode::build_:
    case Opcode::reduce_:
    case Opcode::if_:
      for (const Region& inner : op.regions) {
        changed |= spread(inner);
        for (std::size_t i = 0; i < op.results.size(); ++i)
          changed |= set(op.results[i], active_[inner.yields[i].id]);
      }
      break;
    case Opcode::loop_: {
      const Region& body = op.regions[0];
      for (std::size_t i = 0; i < op.results.size(); ++i) {
        changed |= set(body.arguments[i + 1], on(i + 1) || active_[body.yields[i].id]);
        changed |= set(op.results[i], active_[body.arguments[i + 1].id]);
      }
      changed |= spread(body);
      break;
    }
    case Opcode::while_: {
      const bool uses = any_active_use(op);
      for (ValueId v : op.results)
        changed |= set(v, uses);
      break;
    }
    default: {
      if (is_flat(op.opcode) || !op.regions.empty())
        break;
      bool uses = false;
      for (ValueId v : op.operands)
        uses |= active_[v.id];
      for (ValueId v : op.results)
        changed |= set(v, uses);
      break;
    }
    }
  }
  return changed;
}

bool Activity::active(const Op& op) const {
  if (op.opcode == Opcode::store_ || op.opcode == Opcode::accumulate_)
    return active(root(op.operands[0]));
  for (ValueId v : op.results)
    if (active(v))
      return true;
  for (const Region& region : op.regions)
    for (const Op& inner : region.ops)
      if (active(inner))
        return true;
  return false;
}

bool Activity::overwritten_or_read(ValueId root) const {
  std::size_t stores = 0;
  if (function_.type(root).rank() == 0)
    for (const RootAccess& write : writes_)
      if (write.root == root && write.op->opcode == Opcode::store_)
        stores += write.around.empty() ? 1 : 2;
  return loaded_[root.id] || stores > 1;
}

// A load can be repeated later if nothing is stored to its element between; stores come later in the
// text, or in a later iteration of a loop that both are in.
void Activity::find_saved_loads() {
  for (const RootAccess& load : loads_) {
    const Op* allocation = definition_[load.root.id];
    const bool once = allocation ? allocation->opcode != Opcode::alloc_ || allocation->integer == 0
                                 : !function_.type(load.root).reference;
    const std::size_t depth = depth_[load.root.id];
    if (once || load.around.size() <= depth)
      continue;
    if (is_written_later(load))
      saved_[load.around[depth]].push_back(
          {load.op, {load.around.begin() + static_cast<std::ptrdiff_t>(depth), load.around.end()}});
  }
}

bool Activity::is_written_later(const RootAccess& access) const {
  return std::any_of(writes_.begin(), writes_.end(), [&](const RootAccess& write) {
    if (write.root != access.root)
      return false;
    if (!positions_)
      positions_.emplace(function_);
    return !positions_->never_meet_later(access, write, depth_[access.root.id]);
  });
}

bool Activity::is_last_write(const Op& store) const {
  const ValueId memory = root(store.operands[0]);
  const Op* allocation = definition(memory);
  if (!allocation || allocation->opcode != Opcode::alloc_)
    return false;
  if (allocation->integer == 0)
    return true;
  const auto access = std::find_if(writes_.begin(), writes_.end(), [&](const RootAccess& w) { return w.op == &store; });
  return access != writes_.end() && !is_written_later(*access);
}

const std::vector<SavedLoad>& Activity::saved_loads(const Op& op) const {
  static const std::vector<SavedLoad> none;
  const auto found = saved_.find(&op);
  return found == saved_.end() ? none : found->second;
}

} // namespace vmodel::passes
