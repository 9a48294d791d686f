// What the linear part reads instead of computing it again: loads from memory that is overwritten, values that lie in
// memory for good, dear operations of recurrences.
#include "compiler/ir/typing.h"
#include "compiler/passes/linearise_internal.h"

#include <algorithm>
#include <set>

namespace vmodel::passes {

namespace {

// The extents that an operation's region runs over.
std::span<const ValueId> extents(const Op& op) {
  if (op.opcode == Opcode::reduce_ || op.opcode == Opcode::build_)
    return op.operands;
  if (op.opcode == Opcode::loop_)
    return std::span(op.operands).first(1);
  return {};
}

// Operations that are worth a load instead.
bool is_dear(Opcode opcode) {
  switch (opcode) {
  case Opcode::add:
  case Opcode::sub:
  case Opcode::mul:
  case Opcode::neg:
  case Opcode::abs:
  case Opcode::min:
  case Opcode::max:
  case Opcode::sign:
  case Opcode::exponent:
  case Opcode::inverse_power:
  case Opcode::square: return false;
  default: return ir::is_unary(opcode) || ir::is_binary(opcode);
  }
}

} // namespace

// Values that this region stores to memory outside, where they stay, need not be computed again.
void Lineariser::plan_read_back(const Region& region) {
  std::set<const Op*> own;
  for (const Op& op : region.ops)
    own.insert(&op);
  for (const Op& store : region.ops) {
    if (store.opcode != Opcode::store_)
      continue;
    const ValueId root = activity_.root(store.operands[0]);
    const Op* memory = activity_.definition(root);
    const Op* definition = activity_.definition(store.operands.back());
    if (!memory || own.contains(memory) || !definition || !own.contains(definition) || !is_dear(definition->opcode) ||
        !activity_.is_last_write(store))
      continue;
    // The indices must be there, or easy to have, where the value is computed.
    const std::function<bool(ValueId)> is_early = [&](ValueId v) {
      const Op* op = activity_.definition(v);
      if (!op || !own.contains(op) || activity_.position(*op) < activity_.position(*definition))
        return true;
      bool early = op->opcode == Opcode::constant_ || ir::is_binary(op->opcode);
      for (ValueId operand : op->operands)
        early = early && is_early(operand);
      return early;
    };
    bool early = true;
    for (std::size_t i = 1; i + 1 < store.operands.size(); ++i)
      early = early && is_early(store.operands[i]);
    if (early)
      read_back_[definition] = &store;
  }
}

// The value of an operation of `plan_read_back`, loaded.
void Lineariser::read_back(const Op& op, const Op& store) {
  const std::function<ValueId(ValueId)> early = [&](ValueId v) {
    const Op* index = activity_.definition(v);
    if (index && activity_.depth(*index) == activity_.depth(op) &&
        activity_.position(*index) > activity_.position(op)) {
      for (ValueId operand : index->operands)
        early(operand);
      map_->copy(*index, false);
    }
    return (*map_)(v);
  };
  std::vector<ValueId> indices;
  for (std::size_t i = 1; i + 1 < store.operands.size(); ++i)
    indices.push_back(early(store.operands[i]));
  map_->set(op.results[0], builder_->load((*map_)(store.operands[0]), indices));
}

// --- Saved loads --------------------------------------------------------------------------------

std::vector<ValueId> Lineariser::save_indices(const SavedLoad& saved) const {
  std::vector<ValueId> indices;
  for (const Op* op : saved.around)
    for (std::size_t i = 0; i < extents(*op).size(); ++i)
      indices.push_back((*map_)(op->regions[0].arguments[i]));
  return indices;
}

// A copy of an index computation of the source at the place of the builder, down to values that are
// defined outside of `depth` operations or are mapped loop indices.
ValueId Lineariser::copy_index(ValueId source, std::size_t depth) {
  const Op* op = activity_.definition(source);
  if (!op || activity_.depth(source) <= depth)
    return (*map_)(source);
  if (op->opcode == Opcode::alloc_ || op->opcode == Opcode::while_)
    ir::internal_error("derivative of '" + source_.name +
                       "': the extent of a loop that overwrites memory is computed in memory");
  const Restore primal_only(with_tangents_, false);
  for (ValueId v : ir::free_values(source_, *op))
    copy_index(v, depth);
  map_->copy(*op, false);
  return (*map_)(source);
}

// The extent of a loop inside others may depend on their indices: then the largest one.
ValueId Lineariser::save_extent(const SavedLoad& saved, std::size_t at, ValueId extent) {
  const std::size_t depth = activity_.depth(*saved.around[0]);
  const std::function<ValueId(std::size_t)> largest = [&](std::size_t level) -> ValueId {
    if (level == at)
      return copy_index(extent, depth);
    const Op& op = *saved.around[level];
    std::vector<Dim> dims;
    for (ValueId e : extents(op))
      dims.push_back(builder_->dim(copy_index(e, depth)));
    if (dims.empty())
      return largest(level + 1);
    const ValueId bound = builder_->reduce("max", dims, [&](ir::Builder::Indices indices) {
      for (std::size_t i = 0; i < indices.size(); ++i)
        map_->set(op.regions[0].arguments[i], indices[i]);
      return std::vector<ValueId>{largest(level + 1)};
    })[0];
    return builder_->binary(Opcode::max, bound, builder_->index(0));
  };
  if (activity_.depth(extent) <= depth)
    return (*map_)(extent);
  return largest(0);
}

Lineariser::Saves::Saves(Lineariser& lineariser, const Op& op) : lineariser_(lineariser), op_(op) {
  Lineariser& l = lineariser_;
  if (!l.apart())
    return;
  for (const SavedLoad& saved : l.activity_.saved_loads(op)) {
    std::vector<Dim> dims;
    for (std::size_t at = 0; at < saved.around.size(); ++at)
      for (ValueId extent : extents(*saved.around[at]))
        dims.push_back(l.builder_->dim(l.save_extent(saved, at, extent)));
    const Element element = l.source_.type(saved.load->results[0]).element;
    l.saved_[saved.load] = {saved, l.builder_->alloc(dims, element, false), l.linear_depth_};
  }
}

Lineariser::Saves::~Saves() {
  for (const SavedLoad& saved : lineariser_.activity_.saved_loads(op_))
    lineariser_.saved_.erase(saved.load);
}

// Memory for what is dearer to compute again than to load: exponentials, logarithms, quotients that change from
// iteration to iteration. What the reverse loop does not need of it is pruned.
void Lineariser::plan_kept(const Op& loop) {
  const Region& body = loop.regions[0];
  std::set<ValueId> varying(body.arguments.begin(), body.arguments.end());
  plan_kept(body, varying, {builder_->dim((*map_)(loop.operands[0]))}, {body.arguments[0]}, activity_.depth(loop));
}

void Lineariser::plan_kept(const Region& region, std::set<ValueId>& varying, const std::vector<Dim>& extents,
                           const std::vector<ValueId>& indices, std::size_t depth) {
  for (const Op& op : region.ops) {
    // Arrays that are not memory do not change; anything else that is not arithmetic may.
    bool varies = op.opcode == Opcode::load_ ? source_.type(op.operands[0]).reference : !ir::is_pure_scalar(op.opcode);
    for (ValueId v : op.operands)
      varies |= varying.contains(v);
    if (!varies)
      continue;
    varying.insert(op.results.begin(), op.results.end());
    const bool is_map = op.opcode == Opcode::reduce_ || op.opcode == Opcode::build_;
    if (plan_.keep_maps && is_map &&
        std::all_of(op.operands.begin(), op.operands.end(), [&](ValueId e) { return is_fixed(e, depth); })) {
      std::vector<Dim> inner_extents = extents;
      for (ValueId e : op.operands)
        inner_extents.push_back(builder_->dim(copy_index(e, depth)));
      std::vector<ValueId> inner_indices = indices;
      inner_indices.insert(inner_indices.end(), op.regions[0].arguments.begin(), op.regions[0].arguments.end());
      plan_kept(op.regions[0], varying, inner_extents, inner_indices, depth);
    }
    // A sum inside of a map is a row of a product with a matrix.
    const bool is_sum = plan_.keep_maps && op.opcode == Opcode::reduce_ && op.symbol == "add" &&
                        op.results.size() == 1 && !ir::has_effects(op);
    if ((!is_dear(op.opcode) && !is_sum) || axis_[op.results[0].id] == ir::Axis::load ||
        source_.type(op.results[0]).element != Element::f64)
      continue;
    kept_[&op] = {builder_->alloc(extents, Element::f64, false), indices, linear_depth_};
  }
}

// The number of turns of a map does not depend on what changes in the loop around it.
bool Lineariser::is_fixed(ValueId extent, std::size_t depth) const {
  const Op* op = activity_.definition(extent);
  if (activity_.depth(extent) <= depth)
    return true;
  return op && (op->opcode == Opcode::constant_ || ir::is_pure_scalar(op->opcode)) &&
         std::all_of(op->operands.begin(), op->operands.end(), [&](ValueId v) { return is_fixed(v, depth); });
}

void Lineariser::forget_kept(const Region& region) {
  for (const Op& op : region.ops) {
    kept_.erase(&op);
    for (const Region& inner : op.regions)
      forget_kept(inner);
  }
}

const Lineariser::Kept* Lineariser::kept_to_read(const Op& op) const {
  const auto kept = kept_.find(&op);
  return kept != kept_.end() && linear_depth_ > kept->second.depth ? &kept->second : nullptr;
}

const Lineariser::Kept* Lineariser::kept_to_fill(const Op& op) const {
  const auto kept = kept_.find(&op);
  return kept != kept_.end() && linear_depth_ <= kept->second.depth ? &kept->second : nullptr;
}

ValueId Lineariser::load_kept(const Kept& kept) {
  return builder_->load(kept.memory, (*map_)(kept.indices));
}

void Lineariser::store_kept(const Kept& kept, ValueId value) {
  builder_->store(kept.memory, (*map_)(kept.indices), value);
}

std::optional<std::int64_t> Lineariser::constant_index(ValueId v) const {
  const Op* op = activity_.definition(v);
  return op && op->opcode == Opcode::constant_ ? std::optional(op->integer) : std::nullopt;
}

// Iteration i stores the next value at i + offset + 1 of write-once memory, and the initial value lies at `offset`.
Lineariser::StoredCarried Lineariser::stored_carried(const Op& loop, std::size_t position) const {
  const Region& body = loop.regions[0];
  const ValueId index = body.arguments[0];
  if (loop.integer != 0)
    return {};
  const auto equal = [&](ValueId a, ValueId b) {
    return a == b || (constant_index(a) && constant_index(a) == constant_index(b));
  };
  // What lies at the place of the first iteration, but for the index on the axis.
  const auto is_initial = [&](const Op& access, const StoredCarried& stored) {
    if (activity_.root(access.operands[0]) != activity_.root(stored.store->operands[0]))
      return false;
    for (std::size_t i = 1; i + 1 < stored.store->operands.size(); ++i)
      if (i == stored.axis ? constant_index(access.operands[i]) != stored.offset
                           : !equal(access.operands[i], stored.store->operands[i]))
        return false;
    return true;
  };
  for (const Op& store : body.ops) {
    if (store.opcode != Opcode::store_ || store.operands.back() != body.yields[position])
      continue;
    const Op* memory = activity_.definition(store.operands[0]);
    if (!memory || memory->opcode != Opcode::alloc_ || memory->integer != 0 ||
        activity_.depth(*memory) > activity_.depth(loop))
      continue;
    StoredCarried stored{&store, 0, index, 0};
    bool is_fixed = true;
    for (std::size_t i = 1; i + 1 < store.operands.size(); ++i) {
      const ValueId at = store.operands[i];
      const Op* sum = activity_.definition(at);
      if (sum && sum->opcode == Opcode::add && sum->operands[0] == index && constant_index(sum->operands[1]) &&
          stored.axis == 0) {
        stored.axis = i;
        stored.offset = *constant_index(sum->operands[1]) - 1;
      } else if (activity_.depth(at) > activity_.depth(loop) && !constant_index(at)) {
        is_fixed = false;
      }
    }
    if (stored.axis == 0 || !is_fixed || stored.offset < 0)
      continue;
    const ValueId initial = loop.operands[position + 1];
    const Op* definition = activity_.definition(initial);
    if (definition && definition->opcode == Opcode::load_ && is_initial(*definition, stored))
      return stored;
    bool is_there = false;
    ir::for_each_op(source_.body, [&](const Op& op) {
      is_there = is_there || (op.opcode == Opcode::store_ && op.operands.back() == initial && is_initial(op, stored));
    });
    if (is_there)
      return stored;
  }
  return {};
}

ValueId Lineariser::load_carried(const StoredCarried& stored) {
  std::vector<ValueId> indices;
  for (std::size_t i = 1; i + 1 < stored.store->operands.size(); ++i) {
    const ValueId at = stored.store->operands[i];
    if (i == stored.axis)
      indices.push_back(builder_->add((*map_)(stored.index), builder_->index(stored.offset)));
    else
      indices.push_back(constant_index(at) ? builder_->index(*constant_index(at)) : (*map_)(at));
  }
  return builder_->load((*map_)(stored.store->operands[0]), indices);
}

} // namespace vmodel::passes
