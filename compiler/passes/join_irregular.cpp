// Where a density or its gradient finds a lane irregular, the version of it for weights of any size runs for that lane.
#include "compiler/passes/log_recurrences.h"
#include "compiler/passes/pass.h"

#include <algorithm>

namespace vmodel::passes {

using ir::Parameter;

namespace {

constexpr const char* flag = "irregular";

const Parameter* find(const Function& function, const std::string& name) {
  for (const Parameter& parameter : function.parameters)
    if (parameter.name == name)
      return &parameter;
  return nullptr;
}

Function joined(const Function& function, const Function& irregular) {
  Function result;
  result.name = function.name;
  Builder b(result);
  const ValueId output = find(function, flag)->value;
  ValueId is_irregular;
  Rewriter r(function, b, [&](Rewriter& rewriter, const Op& op) {
    if (op.opcode != Opcode::store_ || op.operands[0] != output)
      return false;
    is_irregular = rewriter(op.operands.back());
    return true;
  });
  for (const Parameter& parameter : function.parameters)
    if (parameter.name != flag)
      r.set(parameter.value, b.parameter(parameter.name, r(function.type(parameter.value)), parameter.axis));
  r.copy_ops(function.body);
  Rewriter other(irregular, b);
  for (const Parameter& parameter : irregular.parameters)
    other.set(parameter.value, find(result, parameter.name)->value);
  b.if_(
      b.compare(Opcode::ne, is_irregular, b.constant(0)),
      [&] {
        other.copy_ops(irregular.body);
        return std::vector<ValueId>{};
      },
      [] { return std::vector<ValueId>{}; });
  b.yield(r(function.body.yields));
  return result;
}

} // namespace

ir::Module join_irregular(ir::Module module) {
  const auto base = [](const std::string& name) { return name.substr(0, name.find('.')); };
  for (Function& function : module.functions) {
    if (!find(function, flag))
      continue;
    if (const Function* other = module.find(base(function.name) + irregular_suffix)) {
      Function next = joined(function, *other);
      function = std::move(next);
    }
  }
  std::erase_if(module.functions, [](const Function& f) { return f.name.ends_with(irregular_suffix); });
  return module;
}

} // namespace vmodel::passes
