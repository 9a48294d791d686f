#include "compiler/codegen/varying.h"

#include "compiler/ir/typing.h"

namespace vmodel::codegen {

using ir::Axis;
using ir::Opcode;
using ir::Region;
using ir::ValueId;

namespace {

class Analysis {
public:
  explicit Analysis(const ir::Function& function) : function_(function) {
    varying_.value.assign(function.values.size(), false);
    depth_.assign(function.values.size(), 0);
    summed_.assign(function.values.size(), false);
    for (std::uint32_t i = 0; i < function.values.size(); ++i)
      varying_.root.push_back(ValueId{i});
  }

  Varying run() {
    for (const ir::Parameter& parameter : function_.parameters)
      set(parameter.value, parameter.axis == Axis::particle);
    do {
      changed_ = false;
      visit(function_.body, 0);
    } while (changed_);
    return std::move(varying_);
  }

private:
  bool get(ValueId v) const { return varying_[v]; }

  void set(ValueId v, bool varying) {
    const std::uint32_t root = varying_.root[v.id].id;
    if (varying && !varying_.value[root]) {
      varying_.value[root] = true;
      changed_ = true;
    }
  }

  bool any(const std::vector<ValueId>& values, std::size_t first = 0) const {
    for (std::size_t i = first; i < values.size(); ++i)
      if (get(values[i]))
        return true;
    return false;
  }

  /// `depth`: how many varying conditions stand around the region.
  void visit(const Region& region, int depth) {
    for (const ir::Op& op : region.ops)
      visit(op, depth);
  }

  void store(const ir::Op& op, int depth) {
    const ValueId target = op.operands[0];
    const ValueId value = op.operands.back();
    bool varying = any(op.operands, 1);
    if (depth > depth_[varying_.root[target.id].id] && !summed_[value.id])
      varying = true;
    set(target, varying);
  }

  void visit(const ir::Op& op, int depth) {
    for (const ValueId result : op.results)
      depth_[result.id] = depth;
    switch (op.opcode) {
    case Opcode::random_: set(op.results[0], true); return;
    case Opcode::lane_sum_: summed_[op.results[0].id] = true; return;
    case Opcode::alloc_: check_extents(op); return;
    case Opcode::freeze_: varying_.root[op.results[0].id] = varying_.root[op.operands[0].id]; return;
    case Opcode::store_:
    case Opcode::accumulate_: store(op, depth); return;
    case Opcode::build_:
    case Opcode::reduce_:
      check_extents(op);
      visit(op.regions[0], depth);
      for (std::size_t i = 0; i < op.results.size(); ++i)
        set(op.results[i], get(op.regions[0].yields[i]));
      return;
    case Opcode::loop_: visit_loop(op, depth); return;
    case Opcode::if_: visit_if(op, depth); return;
    case Opcode::while_: visit_while(op, depth); return;
    default: break;
    }
    if (op.results.size() == 1) {
      set(op.results[0], any(op.operands));
      for (const ValueId operand : op.operands)
        if (summed_[operand.id])
          summed_[op.results[0].id] = true;
    }
  }

  void check_extents(const ir::Op& op) {
    for (std::size_t i = 0; i < ir::extent_count(function_, op); ++i)
      if (get(op.operands[i]))
        ir::internal_error(std::string("@") + function_.name + ": an extent of " + ir::name(op.opcode) +
                           " differs between particles");
  }

  void visit_loop(const ir::Op& op, int depth) {
    check_extents(op);
    const Region& body = op.regions[0];
    for (std::size_t i = 0; i < op.results.size(); ++i)
      set(body.arguments[i + 1], get(op.operands[i + 1]));
    visit(body, depth);
    for (std::size_t i = 0; i < op.results.size(); ++i) {
      set(body.arguments[i + 1], get(body.yields[i]));
      set(op.results[i], get(body.arguments[i + 1]));
    }
  }

  void visit_if(const ir::Op& op, int depth) {
    const bool varying = get(op.operands[0]);
    for (const Region& region : op.regions)
      visit(region, depth + (varying ? 1 : 0));
    for (std::size_t i = 0; i < op.results.size(); ++i)
      set(op.results[i], varying || get(op.regions[0].yields[i]) || get(op.regions[1].yields[i]));
  }

  void visit_while(const ir::Op& op, int depth) {
    const Region& condition = op.regions[0];
    const Region& body = op.regions[1];
    const bool varying = get(condition.yields[0]);
    for (const Region& region : op.regions) {
      for (std::size_t i = 0; i < op.results.size(); ++i)
        set(region.arguments[i], varying || get(op.results[i]) || get(op.operands[i]) || get(body.yields[i]));
      visit(region, depth + (varying ? 1 : 0));
    }
    for (std::size_t i = 0; i < op.results.size(); ++i)
      set(op.results[i], get(condition.arguments[i]) || get(body.yields[i]));
  }

  const ir::Function& function_;
  Varying varying_;
  std::vector<int> depth_;   // varying conditions around the definition
  std::vector<bool> summed_; // computed from a sum over lanes
  bool changed_ = false;
};

} // namespace

Varying find_varying(const ir::Function& function, int lanes) {
  if (lanes > 1)
    return Analysis(function).run();
  Varying none;
  none.value.assign(function.values.size(), false);
  none.root.resize(function.values.size());
  // Frozen arrays still need the memory behind them.
  const Varying with_lanes = Analysis(function).run();
  none.root = with_lanes.root;
  return none;
}

} // namespace vmodel::codegen
