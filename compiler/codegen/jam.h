// Which reduces are carried out for several iterations at once, and how.
//
// The iterations of a reduce do not depend on each other. Several at once ("unroll and jam") keep several sums going,
// so that the additions of one need not wait for those of another, and share what is the same for all of them: a reduce
// inside, such as a row of data times a vector of parameters, runs once for all, and loads each parameter once.
//
// A number from data is often used twice, for a residual and for the derivative. Kept in between, the numbers of a row
// fill the registers that the sums need; and a processor with AVX-512 loads one into all lanes of an operand for
// nothing, where an instruction that does only this takes the place of another. So they are loaded again.
#pragma once

#include "compiler/codegen/target.h"
#include "compiler/codegen/varying.h"
#include "compiler/ir/module.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

namespace vmodel::codegen {

/// Instructions of an operation, roughly; inline functions are polynomials (docs/numerics.md).
double instructions(ir::Opcode opcode);

/// How a reduce is carried out.
struct Jam {
  int copies = 1;                              // iterations at once
  int sums = 1;                                // numbers in which each result is summed: as many as copies, or fewer
  std::vector<bool> differs;                   // by value: one for each copy
  std::map<std::uint32_t, std::int64_t> steps; // by value that differs: how much larger an index is in the next copy
  std::set<const ir::Op*> shared;              // reduces inside that run once for all copies
  std::set<const ir::Op*> repeated;            // operations that are done once for each copy
  // Operands that are loaded again: by operation, their positions; and by value, how it is loaded.
  std::map<const ir::Op*, std::vector<std::size_t>> reloads;
  std::map<std::uint32_t, const ir::Op*> loads;
};

/// How much larger an index is in the next copy, where that is a known number.
std::optional<std::int64_t> step_of(const Jam& jam, ir::ValueId index);

/// Decides by counting registers and operations of a kernel with this many lanes; none: one iteration after the other.
/// `products` are logarithms, and their sums, that code generation replaces by a product (products.h).
std::optional<Jam> plan_jam(const ir::Function& function, const Varying& varying, int lanes, const Target& target,
                            const ir::Op& reduce, const std::set<const ir::Op*>& products = {});

} // namespace vmodel::codegen
