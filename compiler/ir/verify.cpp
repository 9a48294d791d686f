#include "compiler/ir/verify.h"

#include "compiler/ir/axes.h"
#include "compiler/ir/print.h"
#include "compiler/ir/rewrite.h"
#include "compiler/ir/typing.h"

#include <algorithm>
#include <set>

namespace vmodel::ir {

namespace {

// Types of operations are checked at the depth of the region; more errors than this help nobody.
constexpr std::size_t max_errors = 20;

class FunctionVerifier {
public:
  FunctionVerifier(const Module& module, const Function& function, const std::set<std::string>& earlier,
                   std::vector<std::string>& errors)
      : module_(module), function_(function), earlier_(earlier), errors_(errors),
        state_(function.values.size(), State::unknown), constant_(function.values.size(), nullptr),
        memory_(function.values.size()) {}

  void run();

private:
  enum class State : std::uint8_t { unknown, in_scope, left };
  struct Memory {
    bool write_once = false; // an alloc of uninitialised memory
    bool frozen = false;
  };

  void error(const std::string& message) {
    if (errors_.size() < max_errors)
      errors_.push_back("@" + function_.name + ": " + message);
  }
  std::string shown(ValueId v) const {
    const std::string hint = v.id < function_.values.size() ? function_.values[v.id].hint : "";
    return "%" + hint + (hint.empty() ? "" : ".") + std::to_string(v.id);
  }
  bool valid(ValueId v) const { return v.id != 0 && v.id < function_.values.size(); }
  void use(ValueId v, const std::string& user);
  void define(ValueId v, const std::string& by);
  void leave(const std::vector<ValueId>& values);
  void parameters();
  void region(const Region& region, const std::string& owner);
  void op(const Op& op);
  void extents(const Op& op);
  void memory(const Op& op);
  void call(const Op& op);
  void axes_of(const Region& region, Axis control);

  const Module& module_;
  const Function& function_;
  const std::set<std::string>& earlier_;
  std::vector<std::string>& errors_;
  std::vector<State> state_;
  std::vector<const Op*> constant_;
  std::vector<Memory> memory_;
  std::vector<Axis> axis_;
};

void FunctionVerifier::use(ValueId v, const std::string& user) {
  if (!valid(v))
    error(user + " uses something that is not a value");
  else if (state_[v.id] == State::unknown)
    error(user + " uses " + shown(v) + " before its definition");
  else if (state_[v.id] == State::left)
    error(user + " uses " + shown(v) + " outside the region that defines it");
}

void FunctionVerifier::define(ValueId v, const std::string& by) {
  if (!valid(v))
    return error(by + " defines something that is not a value");
  for (const Dim& dim : function_.type(v).dims) {
    if (dim.value) {
      use(dim.value, "the type of " + shown(v));
      if (valid(dim.value) && !(function_.type(dim.value) == Type{Element::index, false, {}}))
        error("the type of " + shown(v) + " has the extent " + shown(dim.value) + ", which is not an index");
    } else if (dim.constant < 0) {
      error("the type of " + shown(v) + " has a negative extent");
    }
  }
  if (state_[v.id] != State::unknown)
    error(shown(v) + " is defined twice");
  state_[v.id] = State::in_scope;
}

void FunctionVerifier::leave(const std::vector<ValueId>& values) {
  for (ValueId v : values)
    if (valid(v))
      state_[v.id] = State::left;
}

void FunctionVerifier::parameters() {
  std::set<std::string> names;
  for (const Parameter& parameter : function_.parameters) {
    if (parameter.name.empty())
      error("a parameter has no name");
    else if (!names.insert(parameter.name).second)
      error("two parameters have the name '" + parameter.name + "'");
    define(parameter.value, "parameter '" + parameter.name + "'");
  }
}

void FunctionVerifier::region(const Region& region, const std::string& owner) {
  for (ValueId v : region.arguments)
    define(v, owner);
  for (const Op& inner : region.ops) {
    if (errors_.size() >= max_errors)
      return;
    op(inner);
  }
  for (ValueId v : region.yields)
    use(v, "a yield of " + owner);
  for (const Op& inner : region.ops)
    leave(inner.results);
  leave(region.arguments);
}

// Result types repeat the extents: as the operand itself, or as its value where that is a constant.
void FunctionVerifier::extents(const Op& op) {
  if (op.opcode != Opcode::build_ && op.opcode != Opcode::alloc_)
    return;
  const Type& type = function_.type(op.results[0]);
  for (std::size_t i = 0; i < type.rank(); ++i) {
    const Op* constant = constant_[op.operands[i].id];
    if (!type.dims[i].value && (!constant || constant->integer != type.dims[i].constant))
      error(std::string(name(op.opcode)) + " " + shown(op.results[0]) + ": extent " + std::to_string(i) +
            " of the type is not that of the operand");
  }
}

void FunctionVerifier::memory(const Op& op) {
  switch (op.opcode) {
  case Opcode::alloc_: memory_[op.results[0].id].write_once = op.integer == 0; return;
  case Opcode::freeze_: memory_[op.operands[0].id].frozen = true; return;
  case Opcode::store_:
  case Opcode::accumulate_:
    if (memory_[op.operands[0].id].frozen)
      error(std::string(name(op.opcode)) + " to " + shown(op.operands[0]) + ", which is frozen");
    if (op.opcode == Opcode::accumulate_ && memory_[op.operands[0].id].write_once)
      error("accumulate to " + shown(op.operands[0]) + ", which is not zeroed");
    return;
  default: return;
  }
}

void FunctionVerifier::call(const Op& op) {
  if (!earlier_.contains(op.symbol))
    return error("call of '" + op.symbol + "', which is not an earlier function");
  const Function& callee = *module_.find(op.symbol);
  // Extents are not compared: equal ones may be different values.
  const auto alike = [](const Type& a, const Type& b) {
    return a.element == b.element && a.reference == b.reference && a.rank() == b.rank();
  };
  if (op.operands.size() != callee.parameters.size() || op.results.size() != callee.results.size())
    return error("call of '" + op.symbol + "' has the wrong number of arguments or results");
  for (std::size_t i = 0; i < op.operands.size(); ++i)
    if (!alike(function_.type(op.operands[i]), callee.type(callee.parameters[i].value)))
      error("call of '" + op.symbol + "': argument " + std::to_string(i) + " has the wrong type");
  for (std::size_t i = 0; i < op.results.size(); ++i)
    if (!alike(function_.type(op.results[i]), callee.results[i]))
      error("call of '" + op.symbol + "': result " + std::to_string(i) + " has the wrong type");
}

void FunctionVerifier::op(const Op& op) {
  const std::string what = std::string(name(op.opcode)) + (op.results.empty() ? "" : " " + shown(op.results[0]));
  for (ValueId v : op.operands)
    use(v, what);
  if (const std::string message = type_error(function_, op); !message.empty())
    return error(what + ": " + message);
  if (op.opcode == Opcode::constant_)
    constant_[op.results[0].id] = &op;
  if (op.opcode == Opcode::call_)
    call(op);
  for (const Region& inner : op.regions)
    region(inner, what);
  for (ValueId v : op.results)
    define(v, what);
  extents(op);
  memory(op);
  if (op.opcode == Opcode::build_ && has_effects(op, false))
    error(what + ": the region writes memory of the outside or has other effects");
}

void FunctionVerifier::axes_of(const Region& region, Axis control) {
  const auto varies = [&](ValueId v) { return axis_[v.id] == Axis::particle; };
  for (const Op& op : region.ops) {
    for (std::size_t i = 0; i < extent_count(function_, op); ++i)
      if (varies(op.operands[i]))
        error(std::string(name(op.opcode)) + ": the extent " + shown(op.operands[i]) + " varies over particles");
    if (op.opcode == Opcode::store_ || op.opcode == Opcode::accumulate_) {
      Axis stored = control;
      for (std::size_t i = 1; i < op.operands.size(); ++i)
        stored = later(stored, axis_[op.operands[i].id]);
      if (stored > axis_[op.operands[0].id])
        error(std::string(name(op.opcode)) + " to " + shown(op.operands[0]) + " of a value of a later axis");
    }
    if (op.opcode == Opcode::require_ && axis_[op.operands[0].id] != Axis::load)
      error("require \"" + op.symbol + "\": the condition does not depend on data only");
    Axis inside = control;
    if (op.opcode == Opcode::if_)
      inside = later(control, axis_[op.operands[0].id]);
    if (op.opcode == Opcode::while_)
      inside = later(control, axis_[op.regions[0].yields[0].id]);
    for (std::size_t i = 0; i < op.regions.size(); ++i) {
      // The condition of a loop is evaluated for all lanes, as the analysis has it; lanes leave its body alone.
      axes_of(op.regions[i], op.opcode == Opcode::while_ && i == 0 ? control : inside);
    }
  }
}

void FunctionVerifier::run() {
  const std::size_t before = errors_.size();
  parameters();
  region(function_.body, "the function");
  if (function_.results.size() != function_.body.yields.size())
    error("has " + std::to_string(function_.results.size()) + " results and yields " +
          std::to_string(function_.body.yields.size()) + " values");
  else
    for (std::size_t i = 0; i < function_.results.size(); ++i)
      if (valid(function_.body.yields[i]) && !(function_.type(function_.body.yields[i]) == function_.results[i]))
        error("result " + std::to_string(i) + " and what is yielded differ in type");
  if (errors_.size() > before)
    return;
  axis_ = axes(function_, &module_);
  axes_of(function_.body, Axis::load);
}

} // namespace

std::vector<std::string> verify(const Module& module) {
  std::vector<std::string> errors;
  std::set<std::string> earlier;
  for (const Function& function : module.functions) {
    FunctionVerifier(module, function, earlier, errors).run();
    if (!earlier.insert(function.name).second)
      errors.push_back("two functions have the name '" + function.name + "'");
  }
  return errors;
}

} // namespace vmodel::ir
