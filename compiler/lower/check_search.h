// Whether a callee has anything to check at load, so that only those are gone through at each call.
#pragma once

#include "compiler/check/typed_ast.h"

#include <map>
#include <vector>

namespace vmodel::lower {

class CheckSearch {
public:
  /// True if something in a callee's body, or in what it calls, is checked at load.
  bool has_checks(const check::Block& block);

  /// The log density of a distribution of the user.
  bool of_member(const check::DistributionExpr& d);

private:
  bool has_checks(const check::Expr* e);
  bool has_checks(const check::DistributionExpr* d);
  bool has_checks(const check::Type& type);
  bool has_checks(const check::BijectorStep* step);

  std::map<const check::Block*, bool> known_;
};

/// Int parameters with bounds, on which the callee's indices rely.
bool has_bounded_ints(const std::vector<const check::Declaration*>& parameters);

} // namespace vmodel::lower
