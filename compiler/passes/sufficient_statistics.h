// Sums over data as functions of statistics that are computed once when data are loaded.
#pragma once

#include "compiler/ir/module.h"

namespace vmodel::passes {

/// Rewrites the sums over data of one kernel, exactly but for rounding:
///
/// - what is linear in data, sum_n c d_n, becomes c times the sum of d (linear terms of exponential
///   families, i.i.d. likelihoods);
/// - the square of a form F_n = sum_k c_k d_kn with factors c that do not change in the loop, such as
///   the residual of a linear regression, becomes ||R c||^2, where R is the triangular factor of the
///   columns d_k, found by Givens rotations at load. The residual sum of squares is then not a
///   difference of large moments, and costs O(p^2) instead of O(N p).
///
/// What has neither form stays in the loop. `rewritten` counts the sums that changed.
ir::Function sufficient_statistics(const ir::Function& function, int& rewritten);

} // namespace vmodel::passes
