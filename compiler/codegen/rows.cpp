#include "compiler/codegen/rows.h"

#include "compiler/ir/typing.h"

#include <algorithm>
#include <cstdint>

namespace vmodel::codegen {

using ir::Element;
using ir::Opcode;
using ir::Region;
using ir::ValueId;

namespace {

class Planner {
public:
  Planner(const ir::Function& function, const Varying& one_lane, const ir::Op& loop) : function_(function) {
    rows_.varying = one_lane;
    rows_.consecutive.assign(function.values.size(), false);
    rows_.definitions = ir::Definitions(loop.regions[0]);
    rows_.loop = &loop;
  }

  std::optional<Rows> run(const ir::Op& loop) {
    const Region& body = loop.regions[0];
    const ValueId row = body.arguments.back();
    mark(row);
    rows_.consecutive[row.id] = true;
    visit(body, Depth::row);
    if (!possible_)
      return std::nullopt;
    for (const ValueId result : loop.results)
      mark(result);
    return std::move(rows_);
  }

private:
  bool varies(ValueId v) const { return rows_.varying[v]; }
  void mark(ValueId v) { rows_.varying.value[v.id] = true; }

  bool any_varies(const std::vector<ValueId>& values, std::size_t first, std::size_t end) const {
    return std::any_of(values.begin() + static_cast<std::ptrdiff_t>(first),
                       values.begin() + static_cast<std::ptrdiff_t>(end), [&](ValueId v) { return varies(v); });
  }

  /// Where an operation stands: once a row, under a condition, or in a loop inside.
  enum class Depth : std::uint8_t { row, condition, loop };

  void visit(const Region& region, Depth depth) {
    for (const ir::Op& op : region.ops)
      if (possible_)
        visit(op, depth);
  }

  void visit(const ir::Op& op, Depth depth) {
    // Gathers in every turn of a loop inside cost more than its own turns in lanes.
    if (depth == Depth::loop && !op.operands.empty() && !function_.type(op.operands[0]).is_scalar() &&
        !is_consecutive(op)) {
      possible_ = false;
      return;
    }
    switch (op.opcode) {
    case Opcode::store_:
      // All rows would store to one element.
      possible_ = any_varies(op.operands, 1, op.operands.size() - 1);
      return;
    case Opcode::accumulate_:
      if (depth == Depth::row && !any_varies(op.operands, 1, op.operands.size() - 1) && has_outer_indices(op))
        rows_.sums.push_back(&op);
      return;
    case Opcode::if_: visit_if(op, depth); return;
    case Opcode::reduce_: visit_reduce(op); return;
    default: break;
    }
    if (!op.regions.empty() || op.results.size() != 1 || op.opcode == Opcode::alloc_ || op.opcode == Opcode::freeze_ ||
        op.opcode == Opcode::random_ || op.opcode == Opcode::lane_sum_) {
      possible_ = false;
      return;
    }
    if (!any_varies(op.operands, 0, op.operands.size()))
      return;
    mark(op.results[0]);
    if (function_.type(op.results[0]).element != Element::index || op.opcode == Opcode::load_)
      return;
    const auto steps = [&](std::size_t i) { return rows_.consecutive[op.operands[i].id]; };
    const auto stays = [&](std::size_t i) { return !varies(op.operands[i]); };
    rows_.consecutive[op.results[0].id] =
        (op.opcode == Opcode::add && ((steps(0) && stays(1)) || (stays(0) && steps(1)))) ||
        (op.opcode == Opcode::sub && steps(0) && stays(1));
  }

  /// Whether the element of a load, store or accumulation is the same for all rows, or the next one for the next row.
  bool is_consecutive(const ir::Op& op) const {
    const std::size_t end = op.operands.size() - (op.opcode == Opcode::load_ ? 0 : 1);
    return !any_varies(op.operands, 1, end) ||
           (rows_.consecutive[op.operands[end - 1].id] && !any_varies(op.operands, 1, end - 1));
  }

  void visit_reduce(const ir::Op& op) {
    possible_ = !any_varies(op.operands, 0, op.operands.size());
    visit(op.regions[0], Depth::loop);
    for (std::size_t i = 0; i < op.results.size(); ++i)
      if (varies(op.regions[0].yields[i]))
        mark(op.results[i]);
  }

  void visit_if(const ir::Op& op, Depth depth) {
    for (const Region& region : op.regions)
      visit(region, std::max(depth, Depth::condition));
    for (std::size_t i = 0; i < op.results.size(); ++i)
      if (varies(op.operands[0]) || varies(op.regions[0].yields[i]) || varies(op.regions[1].yields[i]))
        mark(op.results[i]);
  }

  /// Whether the element is known before the first row.
  bool has_outer_indices(const ir::Op& op) const {
    return std::all_of(op.operands.begin() + 1, op.operands.end() - 1,
                       [&](ValueId v) { return rows_.definitions.of(v) == nullptr || is_constant(v); });
  }

  bool is_constant(ValueId v) const { return rows_.definitions.as(v, Opcode::constant_) != nullptr; }

  const ir::Function& function_;
  Rows rows_;
  bool possible_ = true;
};

} // namespace

std::optional<Rows> plan_rows(const ir::Function& function, const Varying& one_lane, const ir::Op& loop) {
  return loop.operands.empty() ? std::nullopt : Planner(function, one_lane, loop).run(loop);
}

} // namespace vmodel::codegen
