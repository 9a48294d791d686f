// What a kernel computes from the arguments that stay, as kernels of its own. The values that cross are f64 scalars and
// arrays that took a loop or a costly operation; they stand one after the other in one array. Cheap scalars are
// computed again, and so are index values: extents follow from the sizes.
#include "compiler/passes/stages.h"

#include "compiler/passes/cost.h"
#include "compiler/passes/entry_points.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/sizes_table.h"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>

namespace vmodel::passes {

using ir::Parameter;

namespace {

// A scalar that costs less is computed again.
constexpr double cheap = 4;

/// Which values of a function follow from some parameters alone, and which of those the rest reads.
class Crossing {
public:
  Crossing(const Function& function, const std::function<bool(const Parameter&)>& is_late) : function_(function) {
    for (const Op& op : function.body.ops)
      for (ValueId v : op.results)
        definition_[v] = &op;
    for (const Parameter& parameter : function.parameters)
      if (is_late(parameter) || function.type(parameter.value).reference)
        late_.insert(parameter.value);
    while (sweep() || !choose()) {
    }
    // In the order in which they are computed.
    std::map<ValueId, std::size_t> order;
    for (const Op& op : function.body.ops)
      for (ValueId v : op.results)
        order[v] = order.size();
    std::sort(values_.begin(), values_.end(), [&](ValueId a, ValueId b) { return order.at(a) < order.at(b); });
  }

  /// Empty: there is nothing to compute before.
  const std::vector<ValueId>& values() const { return values_; }
  bool is_early(const Op& op) const { return !late_ops_.contains(&op); }
  bool crosses(ValueId v) const { return std::find(values_.begin(), values_.end(), v) != values_.end(); }

private:
  static bool has_random(const Op& op) {
    bool found = op.opcode == Opcode::random_ || op.opcode == Opcode::lane_sum_;
    for (const Region& region : op.regions)
      ir::for_each_op(region, [&](const Op& inner) {
        found |= inner.opcode == Opcode::random_ || inner.opcode == Opcode::lane_sum_;
      });
    return found;
  }

  /// References that the operation, or one inside it, stores to.
  static std::set<ValueId> written(const Op& op) {
    std::set<ValueId> result;
    const auto note = [&](const Op& inner) {
      if (inner.opcode == Opcode::store_ || inner.opcode == Opcode::accumulate_)
        result.insert(inner.operands[0]);
    };
    note(op);
    for (const Region& region : op.regions)
      ir::for_each_op(region, note);
    return result;
  }

  bool make_late(const Op& op) {
    if (!late_ops_.insert(&op).second)
      return false;
    late_.insert(op.results.begin(), op.results.end());
    // Memory is all of one stage: what a late operation writes, and the alias that freezing it makes.
    const std::set<ValueId> memory = written(op);
    late_.insert(memory.begin(), memory.end());
    return true;
  }

  bool sweep() {
    bool changed = false;
    for (const Op& op : function_.body.ops) {
      if (late_ops_.contains(&op))
        continue;
      const std::vector<ValueId> used = ir::free_values(function_, op);
      const auto is_late = [&](ValueId v) { return late_.contains(v); };
      if (has_random(op) || std::any_of(used.begin(), used.end(), is_late) ||
          std::any_of(op.results.begin(), op.results.end(), is_late))
        changed |= make_late(op);
    }
    return changed;
  }

  /// Finds the values that cross. False: an operation had to be made late, since a value of it can neither cross nor be
  /// computed again.
  bool choose() {
    values_.clear();
    seen_.clear();
    bool good = true;
    for (const Op& op : function_.body.ops)
      if (late_ops_.contains(&op))
        for (ValueId v : ir::free_values(function_, op))
          good &= need(v);
    for (ValueId v : function_.body.yields)
      good &= need(v);
    return good;
  }

  bool need(ValueId v) {
    const auto found = definition_.find(v);
    if (found == definition_.end() || late_.contains(v) || !seen_.insert(v).second)
      return true;
    const Op& op = *found->second;
    const Type& type = function_.type(v);
    // What is cheap is computed again from what it needs.
    if (op.regions.empty() && type.is_scalar() &&
        (op.opcode == Opcode::constant_ || type.element != Element::f64 || cost(function_, op) < cheap)) {
      if (op.opcode == Opcode::load_ && definition_.contains(op.operands[0]))
        return cross(v, op);
      bool good = true;
      for (ValueId operand : op.operands)
        good &= need(operand);
      return good;
    }
    return cross(v, op);
  }

  bool cross(ValueId v, const Op& op) {
    const Type& type = function_.type(v);
    bool extents = true;
    for (const Dim& dim : type.dims)
      extents &= !dim.value || is_size(dim.value);
    if (type.element != Element::f64 || !extents) {
      make_late(op);
      return false;
    }
    values_.push_back(v);
    // The extents are needed where it is read.
    bool good = true;
    for (const Dim& dim : type.dims)
      if (dim.value)
        good &= need(dim.value);
    return good;
  }

public:
  /// Whether an index value is made of sizes by arithmetic, so that the kernel `sizes` can compute it.
  bool is_size(ValueId v) const {
    const auto found = definition_.find(v);
    if (found == definition_.end()) {
      const auto parameter = std::find_if(function_.parameters.begin(), function_.parameters.end(),
                                          [&](const Parameter& p) { return p.value == v; });
      return parameter != function_.parameters.end() && parameter->axis == Axis::load &&
             function_.type(v).is_scalar() && !parameter->name.starts_with("prepared.");
    }
    const Op& op = *found->second;
    return op.regions.empty() && function_.type(v) == Type{Element::index} && op.opcode != Opcode::load_ &&
           op.opcode != Opcode::select_ && op.opcode != Opcode::to_index_ && op.opcode != Opcode::random_ &&
           std::all_of(op.operands.begin(), op.operands.end(), [&](ValueId operand) { return is_size(operand); });
  }
  const Op* definition(ValueId v) const {
    const auto found = definition_.find(v);
    return found == definition_.end() ? nullptr : found->second;
  }

private:
  const Function& function_;
  std::map<ValueId, const Op*> definition_; // of the top level
  std::set<ValueId> late_, seen_;
  std::set<const Op*> late_ops_;
  std::vector<ValueId> values_;
};

std::string parameter_name(const Function& function, ValueId v) {
  for (const Parameter& parameter : function.parameters)
    if (parameter.value == v)
      return parameter.name;
  return "";
}

class Splitter {
public:
  Splitter(Module module, std::vector<FamilyNoise>& made) : module_(std::move(module)), made_(made) {}

  Module run() {
    std::vector<Function> more;
    const auto is_particle = [](const Parameter& p) { return p.axis == Axis::particle; };
    for (Function& function : module_.functions) {
      const std::string name = function.name;
      if (!family_of_kernel(name, ".proposal.draw").empty() || !family_of_kernel(name, ".mix.draw").empty()) {
        split(function, name, "step", is_particle, more);
        split(function, name, "point", is_inner, more);
      } else if (!family_of_kernel(name, ".round_trip").empty()) {
        split(function, name, "step", is_particle, more);
      } else if (const std::string family = family_of_kernel(name, ".proposal.log_density"); !family.empty()) {
        // The derivative by theta goes through what depends on it.
        Function whole = function;
        whole.name = family + whole_suffix;
        split(
            whole, family + ".proposal.score", "step",
            [](const Parameter& p) { return p.axis == Axis::particle || p.name == "theta"; }, more);
        more.push_back(std::move(whole));
        split(function, name, "step", is_particle, more);
        split(function, name, "point", is_inner, more);
      } else if (const std::string mixed = family_of_kernel(name, ".log_density");
                 !mixed.empty() && has_mix(function)) {
        // The derivative by the points goes through what depends on them: that of what is computed once for them is the
        // chain rule's business, once for all inner samples.
        Function conditional = function;
        conditional.name = mixed + conditional_suffix;
        split(conditional, mixed + ".log_density_gradient", "step", is_particle, more);
        split(conditional, mixed + ".log_density_gradient", "point", is_inner, more);
        more.push_back(std::move(conditional));
      }
    }
    for (Function& function : more)
      module_.functions.push_back(std::move(function));
    return std::move(module_);
  }

private:
  static bool has_mix(const Function& function) {
    return std::any_of(function.parameters.begin(), function.parameters.end(),
                       [](const Parameter& p) { return p.name == "mix"; });
  }

  /// What changes from inner sample to inner sample.
  static bool is_inner(const Parameter& p) { return p.name == "mix" || p.name == "noise"; }

  /// KERNEL.STAGE takes what does not depend on the late parameters out of a function of KERNEL.
  void split(Function& function, const std::string& kernel, const std::string& stage,
             const std::function<bool(const Parameter&)>& is_late, std::vector<Function>& stages) {
    const Axis axis = stage == "step" ? Axis::step : Axis::particle;
    if (auto made = split_off(function, kernel, stage, axis, is_late))
      stages.push_back(std::move(*made));
  }

  std::optional<Function> split_off(Function& function, const std::string& kernel, const std::string& name, Axis axis,
                                    const std::function<bool(const Parameter&)>& is_late) {
    const Function whole = std::move(function);
    function = whole;
    const Crossing crossing(whole, is_late);
    if (crossing.values().empty())
      return std::nullopt;
    const std::optional<std::int64_t> number = add_count(whole, crossing);
    if (!number)
      return std::nullopt;
    made_.push_back({kernel + "." + name, *number});
    Function stage = remove_dead_code(early(whole, crossing, name, axis, is_late, *number));
    stage.name = kernel + "." + name;
    function = remove_dead_code(late(whole, crossing, name, axis, *number));
    return stage;
  }

  /// The number of all elements that cross, as one more entry of `sizes`.
  std::optional<std::int64_t> add_count(const Function& function, const Crossing& crossing) {
    return add_size(module_, [&](Builder& b, const Values& named) -> std::optional<ValueId> {
      Rewriter extents(function, b);
      const std::function<bool(ValueId)> bring = [&](ValueId v) {
        if (extents.has(v))
          return true;
        const Op* op = crossing.definition(v);
        if (!op) {
          const auto found = named.find(parameter_name(function, v));
          if (found == named.end())
            return false;
          extents.set(v, found->second);
          return true;
        }
        for (ValueId operand : op->operands)
          if (!bring(operand))
            return false;
        extents.copy(*op);
        return true;
      };
      ValueId total = b.index(0);
      for (ValueId v : crossing.values()) {
        std::vector<Dim> dims;
        for (const Dim& dim : function.type(v).dims) {
          if (dim.value && !bring(dim.value))
            return std::nullopt;
          dims.push_back(extents(dim));
        }
        total = b.add(total, size_of(b, dims));
      }
      return total;
    });
  }

  static ValueId size_of(Builder& b, const std::vector<Dim>& dims) {
    ValueId size = b.index(1);
    // A negative extent is an empty one.
    for (const Dim& dim : dims)
      size = b.mul(size, dim.value ? b.binary(Opcode::max, dim.value, b.index(0)) : b.index(dim.constant));
    return size;
  }

  static ValueId flat(Builder& b, const std::vector<Dim>& dims, Builder::Indices at) {
    ValueId position = b.index(0);
    for (std::size_t k = 0; k < dims.size(); ++k)
      position = b.add(b.mul(position, b.extent(dims[k])), at[k]);
    return position;
  }

  /// Parameters with one more size and the array of what crosses, before the first that is no size.
  static ValueId declare(const Function& from, Builder& b, Rewriter& map, const std::string& name, Axis axis,
                         std::int64_t number, bool writes, const std::function<bool(const Parameter&)>& left_out) {
    ValueId size;
    for (const Parameter& parameter : from.parameters) {
      const bool is_size = parameter.name.starts_with("size.");
      if (!size && !is_size)
        size = b.parameter("size." + std::to_string(number), Type{Element::index}, Axis::load);
      if (left_out(parameter))
        continue;
      const ValueId value = b.parameter(parameter.name, map(from.type(parameter.value)), parameter.axis);
      b.function().values[value.id].hint = from.values[parameter.value.id].hint;
      map.set(parameter.value, value);
    }
    if (!size)
      size = b.parameter("size." + std::to_string(number), Type{Element::index}, Axis::load);
    return b.parameter(name, Type{Element::f64, writes, {Dim{0, size}}}, axis);
  }

  static Function early(const Function& whole, const Crossing& crossing, const std::string& name, Axis axis,
                        const std::function<bool(const Parameter&)>& is_late, std::int64_t number) {
    Function result;
    result.name = whole.name + "." + name;
    Builder b(result);
    Rewriter copy(whole, b);
    const ValueId into = declare(whole, b, copy, name, axis, number, true,
                                 [&](const Parameter& p) { return is_late(p) || whole.type(p.value).reference; });
    for (const Op& op : whole.body.ops)
      if (crossing.is_early(op))
        copy.copy(op);
    ValueId offset = b.index(0);
    for (ValueId v : crossing.values()) {
      std::vector<Dim> dims;
      for (const Dim& dim : whole.type(v).dims)
        dims.push_back(copy(dim));
      const ValueId value = copy(v);
      if (dims.empty())
        b.store(into, std::vector<ValueId>{offset}, value);
      else
        b.for_each(dims, [&](Builder::Indices i) {
          const ValueId at[] = {b.add(offset, flat(b, dims, i))};
          b.store(into, at, b.load(value, i));
        });
      offset = b.add(offset, size_of(b, dims));
    }
    b.yield({});
    return result;
  }

  static Function late(const Function& whole, const Crossing& crossing, const std::string& name, Axis axis,
                       std::int64_t number) {
    Function result;
    result.name = whole.name;
    Builder b(result);
    ValueId from;
    struct Place {
      ValueId offset;
      std::vector<Dim> dims;
    };
    std::map<ValueId, Place> places;
    Rewriter copy(whole, b, [&](Rewriter& map, const Op& op) {
      if (op.opcode != Opcode::load_ || !places.contains(op.operands[0]))
        return false;
      const Place& place = places.at(op.operands[0]);
      const std::vector<ValueId> indices = map(std::vector<ValueId>(op.operands.begin() + 1, op.operands.end()));
      map.set(op.results[0], b.load(from, {b.add(place.offset, flat(b, place.dims, indices))}));
      return true;
    });
    from = declare(whole, b, copy, name, axis, number, false, [](const Parameter&) { return false; });
    // Index values and cheap scalars are copied where they stand, all else where the rest needs it; what is not needed
    // is removed as dead. An early operation with regions is left out: what it makes crosses.
    ValueId offset = b.index(0);
    std::set<ValueId> left;
    for (const Op& op : whole.body.ops) {
      if (!crossing.is_early(op)) {
        copy.copy(op);
        continue;
      }
      const auto known = [&](ValueId v) { return copy.has(v) && !places.contains(v); };
      const bool is_plain = op.regions.empty() && op.results.size() == 1 && whole.type(op.results[0]).is_scalar() &&
                            !crossing.crosses(op.results[0]);
      if (is_plain && std::all_of(op.operands.begin(), op.operands.end(), known))
        copy.copy(op);
      for (ValueId v : op.results) {
        if (!crossing.crosses(v))
          continue;
        Place place{offset, {}};
        for (const Dim& dim : whole.type(v).dims)
          place.dims.push_back(copy(dim));
        offset = b.add(offset, size_of(b, place.dims));
        if (place.dims.empty())
          copy.set(v, b.load(from, {place.offset}));
        else
          places[v] = std::move(place);
      }
    }
    b.yield({});
    return result;
  }

  Module module_;
  std::vector<FamilyNoise>& made_;
};

} // namespace

Module split_stages(Module module, std::vector<FamilyNoise>& made) {
  return Splitter(std::move(module), made).run();
}

} // namespace vmodel::passes
