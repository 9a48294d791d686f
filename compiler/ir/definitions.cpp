#include "compiler/ir/definitions.h"

#include "compiler/ir/rewrite.h"

namespace vmodel::ir {

Definitions::Definitions(const Region& region) {
  for_each_op(region, [this](const Op& op) { add(op); });
}

Definitions Definitions::directly_in(const Region& region) {
  Definitions result;
  for (const Op& op : region.ops)
    result.add(op);
  return result;
}

void Definitions::add(const Op& op) {
  for (const ValueId v : op.results)
    ops_[v.id] = &op;
}

const Op* Definitions::of(ValueId v) const {
  const auto found = ops_.find(v.id);
  return found == ops_.end() ? nullptr : found->second;
}

const Op* Definitions::as(ValueId v, Opcode opcode) const {
  const Op* op = of(v);
  return op && op->opcode == opcode ? op : nullptr;
}

ValueId Definitions::memory(ValueId v) const {
  const Op* freeze = as(v, Opcode::freeze_);
  return freeze ? memory(freeze->operands[0]) : v;
}

} // namespace vmodel::ir
