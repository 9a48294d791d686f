// Draws from distribution expressions; truncated ones: truncated_draws.cpp.
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
  case DistributionKind::transformed:
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
  case DistributionKind::transformed: {
    const Value x = sample(d.components[0], batch, element_number);
    result = mapped(d.steps, false, batch, x, false).value;
    break;
  }
  default: result = b.constant(std::numeric_limits<double>::quiet_NaN());
  }
  random_element_ = before;
  return result;
}

} // namespace vmodel::lower
