// The kernel FAMILY.round_trip: what a family draws through bijectors, mapped from its base and back again.
#include "compiler/lower/family.h"

#include <algorithm>

namespace vmodel::lower {

using ir::Axis;

void FamilyLowering::declare_round_trip() {
  shift_ = master_.argument("shift", layout_.base, Axis::particle);
  base_ = master_.output("base", layout_.base, Axis::particle);
  image_ = master_.output("image", layout_.image, Axis::particle);
  back_ = master_.output("back", layout_.base, Axis::particle);
  const auto memory = [&](const Size& size) {
    const std::vector<Dim> extents{b_.dim(master_.tabled(size))};
    return b_.alloc(extents, ir::Element::f64, false);
  };
  z_ = memory(context_.layout.dimension);
  if (!layout_.mixed.empty())
    mix_ = memory(layout_.mix);
}

/// The proposal once more, at the parameters that were drawn.
void FamilyLowering::propose_again() {
  const bool proposes = std::any_of(layout_.round_trips.begin(), layout_.round_trips.end(),
                                    [](const RoundTripLayout& r) { return r.of_proposal; });
  if (!proposes)
    return;
  proposing_ = true;
  theta_ = phi_;
  const std::vector<Dim> extents{b_.dim(master_.tabled(layout_.mix))};
  mix_ = b_.alloc(extents, ir::Element::f64, false);
  bind_learnables();
  proposals();
}

/// Where the events of a draw lie, if this function maps them forward and back.
const RoundTripLayout* FamilyLowering::round_trip(const Statement& s, const Statement* group) const {
  // What is mixed over, and its proposal, are drawn in the scope of their group.
  const Statement* around = group ? group : scope_;
  for (const RoundTripLayout& r : layout_.round_trips) {
    if (kind_ == FamilyPart::round_trip && r.statement == &s && r.group == around)
      return &r;
  }
  return nullptr;
}

/// The number of an event among those that the whole of what `s` draws elements of has room for.
ValueId FamilyLowering::place_in_whole(const Statement& s, Indices batch) {
  const std::size_t event_rank = s.distribution->event.size();
  std::vector<Dim> whole = e_.dims(s.target->operands[0]->declaration->type.shape);
  std::vector<ValueId> all(batch.begin(), batch.end());
  all.resize(all.size() + event_rank, b_.index(0));
  std::vector<ValueId> at = e_.base_indices(*s.target, all);
  whole.resize(whole.size() - event_rank);
  at.resize(at.size() - event_rank);
  return e_.flat_position(whole, at);
}

/// Draws of a transformed distribution; place(batch indices) is the number of an event among all of the statement.
Emitter::Draws FamilyLowering::transformed_draws(const Statement& s, const Statement* group,
                                                 const std::vector<Dim>& batch,
                                                 const std::function<ValueId(Indices)>& number,
                                                 const std::function<ValueId(Indices)>& place) {
  if (kind_ != FamilyPart::round_trip)
    return e_.transformed_draws(*s.distribution, batch, number);
  const RoundTripLayout* layout = round_trip(s, group);
  const LoweredDistribution d = e_.distribution(*s.distribution);
  const auto one = [&](Indices i) {
    return layout ? there_and_back(d, i, number(i), *layout, place(i)) : e_.sample(d, i, number(i));
  };
  if (batch.empty())
    return {one({}), {}};
  std::vector<Dim> extents = batch;
  for (const Dim& dim : e_.dims(s.distribution->event))
    extents.push_back(dim);
  const ValueId memory = b_.alloc(extents, ir::Element::f64, false);
  b_.for_each(batch, [&](Indices i) {
    const std::vector<ValueId> head(i.begin(), i.end());
    store_event(memory, head, one(head));
  });
  return {Value(b_.freeze(memory)), {}};
}

/// One event of a joint distribution of mapped ones.
Value FamilyLowering::joint_draws(const LoweredDistribution& d, Indices batch, ValueId number,
                                  const RoundTripLayout& layout) {
  const std::vector<Dim> shape = e_.dims(d.expr->event);
  const std::vector<Dim> outer(shape.begin(), shape.end() - static_cast<std::ptrdiff_t>(layout.mapped->event.size()));
  const ValueId memory = b_.alloc(shape, ir::Element::f64, false);
  const auto one = [&](Indices k) {
    const std::vector<ValueId> head(k.begin(), k.end());
    std::vector<ValueId> at(batch.begin(), batch.end());
    at.insert(at.end(), k.begin(), k.end());
    const ValueId place = b_.add(b_.mul(number, b_.product(outer)), e_.flat_position(outer, k));
    store_event(memory, head, there_and_back(d.components[0], at, place, layout, place));
  };
  if (outer.empty())
    one({});
  else
    b_.for_each(outer, one);
  return b_.freeze(memory);
}

void FamilyLowering::store_event(ValueId memory, const std::vector<ValueId>& head, const Value& value) {
  if (e_.rank_of(value) == 0) {
    b_.store(memory, head, value.id);
    return;
  }
  b_.for_each(e_.shape_of(value), [&](Indices k) {
    std::vector<ValueId> at = head;
    at.insert(at.end(), k.begin(), k.end());
    b_.store(memory, at, e_.element(value, k));
  });
}

/// f of each element of an event, and its place in the flat array where those of this draw begin at `first`.
Value FamilyLowering::each_element(const Value& event, ValueId first,
                                   const std::function<ValueId(ValueId x, ValueId at)>& f) {
  if (e_.rank_of(event) == 0)
    return f(event.id, first);
  const std::vector<Dim> shape = e_.shape_of(event);
  return b_.build(shape, ir::Element::f64,
                  [&](Indices k) { return f(e_.element(event, k), b_.add(first, e_.flat_position(shape, k))); });
}

void FamilyLowering::store_flat(const Value& event, ValueId first, ValueId memory) {
  const auto store = [&](ValueId x, ValueId at) { b_.store(memory, std::vector{at}, x); };
  if (e_.rank_of(event) == 0)
    return store(event.id, first);
  const std::vector<Dim> shape = e_.shape_of(event);
  b_.for_each(shape, [&](Indices k) { store(e_.element(event, k), b_.add(first, e_.flat_position(shape, k))); });
}

/// One event: its base (moved by `shift`, for derivatives by it), its image, and what the inverse maps make of that.
/// What is drawn below does not move with it, so that derivatives are those of this event alone.
Value FamilyLowering::there_and_back(const LoweredDistribution& d, Indices batch, ValueId number,
                                     const RoundTripLayout& layout, ValueId place) {
  const auto first = [&](const Size& offset, const Size& size) {
    return b_.add(master_.tabled(offset), b_.mul(place, master_.tabled(size)));
  };
  const ValueId base_at = first(layout.base_offset, layout.base), image_at = first(layout.image_offset, layout.image);
  const Value base = each_element(e_.sample(d.components[0], batch, number), base_at,
                                  [&](ValueId x, ValueId at) { return b_.add(x, b_.load(shift_, std::vector{at})); });
  const Value image = e_.mapped(d.steps, false, batch, base, false).value;
  const Value still = each_element(image, image_at, [&](ValueId y, ValueId) { return b_.stop(y); });
  store_flat(base, base_at, base_);
  store_flat(image, image_at, image_);
  store_flat(e_.mapped(d.steps, true, batch, still, false).value, base_at, back_);
  return still;
}

} // namespace vmodel::lower
