// The terms of a sum over data: what of it is linear in data, what is the square of something linear,
// and what is neither. A part of the pass `sufficient-statistics`.
#pragma once

#include "compiler/ir/axes.h"
#include "compiler/ir/definitions.h"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace vmodel::passes {

/// An expression over values of the function: a value, a number, or an operation on two expressions.
/// Equal expressions have equal numbers.
using ExpressionId = int;

struct Expression {
  enum class Kind { value, number, add, sub, mul, div };
  Kind kind = Kind::number;
  ir::ValueId value;
  double number = 0;
  ExpressionId left = 0, right = 0;
  auto operator<=>(const Expression&) const = default;
};

/// c * d: `factor` does not change in the loop, `data` depends on data and the loop's indices only.
/// With a block, the sum over its index of such products: both depend on the index, too.
struct LinearTerm {
  ExpressionId factor;
  ExpressionId data;
  ir::ValueId block; // the index of the inner sum, or none
};

using FormId = int;
/// A sum of linear terms; one term for each pair of data and block.
using Form = std::vector<LinearTerm>;

/// factor * form, or factor * form^2.
struct Scaled {
  ExpressionId factor;
  FormId form;
};

/// What one iteration adds, as linear + squares + rest.
struct Terms {
  std::optional<Scaled> linear;
  std::vector<Scaled> squares;
  std::vector<ExpressionId> rest;
};

/// Finds the terms of the values of one `reduce add`.
class TermFinder {
public:
  TermFinder(const ir::Function& function, const std::vector<ir::Axis>& axis, const ir::Op& reduce);

  Terms find(ir::ValueId v) { return find_in(v, {}); }

  const Expression& expression(ExpressionId id) const { return expressions_[static_cast<std::size_t>(id)]; }
  const Form& form(FormId id) const { return forms_[static_cast<std::size_t>(id)]; }
  /// The extent of a block's index.
  ir::ValueId block_extent(ir::ValueId block) const { return block_extent_.at(block); }
  /// True if the expression depends on data only.
  bool is_load(ExpressionId id) const;

private:
  ExpressionId value(ir::ValueId v) { return make({.kind = Expression::Kind::value, .value = v, .number = 0}); }
  ExpressionId number(double x) { return make({.kind = Expression::Kind::number, .value = {}, .number = x}); }
  ExpressionId combine(Expression::Kind kind, ExpressionId a, ExpressionId b);
  ExpressionId make(const Expression& expression);

  bool varies(ir::ValueId v) const { return varies_.contains(v); }
  bool is_data(ir::ValueId v) const { return axis_[v.id] == ir::Axis::load; }

  Terms find_in(ir::ValueId v, ir::ValueId block);
  Terms inner_sum(const ir::Op& op);
  Terms of_operation(const ir::Op& op, ir::ValueId v, ir::ValueId block);
  Terms linear(ExpressionId factor, ExpressionId data, ir::ValueId block);
  Terms rest(ir::ValueId v) { return {{}, {}, {value(v)}}; }
  Terms sum(const Terms& a, const Terms& b, double sign);
  Terms scaled(Terms terms, Expression::Kind kind, ExpressionId factor);
  std::optional<Terms> product(const Terms& a, const Terms& b);
  FormId add_form(Form form);

  const ir::Function& function_;
  const std::vector<ir::Axis>& axis_;
  ir::Definitions inside_;       // of the loop, and of the blocks that have been looked at
  std::set<ir::ValueId> varies_; // with the loop's indices
  std::map<ir::ValueId, ir::ValueId> block_extent_;
  std::map<std::pair<ir::ValueId, ir::ValueId>, Terms> known_; // by value and block
  std::vector<Expression> expressions_;
  std::map<Expression, ExpressionId> numbers_;
  std::vector<Form> forms_;
};

} // namespace vmodel::passes
