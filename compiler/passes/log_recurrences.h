// Recurrences of logarithms as recurrences of what they are the logarithms of. Interface of the pass.
#pragma once

#include "compiler/ir/module.h"

#include <cstddef>

namespace vmodel::passes {

/// Of a density and its gradient, a version for weights of any size: the recurrences in logarithms, as they were
/// written.
inline constexpr const char* irregular_suffix = ".irregular";

/// The function with recurrences of scaled numbers; `rewritten` counts them, `is_guarded` says whether there is a new
/// last output `irregular`, which is 1 where a weight is too large or too small for that and the values are of no use.
ir::Function log_recurrences(const ir::Function& function, std::size_t& rewritten, bool& is_guarded);

/// In `log_density`; as it was, it is kept as `log_density.irregular`.
ir::Module log_recurrences(ir::Module module);

/// Densities and gradients call their irregular version where they need it; those functions are removed.
ir::Module join_irregular(ir::Module module);

} // namespace vmodel::passes
