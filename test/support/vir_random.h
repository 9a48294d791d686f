// Random well-typed VIR programs, for tests of passes.
#pragma once

#include "compiler/ir/module.h"
#include "test/support/vir_evaluate.h"

#include <cstdint>

namespace vmodel::ir {

/// A module with the functions `callee` and `kernel`; `kernel` has parameters n, m (index), x: f64[n],
/// k: index[n] (values below n), s: f64[3] step, z: f64[4] particle, and outputs value (scalar),
/// out: f64[n], total: f64[4]. The same seed gives the same module.
Module random_module(std::uint32_t seed);

/// Inputs for `kernel` with n elements.
Arrays random_inputs(std::uint32_t seed, std::int64_t n);

} // namespace vmodel::ir
