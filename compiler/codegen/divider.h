// Divisions and roots of loops in which the divider is what everything else waits for.
#pragma once

namespace llvm {
class Function;
} // namespace llvm

namespace vmodel::codegen {

/// Of a function for AVX-512: in innermost loops whose divisions and roots of eight numbers take longer than all other
/// work, they are computed by the multiply-add units instead, from approximate reciprocals by Newton's method, to the
/// same number but for the last bit (at most 0.51 units of it). Numbers that this cannot do (divisors of zero,
/// roots of zero, what is infinite, NaN or subnormal) are left to the divider, in a branch that is hardly ever taken.
void unload_divider(llvm::Function& function);

} // namespace vmodel::codegen
