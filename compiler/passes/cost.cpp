#include "compiler/passes/cost.h"

namespace vmodel::passes {

using ir::Element;
using ir::Opcode;

double cost(const ir::Function& function, const ir::Op& op) {
  double inside = 0;
  for (const ir::Region& region : op.regions)
    for (const ir::Op& inner : region.ops)
      inside += cost(function, inner);
  switch (op.opcode) {
  case Opcode::constant_: return 0;
  case Opcode::build_:
  case Opcode::reduce_:
  case Opcode::loop_:
  case Opcode::while_: return 16 * (1 + inside);
  case Opcode::if_: return 1 + inside;
  case Opcode::alloc_: return 16;
  case Opcode::freeze_: return 0;
  case Opcode::random_: return 40;
  case Opcode::div:
  case Opcode::sqrt: return 5;
  case Opcode::idiv:
  case Opcode::imod: return 5;
  case Opcode::neg:
  case Opcode::abs:
  case Opcode::sign:
  case Opcode::exponent:
  case Opcode::inverse_power:
  case Opcode::floor:
  case Opcode::ceil:
  case Opcode::round:
  case Opcode::square: return 1;
  case Opcode::pow:
  case Opcode::atan2: return 40;
  case Opcode::log_add_exp: return 30;
  case Opcode::lgamma:
  case Opcode::digamma:
  case Opcode::trigamma:
  case Opcode::tetragamma: return 60;
  default: break;
  }
  if (ir::is_unary(op.opcode))
    return 15;
  const bool is_index = !op.results.empty() && function.type(op.results[0]).element == Element::index;
  return is_index && op.opcode != Opcode::load_ ? 0.25 : 1;
}

} // namespace vmodel::passes
