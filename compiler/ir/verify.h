// The rules of VIR, checked after every pass in debug and test builds.
#pragma once

#include "compiler/ir/module.h"

#include <string>
#include <vector>

namespace vmodel::ir {

/// Everything that is wrong with a module, one message each, empty when it is sound: names, types,
/// scopes of values and extents, yields, order of callees, memory, axes (see docs/architecture.md).
std::vector<std::string> verify(const Module& module);

} // namespace vmodel::ir
