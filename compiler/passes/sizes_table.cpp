#include "compiler/passes/sizes_table.h"

#include <algorithm>

namespace vmodel::passes {

namespace {

/// The values that `sizes` stores, by the names that they have elsewhere, besides its parameters.
Values stored_sizes(const Function& sizes, ValueId table, const Rewriter& map) {
  Values result;
  std::map<ValueId, std::int64_t> constants;
  for (const Op& op : sizes.body.ops) {
    if (op.opcode == Opcode::constant_ && sizes.type(op.results[0]).element == Element::index)
      constants[op.results[0]] = op.integer;
    if (op.opcode == Opcode::store_ && op.operands[0] == table && constants.contains(op.operands[1]))
      result["size." + std::to_string(constants.at(op.operands[1]))] = map(op.operands[2]);
  }
  return result;
}

} // namespace

Values parameters_by_name(const Function& function) {
  Values result;
  for (const ir::Parameter& parameter : function.parameters)
    result[parameter.name] = parameter.value;
  return result;
}

std::optional<std::int64_t> add_size(Module& module,
                                     const std::function<std::optional<ValueId>(Builder&, const Values&)>& value) {
  Function* old = module.find("sizes");
  if (!old)
    return std::nullopt;
  const auto table = std::find_if(old->parameters.begin(), old->parameters.end(),
                                  [](const ir::Parameter& parameter) { return parameter.name == "sizes"; });
  if (table == old->parameters.end() || old->type(table->value).dims[0].value)
    return std::nullopt;
  const std::int64_t number = old->type(table->value).dims[0].constant;
  Function wider = *old;
  wider.type(table->value).dims[0].constant = number + 1;
  Function result;
  result.name = wider.name;
  Builder b(result);
  Rewriter copy(wider, b);
  ir::copy_parameters(wider, b, copy);
  copy.copy_ops(wider.body);
  Values values = parameters_by_name(result);
  values.merge(stored_sizes(wider, table->value, copy));
  const std::optional<ValueId> size = value(b, values);
  if (!size)
    return std::nullopt;
  const ValueId at[] = {b.index(number)};
  b.store(values.at("sizes"), at, *size);
  b.yield({});
  *old = std::move(result);
  return number;
}

} // namespace vmodel::passes
