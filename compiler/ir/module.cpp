#include "compiler/ir/module.h"

#include <utility>

namespace vmodel::ir {

const char* name(Opcode opcode) {
  switch (opcode) {
#define VIR_UNARY(name, derivative)                                                                                    \
  case Opcode::name: return #name;
#define VIR_BINARY(name, d_dx, d_dy)                                                                                   \
  case Opcode::name: return #name;
#define VIR_INTEGER(name)                                                                                              \
  case Opcode::name: return #name;
#define VIR_COMPARE(name)                                                                                              \
  case Opcode::name: return #name;
#define VIR_OP(name)                                                                                                   \
  case Opcode::name##_: return #name;
#include "compiler/ir/opcode.def"
  }
  return "unknown";
}

ValueId Function::add_value(Type type, std::string hint) {
  values.push_back({std::move(type), std::move(hint)});
  return ValueId{static_cast<std::uint32_t>(values.size() - 1)};
}

Function* Module::find(const std::string& name) {
  for (Function& function : functions)
    if (function.name == name)
      return &function;
  return nullptr;
}

const Function* Module::find(const std::string& name) const {
  return const_cast<Module*>(this)->find(name);
}

bool is_unary(Opcode opcode) {
  switch (opcode) {
#define VIR_UNARY(name, derivative) case Opcode::name:
#include "compiler/ir/opcode.def"
    return true;
  default: return false;
  }
}

bool is_binary(Opcode opcode) {
  switch (opcode) {
#define VIR_BINARY(name, d_dx, d_dy) case Opcode::name:
#define VIR_INTEGER(name) case Opcode::name:
#include "compiler/ir/opcode.def"
    return true;
  default: return false;
  }
}

bool is_compare(Opcode opcode) {
  switch (opcode) {
#define VIR_COMPARE(name) case Opcode::name:
#include "compiler/ir/opcode.def"
    return true;
  default: return false;
  }
}

bool is_pure_scalar(Opcode opcode) {
  if (is_unary(opcode) || is_binary(opcode) || is_compare(opcode))
    return true;
  switch (opcode) {
  case Opcode::constant_:
  case Opcode::select_:
  case Opcode::logical_and_:
  case Opcode::logical_or_:
  case Opcode::logical_not_:
  case Opcode::is_nan_:
  case Opcode::to_real_:
  case Opcode::to_index_:
  case Opcode::stop_:
  case Opcode::only_derivative_:
  case Opcode::strong_mul_: return true;
  default: return false;
  }
}

bool has_effect(Opcode opcode) {
  switch (opcode) {
  case Opcode::store_:
  case Opcode::accumulate_:
  case Opcode::site_:
  case Opcode::output_:
  case Opcode::require_:
  // What a callee does is not known before it is inlined.
  case Opcode::call_: return true;
  default: return false;
  }
}

} // namespace vmodel::ir
