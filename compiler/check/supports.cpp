// Supports: of distributions, of arguments, and of a prior against its parameter (truncation).
#include "compiler/check/checker.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>

namespace vmodel::check {

Support Checker::support_of(const DistributionExpr* d) {
  switch (d->kind) {
  case DistributionKind::named: {
    Binding binding;
    binding.sizes = d->sizes;
    for (std::size_t i = 0; i < d->arguments.size(); ++i)
      binding.arguments[d->distribution->parameters[i]] = d->arguments[i];
    Support support = d->distribution->on.support;
    support.lower = instantiate(support.lower, binding);
    support.upper = instantiate(support.upper, binding);
    return support;
  }
  case DistributionKind::uniform_on: return {SupportKind::bounded, d->lower, d->upper};
  case DistributionKind::truncated: {
    Support support = support_of(d->components[0]);
    support.kind = SupportKind::bounded;
    if (d->lower)
      support.lower = d->lower;
    if (d->upper)
      support.upper = d->upper;
    return support;
  }
  case DistributionKind::mixture: {
    // The union; equal supports are the only ones that it is known of.
    const Support first = support_of(d->components[0]);
    for (const DistributionExpr* c : d->components) {
      const Support other = support_of(c);
      if (other.kind == first.kind && canonical(other.lower) == canonical(first.lower) &&
          canonical(other.upper) == canonical(first.upper))
        continue;
      if (other.kind == SupportKind::all || first.kind == SupportKind::all)
        return {};
      return {};
    }
    return first;
  }
  case DistributionKind::joint: return support_of(d->components[0]);
  case DistributionKind::transformed: return {d->image, d->lower, d->upper};
  case DistributionKind::sorted: {
    const Support base = support_of(d->components[0]);
    const bool positive = base.lower && interval(base.lower).lower == 0 && interval(base.lower).upper == 0;
    return {positive ? SupportKind::positive_ordered : SupportKind::ordered, nullptr, nullptr};
  }
  case DistributionKind::flat:
  case DistributionKind::unnormalised:
  case DistributionKind::family: return {};
  }
  return {};
}

/// The part that has neither sample() nor quantile(p), so that nothing can be drawn from the whole; null: none.
const DistributionExpr* Checker::without_draw(const DistributionExpr* d) const {
  switch (d->kind) {
  case DistributionKind::named: return d->distribution->sample || d->distribution->quantile ? nullptr : d;
  case DistributionKind::uniform_on:
  case DistributionKind::truncated: // by the cdf
  case DistributionKind::family: return nullptr;
  case DistributionKind::transformed:
    if (without_direction(d->steps, true))
      return d;
    return without_draw(d->components[0]);
  case DistributionKind::mixture:
  case DistributionKind::joint:
    for (const DistributionExpr* c : d->components) {
      if (const DistributionExpr* part = without_draw(c))
        return part;
    }
    return nullptr;
  default: return d;
  }
}

bool Checker::report_without_draw(const DistributionExpr* d, const std::string& why) {
  const DistributionExpr* part = without_draw(d);
  if (!part)
    return false;
  if (part->kind == DistributionKind::named) {
    error(Code::missing_member, part->range,
          "'" + part->distribution->name + "' has neither sample() nor quantile(p), and " + why)
        .label(part->distribution->range, "declared here")
        .hint("give it one of the two");
  } else if (const BijectorStep* step = without_direction(part->steps, true)) {
    error(Code::missing_member, step->range,
          "'" + step->bijector->name + "' has no " + (step->inverted ? "inverse" : "forward") + ", and " + why)
        .label(step->bijector->range, "declared here")
        .hint(step->inverted ? "inverse(y) = ...;" : "forward(x) = ...;");
  } else {
    error(Code::missing_member, part->range, "nothing can be drawn from this distribution, and " + why);
  }
  return true;
}

/// The tighter one of two limits, each a scalar or of the batch's shape.
const Expr* Checker::tighter(const char* builtin, const Expr* a, const Expr* b) {
  Type type;
  type.element = a->type.element;
  type.shape = a->type.rank() > 0 ? a->type.shape : b->type.shape;
  Expr* result = make(ExprKind::builtin, b->range, type, {a, b});
  result->builtin_name = builtin;
  result->lifted = type.shape;
  return result;
}

/// The coordinates of ordered values know no limits but 0 from below.
void Checker::warn_of_bounded_values(const DistributionExpr* sorted, const Declaration& parameter) {
  const Support base = support_of(sorted->components[0]);
  const bool positive = parameter.type.support.kind == SupportKind::positive_ordered;
  if (!base.upper && (positive || !base.lower))
    return;
  diagnostics_
      .report(Code::possibly_outside_support, sorted->range,
              "the values of '" + parameter.name + "' are drawn over " + support_text(base, sorted->element) +
                  ", which they may leave: the density is 0 there")
      .label(parameter.range, "'" + parameter.name + "' is declared here")
      .hint("a fit needs a density on the whole support; shares of a simplex, summed up, are ordered within limits");
}

const DistributionExpr* Checker::match_prior(const DistributionExpr* d, const Declaration& parameter, SourceRange range,
                                             bool family) {
  const Support declared = parameter.type.support;
  if (d->kind == DistributionKind::flat || d->kind == DistributionKind::unnormalised) {
    if (!family)
      return d;
    error(Code::support_mismatch, d->range, "a family draws from a normalised distribution");
    return nullptr;
  }
  if (d->kind == DistributionKind::uniform_on)
    return d;
  if (d->element != parameter.type.element) {
    error(Code::support_mismatch, d->range, "the distribution is over ints, and '" + parameter.name + "' is real")
        .label(parameter.range, "declared here");
    return nullptr;
  }
  const Support own = support_of(d);
  const std::string name = d->kind == DistributionKind::named ? "'" + d->distribution->name + "'" : "the distribution";
  const auto mismatch = [&](const std::string& hint) -> const DistributionExpr* {
    auto report = error(Code::support_mismatch, d->range,
                        name + " is over " + support_text(own, d->element) + ", and '" + parameter.name + "' is " +
                            support_text(declared, parameter.type.element));
    report.label(parameter.range, "'" + parameter.name + "' is declared here");
    if (!hint.empty())
      report.hint(hint);
    return nullptr;
  };
  const auto joint_kind = [](SupportKind kind) { return kind != SupportKind::all && kind != SupportKind::bounded; };
  // What a family declares itself can be declared otherwise.
  const bool own_variable = parameter.kind == DeclarationKind::mixed || parameter.kind == DeclarationKind::learn;
  const std::string on_the_line =
      own_variable ? "declare it as " + support_text(own, d->element)
                   : "unconstrained(" + parameter.name + ") ~ normal(learn, learn) draws it on the whole line";
  if (joint_kind(declared.kind) || joint_kind(own.kind)) {
    if (declared.kind == own.kind) {
      if (d->kind == DistributionKind::sorted)
        warn_of_bounded_values(d, parameter);
      return d;
    }
    if (family)
      return mismatch(on_the_line);
    switch (declared.kind) {
    case SupportKind::simplex: return mismatch("over simplexes there is dirichlet(alpha)");
    case SupportKind::positive_ordered:
      return mismatch("sorted(truncated(d, lower = 0)) draws positive values from d and sorts them; "
                      "unnormalised(d) is the kernel without its factor");
    case SupportKind::ordered:
      return mismatch(
          "sorted(d) draws the values from d and sorts them; unnormalised(d) is the kernel without its factor");
    case SupportKind::cov_cholesky: return mismatch("use flat() or unnormalised(...)");
    case SupportKind::corr_cholesky:
      return mismatch("over Cholesky factors of correlations there is lkj_corr_cholesky(eta)");
    default: return mismatch("declare it as " + support_text(own, d->element) + "<K>");
    }
  }
  const Expr* lower = nullptr;
  const Expr* upper = nullptr;
  for (const bool low : {true, false}) {
    const Expr* wanted = low ? declared.lower : declared.upper;
    const Expr* there = low ? own.lower : own.upper;
    if (!wanted && !there)
      continue;
    if (wanted && there && canonical(wanted) == canonical(there))
      continue;
    if (wanted && there) {
      const Interval a = interval(wanted), b = interval(there);
      if (a.lower == a.upper && b.lower == b.upper && a.lower == b.lower)
        continue;
      const bool outside = low ? a.upper < b.lower : a.lower > b.upper;
      if (outside && !family) {
        // A part of the declared range has density zero: normalised all the same, and hardly meant.
        diagnostics_
            .report(Code::possibly_outside_support, d->range,
                    name + " is over " + support_text(own, d->element) + ", and '" + parameter.name + "' is " +
                        support_text(declared, parameter.type.element) + ": the density is 0 in between")
            .label(parameter.range, "'" + parameter.name + "' is declared here")
            .hint("declare it as " + support_text(own, d->element));
        continue;
      }
    }
    if (!wanted) {
      return mismatch(family ? on_the_line
                             : "declare '" + parameter.name + "' as " + support_text(own, d->element) +
                                   ", or it may leave the support");
    }
    if (family)
      return mismatch(on_the_line);
    (low ? lower : upper) = wanted;
  }
  if (!lower && !upper)
    return d;
  if (!d->event.empty() || d->kind == DistributionKind::joint) {
    error(Code::support_mismatch, d->range,
          name + " draws whole arrays, so that it cannot be truncated to " +
              support_text(declared, parameter.type.element))
        .label(parameter.range, "'" + parameter.name + "' is declared here")
        .hint("unnormalised(...) leaves the factor out");
    return nullptr;
  }
  if (d->kind == DistributionKind::truncated) {
    // Truncated twice is truncated to what both leave.
    if (d->lower && lower)
      lower = tighter("max", d->lower, lower);
    else if (d->lower)
      lower = d->lower;
    if (d->upper && upper)
      upper = tighter("min", d->upper, upper);
    else if (d->upper)
      upper = d->upper;
    d = d->components[0];
  }
  if (!has_cdf(d)) {
    error(Code::no_cdf, d->range,
          name + " has no cdf, so that its truncation to " + support_text(declared, parameter.type.element) +
              " cannot be normalised")
        .label(parameter.range, "'" + parameter.name + "' is declared here")
        .hint("unnormalised(...) leaves the factor out");
    return nullptr;
  }
  // Half of a symmetric distribution: the factor is 1/2 whatever the scale.
  bool constant = distribution_load_time(d) && (!lower || lower->load_time) && (!upper || upper->load_time);
  if (!constant && d->kind == DistributionKind::named && d->distribution->library &&
      (lower == nullptr) != (upper == nullptr)) {
    static const std::set<std::string> symmetric{"normal", "cauchy", "student_t", "laplace", "logistic"};
    for (std::size_t i = 0; i < d->arguments.size(); ++i) {
      if (d->distribution->parameters[i]->name != "location" || symmetric.count(d->distribution->name) == 0)
        continue;
      const Interval location = interval(d->arguments[i]), limit = interval(lower ? lower : upper);
      const bool same_value =
          location.lower == location.upper && limit.lower == limit.upper && location.lower == limit.lower;
      constant = constant || same_value || canonical(d->arguments[i]) == canonical(lower ? lower : upper);
    }
  }
  if (!constant) {
    diagnostics_
        .report(Code::varying_truncation, range,
                "the prior of '" + parameter.name + "' is truncated to " +
                    support_text(declared, parameter.type.element) +
                    " and normalised; the factor depends on parameters")
        .hint("Stan leaves this factor out; unnormalised(...) does so here");
  }
  DistributionExpr* result = make(DistributionKind::truncated, d->range);
  result->element = d->element;
  result->batch = d->batch;
  result->event = d->event;
  result->components = {d};
  result->lower = lower;
  result->upper = upper;
  return result;
}

/// Of a list that is written out the first number that is beyond the limit; null: none.
const Expr* Checker::element_outside(const Expr* list, const Interval& limit, bool low) {
  if (list->kind == ExprKind::name) {
    const auto known = known_lists_.find(list->declaration);
    return known == known_lists_.end() ? nullptr : element_outside(known->second, limit, low);
  }
  if (list->kind != ExprKind::array)
    return nullptr;
  for (const Expr* element : list->operands) {
    const Expr* outside = element_outside(element, limit, low);
    const Interval value = interval(element);
    if (!outside && element->type.is_scalar() && (low ? value.upper < limit.lower : value.lower > limit.upper))
      outside = element;
    if (outside)
      return outside;
  }
  return nullptr;
}

/// Whether an array can stand where a simplex, a factor of a covariance and the like is expected.
bool Checker::vector_in_support(const Expr* argument, const Support& wanted, const std::string& what) {
  const Expr* list = argument->kind == ExprKind::to_real ? argument->operands[0] : argument;
  if (wanted.kind == SupportKind::simplex && list->kind == ExprKind::array)
    return shares_in_support(list, what);
  // A plain array that is declared somewhere is not a simplex; a computed one may be.
  // A factor of a correlation matrix is one of a covariance.
  const SupportKind own = argument->type.support.kind;
  const bool narrower = wanted.kind == SupportKind::cov_cholesky && own == SupportKind::corr_cholesky;
  if (argument->kind != ExprKind::name || own == wanted.kind || narrower)
    return true;
  const DeclarationKind kind = argument->declaration->kind;
  const std::string type = support_text(wanted, Element::real);
  const std::string hint = "declare '" + argument->declaration->name + "' as " + type + "<...>";
  if (kind == DeclarationKind::param || kind == DeclarationKind::learn) {
    error(Code::outside_support, argument->range, what + " is " + type_text(argument->type) + ", not " + type)
        .label(argument->declaration->range, "declared here")
        .hint(hint);
    return false;
  }
  // Data of the right values are right, but nothing would look at them.
  if (kind == DeclarationKind::data) {
    diagnostics_
        .report(Code::possibly_outside_support, argument->range,
                what + " is " + type_text(argument->type) + ", and nothing says that it is " + type)
        .label(argument->declaration->range, "declared here")
        .hint(hint + ": then it is checked when the data are loaded");
  }
  return true;
}

/// Of a list that is written out: shares are within [0, 1], and constant ones sum to 1.
bool Checker::shares_in_support(const Expr* list, const std::string& what) {
  double sum = 0;
  for (const Expr* element : list->operands) {
    if (!element->type.is_scalar())
      return true;
    const Interval value = interval(element);
    if (value.upper < 0 || value.lower > 1) {
      error(Code::outside_support, element->range, what + " holds " + canonical(element) + ", which is no share")
          .hint("shares are from 0 to 1");
      return false;
    }
    if (value.tight && !element->load_time && (value.lower < 0 || value.upper > 1)) {
      auto report =
          diagnostics_.report(Code::possibly_outside_support, element->range,
                              what + " holds a share that may be " + (value.lower < 0 ? "negative" : "above 1"));
      if (element->kind == ExprKind::name)
        report.label(element->declaration->range, "'" + element->declaration->name + "' is declared here");
      report.hint("shares are from 0 to 1: declare it as real<lower=0, upper=1>");
      return true;
    }
    sum += value.lower == value.upper ? value.lower : std::numeric_limits<double>::quiet_NaN();
  }
  // As exact as the check of simplexes in data.
  if (std::abs(sum - 1) > 1e-8) {
    std::ostringstream text;
    text << sum;
    error(Code::outside_support, list->range, what + " sums to " + text.str() + ", not to 1");
    return false;
  }
  return true;
}

bool Checker::argument_in_support(const Expr* argument, const Declaration& parameter, const std::string& callee,
                                  const Binding& binding) {
  const Support& wanted = parameter.type.support;
  if (wanted.kind == SupportKind::all)
    return true;
  const std::string what = "argument '" + parameter.name + "' of '" + callee + "'";
  if (wanted.kind != SupportKind::bounded) {
    return vector_in_support(argument, wanted, what);
  }
  const Interval value = interval(argument);
  for (const bool low : {true, false}) {
    const Expr* bound = instantiate(low ? wanted.lower : wanted.upper, binding);
    if (!bound)
      continue;
    // The callee's indices rely on the bounds of its ints. What follows from the data is checked at load.
    if (parameter.type.element == Element::integer && !argument->load_time && !follows_from_arguments(argument) &&
        bound->type.is_scalar() && !(context_->callable && context_->callable->library)) {
      const IntRange range = int_range(argument);
      const auto& ends = low ? range.lower : range.upper;
      const Size limit_size = to_size(bound);
      const bool proved = std::any_of(ends.begin(), ends.end(), [&](const Size& end) {
        return low ? context_->facts.at_most(limit_size, end) : context_->facts.at_most(end, limit_size);
      });
      if (!proved) {
        error(Code::unproved_index, argument->range,
              what + " varies, and nothing says that it is within " + support_text(wanted, Element::integer))
            .hint("bound it: clamp(i, lower, upper)");
        return false;
      }
    }
    const Interval limit = interval(bound);
    if (const Expr* element = element_outside(argument, limit, low)) {
      error(Code::outside_support, argument->kind == ExprKind::array ? element->range : argument->range,
            what + " holds " + canonical(element) + ", and must be " + support_text(wanted, parameter.type.element))
          .hint(std::string(low ? "the least" : "the largest") + " that can stand here is " + canonical(bound));
      return false;
    }
    const bool outside = low ? value.upper < limit.lower : value.lower > limit.upper;
    if (outside) {
      const bool literal = value.lower == value.upper;
      error(Code::outside_support, argument->range,
            what +
                (literal ? " is " + canonical(argument)
                         : std::string(low ? " is always too small" : " is always too large")) +
                ", and must be " + support_text(wanted, parameter.type.element));
      return false;
    }
    if (argument->load_time || !value.tight || limit.lower != limit.upper)
      continue;
    const bool may_leave = low ? value.lower < limit.lower : value.upper > limit.upper;
    // What the library asks of its own callees is the library's affair.
    if (!may_leave || (context_->callable && context_->callable->library))
      continue;
    auto report =
        diagnostics_.report(Code::possibly_outside_support, argument->range,
                            what + " may be " +
                                (low ? (limit.lower == 0 ? std::string("negative") : "below " + canonical(bound))
                                     : "above " + canonical(bound)));
    if (argument->kind == ExprKind::name) {
      report.label(argument->declaration->range, "'" + argument->declaration->name + "' is declared here");
      report.hint("declare it as " + support_text(wanted, Element::real));
    } else {
      report.hint(low && limit.lower == 0 ? "exp(...) or log1p_exp(...) is positive" : "the density is then 0");
    }
    return true;
  }
  return true;
}

} // namespace vmodel::check
