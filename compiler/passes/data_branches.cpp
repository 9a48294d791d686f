// Loops leave a condition that depends on data only, such as `if prior_only == 0 { observe ... }`: where it fails they
// have no iteration. What every other pass does with loops (fusion, statistics, one loop for value and gradient) then
// works for them as well.
#include "compiler/ir/axes.h"
#include "compiler/ir/definitions.h"
#include "compiler/passes/fuse.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/passes.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>

namespace vmodel::passes {

namespace {

class DataBranches {
public:
  explicit DataBranches(const Function& function) : from_(function) {
    for (const Op& op : function.body.ops)
      if (op.opcode == Opcode::if_ && can_split(op))
        split_.insert(&op);
    if (split_.empty())
      return;
    const std::vector<Axis> axis = ir::axes(function);
    std::erase_if(split_, [&](const Op* op) { return axis[op->operands[0].id] != Axis::load; });
  }

  bool changes() const { return !split_.empty(); }

  Function run() {
    return ir::rewrite(from_, [this](Rewriter& r, const Op& op) {
      if (!split_.contains(&op))
        return false;
      split(r, op);
      return true;
    });
  }

private:
  static bool is_loop(const Op& op) { return op.opcode == Opcode::reduce_ || op.opcode == Opcode::build_; }

  bool has_doubles_or_indices(const Op& op) const {
    return std::all_of(op.results.begin(), op.results.end(),
                       [&](ValueId v) { return from_.type(v).is_scalar() && from_.type(v).element != Element::f32; });
  }

  // Without memory or effects, and with a loop that leaves.
  bool can_split(const Op& op) const {
    bool has_loop = false;
    bool can = has_doubles_or_indices(op);
    for (const Region& region : op.regions) {
      for (const Op& inner : region.ops) {
        has_loop |= is_loop(inner);
        can &= inner.opcode == Opcode::build_ || has_doubles_or_indices(inner);
      }
      ir::for_each_op(region, [&](const Op& inner) {
        can &= !ir::has_effect(inner.opcode) && inner.opcode != Opcode::alloc_ && inner.opcode != Opcode::freeze_;
        can &= inner.opcode != Opcode::load_ || !from_.type(inner.operands[0]).reference;
      });
    }
    return has_loop && can;
  }

  void split(Rewriter& r, const Op& op) {
    ir::Builder& b = r.builder();
    b.set_range(op.range);
    const ValueId condition = r(op.operands[0]);
    std::vector<const Op*> last[2]; // what stands behind the last loop of each side
    for (int side = 0; side < 2; ++side) {
      const Region& region = op.regions[side];
      const ValueId taken = side == 0 ? condition : b.logical_not(condition);
      for (std::size_t i = 0; i < region.ops.size(); ++i) {
        if (!is_loop(region.ops[i])) {
          last[side].push_back(&region.ops[i]);
          continue;
        }
        keep(r, taken, std::exchange(last[side], {}), region, i);
        copy_loop(r, taken, region.ops[i]);
      }
    }
    // Sums that left are zero on their own where the condition fails.
    std::vector<std::size_t> chosen;
    for (std::size_t i = 0; i < op.results.size(); ++i) {
      const ValueId sums[2] = {sum_outside(r, op.regions[0], i), sum_outside(r, op.regions[1], i)};
      if (sums[0] && sums[1])
        r.set(op.results[i], b.add(sums[0], sums[1]));
      else
        chosen.push_back(i);
    }
    if (chosen.empty())
      return;
    const auto rest = [&](int side) {
      for (const Op* inner : last[side])
        r.copy(*inner, false);
      std::vector<ValueId> yields;
      for (std::size_t i : chosen)
        yields.push_back(r(op.regions[side].yields[i]));
      return yields;
    };
    const std::vector<ValueId> results = b.if_(condition, [&] { return rest(0); }, [&] { return rest(1); });
    for (std::size_t i = 0; i < results.size(); ++i)
      r.set(op.results[chosen[i]], results[i]);
  }

  /// What a side yields, as a sum of loops that left it and of zeros; none if it is something else.
  static ValueId sum_outside(Rewriter& r, const Region& region, std::size_t yield) {
    const ir::Definitions definitions = ir::Definitions::directly_in(region);
    const std::function<ValueId(ValueId)> outside = [&](ValueId v) -> ValueId {
      const Op* op = definitions.of(v);
      if (op && op->opcode == Opcode::reduce_ && op->symbol == "add")
        return r(v);
      if (op && op->opcode == Opcode::add) {
        const ValueId a = outside(op->operands[0]);
        const ValueId b = outside(op->operands[1]);
        return a && b ? r.builder().add(a, b) : ValueId{};
      }
      if (op && op->opcode == Opcode::constant_ && op->number == 0 && op->integer == 0)
        return zero(r.builder(), r.from().type(v).element);
      if (!op && r.has(v))
        if (const auto constant = r.builder().constant_value(r(v));
            constant && constant->number == 0 && constant->integer == 0)
          return r(v);
      return {};
    };
    return outside(region.yields[yield]);
  }

  /// Operations before a loop stay under the condition, which gives what of them is needed later. Nothing infinite
  /// leaves the side that is not taken.
  void keep(Rewriter& r, ValueId taken, const std::vector<const Op*>& ops, const Region& region, std::size_t loop) {
    ir::Builder& b = r.builder();
    std::set<ValueId> needed(region.yields.begin(), region.yields.end());
    for (std::size_t i = loop; i < region.ops.size(); ++i)
      for (ValueId v : ir::free_values(from_, region.ops[i]))
        needed.insert(v);
    std::vector<ValueId> given;
    std::vector<const Op*> kept;
    for (const Op* op : ops) {
      if (op->opcode == Opcode::constant_) {
        r.copy(*op, false);
        continue;
      }
      kept.push_back(op);
      std::copy_if(op->results.begin(), op->results.end(), std::back_inserter(given),
                   [&](ValueId v) { return needed.contains(v); });
    }
    if (given.empty())
      return;
    const std::vector<ValueId> results = b.if_(
        taken,
        [&] {
          for (const Op* op : kept)
            r.copy(*op, false);
          return r(given);
        },
        [&] {
          std::vector<ValueId> zeros;
          for (ValueId v : given)
            zeros.push_back(zero(b, from_.type(v).element));
          return zeros;
        });
    for (std::size_t i = 0; i < given.size(); ++i)
      r.set(given[i], results[i]);
  }

  static ValueId zero(ir::Builder& b, Element element) {
    switch (element) {
    case Element::index: return b.index(0);
    case Element::boolean: return b.boolean(false);
    default: return b.constant(0);
    }
  }

  static void copy_loop(Rewriter& r, ValueId taken, const Op& loop) {
    ir::Builder& b = r.builder();
    b.set_range(loop.range);
    std::vector<Dim> extents;
    for (ValueId extent : loop.operands)
      extents.push_back(b.dim(b.select(taken, r(extent), b.index(0))));
    const Region& body = loop.regions[0];
    const auto yields = [&](ir::Builder::Indices indices) {
      for (std::size_t i = 0; i < indices.size(); ++i)
        r.set(body.arguments[i], indices[i]);
      r.copy_ops(body);
      return r(body.yields);
    };
    std::vector<ValueId> results;
    if (loop.opcode == Opcode::build_)
      results = {b.build(extents, r.from().type(loop.results[0]).element,
                         [&](ir::Builder::Indices indices) { return yields(indices)[0]; })};
    else
      results = b.reduce(loop.symbol, extents, yields);
    for (std::size_t i = 0; i < results.size(); ++i) {
      b.function().values[results[i].id].hint = r.from().values[loop.results[i].id].hint;
      r.set(loop.results[i], results[i]);
    }
  }

  const Function& from_;
  std::set<const Op*> split_; // looked up only, never walked
};

} // namespace

ir::Module data_branches(ir::Module module) {
  for (Function& function : module.functions)
    if (DataBranches branches(function); branches.changes())
      function = simplify(fuse_reduces(branches.run()));
  return module;
}

} // namespace vmodel::passes
