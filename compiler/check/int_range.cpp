// Ranges of int expressions, in sizes: what proves that an index is within its axis.
#include "compiler/check/checker.h"

#include <algorithm>

namespace vmodel::check {

IntRange Checker::int_range(const Expr* e) {
  IntRange result;
  switch (e->kind) {
  case ExprKind::int_literal:
  case ExprKind::size: {
    const Size s = to_size(e);
    return {{s}, {s}};
  }
  case ExprKind::name: {
    if (e->type.is_scalar()) {
      const Size s = to_size(e);
      result = {{s}, {s}};
    }
    if (const auto known = int_ranges_.find(e->declaration); known != int_ranges_.end()) {
      result.lower.insert(result.lower.end(), known->second.lower.begin(), known->second.lower.end());
      result.upper.insert(result.upper.end(), known->second.upper.begin(), known->second.upper.end());
    }
    break;
  }
  case ExprKind::index: {
    // Elements of an int array with bounds.
    return e->operands[0]->kind == ExprKind::name ? int_range(e->operands[0]) : result;
  }
  case ExprKind::unary: {
    IntRange a = int_range(e->operands[0]);
    for (const Size& s : a.upper)
      result.lower.push_back(s * Size::constant(-1));
    for (const Size& s : a.lower)
      result.upper.push_back(s * Size::constant(-1));
    return result;
  }
  case ExprKind::binary: {
    const IntRange a = int_range(e->operands[0]), b = int_range(e->operands[1]);
    if (e->op == Operator::add || e->op == Operator::sub) {
      const bool add = e->op == Operator::add;
      for (const Size& s : a.lower) {
        for (const Size& t : add ? b.lower : b.upper)
          result.lower.push_back(add ? s + t : s - t);
      }
      for (const Size& s : a.upper) {
        for (const Size& t : add ? b.upper : b.lower)
          result.upper.push_back(add ? s + t : s - t);
      }
    } else if (e->op == Operator::mul && e->type.is_scalar()) {
      const Size s = to_size(e);
      return {{s}, {s}};
    }
    return result;
  }
  case ExprKind::conditional: {
    // A bound of both sides is one of the whole.
    const IntRange a = int_range(e->operands[1]), b = int_range(e->operands[2]);
    for (const Size& s : a.lower) {
      for (const Size& t : b.lower) {
        if (context_->facts.at_most(s, t))
          result.lower.push_back(s);
        else if (context_->facts.at_most(t, s))
          result.lower.push_back(t);
      }
    }
    for (const Size& s : a.upper) {
      for (const Size& t : b.upper) {
        if (context_->facts.at_most(s, t))
          result.upper.push_back(t);
        else if (context_->facts.at_most(t, s))
          result.upper.push_back(s);
      }
    }
    return result;
  }
  case ExprKind::builtin: {
    if (e->operands.empty())
      return result;
    IntRange a = int_range(e->operands[0]);
    if (e->operands.size() == 2) {
      const IntRange b = int_range(e->operands[1]);
      const auto both = [](std::vector<Size> x, const std::vector<Size>& y) {
        x.insert(x.end(), y.begin(), y.end());
        return x;
      };
      const auto common = [&](const std::vector<Size>& x, const std::vector<Size>& y, bool smaller) {
        std::vector<Size> found;
        for (const Size& s : x) {
          for (const Size& t : y) {
            if (context_->facts.at_most(s, t))
              found.push_back(smaller ? s : t);
            else if (context_->facts.at_most(t, s))
              found.push_back(smaller ? t : s);
          }
        }
        return found;
      };
      if (e->builtin_name == "min")
        return {common(a.lower, b.lower, true), both(a.upper, b.upper)};
      if (e->builtin_name == "max")
        return {both(a.lower, b.lower), common(a.upper, b.upper, false)};
      bool positive = false;
      for (const Size& s : b.lower)
        positive = positive || context_->facts.at_most(Size::constant(1), s);
      if (e->builtin_name == "mod" && positive) {
        result.lower.push_back(Size::constant(0));
        for (const Size& s : b.upper)
          result.upper.push_back(s - Size::constant(1));
        return result;
      }
      if (e->builtin_name == "div") {
        // div(a, b) with a >= 0 and b >= 1 is between 0 and a.
        bool nonnegative = false;
        for (const Size& s : a.lower)
          nonnegative = nonnegative || context_->facts.nonnegative(s);
        if (positive && nonnegative) {
          // By a constant the lower end is divided too: div(i * (i + 1), 2) with i >= 1 starts at 1.
          std::int64_t lower = 0;
          for (const Size& s : a.lower) {
            for (const Size& t : b.upper) {
              if (s.as_constant() && t.as_constant() && *t.as_constant() > 0)
                lower = std::max(lower, *s.as_constant() / *t.as_constant());
            }
          }
          result.lower.push_back(Size::constant(lower));
          result.upper = a.upper;
        }
        return result;
      }
    } else if (e->builtin_name == "min" || e->builtin_name == "max") {
      return a; // of an array: a bound of its elements
    }
    return result;
  }
  case ExprKind::call: return int_range_of_call(e);
  default: break;
  }
  return result;
}

bool Checker::prove_divisor(Expr& division) {
  const Expr& divisor = *division.operands[1];
  const IntRange range = int_range(&divisor);
  const auto constant = [](const std::vector<Size>& bounds, std::int64_t value) {
    return std::any_of(bounds.begin(), bounds.end(), [&](const Size& s) { return s.as_constant() == value; });
  };
  if (constant(range.lower, 0) && constant(range.upper, 0)) {
    error(Code::division_by_zero, divisor.range, "'" + division.builtin_name + "' by zero");
    return false;
  }
  const Facts& facts = context_->facts;
  const auto not_zero = [&](const std::vector<Size>& bounds, bool below) {
    return std::any_of(bounds.begin(), bounds.end(), [&](const Size& s) {
      return below ? facts.at_most(Size::constant(1), s) : facts.at_most(s, Size::constant(-1));
    });
  };
  if (not_zero(range.lower, true) || not_zero(range.upper, false))
    return true;
  division.check_at_load = true;
  const char* hint = "the divisor follows from the data; bound it: max(k, 1)";
  return require_load_time(&divisor, "the divisor of '" + division.builtin_name + "'", hint);
}

IntRange Checker::int_range_of_call(const Expr* e) {
  // A declared bounded result (`-> int<lower=1, upper=K>`) is believed: its body is checked against it.
  IntRange result;
  const Support& support = e->type.support;
  if (support.lower)
    result.lower = int_range(support.lower).lower;
  if (support.upper)
    result.upper = int_range(support.upper).upper;
  return result;
}

} // namespace vmodel::check
