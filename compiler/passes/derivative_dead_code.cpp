// Dead code in functions that differentiation makes: memory that is only written, results and
// carried values that nothing reads.
#include "compiler/passes/derivative_rules.h"
#include "compiler/passes/linearise.h"
#include "compiler/passes/pass.h"

namespace vmodel::passes {

namespace {

class DeadCode {
public:
  explicit DeadCode(Function& function)
      : function_(function), live_(function.values.size()), root_(function.values.size()) {
    for (std::uint32_t id = 0; id < root_.size(); ++id)
      root_[id] = ValueId{id};
    ir::for_each_op(function.body, [&](const Op& op) {
      if (op.opcode == Opcode::freeze_)
        root_[op.results[0].id] = root_[op.operands[0].id];
    });
  }

  void run() {
    for (const ir::Parameter& parameter : function_.parameters)
      mark(parameter.value);
    for (ValueId v : function_.body.yields)
      mark(v);
    do {
      changed_ = false;
      visit(function_.body);
    } while (changed_);
    sweep(function_.body);
  }

private:
  bool live(ValueId v) const { return live_[v.id]; }
  void mark(ValueId v) {
    if (live_[v.id])
      return;
    live_[v.id] = true;
    changed_ = true;
    mark(root_[v.id]);
    for (const ir::Dim& dim : function_.type(v).dims)
      if (dim.value)
        mark(dim.value);
  }
  void mark_all(const std::vector<ValueId>& values) {
    for (ValueId v : values)
      mark(v);
  }
  bool any_live(const std::vector<ValueId>& values) const {
    for (ValueId v : values)
      if (live(v))
        return true;
    return false;
  }

  // True for an operation that must stay whatever its results are good for.
  bool has_live_effect(const Op& op) const {
    if (op.opcode == Opcode::store_ || op.opcode == Opcode::accumulate_)
      return live(root_[op.operands[0].id]);
    if (op.opcode == Opcode::call_)
      return !op.symbol.starts_with(missing_derivative);
    if (ir::has_effect(op.opcode))
      return true;
    for (const Region& region : op.regions)
      for (const Op& inner : region.ops)
        if (has_live_effect(inner))
          return true;
    return false;
  }

  void visit(const Region& region) {
    for (auto op = region.ops.rbegin(); op != region.ops.rend(); ++op)
      visit(*op);
  }

  void visit(const Op& op) {
    const bool needed = any_live(op.results) || has_live_effect(op);
    switch (op.opcode) {
    case Opcode::loop_: {
      const Region& body = op.regions[0];
      // Twice: what the body needs of a carried value makes its next value needed.
      for (int round = 0; round < 2; ++round) {
        for (std::size_t i = 0; i < op.results.size(); ++i)
          if (live(op.results[i]) || live(body.arguments[i + 1])) {
            mark(body.yields[i]);
            mark(op.operands[i + 1]);
          }
        visit(body);
      }
      if (needed)
        mark(op.operands[0]);
      return;
    }
    case Opcode::reduce_:
    case Opcode::build_:
    case Opcode::if_:
      for (const Region& region : op.regions) {
        for (std::size_t i = 0; i < op.results.size(); ++i)
          if (live(op.results[i]))
            mark(region.yields[i]);
        visit(region);
      }
      if (any_live(op.results) || has_live_effect(op))
        mark_all(op.operands);
      return;
    default:
      if (!needed)
        return;
      mark_all(op.operands);
      for (const Region& region : op.regions) {
        mark_all(region.yields);
        visit(region);
      }
    }
  }

  template <typename T>
  static void keep(std::vector<T>& list, std::size_t offset, const std::vector<bool>& kept) {
    std::size_t out = offset;
    for (std::size_t i = 0; i < kept.size(); ++i)
      if (kept[i])
        list[out++] = list[offset + i];
    list.resize(out);
  }

  void sweep(Region& region) {
    std::vector<Op> ops;
    for (Op& op : region.ops) {
      if (!any_live(op.results) && !has_live_effect(op))
        continue;
      std::vector<bool> kept;
      if (op.opcode == Opcode::reduce_ || op.opcode == Opcode::if_) {
        for (ValueId v : op.results)
          kept.push_back(live(v));
        for (Region& inner : op.regions)
          keep(inner.yields, 0, kept);
        keep(op.results, 0, kept);
      }
      if (op.opcode == Opcode::loop_) {
        Region& body = op.regions[0];
        for (std::size_t i = 0; i < op.results.size(); ++i)
          kept.push_back(live(op.results[i]) || live(body.arguments[i + 1]));
        keep(body.yields, 0, kept);
        keep(body.arguments, 1, kept);
        keep(op.operands, 1, kept);
        keep(op.results, 0, kept);
      }
      for (Region& inner : op.regions)
        sweep(inner);
      ops.push_back(std::move(op));
    }
    region.ops = std::move(ops);
  }

  Function& function_;
  std::vector<bool> live_;
  std::vector<ValueId> root_;
  bool changed_ = false;
};

} // namespace

void prune(Function& function) {
  DeadCode(function).run();
}

void find_missing(const Function& function, std::vector<DerivativeError>& errors) {
  ir::for_each_op(function.body, [&](const Op& op) {
    if (op.opcode == Opcode::call_ && op.symbol.starts_with(missing_derivative))
      errors.push_back(
          {op.range, op.symbol.substr(std::string(missing_derivative).size()) + " is needed and does not exist"});
  });
}

} // namespace vmodel::passes
