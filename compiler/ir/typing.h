// The typing rules of single operations: shared by the builder and the verifier.
#pragma once

#include "compiler/ir/module.h"

#include <stdexcept>
#include <string>

namespace vmodel::ir {

/// A violated rule of VIR: a bug of the compiler, never of a model.
class InternalError : public std::logic_error {
public:
  using std::logic_error::logic_error;
};

/// Throws InternalError with "internal error: " before the message.
[[noreturn]] void internal_error(const std::string& message);

/// Checks numbers and types of operands, results, region arguments and yields of one operation,
/// without looking into the operations of its regions. Empty when right, else what is wrong.
std::string type_error(const Function& function, const Op& op);

/// "f64", "f32", "index", "boolean".
const char* name(Element element);
/// "prior", "observe", "factor", "jacobian", "draw".
const char* name(SiteKind kind);
/// "density", "sample", "support", "entropy".
const char* name(SiteRegion region);

/// How many operands of this operation are extents (those come first; loop has one).
std::size_t extent_count(const Function& function, const Op& op);

} // namespace vmodel::ir
