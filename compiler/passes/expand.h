// Special functions as sequences of operations that code generation knows. Interface header.
#pragma once

#include "compiler/ir/builder.h"
#include "compiler/ir/module.h"

namespace vmodel::passes {

/// Replaces inv_logit, log_inv_logit, log_add_exp, logit, log1p_exp, log1m_exp, log_expm1, std_normal_*, lgamma,
/// digamma, trigamma and tetragamma by their implementations (docs/numerics.md has methods and errors), and powers with
/// small constant integer exponents by products. Runs last: derivatives are taken of the functions themselves.
ir::Module expand(ir::Module module);
ir::Function expand(const ir::Function& function);

/// The value of a special function of `x` (f64), appended to a builder; "none" for an operation that stays as it is.
ir::ValueId expand_unary(ir::Builder& builder, ir::Opcode opcode, ir::ValueId x);

} // namespace vmodel::passes
