// Implementations of special functions over VIR; internal to the pass `expand`.
#pragma once

#include "compiler/ir/builder.h"

namespace vmodel::passes {

// the normal distribution (expand_normal.cpp)
ir::ValueId std_normal_cdf(ir::Builder& b, ir::ValueId x);
ir::ValueId log_std_normal_cdf(ir::Builder& b, ir::ValueId x);
ir::ValueId std_normal_quantile(ir::Builder& b, ir::ValueId p);

// the logistic function and its logarithm (expand_logit.cpp)
/// `shares`: a logarithm of it is needed too (in the forms below, which share the division).
ir::ValueId inv_logit(ir::Builder& b, ir::ValueId x, ir::ValueId minus_x, bool shares);
ir::ValueId log1p_exp(ir::Builder& b, ir::ValueId x);
ir::ValueId log_inv_logit(ir::Builder& b, ir::ValueId x);
ir::ValueId log_add_exp(ir::Builder& b, ir::ValueId x, ir::ValueId y); // logarithms.cpp

// the gamma function's logarithm and its derivatives (expand_gamma.cpp)
ir::ValueId lgamma(ir::Builder& b, ir::ValueId x);
ir::ValueId digamma(ir::Builder& b, ir::ValueId x);
ir::ValueId trigamma(ir::Builder& b, ir::ValueId x);
ir::ValueId tetragamma(ir::Builder& b, ir::ValueId x);

/// Sum of coefficients[k] x^k, in pairs.
template <std::size_t N>
ir::ValueId polynomial(ir::Builder& b, ir::ValueId x, const double (&coefficients)[N]) {
  const ir::ValueId square = b.mul(x, x);
  ir::ValueId sum;
  for (std::size_t i = (N + 1) / 2; i-- > 0;) {
    ir::ValueId pair = b.constant(coefficients[2 * i]);
    if (2 * i + 1 < N)
      pair = b.add(b.mul(b.constant(coefficients[2 * i + 1]), x), pair);
    sum = sum ? b.add(b.mul(sum, square), pair) : pair;
  }
  return sum;
}

} // namespace vmodel::passes
