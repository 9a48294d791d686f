// Types as written to types as checked; shapes and their equality; texts of types for messages.
#include "compiler/check/checker.h"

namespace vmodel::check {

std::optional<Size> Checker::size(const ast::Expression& e, const char* what) {
  const Expr* value = expression(e);
  if (!value)
    return std::nullopt;
  if (!value->type.is_scalar() || value->type.element != Element::integer) {
    auto report =
        error(Code::invalid_type, e.range, std::string(what) + " is " + type_text(value->type) + ", not an int");
    if (e.kind == ast::ExpressionKind::Binary && ast::as<ast::Binary>(e).op == ast::BinaryOperator::divide) {
      report.hint("int / int is real; write div(a, b)");
    }
    return std::nullopt;
  }
  if (!require_load_time(value, what, "a size follows from the data only"))
    return std::nullopt;
  Size result = to_size(value);
  if (const auto constant = result.as_constant(); constant && *constant < 0) {
    error(Code::invalid_type, e.range, std::string(what) + " is " + std::to_string(*constant));
    return std::nullopt;
  }
  if (!stable_size(result, e.range))
    return std::nullopt;
  // A data int that is a size is not negative: checked at load.
  if (value->kind == ExprKind::name && value->declaration->kind == DeclarationKind::data) {
    context_->facts.add_nonnegative(result);
  }
  return result;
}

std::optional<Type> Checker::type(const ast::Type& type, const TypeRules& rules) {
  Type result;
  bool good = true;
  std::vector<Size> own; // axes of the support
  const auto positional = [&]() -> std::optional<Size> {
    if (type.bounds.size() != 1 || type.bounds[0].name) {
      error(Code::invalid_type, type.range,
            "'" + std::string(to_string(type.base)) + "' takes its size between angle brackets")
          .hint("write " + std::string(to_string(type.base)) + "<K>");
      return std::nullopt;
    }
    return size(*type.bounds[0].value, "the size");
  };
  if (type.is_optional) {
    not_supported_yet(type.range, "a type with missing values ('?')");
    return std::nullopt;
  }
  switch (type.base) {
  case ast::BaseType::real_: break;
  case ast::BaseType::int_: result.element = Element::integer; break;
  case ast::BaseType::bool_: result.element = Element::boolean; break;
  case ast::BaseType::simplex_: result.support.kind = SupportKind::simplex; break;
  case ast::BaseType::ordered_: result.support.kind = SupportKind::ordered; break;
  case ast::BaseType::positive_ordered_: result.support.kind = SupportKind::positive_ordered; break;
  case ast::BaseType::corr_cholesky_: result.support.kind = SupportKind::corr_cholesky; break;
  case ast::BaseType::cov_cholesky_: result.support.kind = SupportKind::cov_cholesky; break;
  default: {
    const bool correlations = type.base == ast::BaseType::corr_matrix_;
    not_supported_yet(type.base_range, "the type '" + std::string(to_string(type.base)) + "'",
                      correlations || type.base == ast::BaseType::cov_matrix_
                          ? std::string("its factor L is there, and L @ L' is the matrix: ") +
                                (correlations ? "corr_cholesky<K> ~ lkj_corr_cholesky(2)" : "cov_cholesky<K>")
                          : "");
    return std::nullopt;
  }
  }
  if (result.element == Element::integer && !rules.allow_int) {
    not_supported_yet(type.range, "an int " + rules.what, "sum it out: mixture(w, ...) or log_sum_exp");
    return std::nullopt;
  }
  if (result.element == Element::boolean && !rules.allow_bool) {
    error(Code::invalid_type, type.range, "a " + rules.what + " of type bool").hint("use int<lower=0, upper=1>");
    return std::nullopt;
  }
  if (result.support.kind != SupportKind::all) {
    const auto k = positional();
    if (!k)
      return std::nullopt;
    if (result.support.kind == SupportKind::simplex && k->as_constant() == 0) {
      error(Code::invalid_type, type.range, "a simplex of no elements, whose sum cannot be 1");
      return std::nullopt;
    }
    own.assign(static_cast<std::size_t>(result.support.event_rank()), *k);
  }
  for (const ast::ExpressionPtr& e : type.sizes) {
    const auto s = size(*e, "the size");
    if (s)
      result.shape.push_back(*s);
    good = good && s.has_value();
  }
  result.shape.insert(result.shape.end(), own.begin(), own.end());
  if (!good)
    return std::nullopt;
  if (own.empty() && !type.bounds.empty() && !bounds(type, result))
    return std::nullopt;
  if (!rules.support_allowed && result.support.kind != SupportKind::all) {
    error(Code::invalid_type, type.range, "a " + rules.what + " has no support of its own")
        .hint("write the plain type; supports belong to data, param and learn");
    return std::nullopt;
  }
  return result;
}

bool Checker::bounds(const ast::Type& type, Type& result) {
  if (result.element == Element::boolean) {
    error(Code::invalid_type, type.range, "bool has no bounds");
    return false;
  }
  bool good = true;
  for (const ast::Bound& bound : type.bounds) {
    if (!bound.name) {
      error(Code::invalid_type, bound.range, "a bound of '" + std::string(to_string(type.base)) + "' without its name")
          .hint("write " + std::string(to_string(type.base)) + "<lower=...> or <upper=...>");
      good = false;
      continue;
    }
    const bool lower = bound.name->text == "lower";
    if (!lower && bound.name->text != "upper") {
      auto report = error(Code::invalid_type, bound.name->range, "'" + bound.name->text + "' is not a bound");
      if (bound.name->text == "offset" || bound.name->text == "multiplier") {
        report.hint("write `noncentered param` with a location-scale prior");
      } else {
        report.hint("the bounds are lower and upper");
      }
      good = false;
      continue;
    }
    const Expr* value = expression(*bound.value);
    if (!value) {
      good = false;
      continue;
    }
    const Expr*& place = lower ? result.support.lower : result.support.upper;
    if (place) {
      error(Code::invalid_type, bound.range, std::string("a second ") + bound.name->text + " bound");
      good = false;
      continue;
    }
    if (value->type.element == Element::boolean ||
        (value->type.element == Element::real && result.element == Element::integer)) {
      error(Code::invalid_type, bound.range,
            "the bound is " + type_text(value->type) + ", the type " + std::string(to_string(type.base)));
      good = false;
      continue;
    }
    if (!value->type.is_scalar() && !same_shape(value->type.shape, result.shape)) {
      report_shapes(bound.range, "the bound is neither a scalar nor of the type's shape", value->type.shape,
                    result.shape);
      good = false;
      continue;
    }
    place = result.element == Element::real ? to_real(value) : value;
    result.support.kind = SupportKind::bounded;
  }
  if (!good)
    return false;
  if (result.support.lower && result.support.upper) {
    const Interval low = interval(result.support.lower), high = interval(result.support.upper);
    const bool equal_allowed = result.element == Element::integer;
    if (low.lower > high.upper || (!equal_allowed && low.lower == high.upper)) {
      error(Code::invalid_type, type.range, "the lower bound is not below the upper bound");
      return false;
    }
  }
  return true;
}

bool Checker::same_shape(const Shape& a, const Shape& b) {
  if (a.size() != b.size())
    return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!same_size(a[i], b[i]))
      return false;
  }
  return true;
}

void Checker::report_shapes(SourceRange range, const std::string& message, const Shape& a, const Shape& b) {
  auto report = error(Code::shape_mismatch, range, message + ": " + shape_text(a) + " and " + shape_text(b));
  if (a.size() != b.size())
    return;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (same_size(a[i], b[i]))
      continue;
    if (a[i].as_constant() && b[i].as_constant())
      return;
    report.hint("if they are always equal, say so: require " + a[i].text() + " == " + b[i].text() + ";");
    return;
  }
}

const Expr* Checker::convert(const Expr* e, const Type& to, const std::string& what) {
  if (!e)
    return nullptr;
  if (!e->type.tuple.empty() || !to.tuple.empty()) {
    if (e->type.tuple.size() == to.tuple.size())
      return e;
    error(Code::type_mismatch, e->range, what + " is " + type_text(e->type) + ", not " + type_text(to));
    return nullptr;
  }
  if (e->type.rank() != to.rank()) {
    error(Code::shape_mismatch, e->range, what + " is " + type_text(e->type) + ", not " + type_text(to));
    return nullptr;
  }
  if (!same_shape(e->type.shape, to.shape)) {
    report_shapes(e->range, what + " has another shape", e->type.shape, to.shape);
    return nullptr;
  }
  if (e->type.element == to.element)
    return e;
  if (e->type.element == Element::integer && to.element == Element::real)
    return to_real(e);
  auto report = error(Code::type_mismatch, e->range, what + " is " + type_text(e->type) + ", not " + type_text(to));
  if (e->type.element == Element::boolean)
    report.hint("write condition ? 1 : 0");
  else if (e->type.element == Element::real && to.element == Element::integer)
    report.hint(e->kind == ExprKind::binary && e->op == Operator::div
                    ? "int / int is real; write div(a, b)"
                    : "to_int(x) leaves out what stands behind the point");
  return nullptr;
}

std::string Checker::shape_text(const Shape& shape) {
  if (shape.empty())
    return "a scalar";
  std::string result = "[";
  for (std::size_t i = 0; i < shape.size(); ++i)
    result += (i == 0 ? "" : ", ") + shape[i].text();
  return result + "]";
}

std::string Checker::support_text(const Support& support, Element element) {
  std::string base = element == Element::integer ? "int" : element == Element::boolean ? "bool" : "real";
  switch (support.kind) {
  case SupportKind::all: return base;
  case SupportKind::bounded: {
    std::string result = base + "<";
    if (support.lower)
      result += "lower=" + canonical(support.lower);
    if (support.lower && support.upper)
      result += ", ";
    if (support.upper)
      result += "upper=" + canonical(support.upper);
    return result + ">";
  }
  case SupportKind::simplex: return "simplex";
  case SupportKind::ordered: return "ordered";
  case SupportKind::positive_ordered: return "positive_ordered";
  case SupportKind::corr_cholesky: return "corr_cholesky";
  case SupportKind::cov_cholesky: return "cov_cholesky";
  }
  return base;
}

std::string Checker::type_text(const Type& type) {
  if (!type.tuple.empty()) {
    std::string result = "(";
    for (std::size_t i = 0; i < type.tuple.size(); ++i)
      result += (i == 0 ? "" : ", ") + type_text(type.tuple[i]);
    return result + ")";
  }
  Shape shape = type.shape;
  std::string result = support_text(type.support, type.element);
  if (const auto own = static_cast<std::size_t>(type.support.event_rank()); own > 0 && own <= shape.size()) {
    result += "<" + shape.back().text() + ">";
    shape.resize(shape.size() - own);
  }
  return shape.empty() ? result : result + shape_text(shape);
}

} // namespace vmodel::check
