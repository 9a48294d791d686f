// Where accesses of memory lie: positions as sums of whole multiples of indices, and which of them never meet.
#pragma once

#include "compiler/ir/definitions.h"
#include "compiler/passes/pass.h"

#include <cstdint>
#include <map>
#include <span>
#include <vector>

namespace vmodel::passes {

/// A load, store or accumulation with the operations around it, outermost first.
struct Access {
  const Op* op = nullptr;
  std::vector<const Op*> around;
  std::size_t position = 0; // in the text
};

/// The indices of an access.
std::span<const ValueId> indices(const Op& access);

/// Looks at the indices of one function; keeps references to its operations.
class Positions {
public:
  explicit Positions(const Function& function);

  /// True if no element that `second` accesses after the first access, in the same iteration or a later one, is what
  /// `first` has accessed. Both are of the same memory, which was allocated under `depth` operations. False where that
  /// is not proven.
  bool never_meet_later(const Access& first, const Access& second, std::size_t depth) const;
  /// True if an index is never less than another of the same iteration.
  bool is_at_least(ValueId index, ValueId other) const;
  /// Number of operations around the definition of a value, of a parameter 0.
  std::size_t depth(ValueId v) const;

private:
  /// A value, of the first access's iteration (0) or of a later one (1).
  struct Variable {
    ValueId value;
    int iteration = 0;
    auto operator<=>(const Variable&) const = default;
  };
  struct Sum {
    std::map<Variable, std::int64_t> terms;
    std::int64_t constant = 0;
    void add(const Sum& other, std::int64_t factor);
  };
  /// A later iteration of a loop: what it has other values of.
  struct Later {
    const Op* loop = nullptr;
    std::size_t argument = 0; // the index that is further on; those before it are the same
  };
  struct Index {
    const Op* loop = nullptr;
    std::size_t argument = 0;
  };

  void visit(const Region& region, std::size_t depth);
  bool differs(ValueId v, const Later* later) const;
  Sum sum(ValueId v, const Later* later) const;
  Sum last(const Index& index, const Later* later) const;
  Sum bound(const Variable& variable, bool upper, const Later* later) const;
  bool is_positive(Sum difference, const Later* later) const;
  bool are_apart(const Op& first, const Op& second, const Later* later) const;

  ir::Definitions definitions_;
  std::map<ValueId, Index> indices_;
  std::map<ValueId, std::size_t> depths_; // number of operations around a definition
};

} // namespace vmodel::passes
