// Removes what nothing needs: operations, results of reduces, carried values, parts of `if`s, and
// stores to memory that nobody reads.
#include "compiler/passes/pass.h"
#include "compiler/passes/passes.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <unordered_map>

namespace vmodel::passes {

namespace {

/// Liveness by marking from what must stay. An operation with regions can be live for the sake of
/// its effects alone; its results are live one by one.
class Liveness {
public:
  explicit Liveness(const Function& function)
      : function_(function), value_(function.values.size()), origin_(function.values.size()) {
    number(function.body, none);
    is_live_.resize(ops_.size());
    for (const ir::Parameter& parameter : function.parameters) {
      is_parameter_.insert_or_assign(parameter.value.id, true);
      mark(parameter.value);
    }
    for (ValueId v : function.body.yields)
      mark(v);
    for (std::uint32_t i = 0; i < ops_.size(); ++i)
      if (is_root(*ops_[i].op))
        mark_op(i);
    propagate();
  }

  bool value(ValueId v) const { return value_[v.id]; }
  /// Nothing is dead: there is nothing to do.
  bool everything() const {
    for (std::size_t i = 0; i < ops_.size(); ++i) {
      if (!is_live_[i])
        return false;
      for (ValueId v : ops_[i].op->results)
        if (!value_[v.id])
          return false;
    }
    return true;
  }
  bool op(const Op& op) const { return is_live_[index_.at(&op)]; }

private:
  static constexpr std::uint32_t none = UINT32_MAX;
  struct Node {
    const Op* op;
    std::uint32_t parent;
  };
  struct Origin {
    std::uint32_t op = none; // the operation whose result or region argument it is
    std::uint32_t position = 0;
    std::int32_t region = -1; // -1: a result
  };

  void number(const Region& region, std::uint32_t parent) {
    for (const Op& op : region.ops) {
      const auto index = static_cast<std::uint32_t>(ops_.size());
      ops_.push_back({&op, parent});
      index_.emplace(&op, index);
      for (std::uint32_t i = 0; i < op.results.size(); ++i)
        origin_[op.results[i].id] = {index, i, -1};
      if (op.opcode == Opcode::store_ || op.opcode == Opcode::accumulate_)
        stores_[op.operands[0].id].push_back(index);
      for (std::size_t r = 0; r < op.regions.size(); ++r) {
        for (std::uint32_t i = 0; i < op.regions[r].arguments.size(); ++i)
          origin_[op.regions[r].arguments[i].id] = {index, i, static_cast<std::int32_t>(r)};
        number(op.regions[r], index);
      }
    }
  }

  bool is_root(const Op& op) const {
    if (op.opcode == Opcode::store_ || op.opcode == Opcode::accumulate_)
      return is_parameter_.contains(op.operands[0].id);
    // A callee can write only what it is given.
    if (op.opcode == Opcode::call_)
      return std::any_of(op.operands.begin(), op.operands.end(),
                         [&](ValueId v) { return function_.type(v).reference; });
    return ir::has_effect(op.opcode);
  }

  void mark(ValueId v) {
    if (v.id == 0 || value_[v.id])
      return;
    value_[v.id] = true;
    pending_.push_back(v);
  }

  void mark_op(std::uint32_t index) {
    if (is_live_[index])
      return;
    is_live_[index] = true;
    const auto& [op, parent] = ops_[index];
    if (parent != none)
      mark_op(parent);
    switch (op->opcode) {
    case Opcode::loop_: mark(op->operands[0]); break;
    case Opcode::while_:
      mark(op->regions[0].yields[0]);
      for (ValueId v : op->results)
        mark(v);
      break;
    case Opcode::site_:
      for (const Region& region : op->regions)
        for (ValueId v : region.yields)
          mark(v);
      [[fallthrough]];
    default:
      for (ValueId v : op->operands)
        mark(v);
    }
  }

  void propagate() {
    while (!pending_.empty()) {
      const ValueId v = pending_.back();
      pending_.pop_back();
      for (const ir::Dim& dim : function_.type(v).dims)
        mark(dim.value);
      if (function_.type(v).reference)
        if (const auto found = stores_.find(v.id); found != stores_.end())
          for (std::uint32_t store : found->second)
            mark_op(store);
      const Origin& origin = origin_[v.id];
      if (origin.op == none)
        continue;
      mark_op(origin.op);
      const Op& op = *ops_[origin.op].op;
      switch (op.opcode) {
      case Opcode::build_:
      case Opcode::reduce_:
        if (origin.region < 0)
          mark(op.regions[0].yields[origin.position]);
        break;
      case Opcode::if_:
        for (const Region& region : op.regions)
          mark(region.yields[origin.position]);
        break;
      case Opcode::loop_: {
        if (origin.region >= 0 && origin.position == 0)
          break;
        const std::uint32_t carried = origin.region < 0 ? origin.position : origin.position - 1;
        mark(op.operands[carried + 1]);
        mark(op.results[carried]);
        mark(op.regions[0].arguments[carried + 1]);
        mark(op.regions[0].yields[carried]);
        break;
      }
      case Opcode::while_:
        mark(op.operands[origin.position]);
        mark(op.results[origin.position]);
        mark(op.regions[0].arguments[origin.position]);
        mark(op.regions[1].arguments[origin.position]);
        mark(op.regions[1].yields[origin.position]);
        break;
      default: break;
      }
    }
  }

  const Function& function_;
  std::vector<Node> ops_;
  std::unordered_map<const Op*, std::uint32_t> index_; // looked up only, never walked
  std::map<std::uint32_t, std::vector<std::uint32_t>> stores_;
  std::map<std::uint32_t, bool> is_parameter_;
  std::vector<bool> value_;
  std::vector<bool> is_live_;
  std::vector<Origin> origin_;
  std::vector<ValueId> pending_;
};

bool copy_live(const Liveness& live, Rewriter& rewriter, const Op& op) {
  if (!live.op(op))
    return true;
  const bool has_parts = op.opcode == Opcode::reduce_ || op.opcode == Opcode::loop_ || op.opcode == Opcode::if_;
  std::vector<std::size_t> kept;
  for (std::size_t i = 0; i < op.results.size(); ++i)
    if (live.value(op.results[i]))
      kept.push_back(i);
  if (!has_parts || kept.size() == op.results.size())
    return false;
  const bool is_loop = op.opcode == Opcode::loop_;
  const auto parts = [&](const std::vector<ValueId>& values, std::size_t from) {
    std::vector<ValueId> result(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(from));
    for (std::size_t i : kept)
      result.push_back(values[from + i]);
    return result;
  };
  Op copied = ir::bare(op);
  copied.operands = rewriter(is_loop ? parts(op.operands, 1) : op.operands);
  for (const Region& region : op.regions) {
    rewriter.builder().open_region();
    std::vector<ValueId> arguments = rewriter.declare(is_loop ? parts(region.arguments, 1) : region.arguments);
    rewriter.copy_ops(region);
    copied.regions.push_back(rewriter.builder().close_region(rewriter(parts(region.yields, 0))));
    copied.regions.back().arguments = std::move(arguments);
  }
  copied.results = rewriter.declare(parts(op.results, 0));
  rewriter.builder().append(std::move(copied));
  return true;
}

} // namespace

Function remove_dead_code(const Function& function) {
  const Liveness live(function);
  if (live.everything())
    return function;
  return ir::rewrite(function, [&](Rewriter& rewriter, const Op& op) { return copy_live(live, rewriter, op); });
}

bool has_dead_code(const Function& function) {
  return !Liveness(function).everything();
}

Module remove_dead_code(Module module) {
  for (Function& function : module.functions)
    if (has_dead_code(function))
      function = remove_dead_code(function);
  return module;
}

} // namespace vmodel::passes
