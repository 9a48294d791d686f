// Conditions on data, checked once at load: `require`s, sizes, and the index ranges that could not be proved.
// They run in an integer skeleton of the model: its load-time statements, without the rest.
#pragma once

#include "compiler/lower/check_search.h"
#include "compiler/lower/master.h"
#include "compiler/lower/reads.h"

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace vmodel::lower {

class Checks {
public:
  explicit Checks(MasterContext& context) : context_(context), master_(context, "checks"), e_(master_.emitter()) {}

  void run();

private:
  // checks.cpp: statements and what is in them
  /// The statements whose values are known at load, each statement preceded by a marker at which its checks are made.
  check::Block skeleton(const check::Block& block, const Reads& unknown);

  static bool reads_any(const Reads& reads, const Reads& unknown);
  void statement(const Statement& s);

  /// Sizes, from which the places of all values follow, and what the bounds read. Sizes of data were checked when they
  /// were read.
  void declared(const Declaration& d);

  void sizes(const check::Type& type);
  bool never_below(const Size& size, std::int64_t least) const;
  void distribution(const DistributionExpr* d, const Expr* value = nullptr);

  /// True if every name in the expression has a value here (a callee's varying arguments have none).
  bool known(const Expr* e) const;

  bool known(const Size& size) const;
  void expression(const Expr* e);
  void comprehension(const Expr& e);
  void over_ranges(const std::vector<check::Generator>& generators, const std::function<void()>& body);
  void fail_unless(ValueId condition, const std::string& text, SourceRange range, const std::vector<ValueId>& values);

  // checks_callees.cpp: the bodies of functions, distributions, bijectors and families that are called
  /// Adds the names of a callee's body whose values follow from unknown ones, also by conditions and loops.
  static void spread(const check::Block& block, const Reads& around, Reads& unknown);

  /// A generic family: its arguments, and with them those of the nets and bijectors that it learns.
  void generic(const DistributionExpr& d);

  /// The arguments of a net or bijector that is learned.
  void learned(const check::LearnedCall& call, SourceRange range);

  void bijector(const check::BijectorStep& step);

  /// The known arguments against the bounds of their parameters; all that the bounds read is in `inner`.
  void arguments_in_bounds(const std::vector<const Declaration*>& parameters, Environment inner, SourceRange range);

  void callee(const Expr& call);
  void run_callee(const check::Block& body, const std::vector<const Declaration*>& parameters, Environment inner);

  /// The body of a distribution's log density for each of the batch; `value` may be unknown (null).
  void member(const DistributionExpr& d, const Expr* value);

  /// The body of a bijector's member; where arguments have axes of a batch, for each of it.
  void bijector_member(const check::BijectorStep& step, const check::Member& m);

  // checks_operations.cpp: single operations
  void divisor(const Expr& division);
  void index(const Expr& e);

  /// What a message calls a scalar index: the name, an element of an array (whose place is added to
  /// the values of the message), or nothing.
  std::string element_text(const Expr& e, std::vector<ValueId>& values);

  MasterContext& context_;
  Master master_;
  Emitter& e_;
  std::deque<Statement> made_;
  std::map<const Statement*, const Statement*> checked_;
  CheckSearch search_;
  std::set<std::string> sizes_of_data_;
  std::optional<SourceRange> place_; // of a call from which the library is reached
  int callee_depth_ = 0; // in a callee nothing is marked as load-time: what is known follows from the arguments
};

} // namespace vmodel::lower
