// Moves what does not change in a loop before it, in a linearised function. Linear operations move
// too, and invariant factors of a tangent are applied before those that vary: after transposition
// the sum over the iterations comes first and the factor after the loop.
#include "compiler/passes/linearise.h"
#include "compiler/passes/pass.h"

#include <cmath>
#include <map>
#include <optional>

namespace vmodel::passes {

namespace {

class Hoist {
public:
  explicit Hoist(Linearised& linearised)
      : l_(linearised), f_(linearised.function), level_(f_.values.size()), uses_(ir::count_uses(f_)),
        root_(f_.values.size()), number_(f_.values.size()) {
    for (std::uint32_t id = 0; id < root_.size(); ++id)
      root_[id] = ValueId{id};
    for (const ir::Parameter& parameter : f_.parameters)
      is_data_.push_back(parameter.axis == ir::Axis::load ? parameter.value : ValueId{});
    ir::for_each_op(f_.body, [this](const Op& op) {
      if (op.opcode == Opcode::freeze_)
        root_[op.results[0].id] = root_[op.operands[0].id];
      if (op.opcode == Opcode::constant_ && f_.type(op.results[0]).element == Element::index)
        number_[op.results[0].id] = op.integer;
      if (op.opcode == Opcode::constant_ && f_.type(op.results[0]).element == Element::f64)
        real_[op.results[0]] = op.number;
    });
  }

  void run() { process(f_.body, 0, nullptr); }

private:
  // Orders inner loops first; returns the operations that leave the region of `owner`.
  std::vector<Op> process(Region& region, int level, const Op* owner) {
    for (ValueId v : region.arguments)
      level_[v.id] = level;
    if (owner)
      for (std::size_t i = 0; i < region.arguments.size() && i < owner->operands.size(); ++i)
        if (owner->opcode != Opcode::loop_ || i == 0)
          extent_[region.arguments[i]] = owner->operands[i];
    std::vector<Op> ops;
    for (Op& op : region.ops) {
      for (Region& inner : op.regions)
        for (Op& moved : process(inner, level + 1, is_counted_loop(op) ? &op : nullptr)) {
          set_level(moved, level);
          ops.push_back(std::move(moved));
        }
      set_level(op, level);
      ops.push_back(std::move(op));
    }
    std::vector<Op> moved;
    if (owner) {
      written_.clear();
      for (const Op& op : ops)
        note_writes(op);
      positive_ = {};
      take(ops, moved, level, *owner);
      while (apply_invariant_first(ops, level))
        take(ops, moved, level, *owner);
    }
    region.ops = std::move(ops);
    return moved;
  }

  void set_level(const Op& op, int level) {
    for (ValueId v : op.results)
      level_[v.id] = level;
  }

  void note_writes(const Op& op) {
    if (op.opcode == Opcode::store_ || op.opcode == Opcode::accumulate_)
      written_[root_[op.operands[0].id]] = true;
    for (const Region& region : op.regions)
      for (const Op& inner : region.ops)
        note_writes(inner);
  }

  bool is_pure(const Op& op) const {
    if (op.opcode == Opcode::idiv || op.opcode == Opcode::imod)
      return number_[op.operands[1].id].value_or(0) != 0;
    return ir::is_pure_scalar(op.opcode);
  }

  // Elements of what varies over particles; data is the business of the pass `hoist`.
  bool is_movable_load(const Op& op) const {
    if (op.opcode != Opcode::load_ || written_.contains(root_[op.operands[0].id]))
      return false;
    for (ValueId data : is_data_)
      if (data == op.operands[0])
        return false;
    return true;
  }

  void take(std::vector<Op>& ops, std::vector<Op>& moved, int level, const Op& owner) {
    std::vector<Op> staying;
    for (Op& op : ops) {
      bool invariant = is_pure(op) || is_movable_load(op);
      for (ValueId v : op.operands)
        invariant &= level_[v.id] < level;
      if (!invariant) {
        staying.push_back(std::move(op));
        continue;
      }
      if (op.opcode == Opcode::load_)
        guard(op, moved, level - 1, owner);
      set_level(op, level - 1);
      moved.push_back(std::move(op));
    }
    ops = std::move(staying);
  }

  ValueId add(std::vector<Op>& to, Opcode opcode, std::vector<ValueId> operands, Element element, int level,
              std::int64_t integer = 0) {
    Op op;
    op.opcode = opcode;
    op.operands = std::move(operands);
    op.integer = integer;
    const ValueId v = f_.add_value({element, false, {}});
    op.results = {v};
    level_.push_back(level);
    uses_.push_back(0);
    root_.push_back(v);
    number_.push_back(opcode == Opcode::constant_ ? std::optional(integer) : std::nullopt);
    to.push_back(std::move(op));
    return v;
  }

  // A loop that runs no iteration says nothing about the indices in it: then element 0 is read.
  void guard(Op& load, std::vector<Op>& moved, int level, const Op& owner) {
    const ir::Type& type = f_.type(load.operands[0]);
    const std::span<const ValueId> extents =
        owner.opcode == Opcode::loop_ ? std::span(owner.operands).first(1) : std::span(owner.operands);
    bool runs = true;
    for (ValueId extent : extents)
      runs &= number_[extent.id].value_or(0) > 0;
    for (std::size_t i = 1; i < load.operands.size(); ++i) {
      const ValueId index = load.operands[i];
      const ir::Dim& dim = type.dims[i - 1];
      const auto extent = extent_.find(index);
      const std::optional<std::int64_t> known = number_[index.id];
      if (runs || (!dim.value && known && *known >= 0 && *known < dim.constant) ||
          (extent != extent_.end() && dim.value && extent->second == dim.value) ||
          (extent != extent_.end() && !dim.value && number_[extent->second.id].value_or(INT64_MAX) <= dim.constant))
        continue;
      if (!positive_) {
        const ValueId zero = add(moved, Opcode::constant_, {}, Element::index, level);
        for (ValueId e : extents) {
          if (number_[e.id].value_or(0) > 0)
            continue;
          const ValueId positive = add(moved, Opcode::lt, {zero, e}, Element::boolean, level);
          positive_ =
              positive_ ? add(moved, Opcode::logical_and_, {*positive_, positive}, Element::boolean, level) : positive;
        }
        zero_ = zero;
      }
      load.operands[i] = add(moved, Opcode::select_, {*positive_, index, zero_}, Element::index, level);
    }
  }

  bool linear_product(const Op& op) const {
    return op.opcode == Opcode::mul && l_.is_linear(op.results[0]) && l_.is_linear(op.operands[0]);
  }

  // (t (x + x)) 0.5 is t x: the derivative of half a square, in every normal density.
  bool halves_double(const std::vector<Op>& ops, const std::map<ValueId, std::size_t>& position, Op& inner, Op& outer) {
    const auto number = real_.find(outer.operands[1]);
    const auto found = position.find(inner.operands[1]);
    if (number == real_.end() || std::fabs(number->second) != 0.5 || found == position.end())
      return false;
    const Op& twice = ops[found->second];
    if (twice.opcode != Opcode::add || twice.operands[0] != twice.operands[1])
      return false;
    const ValueId a = outer.results[0], b = inner.results[0];
    l_.vanishing[b.id] = l_.vanishing[b.id] || l_.vanishing[a.id];
    inner.operands[1] = twice.operands[0];
    if (number->second < 0) {
      outer.opcode = Opcode::neg;
      outer.operands.pop_back();
      l_.vanishing[a.id] = false;
    } else {
      outer.operands = inner.operands;
      l_.vanishing[a.id] = l_.vanishing[b.id];
    }
    return true;
  }

  // Tangents in a tree of sums and products in this loop that themselves change in it.
  int varying_leaves(const std::vector<Op>& ops, const std::map<ValueId, std::size_t>& position, ValueId v,
                     int level) const {
    if (level_[v.id] < level)
      return 0;
    const auto found = position.find(v);
    if (found == position.end() || uses_[v.id] != 1)
      return 1;
    const Op& op = ops[found->second];
    if (op.opcode == Opcode::add || op.opcode == Opcode::sub)
      return varying_leaves(ops, position, op.operands[0], level) +
             varying_leaves(ops, position, op.operands[1], level);
    return op.opcode == Opcode::neg || linear_product(op) ? varying_leaves(ops, position, op.operands[0], level) : 1;
  }

  // (s + t) c becomes s c + t c where that makes no more products in the loop than there were.
  bool distributes(std::vector<Op>& ops, const std::map<ValueId, std::size_t>& position, std::size_t inner_at,
                   std::size_t outer_at, int level) {
    Op& inner = ops[inner_at];
    Op& outer = ops[outer_at];
    const ValueId sum = inner.results[0];
    if ((inner.opcode != Opcode::add && inner.opcode != Opcode::sub) || !l_.is_linear(inner.operands[0]) ||
        !l_.is_linear(inner.operands[1]) || varying_leaves(ops, position, sum, level) > 1)
      return false;
    const ValueId factor = outer.operands[1], result = outer.results[0];
    const ValueId second = f_.add_value(f_.type(sum));
    level_.push_back(level);
    uses_.push_back(1);
    root_.push_back(second);
    number_.emplace_back();
    l_.linear.resize(f_.values.size());
    l_.vanishing.resize(f_.values.size());
    l_.linear[second.id] = true;
    l_.vanishing[second.id] = l_.vanishing[sum.id] = l_.vanishing[result.id];
    l_.vanishing[result.id] = false;
    Op product = inner;
    product.opcode = Opcode::mul;
    product.operands = {inner.operands[1], factor};
    product.results = {second};
    outer.opcode = inner.opcode;
    outer.operands = {sum, second};
    inner.opcode = Opcode::mul;
    inner.operands = {inner.operands[0], factor};
    ++uses_[factor.id];
    ops.insert(ops.begin() + static_cast<std::ptrdiff_t>(inner_at) + 1, std::move(product));
    return true;
  }

  // (t a) c and (-t) c become (t c) a and -(t c) where c does not change in the loop and a does.
  bool apply_invariant_first(std::vector<Op>& ops, int level) {
    std::map<ValueId, std::size_t> position;
    bool changed = false;
    for (std::size_t i = 0; i < ops.size(); ++i) {
      Op& outer = ops[i];
      for (ValueId v : outer.results)
        position[v] = i;
      if (!linear_product(outer) || level_[outer.operands[1].id] >= level)
        continue;
      const ValueId product = outer.operands[0];
      const auto found = position.find(product);
      if (found == position.end() || uses_[product.id] != 1)
        continue;
      Op& inner = ops[found->second];
      const ValueId a = outer.results[0], b = inner.results[0];
      if (linear_product(inner) && halves_double(ops, position, inner, outer)) {
        changed = true;
        continue;
      }
      if (distributes(ops, position, found->second, i, level))
        return true; // positions have changed
      if (linear_product(inner) && level_[inner.operands[1].id] >= level) {
        std::swap(inner.operands[1], outer.operands[1]);
        const bool vanishing = l_.vanishing[a.id];
        l_.vanishing[a.id] = l_.vanishing[b.id];
        l_.vanishing[b.id] = vanishing;
        changed = true;
      } else if (inner.opcode == Opcode::neg && l_.is_linear(b)) {
        inner.opcode = Opcode::mul;
        inner.operands.push_back(outer.operands[1]);
        outer.opcode = Opcode::neg;
        outer.operands.pop_back();
        l_.vanishing[b.id] = l_.vanishing[a.id];
        l_.vanishing[a.id] = false;
        changed = true;
      }
    }
    return changed;
  }

  Linearised& l_;
  Function& f_;
  std::vector<int> level_, uses_;
  std::vector<ValueId> root_;
  std::vector<std::optional<std::int64_t>> number_;
  std::vector<ValueId> is_data_;
  std::map<ValueId, double> real_;
  std::map<ValueId, ValueId> extent_;
  std::map<ValueId, bool> written_;
  std::optional<ValueId> positive_;
  ValueId zero_;
};

} // namespace

void hoist_invariants(Linearised& linearised) {
  Hoist(linearised).run();
}

} // namespace vmodel::passes
