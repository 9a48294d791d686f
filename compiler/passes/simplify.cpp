// Folding, identities that keep NaN and infinity, index arithmetic in affine form, common
// subexpressions across scopes, values of memory that are known, trivial control flow.
#include "compiler/passes/passes.h"
#include "compiler/passes/simplify_internal.h"

namespace vmodel::passes {

bool Simplifier::simplify(const Op& op) {
  if (op.opcode == Opcode::constant_) {
    // One of a value is enough; its hint does not matter.
    const Element kind = r_.from().type(op.results[0]).element;
    if (kind == Element::f32)
      return false;
    r_.set(op.results[0], kind == Element::f64     ? b_.constant(op.number)
                          : kind == Element::index ? b_.index(op.integer)
                                                   : b_.boolean(op.integer != 0));
    return true;
  }
  if (!op.regions.empty())
    return control(op);
  if (memory(op))
    return true;
  if (op.results.size() != 1)
    return false;
  const std::vector<ValueId> operands = r_(op.operands);
  ValueId value = value_of(op, operands);
  if (!value)
    value = once(op, operands);
  r_.set(op.results[0], value);
  return true;
}

void Simplifier::run(Function& result) {
  const Function& from = r_.from();
  result.name = from.name;
  ir::copy_parameters(from, b_, r_);
  r_.copy_ops(from.body);
  b_.yield(r_(from.body.yields));
}

namespace {

std::size_t count_ops(const Region& region) {
  std::size_t count = 0;
  ir::for_each_op(region, [&](const Op&) { ++count; });
  return count;
}

} // namespace

Function simplify(const Function& function) {
  Function current = remove_dead_code(function);
  // What one round finds can help the next; two are almost always enough.
  for (int round = 0; round < 3; ++round) {
    const std::size_t before = count_ops(current.body);
    Function next;
    ir::Builder builder(next);
    Simplifier(current, builder).run(next);
    current = has_dead_code(next) ? remove_dead_code(next) : std::move(next);
    // Rewriting that removes nothing has hardly anything left to find.
    if (count_ops(current.body) == before)
      break;
  }
  return current;
}

Module simplify(Module module) {
  for (Function& function : module.functions)
    function = simplify(function);
  return module;
}

} // namespace vmodel::passes
