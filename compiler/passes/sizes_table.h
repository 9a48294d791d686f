/// The kernel `sizes`, which stores all sizes that the metadata names by number.
#pragma once

#include "compiler/passes/pass.h"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

namespace vmodel::passes {

using Values = std::map<std::string, ValueId>;

/// The parameters of a function by name.
Values parameters_by_name(const Function& function);

/// Adds one more entry to `sizes` and returns its number. `value` builds it from parameters and sizes, by the names
/// that they have in other kernels. Nothing where the module has no table of a known length, or where `value` gives
/// nothing; the module then stays as it is.
std::optional<std::int64_t> add_size(Module& module,
                                     const std::function<std::optional<ValueId>(Builder&, const Values&)>& value);

} // namespace vmodel::passes
