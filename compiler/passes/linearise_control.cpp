// Forward mode of operations with regions.
#include "compiler/ir/typing.h"
#include "compiler/passes/linearise_internal.h"

#include <limits>
#include <set>

namespace vmodel::passes {

using ir::Dim;
using ir::Element;
using ir::Op;
using ir::Opcode;
using ir::Region;
using ir::Type;
using ir::ValueId;

namespace {

const Type real{};
const Type index_type{Element::index, false, {}};

std::vector<Region> list(Region region) {
  std::vector<Region> regions;
  regions.push_back(std::move(region));
  return regions;
}

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
  case Opcode::square: return false;
  default: return ir::is_unary(opcode) || ir::is_binary(opcode);
  }
}

template <typename T>
class Restore {
public:
  Restore(T& variable, T value) : variable_(variable), old_(variable) { variable_ = std::move(value); }
  ~Restore() { variable_ = std::move(old_); }
  Restore(const Restore&) = delete;

private:
  T& variable_;
  T old_;
};

} // namespace

std::vector<ValueId> Lineariser::append(Opcode opcode, std::vector<ValueId> operands, std::vector<Type> results,
                                        std::vector<Region> regions, const std::string& symbol, std::int64_t integer) {
  return builder_->emit(opcode, std::move(operands), std::move(results), std::move(regions), symbol, integer);
}

void Lineariser::mark_all(const std::vector<ValueId>& values) {
  for (ValueId v : values)
    mark(v);
}

std::vector<std::size_t> Lineariser::active_results(const Op& op) const {
  std::vector<std::size_t> positions;
  for (std::size_t i = 0; i < op.results.size(); ++i)
    if (activity_.active(op.results[i]))
      positions.push_back(i);
  return positions;
}

void Lineariser::copy_primal(const Op& op) {
  const Restore primal_only(with_tangents_, false);
  if (op.opcode == Opcode::build_ && saves_inside(op.regions[0]))
    build_in_memory(op);
  else
    map_->copy(op, false);
  for (ValueId v : op.results)
    set_tangent(v, {});
}

bool Lineariser::saves_inside(const Region& region) const {
  bool found = false;
  for (const Op& op : region.ops) {
    const auto saved = saved_.find(&op);
    found = found || (saved != saved_.end() && linear_depth_ <= saved->second.depth);
    for (const Region& inner : op.regions)
      found = found || saves_inside(inner);
  }
  return found;
}

/// A build whose loads are saved has effects, which a build must not have: it becomes a map that stores its elements.
void Lineariser::build_in_memory(const Op& op) {
  const Region& body = op.regions[0];
  std::vector<Dim> dims;
  for (ValueId extent : (*map_)(op.operands))
    dims.push_back(builder_->dim(extent));
  const ValueId memory = builder_->alloc(dims, source_.type(op.results[0]).element, false);
  builder_->open_region();
  std::vector<ValueId> arguments = map_->declare(body.arguments);
  map_->copy_ops(body);
  builder_->store(memory, arguments, (*map_)(body.yields[0]));
  Region region = builder_->close_region({});
  region.arguments = std::move(arguments);
  append(Opcode::reduce_, (*map_)(op.operands), {}, list(std::move(region)), "add", 0);
  map_->set(op.results[0], builder_->freeze(memory));
}

Region Lineariser::linear_region(const Region& region, std::vector<ValueId> arguments,
                                 const std::function<void()>& before,
                                 const std::function<std::vector<ValueId>()>& yields) {
  const Restore depth(linear_depth_, linear_depth_ + 1);
  const Restore read_back(read_back_, {});
  builder_->open_region();
  if (before)
    before();
  if (apart())
    plan_read_back(region);
  map_->copy_ops(region);
  Region result = builder_->close_region(yields());
  result.arguments = std::move(arguments);
  return result;
}

// Values that this region stores to write-once memory outside need not be computed again.
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
    if (!memory || memory->integer != 0 || own.contains(memory) || !definition || !own.contains(definition) ||
        !is_dear(definition->opcode))
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

// --- Maps -----------------------------------------------------------------------------------------

void Lineariser::build(const Op& op) {
  const bool tangents = with_tangents_ && activity_.active(op);
  if (!tangents)
    return copy_primal(op);
  const Saves saves(*this, op);
  copy_primal(op);
  const Region& body = op.regions[0];
  Region region = linear_region(body, map_->declare(body.arguments), {},
                                [&] { return std::vector<ValueId>{tangent_or_zero(body.yields[0])}; });
  const Type type = out_.type((*map_)(op.results[0]));
  const ValueId t = append(Opcode::build_, (*map_)(op.operands), {type}, list(std::move(region)), {}, 0)[0];
  mark(t);
  set_wild(t);
  set_tangent(op.results[0], t);
}

void Lineariser::reduce(const Op& op) {
  if (!with_tangents_ || !activity_.active(op))
    return copy_primal(op);
  const std::vector<std::size_t> active = active_results(op);
  if (!active.empty() && op.symbol != "add")
    return reduce_extremum(op);
  const Region& body = op.regions[0];
  std::vector<std::size_t> moving; // results whose yields have tangents
  std::vector<ValueId> tangents;
  const auto collect = [&](std::vector<ValueId>& yields) {
    for (std::size_t i : active)
      if (const ValueId t = tangent(body.yields[i])) {
        moving.push_back(i);
        yields.push_back(t);
      }
  };
  if (apart()) {
    const Saves saves(*this, op);
    copy_primal(op);
    Region region = linear_region(body, map_->declare(body.arguments), {}, [&] {
      std::vector<ValueId> yields;
      collect(yields);
      return yields;
    });
    tangents = append(Opcode::reduce_, (*map_)(op.operands), std::vector<Type>(moving.size(), real),
                      list(std::move(region)), "add", 0);
  } else {
    Region region = map_->copy_region(body, collect);
    std::vector<Type> types(op.results.size() + moving.size(), real);
    for (std::size_t i = 0; i < op.results.size(); ++i)
      types[i] = source_.type(op.results[i]);
    const std::vector<ValueId> results =
        append(Opcode::reduce_, (*map_)(op.operands), std::move(types), list(std::move(region)), op.symbol, 0);
    for (std::size_t i = 0; i < op.results.size(); ++i) {
      map_->set(op.results[i], results[i]);
      set_tangent(op.results[i], {});
    }
    tangents.assign(results.begin() + static_cast<std::ptrdiff_t>(op.results.size()), results.end());
  }
  mark_all(tangents);
  for (std::size_t k = 0; k < moving.size(); ++k) {
    set_wild(tangents[k]);
    set_tangent(op.results[moving[k]], tangents[k]);
  }
}

// The derivative of a largest or smallest value is that of the first element that attains it.
void Lineariser::reduce_extremum(const Op& op) {
  const Saves saves(*this, op);
  copy_primal(op);
  const Region& body = op.regions[0];
  const std::vector<std::size_t> active = active_results(op);
  const std::vector<ValueId> operands = (*map_)(op.operands);
  const auto position = [&] {
    ValueId linear = builder_->index(0);
    for (std::size_t i = 0; i < operands.size(); ++i)
      linear = builder_->add(builder_->mul(linear, operands[i]), (*map_)(body.arguments[i]));
    return linear;
  };
  std::vector<ValueId> first;
  {
    const Restore primal_only(with_tangents_, false);
    Region region = linear_region(body, map_->declare(body.arguments), {}, [&] {
      const ValueId here = position();
      const ValueId none = builder_->index(std::numeric_limits<std::int64_t>::max());
      std::vector<ValueId> yields;
      for (std::size_t i : active) {
        const ValueId attains = builder_->compare(Opcode::eq, (*map_)(body.yields[i]), (*map_)(op.results[i]));
        yields.push_back(builder_->select(attains, here, none));
      }
      return yields;
    });
    first = append(Opcode::reduce_, operands, std::vector<Type>(active.size(), index_type), list(std::move(region)),
                   "min", 0);
  }
  Region region = linear_region(body, map_->declare(body.arguments), {}, [&] {
    const ValueId here = position();
    std::vector<ValueId> yields;
    for (std::size_t k = 0; k < active.size(); ++k) {
      const ValueId is_first = builder_->compare(Opcode::eq, here, first[k]);
      const ValueId t = tangent_or_zero(body.yields[active[k]]);
      yields.push_back(linear([&] { return builder_->select(is_first, t, builder_->constant(0)); }));
    }
    return yields;
  });
  const std::vector<ValueId> tangents =
      append(Opcode::reduce_, operands, std::vector<Type>(active.size(), real), list(std::move(region)), "add", 0);
  mark_all(tangents);
  for (std::size_t k = 0; k < active.size(); ++k) {
    set_wild(tangents[k]);
    set_tangent(op.results[active[k]], tangents[k]);
  }
}

// --- Recurrences ------------------------------------------------------------------------------------

// Memory for what is dearer to compute again than to load: exponentials, logarithms, quotients that change from
// iteration to iteration. What the reverse loop does not need of it is pruned.
void Lineariser::plan_kept(const Op& loop) {
  const Region& body = loop.regions[0];
  std::set<ValueId> varying(body.arguments.begin(), body.arguments.end());
  const Dim extent = builder_->dim((*map_)(loop.operands[0]));
  for (const Op& op : body.ops) {
    // Arrays that are not memory do not change; anything else that is not arithmetic may.
    bool varies = op.opcode == Opcode::load_ ? source_.type(op.operands[0]).reference
                                             : op.opcode != Opcode::constant_ && !ir::is_pure_scalar(op.opcode);
    for (ValueId v : op.operands)
      varies |= varying.contains(v);
    if (!varies)
      continue;
    varying.insert(op.results.begin(), op.results.end());
    if (!is_dear(op.opcode) || axis_[op.results[0].id] == ir::Axis::load ||
        source_.type(op.results[0]).element != Element::f64)
      continue;
    kept_[&op] = {builder_->alloc(std::span(&extent, 1), Element::f64, false), body.arguments[0], linear_depth_};
  }
}

// The forward loop, which keeps the carried values at the start of every iteration.
void Lineariser::primal_loop_with_saves(const Op& op, std::vector<ValueId>& saves) {
  const Region& body = op.regions[0];
  const Restore primal_only(with_tangents_, false);
  const Dim extent = builder_->dim((*map_)(op.operands[0]));
  for (std::size_t i = 0; i < op.results.size(); ++i)
    saves.push_back(builder_->alloc(std::span(&extent, 1), source_.type(op.results[i]).element, false));
  builder_->open_region();
  std::vector<ValueId> arguments = map_->declare(body.arguments);
  for (std::size_t i = 0; i < saves.size(); ++i)
    builder_->store(saves[i], std::span(arguments).first(1), arguments[i + 1]);
  map_->copy_ops(body);
  Region region = builder_->close_region((*map_)(body.yields));
  region.arguments = std::move(arguments);
  std::vector<Type> types;
  for (ValueId v : op.results)
    types.push_back(source_.type(v));
  const std::vector<ValueId> results =
      append(Opcode::loop_, (*map_)(op.operands), std::move(types), list(std::move(region)), {}, op.integer);
  for (std::size_t i = 0; i < results.size(); ++i) {
    map_->set(op.results[i], results[i]);
    set_tangent(op.results[i], {});
  }
}

void Lineariser::loop(const Op& op) {
  if (!with_tangents_ || !activity_.active(op))
    return copy_primal(op);
  const Region& body = op.regions[0];
  const std::vector<std::size_t> active = active_results(op);
  std::vector<ValueId> initial;
  const auto initial_tangents = [&] {
    for (std::size_t i : active)
      initial.push_back(tangent_or_zero(op.operands[i + 1]));
  };
  const auto carried_tangents = [&](std::vector<ValueId>& arguments) {
    for (ValueId argument : body.arguments)
      set_tangent(argument, {});
    for (std::size_t i : active) {
      arguments.push_back(out_.add_value(real));
      mark(arguments.back());
      set_wild(arguments.back());
      set_tangent(body.arguments[i + 1], arguments.back());
    }
  };
  const auto next_tangents = [&](std::vector<ValueId>& yields) {
    for (std::size_t i : active)
      yields.push_back(tangent_or_zero(body.yields[i]));
  };
  std::vector<ValueId> tangents;
  if (apart()) {
    const Saves saved_loads(*this, op);
    std::vector<ValueId> saves;
    plan_kept(op);
    primal_loop_with_saves(op, saves);
    initial_tangents();
    const ValueId index = out_.add_value(index_type, source_.values[body.arguments[0].id].hint);
    std::vector<ValueId> arguments{index};
    carried_tangents(arguments);
    map_->set(body.arguments[0], index);
    Region region = linear_region(
        body, arguments,
        [&] {
          for (std::size_t i = 0; i < saves.size(); ++i)
            map_->set(body.arguments[i + 1], builder_->load(saves[i], {index}));
        },
        [&] {
          std::vector<ValueId> yields;
          next_tangents(yields);
          return yields;
        });
    std::vector<ValueId> operands{(*map_)(op.operands[0])};
    operands.insert(operands.end(), initial.begin(), initial.end());
    tangents = append(Opcode::loop_, std::move(operands), std::vector<Type>(active.size(), real),
                      list(std::move(region)), {}, op.integer);
    for (const Op& inner : body.ops)
      kept_.erase(&inner);
  } else {
    initial_tangents();
    std::vector<ValueId> operands = (*map_)(op.operands);
    operands.insert(operands.end(), initial.begin(), initial.end());
    builder_->open_region();
    std::vector<ValueId> arguments = map_->declare(body.arguments);
    carried_tangents(arguments);
    map_->copy_ops(body);
    std::vector<ValueId> yields = (*map_)(body.yields);
    next_tangents(yields);
    Region region = builder_->close_region(std::move(yields));
    region.arguments = std::move(arguments);
    std::vector<Type> types(op.results.size() + active.size(), real);
    for (std::size_t i = 0; i < op.results.size(); ++i)
      types[i] = source_.type(op.results[i]);
    const std::vector<ValueId> results =
        append(Opcode::loop_, std::move(operands), std::move(types), list(std::move(region)), {}, op.integer);
    for (std::size_t i = 0; i < op.results.size(); ++i) {
      map_->set(op.results[i], results[i]);
      set_tangent(op.results[i], {});
    }
    tangents.assign(results.begin() + static_cast<std::ptrdiff_t>(op.results.size()), results.end());
  }
  mark_all(tangents);
  for (std::size_t k = 0; k < active.size(); ++k) {
    set_wild(tangents[k]);
    set_tangent(op.results[active[k]], tangents[k]);
  }
}

// --- Branches ---------------------------------------------------------------------------------------

void Lineariser::branch(const Op& op) {
  if (!with_tangents_ || !activity_.active(op))
    return copy_primal(op);
  const std::vector<std::size_t> active = active_results(op);
  std::vector<Region> regions;
  std::vector<ValueId> tangents;
  if (apart()) {
    const Saves saves(*this, op);
    copy_primal(op);
    for (const Region& side : op.regions)
      regions.push_back(linear_region(side, {}, {}, [&] {
        std::vector<ValueId> yields;
        for (std::size_t i : active)
          yields.push_back(tangent_or_zero(side.yields[i]));
        return yields;
      }));
    tangents =
        append(Opcode::if_, (*map_)(op.operands), std::vector<Type>(active.size(), real), std::move(regions), {}, 0);
  } else {
    for (const Region& side : op.regions)
      regions.push_back(map_->copy_region(side, [&](std::vector<ValueId>& yields) {
        for (std::size_t i : active)
          yields.push_back(tangent_or_zero(side.yields[i]));
      }));
    std::vector<Type> types(op.results.size() + active.size(), real);
    for (std::size_t i = 0; i < op.results.size(); ++i)
      types[i] = source_.type(op.results[i]);
    const std::vector<ValueId> results =
        append(Opcode::if_, (*map_)(op.operands), std::move(types), std::move(regions), {}, 0);
    for (std::size_t i = 0; i < op.results.size(); ++i) {
      map_->set(op.results[i], results[i]);
      set_tangent(op.results[i], {});
    }
    tangents.assign(results.begin() + static_cast<std::ptrdiff_t>(op.results.size()), results.end());
  }
  mark_all(tangents);
  for (std::size_t k = 0; k < active.size(); ++k) {
    set_wild(tangents[k]);
    set_tangent(op.results[active[k]], tangents[k]);
  }
}

void Lineariser::while_loop(const Op& op) {
  const bool tangents = with_tangents_;
  copy_primal(op);
  if (!tangents)
    return;
  for (ValueId v : op.results)
    if (activity_.active(v)) {
      Op result = op;
      result.results = {v};
      missing(result, "the derivative of a while loop");
    }
}

} // namespace vmodel::passes
