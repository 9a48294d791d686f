// Programs at random, for consistency tests: nested loops, memory, branches.
#pragma once

#include "compiler/ir/module.h"
#include "test/support/vir_evaluate.h"

#include <cstdint>

namespace vmodel::passes {

struct RandomProgram {
  ir::Module module; // func @f(N, y: f64[N], at: index[N], a: f64[N], b: f64[2], c: f64, value: &f64, x: &f64[N])
  ir::Arrays point;
};

/// The same program for the same seed on every machine.
RandomProgram random_program(std::uint64_t seed);

} // namespace vmodel::passes
