// Lowers expressions, distributions and statements inside one VIR function.
#pragma once

#include "compiler/check/typed_ast.h"
#include "compiler/ir/builder.h"
#include "compiler/ir/module.h"

#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace vmodel::lower {

using check::Declaration;
using check::DistributionExpr;
using check::Expr;
using check::Size;
using check::Statement;
using ir::Dim;
using ir::ValueId;
using Indices = std::span<const ValueId>;

/// A lowered expression: a scalar, an array, a reference (array `var`), or a tuple of such.
struct Value {
  ValueId id;
  std::vector<Value> tuple;

  Value() = default;
  Value(ValueId v) : id(v) {} // NOLINT: a scalar or array is the common case
};

/// What names mean at a place. Copied when a callee is inlined; scalars assigned in a loop are rebound.
using Environment = std::map<const Declaration*, Value>;

/// State shared by all functions of a module.
struct ModuleContext {
  const check::Program& program;
  ir::Module module;
  /// Scalar callees already lowered, by VIR name.
  std::set<std::string> lowered_callees;
  /// Messages of `require`, in order; their position is the message id.
  struct Message {
    std::string text;
    SourceRange range;
  };
  std::vector<Message> messages;
  std::int64_t next_random_site = 1;
};

/// A step of a transformed distribution with its arguments lowered; those of a range's steps are lowered at each turn.
struct LoweredStep {
  const check::BijectorStep* step = nullptr;
  std::vector<Value> arguments;
  ValueId first, turns; // of a range
};

/// A distribution expression with its arguments lowered once, outside of the site's regions.
struct LoweredDistribution {
  const DistributionExpr* expr = nullptr;
  std::vector<Value> arguments;
  std::vector<LoweredDistribution> components;
  Value weights, lower, upper;
  std::vector<LoweredStep> steps;
};

class Emitter {
public:
  Emitter(ModuleContext& context, ir::Function& function) : context_(context), b(function) {}

  // ---- expressions (expressions.cpp, calls.cpp)
  Value expression(const Expr& e);
  ValueId scalar(const Expr& e) { return expression(e).id; }
  ValueId size(const Size& size);
  Dim dim(const Size& s) { return b.dim(size(s)); }
  std::vector<Dim> dims(const check::Shape& shape);
  /// Length of the 1-based range from:to, not below zero.
  ValueId range_extent(ValueId from, ValueId to);
  /// The element of a lowered array (or reference) at these indices; the value itself if it is a scalar.
  ValueId element(const Value& value, Indices indices);
  /// The sub-array at these leading indices.
  Value slice(const Value& value, Indices leading);
  std::vector<Dim> shape_of(const Value& value);
  std::size_t rank_of(const Value& value) { return b.function().type(value.id).rank(); }
  /// Row-major position of indices in an array of these extents.
  ValueId flat_position(std::span<const Dim> extents, Indices indices);
  /// 0-based indices into the base array of an index expression, for a position in the indexed result.
  std::vector<ValueId> base_indices(const Expr& index_expr, Indices result_indices);
  Value call(const check::Function& callee, const std::map<std::string, Size>& sizes,
             const std::vector<Value>& arguments, const check::Shape& lifted);
  /// Runs a member of a distribution or bijector, inlined, or as a call if everything is scalar.
  struct MemberOwner {
    std::string name;
    const std::vector<const Declaration*>& parameters;
    const std::vector<const Declaration*>& size_names;
  };
  Value member(const MemberOwner& owner, const std::string& member_name, const check::Member& member,
               const std::vector<Value>& owner_arguments, const std::map<std::string, ValueId>& sizes,
               const std::vector<Value>& arguments,
               const std::vector<check::Element>& results = {check::Element::real});
  ValueId log_sum_exp(const Value& terms);

  // ---- bijectors (bijectors.cpp)
  using BijectorSizes = std::map<std::string, ValueId>;
  Value bijector_forward(const check::Bijector& bijector, const std::vector<Value>& arguments,
                         const BijectorSizes& sizes, const Value& x);
  Value bijector_inverse(const check::Bijector& bijector, const std::vector<Value>& arguments,
                         const BijectorSizes& sizes, const Value& y);
  /// log |det d forward / dx| at x.
  ValueId bijector_log_det(const check::Bijector& bijector, const std::vector<Value>& arguments,
                           const BijectorSizes& sizes, const Value& x);
  /// The image of an event under the steps (backward: under their inverses), and the log absolute determinant of the
  /// derivative of what was applied.
  struct Mapped {
    Value value;
    ValueId log_det; // none if not wanted
  };
  Mapped mapped(const std::vector<LoweredStep>& steps, bool backward, Indices batch, const Value& event,
                bool with_log_det);
  std::vector<LoweredStep> steps(const std::vector<const check::BijectorStep*>& steps);

  // ---- distributions (distributions.cpp)
  LoweredDistribution distribution(const DistributionExpr& d);
  /// value_at(batch indices) gives the event. Result: f64.
  ValueId log_density(const LoweredDistribution& d, Indices batch, const Value& event);
  /// method: cdf, log_cdf, log_ccdf at a scalar event; falls back on what the distribution gives.
  ValueId tail(const LoweredDistribution& d, check::Method method, Indices batch, ValueId x);
  ValueId tail_below(const LoweredDistribution& d, check::Method method, Indices batch, ValueId lower);
  bool can_sample(const DistributionExpr& d) const;
  bool has_entropy(const DistributionExpr& d) const;
  bool has_support_condition(const DistributionExpr& d) const;
  /// A draw; `element` numbers it within the site.
  Value sample(const LoweredDistribution& d, Indices batch, ValueId element);
  /// Draws of a transformed distribution for all of a batch, and their densities, for which what was drawn from the
  /// base is kept: nothing is mapped back. number(batch indices) numbers the draws.
  struct Draws {
    Value value;
    std::function<ValueId(Indices)> log_density;
  };
  Draws transformed_draws(const DistributionExpr& expr, const std::vector<Dim>& batch,
                          const std::function<ValueId(Indices)>& number);
  ValueId entropy(const LoweredDistribution& d, Indices batch);
  ValueId in_support(const LoweredDistribution& d, Indices batch, const Value& event);
  ValueId random(const std::string& kind);
  /// The number of a draw that is the `inner`th of `extent` within the draw or iteration `outer`: row-major where every
  /// outer one has as many, and else by Cantor's pairing, so that no two numbers are equal in triangles.
  ValueId numbered(ValueId outer, ValueId inner, ValueId extent, bool equal_extents);

  // ---- statements (statements.cpp)
  void block(const check::Block& statements);
  void statement(const Statement& s);
  /// Set by the owner of a function body, called for statements that mean something only there.
  std::function<void(const Statement&)> model_statement;
  /// Set by the owner of a family: the flat coordinates that `unconstrained(a, b)` means.
  std::function<Value(const Expr&)> unconstrained;
  Value returned;
  /// Values are draws of a family, which never leave the support: densities need not ask.
  bool values_are_draws = false;
  /// The statements of a model that follow from its data, without the others: what sizes, bounds and families may read.
  /// `wanted`: only what these declarations need (null: all).
  void load_time_block(const check::Block& statements, const std::set<const Declaration*>* wanted = nullptr);

  Environment environment;
  ir::Builder& builder() { return b; }
  ModuleContext& context() { return context_; }

private:
  /// True if the size or limit reads nothing but data, so that it is the same at each turn of every loop around.
  bool same_each_turn(const Expr* e) const;
  bool same_each_turn(const Size& size) const;
  bool same_each_turn(const check::Shape& shape) const;
  /// Size names of a callee are the same at each turn where what binds them is.
  void bind_size_name(const Declaration* name, const Size& size);
  Value index(const Expr& e);
  Value elementwise(const check::Shape& shape, const std::vector<Value>& operands,
                    const std::function<ValueId(std::span<const ValueId>)>& f, ir::Element element);
  Value builtin(const Expr& e);
  Value method(const Expr& e);
  /// What stands beside a distribution (weights, bounds) at one batch index: `rank` axes at its end are its own, those
  /// before them are the last ones of the batch.
  Value beside(const Value& value, std::size_t rank, Indices batch);
  /// log P(X > x) or log P(X <= x), for an x to be found.
  struct Tail {
    ValueId is_upper, log_probability;
  };
  ValueId sample_truncated(const LoweredDistribution& d, Indices batch, ValueId lower, ValueId upper);
  ValueId sample_truncated_mixture(const LoweredDistribution& d, Indices batch, ValueId lower, ValueId upper);
  ValueId log_tail(const LoweredDistribution& d, Indices batch, ValueId is_upper, ValueId x);
  ValueId real_quantile(const LoweredDistribution& d, Indices batch, const Tail& wanted, ValueId lower, ValueId upper);
  ValueId count_quantile(const LoweredDistribution& d, Indices batch, const Tail& wanted, ValueId lower, ValueId upper);
  /// log of the probability between the limits, which are inside (none: infinite).
  ValueId log_mass(const LoweredDistribution& d, Indices batch, ValueId lower, ValueId upper);
  /// The bounds of a named distribution's support at a batch index, where it has them.
  std::pair<ValueId, ValueId> support_bounds(const LoweredDistribution& d, Indices batch);
  /// The component that u in (0, total) falls upon, by their cumulated weights.
  ValueId chosen_component(const Dim& count, ValueId u, const std::function<ValueId(ValueId)>& weight);
  /// The arguments of a named distribution at one batch index: whole where they have their declared rank.
  std::vector<Value> arguments_at(const LoweredDistribution& d, Indices batch);
  Mapped mapped_by(const LoweredStep& step, bool backward, Indices batch, const Value& event, bool with_log_det);
  Mapped mapped_by_turns(const LoweredStep& step, bool backward, Indices batch, const Value& event, bool with_log_det);
  Mapped mapped_once(const check::BijectorStep& step, bool forward, const std::vector<Value>& arguments,
                     const Value& event, bool with_log_det);
  ValueId log_slope(const check::Bijector& bijector, const std::string& direction, const check::Member& member,
                    const std::vector<Value>& arguments, ValueId x);
  Value call_member(const LoweredDistribution& d, check::Method method, Indices batch,
                    const std::vector<Value>& arguments);
  Value materialised(const std::vector<Value>& parts, const check::Shape& shape, ir::Element element);
  ValueId scalar_binary(check::Operator op, ValueId x, ValueId y);
  bool is_left_out(const Statement& s) const;
  /// What a name means here; an internal error that says which name has no meaning.
  Value& bound(const Declaration* declaration);
  void assign(const Statement& s);
  void for_statement(const Statement& s);
  void if_statement(const Statement& s);
  void while_statement(const Statement& s);
  Value run_body(const check::Block& body, Environment inner);
  void convert_to_declared(Value& value, const check::Type& type);

  ModuleContext& context_;
  ir::Builder b;
  ValueId random_element_; // index of the draw that a sampler is making
  ValueId random_attempt_;
  std::set<const Declaration*> size_names_that_vary_;
  bool load_time_only_ = false;
  const std::set<const Declaration*>* wanted_ = nullptr;
};

/// Scalar `var`s that the statements assign and that are bound outside of them, in a fixed order.
std::vector<const Declaration*> assigned_scalars(const check::Block& block, const Environment& environment);

/// Element type of VIR for a type of the language.
ir::Element element_of(const check::Type& type);

/// True if every declaration is a scalar: such callees become functions of their own, others are inlined.
bool all_scalar(const std::vector<const Declaration*>& declarations);

} // namespace vmodel::lower
