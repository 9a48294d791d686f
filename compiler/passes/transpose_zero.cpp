// Where a product of an adjoint and a coefficient may be zero times infinity.
#include "compiler/ir/axes.h"
#include "compiler/passes/derivative_rules.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/transpose.h"

namespace vmodel::passes {

bool is_linear_op(const Linearised& l, const Op& op) {
  if (op.opcode == Opcode::store_ || op.opcode == Opcode::accumulate_)
    return l.is_linear(op.operands[0]);
  for (ValueId v : op.results)
    if (l.is_linear(v))
      return true;
  for (const Region& region : op.regions)
    for (const Op& inner : region.ops)
      if (is_linear_op(l, inner))
        return true;
  return false;
}

namespace {

class ZeroAdjoints {
public:
  ZeroAdjoints(const Linearised& l, const std::set<ValueId>& ones)
      : l_(l), ones_(ones), zero_(l.function.values.size()), used_(l.function.values.size()) {
    note_uses(l.function.body);
    do {
      changed_ = false;
      visit(l.function.body);
    } while (changed_);
  }
  std::vector<bool> take() { return std::move(zero_); }

private:
  void set(ValueId v, bool on) {
    if (!on || !l_.is_linear(v) || zero_[v.id])
      return;
    zero_[v.id] = true;
    changed_ = true;
  }

  void note_uses(const Region& region) {
    for (ValueId v : region.yields)
      used_[v.id] = true;
    for (const Op& op : region.ops) {
      for (ValueId v : op.operands)
        used_[v.id] = true;
      for (const Region& inner : op.regions)
        note_uses(inner);
    }
  }

  void visit(const Region& region) {
    for (auto op = region.ops.rbegin(); op != region.ops.rend(); ++op)
      if (is_linear_op(l_, *op))
        visit(*op);
  }

  void visit(const Op& op) {
    const auto result = [&](std::size_t i) { return static_cast<bool>(zero_[op.results[i].id]); };
    switch (op.opcode) {
    case Opcode::store_:
    case Opcode::accumulate_: set(op.operands.back(), !ones_.contains(op.operands[0])); break;
    case Opcode::load_:
    case Opcode::freeze_:
    case Opcode::alloc_: break;
    case Opcode::select_:
    case Opcode::strong_mul_:
      for (ValueId v : op.operands)
        set(v, true);
      break;
    case Opcode::mul: set(op.operands[0], result(0) || l_.vanishing[op.results[0].id]); break;
    case Opcode::build_:
      set(op.regions[0].yields[0], true);
      visit(op.regions[0]);
      break;
    case Opcode::reduce_:
      for (std::size_t i = 0; i < op.results.size(); ++i)
        set(op.regions[0].yields[i], result(i));
      visit(op.regions[0]);
      break;
    case Opcode::if_:
      for (const Region& region : op.regions) {
        for (std::size_t i = 0; i < op.results.size(); ++i)
          set(region.yields[i], result(i));
        visit(region);
      }
      // Outer values of which the selected side makes nothing get exactly zero.
      for (ValueId v : ir::free_values(l_.function, op))
        set(v, true);
      break;
    case Opcode::loop_: {
      // In the last iteration an adjoint comes from the result: zero if nothing uses that.
      const Region& body = op.regions[0];
      for (std::size_t i = 0; i < op.results.size(); ++i)
        set(body.yields[i], !used_[op.results[i].id] || result(i) || zero_[body.arguments[i + 1].id] ||
                                !used_[body.arguments[i + 1].id]);
      visit(body);
      for (std::size_t i = 0; i < op.results.size(); ++i)
        set(op.operands[i + 1], zero_[body.arguments[i + 1].id]);
      break;
    }
    default:
      for (ValueId v : op.operands)
        set(v, result(0));
    }
  }

  const Linearised& l_;
  const std::set<ValueId>& ones_;
  std::vector<bool> zero_, used_;
  bool changed_ = false;
};

// Sums and products of finite numbers count as finite: an overflow there is no part of a model.
void visit(const ir::Function& f, const std::vector<ir::Axis>& axes, const Region& region,
           std::vector<bool>& infinite) {
  for (const Op& op : region.ops) {
    if (op.opcode == Opcode::loop_)
      for (std::size_t i = 0; i < op.results.size(); ++i)
        infinite[op.regions[0].arguments[i + 1].id] = true;
    for (const Region& inner : op.regions)
      visit(f, axes, inner, infinite);
    bool any = false;
    for (ValueId v : op.operands)
      any |= infinite[v.id];
    for (std::size_t i = 0; i < op.results.size(); ++i) {
      const ValueId v = op.results[i];
      if (axes[v.id] == ir::Axis::load && op.opcode != Opcode::constant_)
        continue; // data are finite
      bool on = any;
      switch (op.opcode) {
      case Opcode::constant_: on = !(op.number - op.number == 0); break;
      case Opcode::alloc_:
      case Opcode::loop_:
      case Opcode::while_:
      case Opcode::call_: on = true; break;
      case Opcode::random_: on = false; break;
      case Opcode::build_:
      case Opcode::reduce_:
      case Opcode::if_:
        on = false;
        for (const Region& inner : op.regions)
          on |= infinite[inner.yields[i].id];
        break;
      // Roots of finite numbers are finite; quotients by data too.
      case Opcode::sqrt: break;
      case Opcode::div: on |= axes[op.operands[1].id] != ir::Axis::load; break;
      default: on = !is_bounded(op.opcode) && (any || is_singular(op.opcode));
      }
      infinite[v.id] = on;
    }
  }
}

} // namespace

std::vector<bool> find_zero_adjoints(const Linearised& linearised, const std::set<ValueId>& seeded_with_one) {
  return ZeroAdjoints(linearised, seeded_with_one).take();
}

std::vector<bool> find_infinite(const ir::Function& function) {
  std::vector<bool> infinite(function.values.size());
  const std::vector<ir::Axis> axes = ir::axes(function);
  for (const ir::Parameter& parameter : function.parameters)
    infinite[parameter.value.id] = function.type(parameter.value).reference;
  visit(function, axes, function.body, infinite);
  return infinite;
}

} // namespace vmodel::passes
