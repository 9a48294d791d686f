// Which operation defines a value.
#pragma once

#include "compiler/ir/module.h"

#include <cstdint>
#include <unordered_map>

namespace vmodel::ir {

/// Finds operations by their results; keeps pointers to them.
class Definitions {
public:
  Definitions() = default;
  /// Of the operations in a region and of all inside of those.
  explicit Definitions(const Region& region);
  /// Of the operations of a region itself.
  static Definitions directly_in(const Region& region);

  void add(const Op& op);

  /// The operation that defines a value; null for parameters, arguments of regions and what is defined elsewhere.
  const Op* of(ValueId v) const;
  /// The operation that defines a value if it is of this kind; null for others.
  const Op* as(ValueId v, Opcode opcode) const;
  /// The memory behind frozen memory; any other value itself.
  ValueId memory(ValueId v) const;

private:
  std::unordered_map<std::uint32_t, const Op*> ops_; // looked up only, never walked
};

} // namespace vmodel::ir
