// Costly expressions of data inside loops over particles' work, such as lgamma(y[n] + 1), become
// arrays outside of the loops, which then move to `prepare`. In the kernels of a family, expressions of
// what it learns do so too: loops that compute nothing else have no lanes, and are vectorised over elements.
#include "compiler/ir/axes.h"
#include "compiler/passes/cost.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/passes.h"

#include <algorithm>
#include <map>
#include <set>

namespace vmodel::passes {

namespace {

// Larger arrays than matrices are not made.
constexpr std::size_t max_rank = 2;
constexpr double one_load = 1;

class LoadExpressions {
public:
  LoadExpressions(const Function& from, Function& to, Axis latest)
      : from_(from), axis_(ir::axes(from)), latest_(latest), b_(to),
        r_(from, b_, [this](Rewriter& rewriter, const Op& op) { return copy(rewriter, op); }) {}

  void run() {
    b_.function().name = from_.name;
    ir::copy_parameters(from_, b_, r_);
    for (const Op& op : from_.body.ops) {
      // What depends on data only moves as a whole.
      bool varies = op.results.empty();
      for (ValueId v : op.results)
        varies |= !is_early(v);
      if (!op.regions.empty() && varies)
        outside_of(op);
      r_.copy(op);
    }
    b_.yield(r_(from_.body.yields));
  }

private:
  // Whether a value changes no later than the expressions that are looked for.
  bool is_early(ValueId v) const { return axis_[v.id] <= latest_; }

  // Finds the expressions in an operation of the top level and makes their arrays before it.
  void outside_of(const Op& op) {
    inner_.clear();
    extent_.clear();
    used_.clear();
    collect(op);
    for (ValueId v : used_)
      consider(v);
  }

  // Loads that stand under a condition stay there: they may be out of range otherwise. Arithmetic may be done anywhere.
  bool may_move(const Op& op, bool conditional) const {
    return !conditional || ir::is_pure_scalar(op.opcode) || is_arithmetic(op);
  }

  void collect(const Op& op, bool conditional = false) {
    conditional |= op.opcode == Opcode::if_ || op.opcode == Opcode::while_;
    for (const Region& region : op.regions) {
      for (std::size_t i = 0; i < region.arguments.size(); ++i)
        if (is_counted_loop(op) && (op.opcode != Opcode::loop_ || i == 0))
          extent_[region.arguments[i]] = op.operands[i];
      for (const Op& inner : region.ops) {
        if (may_move(inner, conditional))
          for (ValueId v : inner.results)
            inner_[v] = &inner;
        // What is used by something that varies is the largest expression that does not.
        bool varies = inner.results.empty();
        for (ValueId v : inner.results)
          varies |= !is_early(v);
        if (varies && inner.regions.empty())
          for (ValueId v : inner.operands)
            use(v);
        collect(inner, conditional);
      }
      // A condition that is as early is a part of the expression that it gives.
      if (op.opcode == Opcode::if_ && !op.results.empty() && is_early(op.results[0]))
        continue;
      for (ValueId v : region.yields)
        use(v);
    }
  }

  void use(ValueId v) {
    if (is_early(v) && inner_.contains(v) && seen_.insert(v).second)
      used_.push_back(v);
  }

  // A condition both of whose sides are arithmetic, such as an indicator.
  static bool is_arithmetic(const Op& op) {
    return op.opcode == Opcode::if_ && std::all_of(op.regions.begin(), op.regions.end(), [](const Region& region) {
             return std::all_of(region.ops.begin(), region.ops.end(), [](const Op& inner) {
               return ir::is_pure_scalar(inner.opcode) || is_arithmetic(inner);
             });
           });
  }

  // The operations that an expression needs, in order; false if it cannot stand outside.
  bool gather(ValueId v, std::vector<const Op*>& ops, std::set<ValueId>& indices, std::set<ValueId>& done) {
    if (!done.insert(v).second)
      return true;
    if (const auto extent = extent_.find(v); extent != extent_.end()) {
      indices.insert(v);
      return r_.has(extent->second) && !inner_.contains(extent->second) && !extent_.contains(extent->second);
    }
    const auto found = inner_.find(v);
    if (found == inner_.end())
      return r_.has(v); // of the top level, or an argument that carries a value
    const Op& op = *found->second;
    // Only scalars: memory and loops inside loops stay where they are.
    if ((!op.regions.empty() && !is_arithmetic(op)) || ir::has_effect(op.opcode) || op.opcode == Opcode::random_ ||
        op.opcode == Opcode::lane_sum_)
      return false;
    if (op.opcode == Opcode::load_ && from_.type(op.operands[0]).reference)
      return false;
    if (op.opcode == Opcode::alloc_ || op.opcode == Opcode::freeze_)
      return false;
    for (ValueId needed : op.regions.empty() ? op.operands : ir::free_values(from_, op))
      if (!gather(needed, ops, indices, done))
        return false;
    ops.push_back(&op);
    return true;
  }

  // The most that is computed again rather than kept. In the loops of densities a number that does not differ between
  // particles takes as many instructions as one that does.
  double recomputed(std::size_t rank) const {
    if (rank == 0)
      return cheap;
    return from_.name.starts_with("log_density") ? one_load + 1 : cheap + 2;
  }

  void consider(ValueId v) {
    if (!from_.type(v).is_scalar() || from_.type(v).element == ir::Element::boolean)
      return;
    std::vector<const Op*> ops;
    std::set<ValueId> indices, done;
    if (!gather(v, ops, indices, done) || indices.size() > max_rank)
      return;
    double total = 0;
    for (const Op* op : ops)
      total += cost(from_, *op);
    if (total <= recomputed(indices.size()))
      return;
    const std::vector<ValueId> order(indices.begin(), indices.end());
    const auto expression = [&](std::span<const ValueId> at) {
      Rewriter copier(from_, b_);
      for (const ValueId outer : done)
        if (r_.has(outer) && !inner_.contains(outer) && !extent_.contains(outer))
          copier.set(outer, r_(outer));
      for (std::size_t i = 0; i < order.size(); ++i)
        copier.set(order[i], at[i]);
      for (const Op* op : ops)
        copier.copy(*op);
      return copier(v);
    };
    if (order.empty()) {
      replaced_[v] = {expression({}), {}};
      return;
    }
    std::vector<Dim> extents;
    for (ValueId index : order)
      extents.push_back(b_.dim(r_(extent_.at(index))));
    replaced_[v] = {b_.build(extents, from_.type(v).element, expression), order};
  }

  bool copy(Rewriter& rewriter, const Op& op) {
    if (op.results.size() != 1)
      return false;
    const auto found = replaced_.find(op.results[0]);
    if (found == replaced_.end())
      return false;
    const auto& [array, indices] = found->second;
    rewriter.set(op.results[0], indices.empty() ? array : b_.load(array, rewriter(indices)));
    return true;
  }

  struct Replacement {
    ValueId value;                // in the new function: the scalar, or the array
    std::vector<ValueId> indices; // in the old one
  };

  const Function& from_;
  std::vector<Axis> axis_;
  const Axis latest_;
  ir::Builder b_;
  Rewriter r_;
  std::map<ValueId, const Op*> inner_;
  std::map<ValueId, ValueId> extent_; // loop index -> extent
  std::set<ValueId> seen_;
  std::vector<ValueId> used_;
  std::map<ValueId, Replacement> replaced_;
};

} // namespace

Function materialise_load_expressions(const Function& function) {
  Function result;
  LoadExpressions(function, result, Axis::load).run();
  return remove_dead_code(result);
}

Module step_expressions(Module module) {
  for (Function& function : module.functions)
    if (is_step_kernel(function.name)) {
      Function result;
      LoadExpressions(function, result, Axis::step).run();
      function = remove_dead_code(result);
    }
  return module;
}

} // namespace vmodel::passes
