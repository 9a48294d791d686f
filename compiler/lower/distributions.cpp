// Distributions: densities, tails, draws, entropies and supports of distribution expressions.
#include "compiler/lower/emitter.h"

#include <algorithm>
#include <limits>

namespace vmodel::lower {

using check::DistributionKind;
using check::Method;
using ir::Opcode;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

const check::Member* direct(const check::Distribution& d, Method method) {
  const auto get = [](const std::optional<check::Member>& m) { return m ? &*m : nullptr; };
  switch (method) {
  case Method::log_density: return get(d.log_density);
  case Method::cdf: return get(d.cdf);
  case Method::log_cdf: return get(d.log_cdf);
  case Method::log_ccdf: return get(d.log_ccdf);
  case Method::quantile: return get(d.quantile);
  case Method::sample: return get(d.sample);
  case Method::entropy: return get(d.entropy);
  }
  return nullptr;
}

const char* name_of(Method method) {
  switch (method) {
  case Method::log_density: return "log_density";
  case Method::cdf: return "cdf";
  case Method::log_cdf: return "log_cdf";
  case Method::log_ccdf: return "log_ccdf";
  case Method::quantile: return "quantile";
  case Method::sample: return "sample";
  case Method::entropy: return "entropy";
  }
  return "";
}

/// True if the expression reads one of the declarations.
bool reads(const Expr* e, const std::vector<const Declaration*>& declarations, std::vector<bool>& which) {
  if (!e)
    return false;
  bool any = false;
  if (e->kind == check::ExprKind::name) {
    for (std::size_t k = 0; k < declarations.size(); ++k) {
      if (declarations[k] == e->declaration) {
        which[k] = true;
        any = true;
      }
    }
  }
  for (const Expr* operand : e->operands)
    any = reads(operand, declarations, which) || any;
  for (const check::Index& i : e->indices) {
    any = reads(i.at, declarations, which) || any;
    any = reads(i.from, declarations, which) || any;
    any = reads(i.to, declarations, which) || any;
  }
  return any;
}

} // namespace

LoweredDistribution Emitter::distribution(const DistributionExpr& d) {
  LoweredDistribution result;
  result.expr = &d;
  for (const Expr* argument : d.arguments)
    result.arguments.push_back(expression(*argument));
  for (const DistributionExpr* component : d.components)
    result.components.push_back(distribution(*component));
  if (d.weights)
    result.weights = expression(*d.weights);
  if (d.lower)
    result.lower = expression(*d.lower);
  if (d.upper)
    result.upper = expression(*d.upper);
  result.steps = steps(d.steps);
  return result;
}

namespace {

std::map<std::string, ValueId> sizes_of(Emitter& emitter, const DistributionExpr& d) {
  std::map<std::string, ValueId> result;
  for (const auto& [name, size] : d.sizes)
    result[name] = emitter.size(size);
  return result;
}

} // namespace

std::vector<Value> Emitter::arguments_at(const LoweredDistribution& d, Indices batch) {
  std::vector<Value> result;
  for (std::size_t k = 0; k < d.arguments.size(); ++k) {
    const Value& argument = d.arguments[k];
    const std::size_t declared = d.expr->distribution->parameters[k]->type.rank();
    // An argument's batch axes are the last ones of the whole batch: a component of a mixture may vary over
    // the components alone.
    const std::size_t axes = std::min(rank_of(argument) - declared, batch.size());
    result.push_back(axes > 0 ? slice(argument, batch.last(axes)) : argument);
  }
  return result;
}

Value Emitter::call_member(const LoweredDistribution& d, Method method, Indices batch,
                           const std::vector<Value>& arguments) {
  const check::Distribution& named = *d.expr->distribution;
  for (const Declaration* name : named.size_names)
    bind_size_name(name, d.expr->sizes.at(name->name));
  // Quantiles are values of the distribution, which may be counts; all else that is called is a real number.
  const check::Element result = method == Method::quantile ? named.on.element : check::Element::real;
  return member({named.symbol, named.parameters, named.size_names}, name_of(method), *direct(named, method),
                arguments_at(d, batch), sizes_of(*this, *d.expr), arguments, {result});
}

Value Emitter::beside(const Value& value, std::size_t rank, Indices batch) {
  const std::size_t axes = std::min(rank_of(value) - std::min(rank, rank_of(value)), batch.size());
  return axes > 0 ? slice(value, batch.last(axes)) : value;
}

/// The tail up to a lower limit, which itself is inside: for counts, the values below it are left out.
ValueId Emitter::tail_below(const LoweredDistribution& d, Method method, Indices batch, ValueId lower) {
  if (d.expr->element == check::Element::real)
    return tail(d, method, batch, lower);
  const ValueId below = b.sub(lower, b.index(1));
  // Below the support the cdf need not be defined.
  const bool named =
      d.expr->kind == DistributionKind::named && d.expr->distribution->on.support.kind == check::SupportKind::bounded;
  if (!named)
    return tail(d, method, batch, below);
  const ValueId none = method == Method::log_cdf ? b.constant(-infinity) : b.constant(0);
  return b.if_(
      in_support(d, batch, below), [&] { return std::vector{tail(d, method, batch, below)}; },
      [&] { return std::vector{none}; })[0];
}

ValueId Emitter::log_mass(const LoweredDistribution& d, Indices batch, ValueId lower, ValueId upper) {
  if (!upper)
    return lower ? tail_below(d, Method::log_ccdf, batch, lower) : b.constant(0);
  if (!lower)
    return tail(d, Method::log_cdf, batch, upper);
  // log(F(u) - F(l)) from the smaller tails: above the median by the complements.
  const ValueId log_f_upper = tail(d, Method::log_cdf, batch, upper);
  const ValueId log_f_lower = tail_below(d, Method::log_cdf, batch, lower);
  const ValueId log_c_upper = tail(d, Method::log_ccdf, batch, upper);
  const ValueId log_c_lower = tail_below(d, Method::log_ccdf, batch, lower);
  const auto difference = [&](ValueId larger, ValueId smaller) {
    return b.add(larger, b.unary(Opcode::log1m_exp, b.sub(smaller, larger)));
  };
  return b.if_(
      b.compare(Opcode::lt, log_c_lower, log_f_upper),
      [&] { return std::vector{difference(log_c_lower, log_c_upper)}; },
      [&] { return std::vector{difference(log_f_upper, log_f_lower)}; })[0];
}

ValueId Emitter::log_density(const LoweredDistribution& d, Indices batch, const Value& event) {
  switch (d.expr->kind) {
  case DistributionKind::flat: return b.constant(0);
  case DistributionKind::uniform_on: {
    // Several axes: density of each element; the bounds are scalars or have the batch's shape.
    const ValueId width = b.sub(element(d.upper, batch), element(d.lower, batch));
    return b.neg(b.unary(Opcode::log, width));
  }
  case DistributionKind::named: {
    const auto density = [&] { return call_member(d, Method::log_density, batch, {event}).id; };
    const check::Distribution& named = *d.expr->distribution;
    // Densities over ints may use the value as an index, which is proved for values in the support only; the library's
    // own look after themselves.
    if (named.library || named.on.element != check::Element::integer ||
        named.on.support.kind != check::SupportKind::bounded)
      return density();
    return b.if_(
        in_support(d, batch, event), [&] { return std::vector{density()}; },
        [&] { return std::vector{b.constant(-infinity)}; })[0];
  }
  case DistributionKind::unnormalised: {
    const LoweredDistribution& base = d.components[0];
    if (d.expr->event.size() == base.expr->event.size())
      return log_density(base, batch, event);
    // A scalar kernel on a vector's support: the product over its elements.
    const std::vector<Dim> extents = shape_of(event);
    const std::vector<ValueId> head(batch.begin(), batch.end());
    return b.sum(extents, [&](Indices i) {
      std::vector<ValueId> at = head;
      at.insert(at.end(), i.begin(), i.end());
      return log_density(base, at, element(event, i));
    });
  }
  case DistributionKind::joint: {
    // The base's batch is the outer one followed by the leading axes of the event.
    const LoweredDistribution& base = d.components[0];
    const std::vector<Dim> shape = shape_of(event);
    const std::vector<Dim> extents(shape.begin(), shape.end() - static_cast<std::ptrdiff_t>(base.expr->event.size()));
    const std::vector<ValueId> head(batch.begin(), batch.end());
    return b.sum(extents, [&](Indices i) {
      std::vector<ValueId> at = head;
      at.insert(at.end(), i.begin(), i.end());
      return log_density(base, at, slice(event, i));
    });
  }
  case DistributionKind::sorted: {
    const LoweredDistribution& base = d.components[0];
    const std::vector<Dim> extents = shape_of(event);
    const std::vector<ValueId> head(batch.begin(), batch.end());
    const ValueId sum = b.sum(extents, [&](Indices i) {
      std::vector<ValueId> at = head;
      at.insert(at.end(), i.begin(), i.end());
      return log_density(base, at, element(event, i));
    });
    // K! orders of independent draws give the same sorted vector.
    const ValueId count = b.to_real(b.extent(extents[0]));
    return b.add(sum, b.unary(Opcode::lgamma, b.add(count, b.constant(1))));
  }
  case DistributionKind::truncated: {
    const LoweredDistribution& base = d.components[0];
    const ValueId lp = log_density(base, batch, event);
    ValueId outside = b.boolean(false);
    const ValueId x = event.id;
    const ValueId lower = d.lower.id ? beside(d.lower, 0, batch).id : ValueId{};
    const ValueId upper = d.upper.id ? beside(d.upper, 0, batch).id : ValueId{};
    const ValueId mass = log_mass(base, batch, lower, upper);
    if (lower)
      outside = b.logical_or(outside, b.compare(Opcode::lt, x, lower));
    if (upper)
      outside = b.logical_or(outside, b.compare(Opcode::gt, x, upper));
    return b.select(outside, b.constant(-infinity), b.sub(lp, mass));
  }
  case DistributionKind::mixture: {
    const std::vector<ValueId> head(batch.begin(), batch.end());
    const Value weights = beside(d.weights, 1, batch);
    if (d.components.size() == 1) {
      const std::vector<Dim> count{shape_of(weights)[0]};
      const ValueId terms = b.build(count, ir::Element::f64, [&](Indices k) {
        std::vector<ValueId> at = head;
        at.push_back(k[0]);
        return b.add(b.unary(Opcode::log, b.load(weights.id, k)), log_density(d.components[0], at, event));
      });
      return log_sum_exp(terms);
    }
    const std::vector<Dim> count{b.dim(b.index(static_cast<std::int64_t>(d.components.size())))};
    const ValueId memory = b.alloc(count, ir::Element::f64, false);
    for (std::size_t k = 0; k < d.components.size(); ++k) {
      const ValueId at[] = {b.index(static_cast<std::int64_t>(k))};
      b.store(memory, at,
              b.add(b.unary(Opcode::log, b.load(weights.id, at)), log_density(d.components[k], batch, event)));
    }
    return log_sum_exp(b.freeze(memory));
  }
  case DistributionKind::transformed: {
    const Mapped x = mapped(d.steps, true, batch, event, true);
    const ValueId lp = b.add(log_density(d.components[0], batch, x.value), x.log_det);
    if (values_are_draws || (!d.lower.id && !d.upper.id))
      return lp;
    return b.select(in_support(d, batch, event), lp, b.constant(-infinity));
  }
  case DistributionKind::family: break; // handled by the owner of the family
  }
  return b.constant(0);
}

ValueId Emitter::tail(const LoweredDistribution& d, Method method, Indices batch, ValueId x) {
  if (d.expr->kind == DistributionKind::named) {
    const check::Distribution& named = *d.expr->distribution;
    if (direct(named, method))
      return call_member(d, method, batch, {x}).id;
    // From what there is: one of the three is given (the checker has seen to it).
    const auto has = [&](Method m) { return direct(named, m) != nullptr; };
    const auto given = [&](Method m) { return call_member(d, m, batch, {x}).id; };
    switch (method) {
    case Method::cdf:
      if (has(Method::log_cdf))
        return b.unary(Opcode::exp, given(Method::log_cdf));
      return b.neg(b.unary(Opcode::expm1, given(Method::log_ccdf)));
    case Method::log_cdf:
      if (has(Method::cdf))
        return b.unary(Opcode::log, given(Method::cdf));
      return b.unary(Opcode::log1m_exp, given(Method::log_ccdf));
    case Method::log_ccdf:
      if (has(Method::cdf))
        return b.unary(Opcode::log1p, b.neg(given(Method::cdf)));
      return b.unary(Opcode::log1m_exp, given(Method::log_cdf));
    default: break;
    }
  }
  if (d.expr->kind == DistributionKind::mixture) {
    // The cdf of a mixture is the mixture of the cdfs; logarithms of tails add up as logarithms, since in a far tail
    // the cdf has no digits.
    const Value weights = beside(d.weights, 1, batch);
    const std::vector<ValueId> head(batch.begin(), batch.end());
    const auto inside = [&](ValueId k) {
      std::vector<ValueId> at = head;
      if (d.components.size() == 1)
        at.push_back(k);
      return at;
    };
    const auto term = [&](ValueId k, const LoweredDistribution& component) {
      const ValueId weight = b.load(weights.id, {k});
      const ValueId value = tail(component, method, inside(k), x);
      return method == Method::cdf ? b.mul(weight, value) : b.add(b.unary(Opcode::log, weight), value);
    };
    if (d.components.size() == 1) {
      const std::vector<Dim> count{shape_of(weights)[0]};
      if (method == Method::cdf)
        return b.sum(count, [&](Indices k) { return term(k[0], d.components[0]); });
      return log_sum_exp(b.build(count, ir::Element::f64, [&](Indices k) { return term(k[0], d.components[0]); }));
    }
    std::vector<ValueId> terms;
    for (std::size_t k = 0; k < d.components.size(); ++k)
      terms.push_back(term(b.index(static_cast<std::int64_t>(k)), d.components[k]));
    if (method == Method::cdf) {
      ValueId cdf = b.constant(0);
      for (const ValueId t : terms)
        cdf = b.add(cdf, t);
      return cdf;
    }
    const std::vector<Dim> count{b.dim(b.index(static_cast<std::int64_t>(terms.size())))};
    const ValueId memory = b.alloc(count, ir::Element::f64, false);
    for (std::size_t k = 0; k < terms.size(); ++k) {
      const ValueId at[] = {b.index(static_cast<std::int64_t>(k))};
      b.store(memory, at, terms[k]);
    }
    return log_sum_exp(b.freeze(memory));
  }
  return b.constant(std::numeric_limits<double>::quiet_NaN());
}

// ---------------------------------------------------------------- entropy and support

bool Emitter::has_entropy(const DistributionExpr& d) const {
  return (d.kind == DistributionKind::named && d.distribution->entropy) || d.kind == DistributionKind::uniform_on;
}

ValueId Emitter::entropy(const LoweredDistribution& d, Indices batch) {
  if (d.expr->kind == DistributionKind::uniform_on)
    return b.neg(log_density(d, batch, {}));
  return call_member(d, Method::entropy, batch, {}).id;
}

bool Emitter::has_support_condition(const DistributionExpr& d) const {
  switch (d.kind) {
  case DistributionKind::named: {
    const check::Support& support = d.distribution->on.support;
    if (support.kind != check::SupportKind::bounded)
      return false;
    // Only bounds that are known at load can be checked at load.
    std::vector<bool> which(d.distribution->parameters.size(), false);
    reads(support.lower, d.distribution->parameters, which);
    reads(support.upper, d.distribution->parameters, which);
    for (std::size_t k = 0; k < which.size(); ++k) {
      if (which[k] && !d.arguments[k]->load_time)
        return false;
    }
    return true;
  }
  case DistributionKind::truncated: return (!d.lower || d.lower->load_time) && (!d.upper || d.upper->load_time);
  case DistributionKind::transformed:
    return (d.lower || d.upper) && (!d.lower || d.lower->load_time) && (!d.upper || d.upper->load_time);
  default: return false;
  }
}

ValueId Emitter::in_support(const LoweredDistribution& d, Indices batch, const Value& event) {
  const auto between = [&](ValueId x, ValueId lower, ValueId upper) {
    const auto same_kind = [&](ValueId bound) {
      const bool x_real = b.function().type(x).element == ir::Element::f64;
      const bool bound_real = b.function().type(bound).element == ir::Element::f64;
      return std::pair{x_real || !bound_real ? x : b.to_real(x), bound_real || !x_real ? bound : b.to_real(bound)};
    };
    ValueId inside = b.boolean(true);
    if (lower) {
      const auto [value, bound] = same_kind(lower);
      inside = b.logical_and(inside, b.compare(Opcode::ge, value, bound));
    }
    if (upper) {
      const auto [value, bound] = same_kind(upper);
      inside = b.logical_and(inside, b.compare(Opcode::le, value, bound));
    }
    return inside;
  };
  if (d.expr->kind == DistributionKind::truncated) {
    return between(event.id, d.lower.id ? beside(d.lower, 0, batch).id : ValueId{},
                   d.upper.id ? beside(d.upper, 0, batch).id : ValueId{});
  }
  if (d.expr->kind == DistributionKind::transformed) {
    const auto inside = [&](Indices i) {
      std::vector<ValueId> at(batch.begin(), batch.end());
      at.insert(at.end(), i.begin(), i.end());
      return between(element(event, i), d.lower.id ? beside(d.lower, 0, at).id : ValueId{},
                     d.upper.id ? beside(d.upper, 0, at).id : ValueId{});
    };
    if (rank_of(event) == 0)
      return inside({});
    return b.reduce("and", shape_of(event), [&](Indices i) { return std::vector{inside(i)}; })[0];
  }
  const auto [lower, upper] = support_bounds(d, batch);
  if (rank_of(event) == 0)
    return between(event.id, lower, upper);
  return b.reduce("and", shape_of(event),
                  [&](Indices i) { return std::vector{between(element(event, i), lower, upper)}; })[0];
}

// ---------------------------------------------------------------- methods in expressions

Value Emitter::method(const Expr& e) {
  const LoweredDistribution d = distribution(*e.distribution);
  std::vector<Value> operands;
  for (const Expr* operand : e.operands)
    operands.push_back(expression(*operand));
  const bool event_is_scalar = e.distribution->event.empty();
  const auto at = [&](Indices i) -> ValueId {
    const std::size_t batch_rank = e.distribution->batch.size();
    const Indices batch = i.first(std::min(batch_rank, i.size()));
    switch (e.method) {
    case Method::log_density:
      return log_density(d, batch, event_is_scalar ? Value(element(operands[0], i)) : slice(operands[0], batch));
    case Method::cdf:
    case Method::log_cdf:
    case Method::log_ccdf: return tail(d, e.method, batch, element(operands[0], i));
    case Method::quantile: return call_member(d, Method::quantile, batch, {element(operands[0], i)}).id;
    case Method::entropy: return entropy(d, batch);
    case Method::sample: break;
    }
    return b.constant(std::numeric_limits<double>::quiet_NaN());
  };
  if (e.method == Method::sample) {
    const ValueId base = random_element_ ? random_element_ : b.index(0);
    if (e.distribution->batch.empty())
      return sample(d, {}, base);
    const std::vector<Dim> extents = dims(e.distribution->batch);
    const ValueId total = b.product(extents);
    return b.build(extents, element_of(e.type), [&](Indices i) {
      const std::size_t batch_rank = extents.size();
      const ValueId number =
          numbered(base, flat_position(extents, i.first(batch_rank)), total, same_each_turn(e.distribution->batch));
      return element(sample(d, i.first(batch_rank), number), i.subspan(batch_rank));
    });
  }
  if (e.type.shape.empty())
    return at({});
  return b.build(dims(e.type.shape), element_of(e.type), at);
}

} // namespace vmodel::lower
