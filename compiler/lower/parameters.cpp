// Constrained values from coordinates and back, by the library's bijectors.
#include "compiler/lower/master.h"

namespace vmodel::lower {

using ir::Opcode;

/// How a bijector's event sits in an array: the leading axes are a batch.
struct Master::Event {
  std::vector<Dim> batch;
  std::vector<Dim> to;   // extents of one constrained event
  std::vector<Dim> from; // extents of its coordinates
  std::map<std::string, ValueId> sizes;
};

namespace {

std::string atom_name(const Size& size) {
  if (size.terms().size() != 1 || size.terms().begin()->first.size() != 1)
    return {};
  return size.terms().begin()->first.begin()->first;
}

/// The bounds at one batch index: scalars, or arrays of the full shape.
std::vector<Value> bounds_at(Emitter& emitter, const std::vector<Value>& bounds, Indices batch) {
  std::vector<Value> result;
  for (const Value& v : bounds)
    result.push_back(emitter.rank_of(v) > 0 ? emitter.slice(v, batch) : v);
  return result;
}

} // namespace

Master::Event Master::event_of(const Map& map, const std::vector<Dim>& shape) {
  Event event;
  if (!map.bijector) {
    event.batch = shape;
    return event;
  }
  const check::Bijector& bijector = *map.bijector;
  const std::size_t event_rank = bijector.to.shape.size();
  event.batch.assign(shape.begin(), shape.end() - static_cast<std::ptrdiff_t>(event_rank));
  event.to.assign(shape.end() - static_cast<std::ptrdiff_t>(event_rank), shape.end());
  Environment outer = emitter_->environment;
  for (std::size_t k = 0; k < event_rank; ++k) {
    const std::string name = atom_name(bijector.to.shape[k]);
    for (const Declaration* size_name : bijector.size_names) {
      if (size_name->name != name)
        continue;
      event.sizes[name] = b().extent(event.to[k]);
      emitter_->environment[size_name] = event.sizes[name];
    }
  }
  event.from = emitter_->dims(bijector.from.shape);
  emitter_->environment = std::move(outer);
  return event;
}

Value Master::forward(const Map& map, const std::vector<Dim>& shape, ValueId flat, ValueId offset) {
  Emitter& e = *emitter_;
  ir::Builder& b = this->b();
  const Event event = event_of(map, shape);
  const auto coordinate = [&](Indices batch, ValueId within, ValueId per_event) {
    ValueId position = e.flat_position(event.batch, batch);
    if (per_event)
      position = b.mul(position, per_event);
    if (within)
      position = b.add(position, within);
    const ValueId at[] = {b.add(offset, position)};
    return b.load(flat, at);
  };
  if (map.location && map.scale) {
    const Value location = e.expression(*map.location), scale = e.expression(*map.scale);
    const auto shift = [&](Indices i) {
      return b.add(e.element(location, i), b.mul(e.element(scale, i), coordinate(i, {}, {})));
    };
    if (shape.empty())
      return shift({});
    return b.build(shape, ir::Element::f64, shift);
  }
  if (!map.bijector) {
    if (shape.empty())
      return coordinate({}, {}, {});
    return b.build(shape, ir::Element::f64, [&](Indices i) { return coordinate(i, {}, {}); });
  }
  std::vector<Value> bounds;
  for (const Expr* argument : *map.arguments)
    bounds.push_back(e.expression(*argument));
  if (event.to.empty()) {
    const auto one = [&](Indices i) {
      return e.bijector_forward(*map.bijector, bounds_at(e, bounds, i), event.sizes, coordinate(i, {}, {})).id;
    };
    if (shape.empty())
      return one({});
    return b.build(shape, ir::Element::f64, one);
  }
  const ValueId per_event = b.product(event.from);
  const auto event_value = [&](Indices batch) {
    const std::vector<ValueId> at(batch.begin(), batch.end());
    const ValueId u = b.build(event.from, ir::Element::f64,
                              [&](Indices i) { return coordinate(at, e.flat_position(event.from, i), per_event); });
    return e.bijector_forward(*map.bijector, bounds_at(e, bounds, at), event.sizes, u);
  };
  if (event.batch.empty())
    return event_value({});
  const ValueId memory = b.alloc(shape, ir::Element::f64, false);
  b.for_each(event.batch, [&](Indices batch) {
    const std::vector<ValueId> head(batch.begin(), batch.end());
    const Value x = event_value(head);
    b.for_each(event.to, [&](Indices i) {
      std::vector<ValueId> at = head;
      at.insert(at.end(), i.begin(), i.end());
      b.store(memory, at, e.element(x, i));
    });
  });
  return b.freeze(memory);
}

void Master::inverse(const Map& map,
                     Value x, // NOLINT(performance-unnecessary-value-param): a copy, as master.h says
                     ValueId flat, ValueId offset) {
  Emitter& e = *emitter_;
  ir::Builder& b = this->b();
  const std::vector<Dim> shape = e.shape_of(x);
  const Event event = event_of(map, shape);
  const auto store = [&](Indices batch, ValueId within, ValueId per_event, ValueId u) {
    ValueId position = e.flat_position(event.batch, batch);
    if (per_event)
      position = b.mul(position, per_event);
    if (within)
      position = b.add(position, within);
    const ValueId at[] = {b.add(offset, position)};
    b.store(flat, at, u);
  };
  const auto over_batch = [&](const std::function<void(Indices)>& body) {
    if (event.batch.empty())
      body({});
    else
      b.for_each(event.batch, body);
  };
  if (map.location && map.scale) {
    const Value location = e.expression(*map.location), scale = e.expression(*map.scale);
    over_batch([&](Indices i) {
      store(i, {}, {}, b.div(b.sub(e.element(x, i), e.element(location, i)), e.element(scale, i)));
    });
    return;
  }
  if (!map.bijector) {
    over_batch([&](Indices i) { store(i, {}, {}, e.element(x, i)); });
    return;
  }
  std::vector<Value> bounds;
  for (const Expr* argument : *map.arguments)
    bounds.push_back(e.expression(*argument));
  if (event.to.empty()) {
    over_batch([&](Indices i) {
      store(i, {}, {}, e.bijector_inverse(*map.bijector, bounds_at(e, bounds, i), event.sizes, e.element(x, i)).id);
    });
    return;
  }
  const ValueId per_event = b.product(event.from);
  over_batch([&](Indices batch) {
    const std::vector<ValueId> head(batch.begin(), batch.end());
    const Value u = e.bijector_inverse(*map.bijector, bounds_at(e, bounds, head), event.sizes, e.slice(x, head));
    b.for_each(event.from, [&](Indices i) { store(head, e.flat_position(event.from, i), per_event, e.element(u, i)); });
  });
}

Master::Map map_of(const check::ModelParameter& p) {
  return {p.bijector, &p.bijector_arguments, p.noncentered ? p.location : nullptr, p.noncentered ? p.scale : nullptr};
}

Master::Map map_of(const check::Learnable& l) {
  return {l.bijector, &l.bijector_arguments, nullptr, nullptr};
}

Value Master::constrained(const check::ModelParameter& p, ValueId z, ValueId offset) {
  b().set_range(p.declaration->range);
  return forward(map_of(p), emitter_->dims(p.declaration->type.shape), z, offset);
}

void Master::store_unconstrained(const check::ModelParameter& p, const Value& x, ValueId z, ValueId offset) {
  b().set_range(p.declaration->range);
  inverse(map_of(p), x, z, offset);
}

void Master::log_determinant_site(const check::ModelParameter& p, ValueId z, ValueId offset, ir::SiteKind kind) {
  Emitter& e = *emitter_;
  ir::Builder& b = this->b();
  b.set_range(p.declaration->range);
  const Map map = map_of(p);
  if (!map.bijector && !map.scale)
    return;
  const Event event = event_of(map, e.dims(p.declaration->type.shape));
  ir::Builder::SiteBodies bodies;
  if (map.scale) {
    const Value scale = e.expression(*map.scale);
    bodies.density = [&, scale](Indices i) { return b.unary(Opcode::log, e.element(scale, i)); };
    b.site(kind, p.declaration->name, event.batch, bodies);
    return;
  }
  std::vector<Value> bounds;
  for (const Expr* argument : *map.arguments)
    bounds.push_back(e.expression(*argument));
  const ValueId per_event = event.to.empty() ? ValueId{} : b.product(event.from);
  bodies.density = [&](Indices batch) {
    const std::vector<ValueId> head(batch.begin(), batch.end());
    ValueId position = e.flat_position(event.batch, head);
    if (per_event)
      position = b.mul(position, per_event);
    position = b.add(offset, position);
    Value u;
    if (event.to.empty()) {
      const ValueId at[] = {position};
      u = b.load(z, at);
    } else {
      u = b.build(event.from, ir::Element::f64, [&](Indices i) {
        const ValueId at[] = {b.add(position, e.flat_position(event.from, i))};
        return b.load(z, at);
      });
    }
    return e.bijector_log_det(*map.bijector, bounds_at(e, bounds, head), event.sizes, u);
  };
  b.site(kind, p.declaration->name, event.batch, bodies);
}

} // namespace vmodel::lower
