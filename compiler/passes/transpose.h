// Transposition of the linear part of a function; internal to derivatives.
#pragma once

#include "compiler/passes/linearise.h"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace vmodel::passes {

struct TransposePlan {
  std::vector<DerivativeName> of;  // outputs with a cotangent; an empty derivative is the constant one
  std::vector<DerivativeName> wrt; // inputs and their adjoint outputs
};

/// The function with parameters for cotangents and adjoints in place of tangents; `linearised` has
/// the form `apart`. The linear operations are add, sub, neg, mul, strong_mul, select, lane_sum,
/// load, store, accumulate, alloc, freeze, build, reduce add, loop and if.
ir::Function transpose(const Linearised& linearised, const TransposePlan& plan, std::vector<DerivativeError>& errors);

/// Which linear values have adjoints that may be exactly zero, so that a product with an infinite
/// coefficient must not be formed.
std::vector<bool> find_zero_adjoints(const Linearised& linearised, const std::set<ir::ValueId>& seeded_with_one);
/// Which primal values may be infinite or NaN although parameters and data are finite.
std::vector<bool> find_infinite(const ir::Function& function);

} // namespace vmodel::passes
