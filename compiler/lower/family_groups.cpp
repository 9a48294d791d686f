// Groups: parameters, or elements of them, that are drawn together, and their flat coordinates.
#include "compiler/lower/family.h"

#include <algorithm>

namespace vmodel::lower {

using check::DistributionKind;

std::size_t single_positions(const Expr& elements) {
  std::size_t count = 0;
  while (count < elements.indices.size() && elements.indices[count].kind == check::Index::Kind::scalar)
    ++count;
  return count;
}

Size turns_of(const Statement& s) {
  Size turns = Size::constant(1);
  if (s.distribution->kind == DistributionKind::family) {
    const check::Shape& shape = s.distribution->learnables.empty()
                                    ? check::Shape{}
                                    : s.distribution->learnables.front().declaration->type.shape;
    for (std::size_t k = 0; k < std::min(shape.size(), s.plates.size()); ++k)
      turns = turns * shape[k];
    return turns;
  }
  const Expr* first = s.parts.empty() ? nullptr : s.parts.front()->elements;
  for (std::size_t k = 0; first && k < single_positions(*first); ++k)
    turns = turns * s.parts.front()->whole->type.shape[k];
  return turns;
}

ValueId FamilyLowering::turn_of(const Statement& s) {
  if (s.distribution->kind == DistributionKind::family) {
    std::vector<Dim> extents;
    std::vector<ValueId> at;
    for (const Statement* plate : s.plates) {
      const ValueId from = e_.scalar(*plate->from);
      extents.push_back(b_.dim(e_.range_extent(from, e_.scalar(*plate->to))));
      at.push_back(b_.sub(e_.environment.at(plate->declaration).id, from));
    }
    return at.empty() ? ValueId{} : e_.flat_position(extents, at);
  }
  const Expr* first = s.parts.empty() ? nullptr : s.parts.front()->elements;
  const std::size_t axes = first ? single_positions(*first) : 0;
  if (axes == 0)
    return {};
  const std::vector<Dim> extents = e_.dims(s.parts.front()->whole->type.shape);
  const std::vector<ValueId> zeros(first->type.shape.size(), b_.index(0));
  const std::vector<ValueId> at = e_.base_indices(*first, zeros);
  return e_.flat_position(std::span(extents).first(axes), std::span(at).first(axes));
}

std::function<ValueId(Indices)> FamilyLowering::numbers(ValueId turn, const std::vector<Dim>& batch) {
  return [this, turn, batch](Indices i) {
    const ValueId within = e_.flat_position(batch, i);
    if (!turn)
      return within;
    return batch.empty() ? turn : b_.add(b_.mul(turn, b_.product(batch)), within);
  };
}

// ---------------------------------------------------------------- members

FamilyLowering::Members FamilyLowering::members_of(const std::vector<const Declaration*>& declarations,
                                                   const std::vector<const check::Part*>& parts) const {
  Members members;
  for (const check::Part* part : parts)
    members.push_back({parameter(part->whole), part->elements ? part : nullptr});
  for (const Declaration* d : parts.empty() ? declarations : std::vector<const Declaration*>{})
    members.push_back({parameter(d), nullptr});
  return members;
}

FamilyLowering::Members FamilyLowering::members_of(const Statement& s) const {
  return members_of(s.declarations.empty() && s.target ? s.target->declarations : s.declarations, s.parts);
}

Size FamilyLowering::coordinates_in(const Member& m) {
  return m.part ? m.part->parameter.unconstrained_size : m.parameter->unconstrained_size;
}

Size FamilyLowering::dimension_of(const Members& members) {
  Size dimension;
  for (const Member& m : members)
    dimension = dimension + coordinates_in(m);
  return dimension;
}

ValueId FamilyLowering::first_coordinate(const Member& m) {
  const ValueId offset = e_.size(m.parameter->unconstrained_offset);
  if (!m.part)
    return offset;
  // Single positions of the first axes, and all of the others: as many coordinates each, side by side.
  const Expr& elements = *m.part->elements;
  const std::size_t axes = single_positions(elements);
  const std::vector<Dim> extents = e_.dims(m.part->whole->type.shape);
  const std::vector<ValueId> zeros(elements.type.shape.size(), b_.index(0));
  const std::vector<ValueId> at = e_.base_indices(elements, zeros);
  const ValueId position = e_.flat_position(std::span(extents).first(axes), std::span(at).first(axes));
  return b_.add(offset, b_.mul(position, e_.size(coordinates_in(m))));
}

/// copy(place in the group, place in the members' home) for every coordinate.
void FamilyLowering::copy_coordinates(const Members& members, const std::function<void(ValueId, ValueId)>& copy) {
  ValueId position = b_.index(0);
  for (std::size_t first = 0; first < members.size();) {
    // Neighbours in z that are neighbours in the group are copied by one loop.
    std::size_t last = first;
    Size size = coordinates_in(members[first]);
    while (last + 1 < members.size() && !members[last].part && !members[last + 1].part &&
           members[last + 1].parameter->unconstrained_offset ==
               members[last].parameter->unconstrained_offset + members[last].parameter->unconstrained_size) {
      ++last;
      size = size + members[last].parameter->unconstrained_size;
    }
    const ValueId count = e_.size(size), offset = first_coordinate(members[first]);
    const std::vector<Dim> extents{b_.dim(count)};
    b_.for_each(extents, [&](Indices i) { copy(b_.add(position, i[0]), b_.add(offset, i[0])); });
    position = b_.add(position, count);
    first = last + 1;
  }
}

/// The flat coordinates of a group as they are given.
Value FamilyLowering::gathered(const Members& members) {
  const std::vector<Dim> extents{b_.dim(e_.size(dimension_of(members)))};
  const ValueId memory = b_.alloc(extents, ir::Element::f64, false);
  copy_coordinates(members, [&](ValueId in_group, ValueId in_home) {
    const ValueId from[] = {in_home}, to[] = {in_group};
    b_.store(memory, to, b_.load(home(*members.front().parameter), from));
  });
  return b_.freeze(memory);
}

/// The coordinates of drawn parameters, or of elements of them, as one flat vector.
Value FamilyLowering::coordinates(const Expr& e) {
  const Members members = members_of(e.declarations, e.parts);
  const std::vector<Dim> extents{b_.dim(e_.size(dimension_of(members)))};
  const ValueId memory = b_.alloc(extents, ir::Element::f64, false);
  ValueId position = b_.index(0);
  for (const Member& m : members) {
    const ValueId count = e_.size(coordinates_in(m));
    const auto group = m.part ? flat_.end() : flat_.find(m.parameter);
    if (group == flat_.end() && drawing_ && !of_proposal()) {
      if (m.part)
        master_.inverse(map_of(m.part->parameter), e_.expression(*m.part->elements), memory, position);
      else
        master_.inverse(map_of(*m.parameter->parameter), e_.environment.at(m.parameter->parameter->declaration), memory,
                        position);
    } else {
      const ValueId from = group == flat_.end() ? z_ : group->second.first;
      const ValueId offset = group == flat_.end() ? first_coordinate(m) : group->second.second;
      const std::vector<Dim> counts{b_.dim(count)};
      b_.for_each(counts, [&](Indices i) {
        const ValueId to_at[] = {b_.add(position, i[0])}, from_at[] = {b_.add(offset, i[0])};
        b_.store(memory, to_at, b_.load(from, from_at));
      });
    }
    position = b_.add(position, count);
  }
  return b_.freeze(memory);
}

// ---------------------------------------------------------------- draws

bool FamilyLowering::is_stored_as_values(const Member& m) {
  return m.part && !m.parameter->parameter->bijector && !m.parameter->parameter->noncentered;
}

std::vector<FamilyLowering::Members> FamilyLowering::one_by_one(const Members& members) {
  std::vector<Members> result;
  for (const Member& m : members)
    result.push_back({m});
  return result;
}

/// Stores the value of a member's elements to the memory of its parameter.
void FamilyLowering::store_elements(const Member& m, const std::function<ValueId(Indices)>& value) {
  const ValueId memory = e_.environment.at(m.parameter->parameter->declaration).id;
  const Expr& elements = *m.part->elements;
  if (elements.type.shape.empty()) {
    b_.store(memory, e_.base_indices(elements, {}), value({}));
    return;
  }
  b_.for_each(e_.dims(elements.type.shape),
              [&](Indices i) { b_.store(memory, e_.base_indices(elements, i), value(i)); });
}

/// The flat coordinates of a group: sampled and stored, or as they are given. Binds the members, or stores their
/// elements.
Value FamilyLowering::flat_value(const Members& members, const std::function<Value()>& sample) {
  const Value x = drawing_ ? sample() : gathered(members);
  if (drawing_) {
    // Coordinates of elements that are their values are stored with the whole of their parameter.
    const bool all = !members.empty() && std::none_of(members.begin(), members.end(), is_stored_as_values);
    ValueId position = b_.index(0);
    for (const Members& part : all ? std::vector<Members>{members} : one_by_one(members)) {
      const ValueId start = position;
      if (!is_stored_as_values(part.front())) {
        copy_coordinates(part, [&](ValueId in_part, ValueId in_home) {
          const ValueId from[] = {b_.add(start, in_part)}, to[] = {in_home};
          b_.store(home(*part.front().parameter), to, b_.load(x.id, from));
        });
      }
      position = b_.add(position, e_.size(dimension_of(part)));
    }
  }
  ValueId position = b_.index(0);
  for (const Member& m : members) {
    if (m.part && drawing_) {
      const Value value =
          master_.forward(map_of(m.part->parameter), e_.dims(m.part->elements->type.shape), x.id, position);
      store_elements(m, [&](Indices i) { return e_.element(value, i); });
    }
    if (!m.part) {
      const std::vector<Dim> shape = e_.dims(m.parameter->parameter->declaration->type.shape);
      bind(*m.parameter, master_.forward(map_of(*m.parameter->parameter), shape, x.id, position));
      flat_[m.parameter] = {x.id, position};
    }
    position = b_.add(position, e_.size(coordinates_in(m)));
  }
  return x;
}

/// unconstrained(a, b[j]) ~ d: on the flat coordinates.
void FamilyLowering::coordinates_draw(const Statement& s) {
  const Members members = members_of(s);
  Emitter::Draws own;
  const Value x = flat_value(members, [&] {
    own = drawn(s, {b_.dim(e_.size(dimension_of(members)))});
    return own.value;
  });
  site(s, s.name, x, own.log_density);
}

/// (a[j], b[j]) ~ d: on the values of all members, one after the other.
void FamilyLowering::values_draw(const Statement& s) {
  const Members members = members_of(s);
  const auto shape_of = [&](const Member& m) {
    return e_.dims(m.part ? m.part->elements->type.shape : m.parameter->parameter->declaration->type.shape);
  };
  std::vector<std::vector<Dim>> shapes;
  std::vector<ValueId> first;
  ValueId total = b_.index(0);
  for (const Member& m : members) {
    shapes.push_back(shape_of(m));
    first.push_back(total);
    total = b_.add(total, b_.product(shapes.back()));
  }
  const std::vector<Dim> extents{b_.dim(total)};
  Emitter::Draws own;
  Value x;
  if (drawing_) {
    own = drawn(s, extents);
    x = own.value;
  } else {
    const ValueId memory = b_.alloc(extents, ir::Element::f64, false);
    for (std::size_t k = 0; k < members.size(); ++k) {
      const Member& m = members[k];
      if (!m.part)
        bind(*m.parameter, master_.forward(map_of(*m.parameter->parameter), shapes[k], home(*m.parameter),
                                           e_.size(m.parameter->unconstrained_offset)));
      const Value value =
          m.part ? e_.expression(*m.part->elements) : e_.environment.at(m.parameter->parameter->declaration);
      const auto store = [&](Indices i) {
        const ValueId at[] = {b_.add(first[k], e_.flat_position(shapes[k], i))};
        b_.store(memory, at, e_.element(value, i));
      };
      if (shapes[k].empty())
        store({});
      else
        b_.for_each(shapes[k], store);
    }
    x = b_.freeze(memory);
  }
  site(s, s.name, x, own.log_density);
  for (std::size_t k = 0; k < members.size(); ++k) {
    const Member& m = members[k];
    const auto value = [&](Indices i) {
      const ValueId at[] = {b_.add(first[k], e_.flat_position(shapes[k], i))};
      return b_.load(x.id, at);
    };
    if (m.part) {
      if (drawing_)
        store_elements(m, value);
      continue;
    }
    if (!drawing_) {
      log_determinant(*m.parameter);
      continue;
    }
    bind(*m.parameter, shapes[k].empty() ? Value(value({})) : Value(b_.build(shapes[k], ir::Element::f64, value)));
    store_coordinates(*m.parameter);
  }
}

} // namespace vmodel::lower
