#include "compiler/ir/axes.h"

#include <map>
#include <string>

namespace vmodel::ir {

namespace {

class Analysis {
public:
  Analysis(const Function& function, const Module* module)
      : function_(function), module_(module), axis_(function.values.size(), Axis::load) {}

  std::vector<Axis> run() {
    for (const Parameter& parameter : function_.parameters) {
      axis_[parameter.value.id] = parameter.axis;
      fixed_.resize(function_.values.size());
      fixed_[parameter.value.id] = true;
    }
    fixed_.resize(function_.values.size());
    // A function that nothing varies for is run once: its random numbers are numbers of the step.
    for (const Parameter& parameter : function_.parameters)
      has_particles_ |= parameter.axis == Axis::particle;
    // Axes only rise, and there are three of them: a few rounds reach the fixed point.
    do {
      changed_ = false;
      region(function_.body, Axis::load);
    } while (changed_);
    return std::move(axis_);
  }

private:
  Axis axis(ValueId v) const { return axis_[v.id]; }
  void raise(ValueId v, Axis to) {
    if (fixed_[v.id] || axis_[v.id] >= to)
      return;
    axis_[v.id] = to;
    changed_ = true;
  }
  Axis latest(const std::vector<ValueId>& values, std::size_t from = 0) const {
    Axis result = Axis::load;
    for (std::size_t i = from; i < values.size(); ++i)
      result = later(result, axis(values[i]));
    return result;
  }
  bool draws(const Region& region) {
    for (const Op& op : region.ops) {
      if (op.opcode == Opcode::random_ || (op.opcode == Opcode::call_ && callee_draws(op.symbol)))
        return true;
      for (const Region& inner : op.regions)
        if (draws(inner))
          return true;
    }
    return false;
  }
  bool callee_draws(const std::string& name) {
    const auto [entry, is_new] = callees_.try_emplace(name, false);
    if (is_new)
      if (const Function* callee = module_ ? module_->find(name) : nullptr)
        callees_[name] = draws(callee->body);
    return callees_[name];
  }

  // `control` is the axis of the conditions around the region.
  void region(const Region& region, Axis control) {
    for (const Op& inner : region.ops)
      op(inner, control);
  }
  void op(const Op& op, Axis control);

  const Function& function_;
  const Module* module_;
  std::vector<Axis> axis_;
  std::vector<bool> fixed_;
  std::map<std::string, bool> callees_;
  bool has_particles_ = false;
  bool changed_ = false;
};

void Analysis::op(const Op& op, Axis control) {
  const Axis operands = latest(op.operands);
  switch (op.opcode) {
  case Opcode::random_: raise(op.results[0], has_particles_ ? Axis::particle : Axis::step); return;
  case Opcode::lane_sum_: raise(op.results[0], operands == Axis::particle ? Axis::step : operands); return;
  case Opcode::store_:
  case Opcode::accumulate_: raise(op.operands[0], later(control, latest(op.operands, 1))); return;
  case Opcode::alloc_:
    // Memory that is made under a condition is its own for every lane.
    raise(op.results[0], operands);
    return;
  case Opcode::call_: {
    const Axis result =
        callee_draws(op.symbol) ? later(operands, has_particles_ ? Axis::particle : Axis::step) : operands;
    for (ValueId v : op.results)
      raise(v, result);
    for (ValueId v : op.operands)
      if (function_.type(v).reference)
        raise(v, later(control, result));
    return;
  }
  case Opcode::build_:
  case Opcode::reduce_:
  case Opcode::site_:
    for (const Region& body : op.regions) {
      for (std::size_t i = 0; i < body.arguments.size() && i < op.operands.size(); ++i)
        raise(body.arguments[i], axis(op.operands[i]));
      region(body, control);
      for (std::size_t i = 0; i < op.results.size() && i < body.yields.size(); ++i)
        raise(op.results[i], later(operands, axis(body.yields[i])));
    }
    return;
  case Opcode::loop_: {
    const Region& body = op.regions[0];
    const Axis extent = axis(op.operands[0]);
    raise(body.arguments[0], extent);
    for (std::size_t i = 0; i < op.results.size(); ++i)
      raise(body.arguments[i + 1], later(extent, axis(op.operands[i + 1])));
    region(body, control);
    for (std::size_t i = 0; i < op.results.size(); ++i) {
      raise(body.arguments[i + 1], axis(body.yields[i]));
      raise(op.results[i], axis(body.arguments[i + 1]));
    }
    return;
  }
  case Opcode::if_:
    for (const Region& branch : op.regions) {
      region(branch, later(control, operands));
      for (std::size_t i = 0; i < op.results.size(); ++i)
        raise(op.results[i], later(operands, axis(branch.yields[i])));
    }
    return;
  case Opcode::while_: {
    // Lanes leave the loop one by one: everything varies with the condition.
    const Region& condition = op.regions[0];
    const Region& body = op.regions[1];
    for (std::size_t i = 0; i < op.results.size(); ++i)
      for (const Region* inner : {&condition, &body})
        raise(inner->arguments[i], axis(op.operands[i]));
    region(condition, control);
    const Axis inside = later(control, axis(condition.yields[0]));
    region(body, inside);
    for (std::size_t i = 0; i < op.results.size(); ++i) {
      const Axis result = later(axis(condition.yields[0]), later(axis(body.yields[i]), axis(op.operands[i])));
      raise(condition.arguments[i], result);
      raise(body.arguments[i], result);
      raise(op.results[i], result);
    }
    return;
  }
  default:
    for (ValueId v : op.results)
      raise(v, operands);
    return;
  }
}

} // namespace

std::vector<Axis> axes(const Function& function, const Module* module) {
  return Analysis(function, module).run();
}

} // namespace vmodel::ir
