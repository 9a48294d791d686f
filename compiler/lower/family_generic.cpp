// Groups under generic families: the body of one with the group's coordinates as its target.
#include "compiler/lower/family.h"

namespace vmodel::lower {

using check::ExprKind;
using check::StatementKind;

/// With the generic family of a draw in scope: its sizes, arguments and learnables. `body` may be more than once with
/// what it bound before.
void FamilyLowering::within(const Statement& s, const std::function<void()>& body) {
  Environment& inner = inner_[&s];
  if (inner.empty()) {
    const check::FamilyTemplate& generic = *s.distribution->family;
    for (const Declaration* name : generic.size_names)
      inner[name] = e_.size(s.distribution->sizes.at(name->name));
    for (std::size_t k = 0; k < s.distribution->arguments.size(); ++k)
      inner[generic.parameters[k]] = e_.expression(*s.distribution->arguments[k]);
    std::vector<std::pair<const LearnableLayout*, ValueId>> learned;
    const ValueId turn = turn_of(s);
    for (const LearnableLayout& l : layout_.learnables) {
      if (l.statement != &s || (l.of_proposal && !of_proposal()))
        continue;
      const ValueId offset = e_.size(l.phi_offset);
      learned.emplace_back(&l, turn ? b_.add(offset, b_.mul(turn, e_.size(l.phi_each))) : offset);
    }
    std::swap(e_.environment, inner);
    for (const auto& [l, offset] : learned) {
      e_.environment[l->learnable->declaration] =
          master_.forward(map_of(*l->learnable), e_.dims(l->learnable->declaration->type.shape),
                          l->of_proposal ? theta_ : phi_, offset);
    }
    std::swap(e_.environment, inner);
  }
  std::swap(e_.environment, inner);
  const auto handler = e_.model_statement;
  body();
  e_.model_statement = handler;
  std::swap(e_.environment, inner);
}

/// A group under a generic family: its body with x as target.
void FamilyLowering::group(const Statement& s) {
  const check::FamilyTemplate& generic = *s.distribution->family;
  turn_ = turn_of(s);
  const Value x = flat_value(members_of(s), [&] {
    Value drawn;
    within(s, [&] { drawn = draw_generic(s); });
    return drawn;
  });
  within(s, [&] {
    e_.environment[generic.target] = x;
    e_.model_statement = [&](const Statement& inner_statement) {
      if (inner_statement.kind == StatementKind::draw) {
        const auto density = own_densities_.find(&inner_statement);
        site(inner_statement, s.name, e_.expression(*inner_statement.target),
             density == own_densities_.end() ? nullptr : density->second);
      }
      if (inner_statement.kind == StatementKind::mix)
        mix_within(s, inner_statement);
    };
    e_.block(generic.body);
  });
  // The same generic family may stand in several draws.
  own_densities_.clear();
  inner_.erase(&s);
}

/// Samples x of a generic family: whole, or element by element into memory.
Value FamilyLowering::draw_generic(const Statement& group) {
  const check::FamilyTemplate& generic = *group.distribution->family;
  Value result;
  bool elementwise = false;
  std::vector<const Statement*> stack(generic.body.begin(), generic.body.end());
  while (!stack.empty()) {
    const Statement* s = stack.back();
    stack.pop_back();
    if (s->kind == StatementKind::proposal)
      continue;
    if (s->kind == StatementKind::draw && s->target->kind == ExprKind::index)
      elementwise = true;
    stack.insert(stack.end(), s->body.begin(), s->body.end());
  }
  const std::vector<Dim> shape = e_.dims(generic.target->type.shape);
  if (elementwise) {
    result = b_.alloc(shape, ir::Element::f64, false);
    e_.environment[generic.target] = result;
  }
  const ValueId turn = turn_;
  e_.model_statement = [&](const Statement& s) {
    if (s.kind == StatementKind::mix) {
      sampling_only_ = true;
      mix_within(group, s);
      sampling_only_ = false;
    }
    if (s.kind != StatementKind::draw)
      return;
    if (s.target->kind != ExprKind::index) {
      const Emitter::Draws own = drawn(s, shape, &group);
      result = own.value;
      if (own.log_density)
        own_densities_[&s] = own.log_density;
      e_.environment[generic.target] = result;
      return;
    }
    const LoweredDistribution d = e_.distribution(*s.distribution);
    const auto one = [&](Indices i) {
      const std::vector<ValueId> at = e_.base_indices(*s.target, i);
      const RoundTripLayout* layout = round_trip(s, &group);
      const ValueId number = numbers(turn, shape)(at);
      b_.store(result.id, at, layout ? there_and_back(d, i, number, *layout, number).id : e_.sample(d, i, number).id);
    };
    if (s.target->type.shape.empty())
      one({});
    else
      b_.for_each(e_.dims(s.target->type.shape), one);
  };
  e_.block(generic.body);
  return elementwise ? Value(b_.freeze(result.id)) : result;
}

} // namespace vmodel::lower
