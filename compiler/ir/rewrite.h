// Copies functions and regions through a map of values. Passes are built on it: they give a hook
// that replaces some operations and let the others be copied.
#pragma once

#include "compiler/ir/builder.h"
#include "compiler/ir/module.h"

#include <functional>
#include <string>
#include <vector>

namespace vmodel::ir {

/// Appends copies of operations of `from` to the function of a builder.
class Rewriter {
public:
  /// Called for every operation before it is copied. It returns true if it has dealt with it: made
  /// what it wants with builder() and mapped the results with set().
  using Hook = std::function<bool(Rewriter&, const Op&)>;

  Rewriter(const Function& from, Builder& to, Hook hook = {});

  const Function& from() const { return from_; }
  Builder& builder() { return builder_; }

  /// The value in the new function; an internal error if it has none. "None" maps to "none".
  ValueId operator()(ValueId old) const;
  std::vector<ValueId> operator()(const std::vector<ValueId>& old) const;
  Dim operator()(const Dim& dim) const;
  Type operator()(const Type& type) const;
  bool has(ValueId old) const { return map_[old.id].id != 0; }
  void set(ValueId old, ValueId replacement) { map_[old.id] = replacement; }

  /// Copies one operation (with the hook for it if `use_hook`, and for those inside).
  void copy(const Op& op, bool use_hook = true);
  /// Copies the operations of a region into the open region; its arguments must be mapped already.
  void copy_ops(const Region& region);
  /// Copies a region as a new one, with new arguments. `extra` may append operations and yields at
  /// the end of it (in terms of the new function).
  Region copy_region(const Region& region, const std::function<void(std::vector<ValueId>& yields)>& extra = {});
  /// New values for these, of the same types and hints, mapped.
  std::vector<ValueId> declare(const std::vector<ValueId>& old);

private:
  const Function& from_;
  Builder& builder_;
  Hook hook_;
  std::vector<ValueId> map_;
};

/// A function with the same name and parameters (and no body yet); `map` receives the parameters.
/// The parameters are appended with builder.parameter().
void copy_parameters(const Function& from, Builder& to, Rewriter& map);

/// A copy of a whole function through a hook.
Function rewrite(const Function& function, const Rewriter::Hook& hook);

/// An operation with the kind, the attributes and the place of this one, without operands, results and regions.
Op bare(const Op& op);

/// Calls `visit` for every operation, outer ones before those inside them.
void for_each_op(const Region& region, const std::function<void(const Op&)>& visit);

/// How often each value is an operand or a yield; extents in types do not count.
std::vector<int> count_uses(const Function& function);

/// True if the operation or one inside it writes memory that outlives it, or must stay for another
/// reason (has_effect). Stores to memory that is allocated inside do not count, calls only if `calls`.
bool has_effects(const Op& op, bool calls = true);

/// The values used by an operation and those inside it that it does not define itself, each once, in
/// order of their first use; extents in types included.
std::vector<ValueId> free_values(const Function& function, const Op& op);

} // namespace vmodel::ir
