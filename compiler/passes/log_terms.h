// Sums of logarithms: what a recurrence in logarithms adds and under which log(sum exp) it does so.
#pragma once

#include "compiler/ir/definitions.h"

#include <optional>
#include <set>
#include <vector>

namespace vmodel::passes {

struct Term {
  ir::ValueId value;
  bool negative = false;
  bool operator==(const Term&) const = default;
  auto operator<=>(const Term&) const = default;
};
using Terms = std::vector<Term>;

/// log(sum_j exp(addend_j)) + rest.
struct LogSum {
  std::vector<Terms> addends;
  Terms rest;
};

/// A carried value c_k that becomes log(sum_j exp(c_j + weights_j)) + rest (+ what is common to all states).
struct LogState {
  std::size_t carried = 0;    // position among the carried values
  std::vector<Terms> weights; // by state; the same in all iterations
  Terms rest;
};

struct LogRecurrence {
  std::vector<LogState> states;
  Terms common;              // terms of every state
  std::set<ir::ValueId> own; // defined in the loop's body
};

/// Facts about one function; keeps references to its operations.
class LogTerms {
public:
  explicit LogTerms(const ir::Function& function);

  /// False where a look at the operations shows that there is no recurrence in logarithms.
  static bool may_have(const ir::Function& function);

  const ir::Op* definition(ir::ValueId v) const { return definitions_.of(v); }
  /// These terms as a log(sum exp) and others: log(sum_j exp(x_j - s)) + s + rest, whatever s is.
  std::optional<LogSum> log_sum(const Terms& terms) const;
  /// A loop whose carried values are logarithms that are read only to be added up; nothing for others.
  std::optional<LogRecurrence> recurrence(const ir::Op& loop) const;

private:
  void flatten(Term term, Terms& terms) const;
  Terms flat(ir::ValueId v) const;
  bool is_invariant(ir::ValueId v, const std::set<ir::ValueId>& own) const;
  bool depends(ir::ValueId v, const std::set<ir::ValueId>& on, const std::set<ir::ValueId>& own) const;

  const ir::Function& function_;
  ir::Definitions definitions_;
};

} // namespace vmodel::passes
