// Draws from truncated distributions, by inversion. All is done with logarithms of the smaller tail, as the density has
// it: between limits far out there is nothing of the cdf but zeros or ones.
#include "compiler/lower/emitter.h"

#include <cmath>
#include <limits>

namespace vmodel::lower {

using check::DistributionKind;
using check::Method;
using ir::Opcode;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// A quantile is a formula of p, which has the relative accuracy of a double near zero only: an upper tail below this
/// has no more than 12 digits.
const double least_upper_tail = std::log(1e-4);
/// Below this the logarithm of p stands for less than the smallest normal number.
constexpr double least_lower_tail = -700;

} // namespace

ValueId Emitter::chosen_component(const Dim& count, ValueId u, const std::function<ValueId(ValueId)>& weight) {
  const ValueId initial[] = {b.constant(0), b.index(0)};
  const ValueId last = b.sub(b.extent(count), b.index(1));
  return b.loop(count, initial, false, [&](ValueId k, std::span<const ValueId> carried) {
    const ValueId next = b.add(carried[0], weight(k));
    const ValueId beyond = b.logical_and(b.compare(Opcode::ge, u, next), b.compare(Opcode::lt, k, last));
    return std::vector{next, b.select(beyond, b.add(k, b.index(1)), carried[1])};
  })[1];
}

/// A component by what of it lies between the limits, and then a draw of it.
ValueId Emitter::sample_truncated_mixture(const LoweredDistribution& d, Indices batch, ValueId lower, ValueId upper) {
  const std::vector<ValueId> head(batch.begin(), batch.end());
  const Value weights = beside(d.weights, 1, batch);
  const Dim count = shape_of(weights)[0];
  const auto log_weight = [&](ValueId k, const LoweredDistribution& component, Indices at) {
    const ValueId mass = log_mass(component, at, lower, upper);
    // A bounded component that ends before the limits has -inf on both sides.
    const ValueId known = b.select(b.is_nan(mass), b.constant(-infinity), mass);
    return b.add(b.unary(Opcode::log, b.load(weights.id, {k})), known);
  };
  const auto share = [&](ValueId terms, ValueId total, ValueId k) {
    return b.unary(Opcode::exp, b.sub(b.load(terms, {k}), total));
  };
  if (d.components.size() == 1) {
    const auto at = [&](ValueId k) {
      std::vector<ValueId> inner = head;
      inner.push_back(k);
      return inner;
    };
    const std::vector<Dim> counts{count};
    const ValueId terms =
        b.build(counts, ir::Element::f64, [&](Indices k) { return log_weight(k[0], d.components[0], at(k[0])); });
    const ValueId total = log_sum_exp(terms);
    const ValueId chosen =
        chosen_component(count, random("uniform"), [&](ValueId k) { return share(terms, total, k); });
    return sample_truncated(d.components[0], at(chosen), lower, upper);
  }
  const std::vector<Dim> counts{b.dim(b.index(static_cast<std::int64_t>(d.components.size())))};
  const ValueId memory = b.alloc(counts, ir::Element::f64, false);
  for (std::size_t k = 0; k < d.components.size(); ++k) {
    const ValueId at[] = {b.index(static_cast<std::int64_t>(k))};
    b.store(memory, at, log_weight(at[0], d.components[k], batch));
  }
  const ValueId terms = b.freeze(memory);
  const ValueId total = log_sum_exp(terms);
  const ValueId u = random("uniform");
  ValueId chosen, cumulated = b.constant(0);
  for (std::size_t k = 0; k < d.components.size(); ++k) {
    const ValueId x = sample_truncated(d.components[k], batch, lower, upper);
    const ValueId mass = share(terms, total, b.index(static_cast<std::int64_t>(k)));
    // A component without mass between the limits is never chosen.
    const ValueId here = b.logical_and(b.compare(Opcode::ge, u, cumulated), b.compare(Opcode::gt, mass, b.constant(0)));
    chosen = k == 0 ? x : b.select(here, x, chosen);
    cumulated = b.add(cumulated, mass);
  }
  return chosen;
}

ValueId Emitter::sample_truncated(const LoweredDistribution& d, Indices batch, ValueId lower, ValueId upper) {
  if (d.expr->kind == DistributionKind::mixture)
    return sample_truncated_mixture(d, batch, lower, upper);
  // The tail that is the smaller one at its limit, and what it loses towards the other limit.
  const ValueId above = lower ? tail_below(d, Method::log_ccdf, batch, lower) : b.constant(0);
  const ValueId below = upper ? tail(d, Method::log_cdf, batch, upper) : b.constant(0);
  const ValueId above_upper = upper ? tail(d, Method::log_ccdf, batch, upper) : b.constant(-infinity);
  const ValueId below_lower = lower ? tail_below(d, Method::log_cdf, batch, lower) : b.constant(-infinity);
  const ValueId is_upper = b.compare(Opcode::lt, above, below);
  const ValueId larger = b.select(is_upper, above, below);
  const ValueId smaller = b.select(is_upper, above_upper, below_lower);
  // log(larger - u (larger - smaller)), of the tails.
  const ValueId share = b.mul(random("uniform"), b.unary(Opcode::expm1, b.sub(smaller, larger)));
  const Tail wanted{is_upper, b.add(larger, b.unary(Opcode::log1p, share))};
  if (d.expr->element == check::Element::integer)
    return count_quantile(d, batch, wanted, lower, upper);
  ValueId x;
  if (d.expr->distribution->quantile) {
    const ValueId far =
        b.compare(Opcode::lt, larger, b.select(is_upper, b.constant(least_upper_tail), b.constant(least_lower_tail)));
    x = b.if_(
        far, [&] { return std::vector{real_quantile(d, batch, wanted, lower, upper)}; },
        [&] {
          const ValueId p = b.select(is_upper, b.neg(b.unary(Opcode::expm1, wanted.log_probability)),
                                     b.unary(Opcode::exp, wanted.log_probability));
          return std::vector{call_member(d, Method::quantile, batch, {p}).id};
        })[0];
  } else {
    x = real_quantile(d, batch, wanted, lower, upper);
  }
  // Rounding must not take it out of the support.
  if (lower)
    x = b.select(b.compare(Opcode::lt, x, lower), lower, x);
  if (upper)
    x = b.select(b.compare(Opcode::gt, x, upper), upper, x);
  return x;
}

std::pair<ValueId, ValueId> Emitter::support_bounds(const LoweredDistribution& d, Indices batch) {
  const check::Distribution& named = *d.expr->distribution;
  Environment inner;
  for (const Declaration* size_name : named.size_names)
    inner[size_name] = size(d.expr->sizes.at(size_name->name));
  const std::vector<Value> arguments = arguments_at(d, batch);
  for (std::size_t k = 0; k < arguments.size(); ++k)
    inner[named.parameters[k]] = arguments[k];
  std::swap(environment, inner);
  const check::Support& support = named.on.support;
  const std::pair<ValueId, ValueId> bounds{support.lower ? scalar(*support.lower) : ValueId{},
                                           support.upper ? scalar(*support.upper) : ValueId{}};
  std::swap(environment, inner);
  return bounds;
}

/// log of the tail at x.
ValueId Emitter::log_tail(const LoweredDistribution& d, Indices batch, ValueId is_upper, ValueId x) {
  return b.if_(
      is_upper, [&] { return std::vector{tail(d, Method::log_ccdf, batch, x)}; },
      [&] { return std::vector{tail(d, Method::log_cdf, batch, x)}; })[0];
}

/// The x with this tail, by doubling steps to an interval around it and halving that; a step of Newton's method,
/// without its value, gives it the derivative of the quantile. Without an argument that is a number the comparisons
/// fail and the loops end.
ValueId Emitter::real_quantile(const LoweredDistribution& d, Indices batch, const Tail& wanted, ValueId lower,
                               ValueId upper) {
  const auto [least, most] = support_bounds(d, batch);
  // Grows with x; zero at the quantile.
  const auto beyond = [&](ValueId x) {
    const ValueId excess = b.sub(log_tail(d, batch, wanted.is_upper, x), wanted.log_probability);
    return b.select(wanted.is_upper, b.neg(excess), excess);
  };
  const ValueId zero = b.constant(0), one = b.constant(1);
  // A limit beyond the support gives way to its bound.
  ValueId low = lower && least ? b.binary(Opcode::max, lower, least) : lower ? lower : least;
  ValueId high = upper && most ? b.binary(Opcode::min, upper, most) : upper ? upper : most;
  const auto expand = [&](ValueId from, bool down) {
    const ValueId initial[] = {from, one};
    return b.while_(
        initial,
        [&](std::span<const ValueId> c) {
          const ValueId finite = b.compare(Opcode::lt, c[1], b.constant(std::numeric_limits<double>::max() / 4));
          return b.logical_and(finite, b.compare(down ? Opcode::gt : Opcode::lt, beyond(c[0]), zero));
        },
        [&](std::span<const ValueId> c) {
          return std::vector{down ? b.sub(c[0], c[1]) : b.add(c[0], c[1]), b.mul(b.constant(2), c[1])};
        })[0];
  };
  if (!low)
    low = expand(high ? b.sub(high, one) : b.constant(-1), true);
  if (!high)
    high = expand(b.add(low, one), false);
  const ValueId initial[] = {low, high, b.index(0)};
  // From the widest interval to neighbouring numbers it takes at most as many halvings as doubles have exponents and
  // digits.
  const std::vector<ValueId> last = b.while_(
      initial,
      [&](std::span<const ValueId> c) {
        const ValueId middle = b.mul(b.constant(0.5), b.add(c[0], c[1]));
        const ValueId apart = b.logical_and(b.compare(Opcode::lt, c[0], middle), b.compare(Opcode::lt, middle, c[1]));
        return b.logical_and(apart, b.compare(Opcode::lt, c[2], b.index(2200)));
      },
      [&](std::span<const ValueId> c) {
        const ValueId middle = b.mul(b.constant(0.5), b.add(c[0], c[1]));
        const ValueId below = b.compare(Opcode::lt, beyond(middle), zero);
        return std::vector{b.select(below, middle, c[0]), b.select(below, c[1], middle), b.add(c[2], b.index(1))};
      });
  const ValueId found = b.stop(last[1]);
  // d log tail / dx = -+ density / tail.
  const ValueId here = log_tail(d, batch, wanted.is_upper, found);
  const ValueId width = b.unary(Opcode::exp, b.sub(here, log_density(d, batch, found)));
  const ValueId step = b.mul(b.sub(here, wanted.log_probability), width);
  const ValueId usable = b.logical_and(b.compare(Opcode::lt, width, b.constant(infinity)),
                                       b.compare(Opcode::gt, here, b.constant(-infinity)));
  const ValueId change = b.select(usable, b.select(wanted.is_upper, step, b.neg(step)), zero);
  return b.add(found, b.only_derivative(change));
}

/// The least count whose cdf has reached what is wanted.
ValueId Emitter::count_quantile(const LoweredDistribution& d, Indices batch, const Tail& wanted, ValueId lower,
                                ValueId upper) {
  const auto [least, most] = support_bounds(d, batch);
  const auto reached = [&](ValueId x) {
    const ValueId there = log_tail(d, batch, wanted.is_upper, x);
    const ValueId p = wanted.log_probability;
    return b.select(wanted.is_upper, b.compare(Opcode::le, there, p), b.compare(Opcode::ge, there, p));
  };
  const ValueId one = b.index(1);
  const ValueId low = lower && least ? b.binary(Opcode::max, lower, least) : lower ? lower : least ? least : b.index(0);
  ValueId high = upper && most ? b.binary(Opcode::min, upper, most) : upper ? upper : most;
  if (!high) {
    const ValueId initial[] = {low, one};
    high = b.while_(
        initial,
        [&](std::span<const ValueId> c) {
          return b.logical_and(b.compare(Opcode::lt, c[1], b.index(std::int64_t{1} << 60)),
                               b.logical_not(reached(c[0])));
        },
        [&](std::span<const ValueId> c) { return std::vector{b.add(c[0], c[1]), b.mul(b.index(2), c[1])}; })[0];
  }
  // The answer is in low..high.
  const ValueId initial[] = {low, high};
  return b.while_(
      initial, [&](std::span<const ValueId> c) { return b.compare(Opcode::lt, c[0], c[1]); },
      [&](std::span<const ValueId> c) {
        const ValueId middle = b.binary(Opcode::idiv, b.add(c[0], c[1]), b.index(2));
        const ValueId there = reached(middle);
        return std::vector{b.select(there, c[0], b.add(middle, one)), b.select(there, middle, c[1])};
      })[0];
}

} // namespace vmodel::lower
