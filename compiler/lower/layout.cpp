// Where every parameter, observed value and learnable stands in the flat arrays of the kernels.
#include "compiler/lower/family.h"

#include <functional>
#include <optional>

namespace vmodel::lower {

using check::StatementKind;

namespace {

/// Those of a family's proposal alone, or all others.
void for_each_statement(const check::Block& block, const std::function<void(const Statement&)>& visit,
                        bool of_proposal = false) {
  for (const Statement* s : block) {
    if (s->kind == StatementKind::proposal) {
      if (of_proposal)
        for_each_statement(s->body, visit);
      continue;
    }
    if (!of_proposal)
      visit(*s);
    for_each_statement(s->body, visit, of_proposal);
    for_each_statement(s->otherwise, visit, of_proposal);
  }
}

std::string distribution_name(const DistributionExpr& d) {
  switch (d.kind) {
  case check::DistributionKind::named: return d.distribution->name;
  case check::DistributionKind::mixture: return "mixture";
  case check::DistributionKind::truncated: return distribution_name(*d.components[0]);
  case check::DistributionKind::joint: return "joint";
  case check::DistributionKind::transformed: return "transformed";
  default: return "";
  }
}

void lay_out_observation(Layout& layout, const ModelBody& body, const Statement& s) {
  const ModelBody::Place& place = body.place(s);
  if (place.declaration) {
    if (!layout.observation_of.emplace(place.declaration, layout.observations.size()).second)
      return;
  } else {
    layout.observation_at[&s] = layout.observations.size();
  }
  Observation o;
  o.name = place.declaration ? place.declaration->name : s.name;
  o.data = place.declaration && place.declaration->kind == check::DeclarationKind::data ? place.declaration->name : "";
  o.distribution = distribution_name(*s.distribution);
  if (place.declaration) {
    o.shape = place.declaration->type.shape;
  } else if (place.counter) {
    o.shape = {Size::atom({place.counter->name, place.counter, nullptr})};
  } else {
    for (const ModelBody::Place::Loop& loop : place.loops)
      o.shape.push_back(loop.turns);
    o.shape.insert(o.shape.end(), s.target->type.shape.begin(), s.target->type.shape.end());
  }
  o.offset = layout.observed;
  o.range = s.range;
  layout.observed = layout.observed + element_count(o.shape);
  layout.observations.push_back(std::move(o));
}

/// The draws of a family by generic families, its own or its proposal's.
void for_each_group(const check::Block& block, bool of_proposal, const std::function<void(const Statement&)>& visit) {
  for_each_statement(
      block,
      [&](const Statement& s) {
        if (s.kind == StatementKind::draw && s.distribution->kind == check::DistributionKind::family)
          visit(s);
      },
      of_proposal);
}

/// A size of a generic family in terms of its user's; nothing where it is not one of its size names and int
/// arguments alone.
std::optional<Size> at_use(const Size& size, const Statement* group) {
  if (!group)
    return size;
  const auto& replacements = group->distribution->sizes;
  for (const auto& [key, atom] : size.atoms()) {
    if (!replacements.contains(key))
      return std::nullopt;
  }
  return size.substitute(replacements);
}

/// What is transformed of a draw: itself, or the whole of what is joint in it.
const DistributionExpr* mapped_part(const Statement& s) {
  const DistributionExpr* d = s.distribution;
  const bool of_elements = s.target && s.target->kind == check::ExprKind::index;
  if (d->kind == check::DistributionKind::joint && !of_elements)
    d = d->components[0];
  return d->kind == check::DistributionKind::transformed ? d : nullptr;
}

/// The draws, also of what is mixed over and of proposals, that are mapped from a base by maps that have inverses.
void lay_out_round_trips(FamilyLayout& layout) {
  bool of_proposal = false;
  const auto add = [&](const Statement& s, const Statement* group) {
    const DistributionExpr* mapped = mapped_part(s);
    if (!mapped || check::without_direction(mapped->steps, false))
      return;
    const DistributionExpr& d = *mapped;
    check::Shape batch = s.distribution->batch;
    if (&d != s.distribution) {
      const check::Shape& joint = s.distribution->event;
      batch.insert(batch.end(), joint.begin(), joint.end() - static_cast<std::ptrdiff_t>(d.event.size()));
    } else if (s.target && s.target->kind == check::ExprKind::index) {
      // Elements have the places that they have in the whole.
      batch = s.target->operands[0]->declaration->type.shape;
      batch.resize(batch.size() - d.event.size());
    }
    const std::optional<Size> events = at_use(element_count(batch), group),
                              base = at_use(element_count(d.components[0]->event), group),
                              image = at_use(element_count(d.event), group);
    if (!events || !base || !image)
      return;
    const Size all = turns_of(group ? *group : s) * *events;
    layout.round_trips.push_back({&s, group, &d, of_proposal, all, *base, *image, layout.base, layout.image});
    layout.base = layout.base + all * *base;
    layout.image = layout.image + all * *image;
  };
  const auto is_drawn = [](const Statement& s) {
    return s.kind == StatementKind::draw || s.kind == StatementKind::mix;
  };
  const auto add_all = [&](const Statement& s) {
    if (!is_drawn(s))
      return;
    add(s, nullptr);
    if (s.distribution->kind != check::DistributionKind::family)
      return;
    for_each_statement(s.distribution->family->body, [&](const Statement& inner) {
      if (is_drawn(inner))
        add(inner, &s);
    });
  };
  for_each_statement(layout.family->body, add_all);
  of_proposal = true;
  for_each_statement(layout.family->body, add_all, true);
  for_each_group(layout.family->body, false, [&](const Statement& s) {
    for_each_statement(
        s.distribution->family->body,
        [&](const Statement& inner) {
          if (is_drawn(inner))
            add(inner, &s);
        },
        true);
  });
}

FamilyLayout lay_out_family(const check::Family& family) {
  FamilyLayout result;
  result.family = &family;
  /// `at_use`: the learnable with its sizes in terms of the family's.
  const auto add = [&](const check::Learnable& learnable, const check::Learnable& at_use, const Statement* statement,
                       const std::string& prefix, bool of_proposal) {
    LearnableLayout entry;
    entry.learnable = &learnable;
    entry.statement = statement;
    entry.of_proposal = of_proposal;
    entry.name = prefix + learnable.declaration->name;
    entry.shape = at_use.declaration->type.shape;
    entry.phi_offset = result.phi;
    const auto plates = static_cast<std::ptrdiff_t>(statement ? statement->plates.size() : 0);
    const check::Shape turns(entry.shape.begin(), entry.shape.begin() + plates);
    const check::Shape own(entry.shape.begin() + plates, entry.shape.end());
    entry.phi_each = learnable.bijector ? at_use.unconstrained_size : element_count(own);
    entry.phi_size = element_count(turns) * entry.phi_each;
    entry.offset = result.values;
    entry.size = element_count(entry.shape);
    result.phi = result.phi + entry.phi_size;
    result.values = result.values + entry.size;
    result.learnables.push_back(std::move(entry));
  };
  // A family that is one generic family keeps its plain names.
  const bool alone = family.body.size() == 1 && family.learnables.empty();
  // What the proposal learns stands behind what the family learns.
  for (const bool of_proposal : {false, true}) {
    result.proposal = result.phi;
    for (const check::Learnable& learnable : family.learnables) {
      if (learnable.of_proposal == of_proposal)
        add(learnable, learnable, nullptr, "", of_proposal);
    }
    const auto add_group = [&](const Statement& s, bool every) {
      const check::FamilyTemplate& generic = *s.distribution->family;
      for (std::size_t k = 0; k < generic.learnables.size(); ++k) {
        if (every || generic.learnables[k].of_proposal == of_proposal)
          add(generic.learnables[k], s.distribution->learnables[k], &s, alone ? "" : s.name + ".", of_proposal);
      }
    };
    for_each_group(family.body, false, [&](const Statement& s) { add_group(s, false); });
    if (of_proposal)
      for_each_group(family.body, true, [&](const Statement& s) { add_group(s, true); });
  }
  const auto mix = [&](const check::ModelParameter& variable, const Size& size, const Statement* statement) {
    result.mixed.push_back({&variable, statement, result.mix, size});
    result.mix = result.mix + size;
  };
  for (const check::ModelParameter& variable : family.mixed)
    mix(variable, variable.unconstrained_size, nullptr);
  for_each_group(family.body, false, [&](const Statement& s) {
    for (std::size_t k = 0; k < s.distribution->family->mixed.size(); ++k)
      mix(s.distribution->family->mixed[k], s.distribution->mixed[k], &s);
  });
  lay_out_round_trips(result);
  return result;
}

} // namespace

Layout lay_out(const check::Program& program, const ModelBody& body, SizeTable& table) {
  Layout layout;
  for (const check::ModelParameter& p : program.model.parameters) {
    ParameterLayout entry;
    entry.parameter = &p;
    entry.offset = layout.reported_parameters;
    entry.size = element_count(p.declaration->type.shape);
    entry.unconstrained_offset = layout.dimension;
    entry.unconstrained_size = p.unconstrained_size;
    layout.reported_parameters = layout.reported_parameters + entry.size;
    layout.dimension = layout.dimension + entry.unconstrained_size;
    layout.parameters.push_back(std::move(entry));
  }
  layout.reported = layout.reported_parameters;
  for (const Declaration* q : program.model.quantities) {
    const Size size = element_count(q->type.shape);
    layout.quantities.push_back({q, layout.reported, size});
    layout.reported = layout.reported + size;
  }
  for_each_statement(body.statements(), [&](const Statement& s) {
    if (s.kind == StatementKind::observe)
      lay_out_observation(layout, body, s);
  });
  for (const check::Family& family : program.families)
    layout.families.push_back(lay_out_family(family));

  // Everything that a parameter's type or the metadata names, in a fixed order.
  const auto number_shape = [&](const check::Shape& shape) {
    for (const Size& s : shape)
      table.number(s);
  };
  table.number(layout.dimension);
  table.number(layout.reported_parameters);
  table.number(layout.observed);
  table.number(layout.reported);
  for (const Declaration* d : program.model.data)
    number_shape(d->type.shape);
  for (const ParameterLayout& p : layout.parameters) {
    number_shape(p.parameter->declaration->type.shape);
    for (const Size* s : {&p.offset, &p.size, &p.unconstrained_offset, &p.unconstrained_size})
      table.number(*s);
  }
  for (const Layout::Quantity& q : layout.quantities) {
    number_shape(q.declaration->type.shape);
    table.number(q.offset);
    table.number(q.size);
  }
  for (const Observation& o : layout.observations) {
    number_shape(o.shape);
    table.number(o.offset);
    table.number(element_count(o.shape));
  }
  for (const FamilyLayout& f : layout.families) {
    table.number(f.phi);
    table.number(f.values);
    if (!f.mixed.empty()) {
      table.number(f.proposal);
      table.number(f.mix);
      for (const MixLayout& m : f.mixed)
        table.number(m.size);
    }
    if (!f.round_trips.empty()) {
      table.number(f.base);
      table.number(f.image);
    }
    for (const RoundTripLayout& r : f.round_trips) {
      for (const Size* s : {&r.events, &r.base, &r.image, &r.base_offset, &r.image_offset})
        table.number(*s);
    }
    for (const LearnableLayout& l : f.learnables) {
      number_shape(l.shape);
      for (const Size* s : {&l.phi_offset, &l.phi_size, &l.offset, &l.size})
        table.number(*s);
    }
  }
  return layout;
}

} // namespace vmodel::lower
