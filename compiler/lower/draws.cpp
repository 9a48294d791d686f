// Draws from distribution expressions.
#include "compiler/lower/emitter.h"

#include <limits>

namespace vmodel::lower {

using check::DistributionKind;
using check::Method;
using ir::Opcode;

bool Emitter::can_sample(const DistributionExpr& d) const {
  switch (d.kind) {
  case DistributionKind::named: return d.distribution->sample || d.distribution->quantile;
  case DistributionKind::uniform_on: return true;
  case DistributionKind::mixture:
  case DistributionKind::joint:
    for (const DistributionExpr* c : d.components) {
      if (!can_sample(*c))
        return false;
    }
    return true;
  case DistributionKind::truncated: return true; // by the cdf, which it has
  default: return false;
  }
}

Value Emitter::sample(const LoweredDistribution& d, Indices batch, ValueId element_number) {
  const ValueId before = random_element_;
  random_element_ = element_number;
  Value result;
  switch (d.expr->kind) {
  case DistributionKind::named:
    if (d.expr->distribution->sample) {
      result = call_member(d, Method::sample, batch, {});
    } else {
      result = call_member(d, Method::quantile, batch, {random("uniform")});
    }
    break;
  case DistributionKind::uniform_on: {
    const ValueId lower = element(d.lower, batch);
    result = b.add(lower, b.mul(b.sub(element(d.upper, batch), lower), random("uniform")));
    break;
  }
  case DistributionKind::truncated: {
    const auto limit = [&](const Value& v) { return v.id ? beside(v, 0, batch).id : ValueId{}; };
    result = sample_truncated(d.components[0], batch, limit(d.lower), limit(d.upper));
    break;
  }
  case DistributionKind::mixture: {
    // The component by inversion of the cumulated weights, then a draw of each and a choice among them.
    const Value weights = beside(d.weights, 1, batch);
    const ValueId u = random("uniform");
    const std::vector<ValueId> head(batch.begin(), batch.end());
    const Dim count = shape_of(weights)[0];
    if (d.components.size() == 1 && !d.expr->event.empty()) {
      // The component's number first, then one draw.
      const ValueId chosen = chosen_component(count, u, [&](ValueId k) { return b.load(weights.id, {k}); });
      std::vector<ValueId> at = head;
      at.push_back(chosen);
      result = sample(d.components[0], at, element_number);
    } else if (d.components.size() == 1) {
      const bool counts = d.expr->element == check::Element::integer;
      const ValueId initial[] = {b.constant(0), counts ? b.index(0) : b.constant(0)};
      const ValueId last = b.sub(b.extent(count), b.index(1));
      result = b.loop(count, initial, false, [&](ValueId k, std::span<const ValueId> carried) {
        std::vector<ValueId> at = head;
        at.push_back(k);
        const ValueId index[] = {k};
        const ValueId next = b.add(carried[0], b.load(weights.id, index));
        const ValueId here =
            b.logical_and(b.compare(Opcode::ge, u, carried[0]),
                          b.logical_or(b.compare(Opcode::lt, u, next), b.compare(Opcode::eq, k, last)));
        const ValueId x = sample(d.components[0], at, element_number).id;
        return std::vector{next, b.select(here, x, carried[1])};
      })[1];
    } else {
      ValueId cumulated = b.constant(0);
      Value chosen;
      for (std::size_t k = 0; k < d.components.size(); ++k) {
        const ValueId at[] = {b.index(static_cast<std::int64_t>(k))};
        const Value x = sample(d.components[k], batch, element_number);
        const ValueId here = b.compare(Opcode::ge, u, cumulated);
        if (k == 0) {
          chosen = x;
        } else if (rank_of(x) == 0) {
          chosen = b.select(here, x.id, chosen.id);
        } else {
          chosen = b.build(shape_of(x), b.function().type(x.id).element,
                           [&](Indices i) { return b.select(here, element(x, i), element(chosen, i)); });
        }
        cumulated = b.add(cumulated, b.load(weights.id, at));
      }
      result = chosen;
    }
    break;
  }
  case DistributionKind::joint: {
    const LoweredDistribution& base = d.components[0];
    const std::vector<Dim> shape = dims(d.expr->event);
    const std::size_t outer = shape.size() - base.expr->event.size();
    const std::vector<Dim> extents(shape.begin(), shape.begin() + static_cast<std::ptrdiff_t>(outer));
    const ValueId total = b.product(extents);
    const std::vector<ValueId> head(batch.begin(), batch.end());
    result =
        b.build(shape, d.expr->element == check::Element::real ? ir::Element::f64 : ir::Element::index, [&](Indices i) {
          std::vector<ValueId> at = head;
          at.insert(at.end(), i.begin(), i.begin() + static_cast<std::ptrdiff_t>(outer));
          const ValueId number =
              numbered(element_number, flat_position(extents, i.first(outer)), total, same_each_turn(d.expr->event));
          return element(sample(base, at, number), i.subspan(outer));
        });
    break;
  }
  default: result = b.constant(std::numeric_limits<double>::quiet_NaN());
  }
  random_element_ = before;
  return result;
}

// ---------------------------------------------------------------- truncated ones, by inversion

ValueId Emitter::chosen_component(const Dim& count, ValueId u, const std::function<ValueId(ValueId)>& weight) {
  const ValueId initial[] = {b.constant(0), b.index(0)};
  const ValueId last = b.sub(b.extent(count), b.index(1));
  return b.loop(count, initial, false, [&](ValueId k, std::span<const ValueId> carried) {
    const ValueId next = b.add(carried[0], weight(k));
    const ValueId beyond = b.logical_and(b.compare(Opcode::ge, u, next), b.compare(Opcode::lt, k, last));
    return std::vector{next, b.select(beyond, b.add(k, b.index(1)), carried[1])};
  })[1];
}

/// The probability between the limits (inclusive for counts; a missing one is infinite).
ValueId Emitter::mass_between(const LoweredDistribution& d, Indices batch, ValueId lower, ValueId upper) {
  const ValueId below = lower ? tail_below(d, Method::cdf, batch, lower) : b.constant(0);
  const ValueId up_to = upper ? tail(d, Method::cdf, batch, upper) : b.constant(1);
  return b.binary(Opcode::max, b.constant(0), b.sub(up_to, below));
}

ValueId Emitter::sample_truncated(const LoweredDistribution& d, Indices batch, ValueId lower, ValueId upper) {
  const std::vector<ValueId> head(batch.begin(), batch.end());
  if (d.expr->kind == DistributionKind::mixture) {
    // A component by what of it lies between the limits, and then a draw of it.
    const Value weights = beside(d.weights, 1, batch);
    const Dim count = shape_of(weights)[0];
    if (d.components.size() == 1) {
      const auto at = [&](ValueId k) {
        std::vector<ValueId> inner = head;
        inner.push_back(k);
        return inner;
      };
      const auto weight = [&](ValueId k) {
        return b.mul(b.load(weights.id, {k}), mass_between(d.components[0], at(k), lower, upper));
      };
      const std::vector<Dim> counts{count};
      const ValueId total = b.sum(counts, [&](Indices k) { return weight(k[0]); });
      const ValueId chosen = chosen_component(count, b.mul(total, random("uniform")), weight);
      return sample_truncated(d.components[0], at(chosen), lower, upper);
    }
    std::vector<ValueId> mass;
    ValueId total = b.constant(0);
    for (std::size_t k = 0; k < d.components.size(); ++k) {
      mass.push_back(b.mul(b.load(weights.id, {b.index(static_cast<std::int64_t>(k))}),
                           mass_between(d.components[k], batch, lower, upper)));
      total = b.add(total, mass.back());
    }
    const ValueId u = b.mul(total, random("uniform"));
    ValueId chosen, cumulated = b.constant(0);
    for (std::size_t k = 0; k < d.components.size(); ++k) {
      const ValueId x = sample_truncated(d.components[k], batch, lower, upper);
      // A component without mass between the limits is never chosen.
      const ValueId here =
          b.logical_and(b.compare(Opcode::ge, u, cumulated), b.compare(Opcode::gt, mass[k], b.constant(0)));
      chosen = k == 0 ? x : b.select(here, x, chosen);
      cumulated = b.add(cumulated, mass[k]);
    }
    return chosen;
  }
  // u uniform between the cdf at the limits.
  const ValueId below = lower ? tail_below(d, Method::cdf, batch, lower) : b.constant(0);
  const ValueId u = b.add(below, b.mul(mass_between(d, batch, lower, upper), random("uniform")));
  if (d.expr->element == check::Element::integer)
    return count_quantile(d, batch, u, lower, upper);
  if (d.expr->distribution->quantile)
    return call_member(d, Method::quantile, batch, {u}).id;
  return real_quantile(d, batch, u, lower, upper);
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

/// x with cdf p, by doubling steps to an interval around it and halving that. Without an argument that is a number the
/// comparisons fail and the loops end.
ValueId Emitter::real_quantile(const LoweredDistribution& d, Indices batch, ValueId p, ValueId lower, ValueId upper) {
  const auto [least, most] = support_bounds(d, batch);
  const auto cdf = [&](ValueId x) { return tail(d, Method::cdf, batch, x); };
  const ValueId one = b.constant(1);
  // A limit beyond the support gives way to its bound.
  ValueId low = lower && least ? b.binary(Opcode::max, lower, least) : lower ? lower : least;
  ValueId high = upper && most ? b.binary(Opcode::min, upper, most) : upper ? upper : most;
  const auto expand = [&](ValueId from, bool down) {
    const ValueId initial[] = {from, one};
    return b.while_(
        initial,
        [&](std::span<const ValueId> c) {
          const ValueId finite = b.compare(Opcode::lt, c[1], b.constant(std::numeric_limits<double>::max() / 4));
          return b.logical_and(finite, b.compare(down ? Opcode::gt : Opcode::lt, cdf(c[0]), p));
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
        const ValueId below = b.compare(Opcode::lt, cdf(middle), p);
        return std::vector{b.select(below, middle, c[0]), b.select(below, c[1], middle), b.add(c[2], b.index(1))};
      });
  return last[1];
}

/// The least count with a cdf of at least p.
ValueId Emitter::count_quantile(const LoweredDistribution& d, Indices batch, ValueId p, ValueId lower, ValueId upper) {
  const auto [least, most] = support_bounds(d, batch);
  const auto reached = [&](ValueId x) { return b.compare(Opcode::ge, tail(d, Method::cdf, batch, x), p); };
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
