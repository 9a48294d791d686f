// Interval arithmetic on the values of expressions.
#include "compiler/check/checker.h"

#include <algorithm>
#include <cmath>

namespace vmodel::check {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

Interval hull(const Interval& a, const Interval& b) {
  return {std::min(a.lower, b.lower), std::max(a.upper, b.upper), a.tight && b.tight};
}

double product(double x, double y) {
  return x == 0 || y == 0 ? 0 : x * y;
}

Interval times(const Interval& a, const Interval& b) {
  const double values[] = {product(a.lower, b.lower), product(a.lower, b.upper), product(a.upper, b.lower),
                           product(a.upper, b.upper)};
  return {*std::min_element(values, values + 4), *std::max_element(values, values + 4), a.tight && b.tight};
}

} // namespace

Interval Checker::interval(const Expr* e) {
  const Interval unknown{-infinity, infinity, false};
  if (!e)
    return unknown;
  const auto operand = [&](std::size_t i) { return interval(e->operands[i]); };
  switch (e->kind) {
  case ExprKind::real_literal: return Interval::point(e->real);
  case ExprKind::int_literal: return Interval::point(static_cast<double>(e->integer));
  case ExprKind::to_real: return operand(0);
  case ExprKind::size:
    if (const auto value = e->size.as_constant())
      return {static_cast<double>(*value), static_cast<double>(*value), true};
    return {0, infinity, true};
  case ExprKind::name: {
    const Declaration& d = *e->declaration;
    if (const auto known = intervals_.find(&d); known != intervals_.end()) {
      // What a variable holds inside of a loop depends on later assignments.
      if (d.kind == DeclarationKind::var && context_->loop_depth > 0)
        return unknown;
      return known->second;
    }
    if (d.kind == DeclarationKind::var)
      return unknown;
    if (d.kind == DeclarationKind::loop_index)
      return {-infinity, infinity, false};
    const Support& support = d.type.support;
    const bool declared = d.kind == DeclarationKind::param || d.kind == DeclarationKind::learn;
    switch (support.kind) {
    case SupportKind::all: return {-infinity, infinity, declared};
    case SupportKind::bounded: {
      Interval result{-infinity, infinity, true};
      if (support.lower)
        result.lower = interval(support.lower).lower;
      if (support.upper)
        result.upper = interval(support.upper).upper;
      return result;
    }
    case SupportKind::simplex: return {0, 1, true};
    case SupportKind::positive_ordered: return {0, infinity, true};
    case SupportKind::ordered: return {-infinity, infinity, declared};
    default: return unknown;
    }
  }
  case ExprKind::unary: {
    const Interval a = operand(0);
    return {-a.upper, -a.lower, a.tight};
  }
  case ExprKind::binary: {
    if (e->type.element == Element::boolean)
      return unknown;
    const Interval a = operand(0), b = operand(1);
    switch (e->op) {
    case Operator::add: return {a.lower + b.lower, a.upper + b.upper, a.tight && b.tight};
    case Operator::sub: return {a.lower - b.upper, a.upper - b.lower, a.tight && b.tight};
    case Operator::mul: {
      Interval result = times(a, b);
      if (canonical(e->operands[0]) == canonical(e->operands[1]))
        result.lower = std::max(result.lower, 0.0);
      return result;
    }
    case Operator::div:
      if (b.lower < 0)
        return {-infinity, infinity, a.tight && b.tight};
      return times(a, {b.upper == infinity ? 0 : 1 / b.upper, b.lower == 0 ? infinity : 1 / b.lower, b.tight});
    case Operator::pow: {
      const bool constant = b.lower == b.upper;
      if (constant && b.lower == std::floor(b.lower) && std::fmod(b.lower, 2) == 0)
        return {0, infinity, a.tight};
      if (a.lower >= 0)
        return {0, infinity, a.tight};
      return unknown;
    }
    default: return unknown;
    }
  }
  case ExprKind::conditional: return hull(operand(1), operand(2));
  case ExprKind::index: {
    // Bounds of an array hold for its elements.
    return operand(0);
  }
  case ExprKind::transpose:
  case ExprKind::comprehension: return operand(0);
  case ExprKind::array: {
    if (e->operands.empty())
      return unknown;
    Interval result = operand(0);
    for (std::size_t i = 1; i < e->operands.size(); ++i)
      result = hull(result, operand(i));
    return result;
  }
  case ExprKind::matmul: {
    const Interval a = operand(0), b = operand(1);
    if (a.lower >= 0 && b.lower >= 0)
      return {0, infinity, a.tight && b.tight};
    return {-infinity, infinity, a.tight && b.tight};
  }
  case ExprKind::method: return e->method == Method::cdf ? Interval{0, 1, true} : unknown;
  case ExprKind::builtin: {
    const std::string& name = e->builtin_name;
    if (name == "inf")
      return Interval::point(infinity);
    static const std::set<std::string> positive{"exp", "sqrt", "abs", "square", "log1p_exp", "cosh", "erfc"};
    static const std::set<std::string> unit{"inv_logit", "std_normal_cdf"};
    if (positive.count(name) != 0)
      return {0, infinity, true};
    if (unit.count(name) != 0)
      return {0, 1, true};
    if (name == "stop")
      return operand(0);
    if (name == "only_derivative")
      return Interval::point(0);
    if (e->operands.size() == 1 && (name == "min" || name == "max"))
      return operand(0);
    if (name == "sum") {
      const Interval a = operand(0);
      return {a.lower >= 0 ? 0 : -infinity, a.upper <= 0 ? 0 : infinity, a.tight};
    }
    if (e->operands.size() == 2 && (name == "min" || name == "max")) {
      const Interval a = operand(0), b = operand(1);
      if (name == "max")
        return {std::max(a.lower, b.lower), std::max(a.upper, b.upper), a.tight && b.tight};
      return {std::min(a.lower, b.lower), std::min(a.upper, b.upper), a.tight && b.tight};
    }
    return unknown;
  }
  case ExprKind::call: {
    const Support& support = e->type.support;
    Interval result = unknown;
    if (support.kind == SupportKind::simplex)
      return {0, 1, true};
    if (support.kind == SupportKind::bounded) {
      if (support.lower)
        result.lower = interval(support.lower).lower;
      if (support.upper)
        result.upper = interval(support.upper).upper;
    }
    return result;
  }
  default: return unknown;
  }
}

} // namespace vmodel::check
