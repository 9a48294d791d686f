// Forward mode of operations with regions.
#include "compiler/ir/typing.h"
#include "compiler/passes/linearise_internal.h"

#include <limits>
#include <set>

namespace vmodel::passes {

namespace {

const Type real{};
const Type index_type{Element::index, false, {}};

std::vector<Region> list(Region region) {
  std::vector<Region> regions;
  regions.push_back(std::move(region));
  return regions;
}

} // namespace

std::vector<ValueId> Lineariser::append(Opcode opcode, std::vector<ValueId> operands, std::vector<Type> results,
                                        std::vector<Region> regions, const std::string& symbol, std::int64_t integer) {
  return builder_->emit(opcode, std::move(operands), std::move(results), std::move(regions), symbol, integer);
}

// The results of an operation that holds primal values and, after them, their tangents.
std::vector<ValueId> Lineariser::append_joint(const Op& op, std::vector<ValueId> operands, std::vector<Region> regions,
                                              std::size_t tangents) {
  std::vector<Type> types;
  for (ValueId v : op.results)
    types.push_back(source_.type(v));
  types.resize(types.size() + tangents, real);
  const std::vector<ValueId> results =
      append(op.opcode, std::move(operands), std::move(types), std::move(regions), op.symbol, op.integer);
  for (std::size_t i = 0; i < op.results.size(); ++i) {
    map_->set(op.results[i], results[i]);
    set_tangent(op.results[i], {});
  }
  return {results.begin() + static_cast<std::ptrdiff_t>(op.results.size()), results.end()};
}

// The tangents of some results, by position.
void Lineariser::set_tangents(const Op& op, const std::vector<std::size_t>& positions,
                              const std::vector<ValueId>& tangents) {
  for (std::size_t k = 0; k < positions.size(); ++k) {
    mark(tangents[k]);
    set_wild(tangents[k]);
    set_tangent(op.results[positions[k]], tangents[k]);
  }
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
    found = found || (saved != saved_.end() && linear_depth_ <= saved->second.depth) || kept_to_fill(op);
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

/// The primal value of a sum, which a recurrence around it may keep.
void Lineariser::sum_primal(const Op& op) {
  if (const Kept* kept = kept_to_read(op)) {
    map_->set(op.results[0], load_kept(*kept));
    set_tangent(op.results[0], {});
    return;
  }
  copy_primal(op);
  if (const Kept* kept = kept_to_fill(op))
    store_kept(*kept, (*map_)(op.results[0]));
}

void Lineariser::reduce(const Op& op) {
  if (!with_tangents_ || !activity_.active(op))
    return sum_primal(op);
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
    sum_primal(op);
    Region region = linear_region(body, map_->declare(body.arguments), {}, [&] {
      std::vector<ValueId> yields;
      collect(yields);
      return yields;
    });
    tangents = append(Opcode::reduce_, (*map_)(op.operands), std::vector<Type>(moving.size(), real),
                      list(std::move(region)), "add", 0);
  } else {
    Region region = map_->copy_region(body, collect);
    tangents = append_joint(op, (*map_)(op.operands), list(std::move(region)), moving.size());
  }
  set_tangents(op, moving, tangents);
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
  set_tangents(op, active, tangents);
}

// --- Recurrences ------------------------------------------------------------------------------------

// The forward loop, which keeps the carried values at the start of every iteration, but for those that the body stores
// to write-once memory anyway: their place in `saves` is none.
void Lineariser::primal_loop_with_saves(const Op& op, std::vector<ValueId>& saves) {
  const Region& body = op.regions[0];
  const Restore primal_only(with_tangents_, false);
  const Dim extent = builder_->dim((*map_)(op.operands[0]));
  for (std::size_t i = 0; i < op.results.size(); ++i)
    saves.push_back(stored_carried(op, i).store
                        ? ValueId{}
                        : builder_->alloc(std::span(&extent, 1), source_.type(op.results[i]).element, false));
  builder_->open_region();
  std::vector<ValueId> arguments = map_->declare(body.arguments);
  for (std::size_t i = 0; i < saves.size(); ++i)
    if (saves[i])
      builder_->store(saves[i], std::span(arguments).first(1), arguments[i + 1]);
  map_->copy_ops(body);
  Region region = builder_->close_region((*map_)(body.yields));
  region.arguments = std::move(arguments);
  append_joint(op, (*map_)(op.operands), list(std::move(region)), 0);
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
            map_->set(body.arguments[i + 1],
                      saves[i] ? builder_->load(saves[i], {index}) : load_carried(stored_carried(op, i)));
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
    forget_kept(body);
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
    tangents = append_joint(op, std::move(operands), list(std::move(region)), active.size());
  }
  set_tangents(op, active, tangents);
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
    tangents = append_joint(op, (*map_)(op.operands), std::move(regions), active.size());
  }
  set_tangents(op, active, tangents);
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
