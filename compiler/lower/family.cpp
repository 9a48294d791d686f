// Families: drawing, and densities at given points. Groups: family_groups.cpp, generic families: family_generic.cpp.
#include "compiler/lower/family.h"

#include <algorithm>
#include <utility>

namespace vmodel::lower {

using check::DistributionKind;
using check::ExprKind;
using check::StatementKind;
using ir::Axis;
using ir::SiteKind;

namespace {

constexpr const char* ending(FamilyPart part) {
  switch (part) {
  case FamilyPart::draw: return ".draw";
  case FamilyPart::round_trip: return ".round_trip";
  case FamilyPart::density: return ".density";
  case FamilyPart::mix: return ".mix.draw";
  case FamilyPart::proposal: return ".proposal.draw";
  case FamilyPart::proposal_density: break;
  }
  return ".proposal.density";
}

/// The parameter of a single target.
const Declaration* target_declaration(const Statement& s) {
  const Expr* target = s.target;
  if (target && target->kind == ExprKind::index)
    target = target->operands[0];
  return target ? target->declaration : nullptr;
}

} // namespace

FamilyLowering::FamilyLowering(MasterContext& context, const FamilyLayout& layout, FamilyPart part)
    : context_(context), layout_(layout), kind_(part),
      drawing_(part == FamilyPart::draw || part == FamilyPart::round_trip || part == FamilyPart::proposal),
      master_(context, layout.family->name + ending(part)), e_(master_.emitter()), b_(master_.b()) {
  phi_ = master_.argument("phi", layout.phi, Axis::step);
  if (of_proposal())
    theta_ = master_.argument("theta", layout.phi, Axis::step);
  const Size& dimension = context.layout.dimension;
  if (part == FamilyPart::round_trip) {
    declare_round_trip();
  } else {
    z_ = part == FamilyPart::draw ? master_.output("z", dimension, Axis::particle)
                                  : master_.argument("z", dimension, Axis::particle);
  }
  if (!layout.mixed.empty() && part != FamilyPart::round_trip) {
    const bool given = part == FamilyPart::density || part == FamilyPart::proposal_density;
    mix_ =
        given ? master_.argument("mix", layout.mix, Axis::particle) : master_.output("mix", layout.mix, Axis::particle);
  }
  for (const MixLayout& m : layout.mixed) {
    ParameterLayout p;
    p.parameter = m.variable;
    p.unconstrained_offset = m.offset;
    p.unconstrained_size = m.size;
    mixed_[m.statement].push_back(std::move(p));
  }
}

void FamilyLowering::run() {
  e_.values_are_draws = true;
  run_load_time(master_, context_, *layout_.family);
  bind_learnables();
  e_.unconstrained = [this](const Expr& e) { return coordinates(e); };
  if (of_proposal())
    proposals();
  else
    statements(layout_.family->body);
  if (kind_ == FamilyPart::round_trip)
    propose_again();
  master_.finish();
}

void FamilyLowering::statements(const check::Block& body) {
  partial_.clear();
  find_partial(body);
  if (!drawing_ && !partial_.empty())
    bind_given();
  for (const auto& [p, by_coordinates] : partial_) {
    if (drawing_)
      bind(*p, b_.alloc(e_.dims(p->parameter->declaration->type.shape), ir::Element::f64, false));
  }
  e_.model_statement = [this](const Statement& s) {
    if (s.kind == StatementKind::draw)
      draw(s);
    if (s.kind == StatementKind::mix)
      mix(s);
  };
  e_.block(body);
  for (const auto& [p, by_coordinates] : partial_)
    complete(*p, by_coordinates);
}

/// All that is given, before the loops that draw elements of it: what loops bind is gone behind them.
void FamilyLowering::bind_given() {
  const auto given = [&](const ParameterLayout& p) {
    bind(p, master_.forward(map_of(*p.parameter), e_.dims(p.parameter->declaration->type.shape), home(p),
                            e_.size(p.unconstrained_offset)));
  };
  if (!of_proposal())
    std::for_each(context_.layout.parameters.begin(), context_.layout.parameters.end(), given);
  for (const auto& [p, by_coordinates] : partial_) {
    if (is_mixed(*p))
      given(*p);
  }
}

/// The family's own proposal, and those of the generic families in it, at given parameters.
void FamilyLowering::proposals() {
  for (const ParameterLayout& p : context_.layout.parameters) {
    if (!proposing_)
      bind(p, master_.forward(map_of(*p.parameter), e_.dims(p.parameter->declaration->type.shape), z_,
                              e_.size(p.unconstrained_offset)));
  }
  for (const Statement* s : layout_.family->body) {
    if (s->kind == StatementKind::proposal)
      statements(s->body);
    if (s->kind != StatementKind::draw || mixed_.count(s) == 0)
      continue;
    const Value x = gathered(members_of(*s));
    within(*s, [&] {
      e_.environment[s->distribution->family->target] = x;
      scope_ = s;
      for (const Statement* inner : s->distribution->family->body) {
        if (inner->kind == StatementKind::proposal)
          statements(inner->body);
      }
      scope_ = nullptr;
    });
  }
}

/// What is integrated out: sampled once, or given.
void FamilyLowering::mix(const Statement& s) {
  const ParameterLayout& p = *parameter(s.declaration);
  const bool sampled = kind_ == FamilyPart::draw || kind_ == FamilyPart::round_trip || kind_ == FamilyPart::mix;
  const ValueId offset = e_.size(p.unconstrained_offset);
  Emitter::Draws own;
  if (e_.environment.count(s.declaration) == 0) {
    const std::vector<Dim> shape = e_.dims(s.declaration->type.shape);
    if (sampled) {
      own = drawn(s, shape);
      own_densities_[&s] = own.log_density;
      e_.environment[s.declaration] = own.value;
      master_.store_unconstrained(*p.parameter, own.value, mix_, offset);
    } else {
      e_.environment[s.declaration] = master_.forward(map_of(*p.parameter), shape, mix_, offset);
    }
  }
  if (sampling_only_ || kind_ == FamilyPart::round_trip)
    return;
  // A family of this function alone sums them as any draw.
  const SiteKind kind = kind_ == FamilyPart::mix ? SiteKind::draw : SiteKind::prior;
  const auto density = own_densities_.find(&s);
  emit_site(e_, kind, s.name, *s.distribution, e_.environment.at(s.declaration), {},
            density == own_densities_.end() ? nullptr : density->second);
  master_.log_determinant_site(*p.parameter, mix_, offset, kind);
}

void FamilyLowering::mix_within(const Statement& s, const Statement& inner) {
  const Statement* outer = std::exchange(scope_, &s);
  mix(inner);
  scope_ = outer;
}

/// The site of a draw; at given parameters those of what is mixed over count alone.
void FamilyLowering::site(const Statement& s, const std::string& name, const Value& value,
                          const std::function<ValueId(Indices)>& density) {
  if (kind_ != FamilyPart::mix && kind_ != FamilyPart::round_trip)
    emit_site(e_, SiteKind::draw, name, *s.distribution, value, {}, density);
}

const ParameterLayout* FamilyLowering::parameter(const Declaration* d) const {
  if (d->kind == check::DeclarationKind::mixed) {
    for (const ParameterLayout& p : mixed_.at(scope_)) {
      if (p.parameter->declaration == d)
        return &p;
    }
    return nullptr;
  }
  for (const ParameterLayout& p : context_.layout.parameters) {
    if (p.parameter->declaration == d || p.parameter->declaration->name == d->name)
      return &p;
  }
  return nullptr;
}

/// Parameters that are drawn element by element.
void FamilyLowering::find_partial(const check::Block& block) {
  const auto add = [&](const Declaration* d, bool coordinates) {
    const ParameterLayout* p = parameter(d);
    const bool known =
        std::any_of(partial_.begin(), partial_.end(), [&](const auto& entry) { return entry.first == p; });
    // Values that are their own coordinates are values.
    const bool by_coordinates = coordinates && p && (p->parameter->bijector || p->parameter->noncentered);
    if (p && !known)
      partial_.emplace_back(p, by_coordinates);
  };
  for (const Statement* s : block) {
    if (s->kind == StatementKind::proposal)
      continue;
    if (s->kind == StatementKind::draw && s->target && s->target->kind == ExprKind::index)
      add(target_declaration(*s), false);
    for (const check::Part* part : s->parts) {
      if (part->elements)
        add(part->whole, s->unconstrained_scale);
    }
    find_partial(s->body);
    find_partial(s->otherwise);
  }
}

void FamilyLowering::bind(const ParameterLayout& p, const Value& value) {
  e_.environment[p.parameter->declaration] = value;
  if (is_mixed(p))
    return;
  for (const Declaration& d : context_.module.program.declarations) {
    if (d.kind == check::DeclarationKind::drawn && d.name == p.parameter->declaration->name)
      e_.environment[&d] = value;
  }
}

/// The family's own.
void FamilyLowering::bind_learnables() {
  for (const LearnableLayout& l : layout_.learnables) {
    if (l.statement || (l.of_proposal && !of_proposal()))
      continue;
    const std::vector<Dim> shape = e_.dims(l.learnable->declaration->type.shape);
    e_.environment[l.learnable->declaration] =
        master_.forward(map_of(*l.learnable), shape, l.of_proposal ? theta_ : phi_, e_.size(l.phi_offset));
  }
}

void FamilyLowering::draw(const Statement& s) {
  if (s.distribution->kind == DistributionKind::family) {
    group(s);
    return;
  }
  if (s.unconstrained_scale) {
    coordinates_draw(s);
    return;
  }
  if (!s.parts.empty()) {
    values_draw(s);
    return;
  }
  const ParameterLayout& p = *parameter(target_declaration(s));
  if (s.target->kind == ExprKind::index) {
    element_draw(s, p);
    return;
  }
  const std::vector<Dim> shape = e_.dims(p.parameter->declaration->type.shape);
  Emitter::Draws own;
  if (drawing_) {
    own = drawn(s, shape);
    bind(p, own.value);
  } else {
    bind(p, master_.forward(map_of(*p.parameter), shape, home(p), e_.size(p.unconstrained_offset)));
  }
  site(s, s.name, e_.environment.at(p.parameter->declaration), own.log_density);
  if (drawing_)
    store_coordinates(p);
  else
    log_determinant(p);
}

void FamilyLowering::element_draw(const Statement& s, const ParameterLayout& p) {
  Emitter::Draws own;
  if (drawing_) {
    const ValueId memory = e_.environment.at(p.parameter->declaration).id;
    const std::vector<Dim> whole = e_.shape_of(memory);
    const std::vector<Dim> shape = e_.dims(s.target->type.shape);
    const std::size_t event_rank = s.distribution->event.size();
    const std::vector<Dim> batch(shape.begin(), shape.end() - static_cast<std::ptrdiff_t>(event_rank));
    const auto number = [&](Indices i) {
      std::vector<ValueId> first(i.begin(), i.end());
      first.resize(first.size() + event_rank, b_.index(0));
      return e_.flat_position(whole, e_.base_indices(*s.target, first));
    };
    const bool transformed = s.distribution->kind == DistributionKind::transformed;
    LoweredDistribution d;
    if (transformed)
      own = transformed_draws(s, nullptr, batch, number, [&](Indices i) { return place_in_whole(s, i); });
    else
      d = e_.distribution(*s.distribution);
    const auto one = [&](Indices i) {
      const std::vector<ValueId> head(i.begin(), i.end());
      const Value x = transformed ? e_.slice(own.value, head) : e_.sample(d, head, number(head));
      if (event_rank == 0) {
        b_.store(memory, e_.base_indices(*s.target, head), x.id);
        return;
      }
      b_.for_each(e_.shape_of(x), [&](Indices k) {
        std::vector<ValueId> at = head;
        at.insert(at.end(), k.begin(), k.end());
        b_.store(memory, e_.base_indices(*s.target, at), b_.load(x.id, k));
      });
    };
    if (batch.empty())
      one({});
    else
      b_.for_each(batch, one);
  }
  site(s, s.name, e_.expression(*s.target), own.log_density);
}

void FamilyLowering::complete(const ParameterLayout& p, bool by_coordinates) {
  if (drawing_)
    bind(p, b_.freeze(e_.environment.at(p.parameter->declaration).id));
  if (by_coordinates)
    return;
  if (drawing_)
    store_coordinates(p);
  else
    log_determinant(p);
}

void FamilyLowering::store_coordinates(const ParameterLayout& p) {
  const ValueId offset = e_.size(p.unconstrained_offset);
  master_.store_unconstrained(*p.parameter, e_.environment.at(p.parameter->declaration), home(p), offset);
  log_determinant(p);
}

/// log q on the unconstrained scale has the log determinant of the map added.
void FamilyLowering::log_determinant(const ParameterLayout& p) {
  if (kind_ != FamilyPart::mix && kind_ != FamilyPart::round_trip)
    master_.log_determinant_site(*p.parameter, home(p), e_.size(p.unconstrained_offset), SiteKind::draw);
}

/// Draws of a whole array: one event a batch index.
Value FamilyLowering::sampled(const Statement& s, const std::vector<Dim>& shape, const Statement* group, ValueId turn) {
  const LoweredDistribution d = e_.distribution(*s.distribution);
  const RoundTripLayout* layout = round_trip(s, group);
  const std::size_t event_rank = s.distribution->event.size();
  const std::vector<Dim> batch(shape.begin(), shape.end() - static_cast<std::ptrdiff_t>(event_rank));
  const auto number = numbers(turn, batch);
  const auto one = [&](Indices i) {
    return layout ? joint_draws(d, i, number(i), *layout) : e_.sample(d, i, number(i));
  };
  if (batch.empty())
    return one({});
  if (event_rank == 0)
    return b_.build(batch, ir::Element::f64, [&](Indices i) { return one(i).id; });
  const ValueId memory = b_.alloc(shape, ir::Element::f64, false);
  b_.for_each(batch, [&](Indices i) {
    const std::vector<ValueId> head(i.begin(), i.end());
    store_event(memory, head, one(head));
  });
  return b_.freeze(memory);
}

Emitter::Draws FamilyLowering::drawn(const Statement& s, const std::vector<Dim>& shape, const Statement* group) {
  const ValueId turn = group ? turn_ : turn_of(s);
  if (s.distribution->kind != DistributionKind::transformed)
    return {sampled(s, shape, group, turn), {}};
  const auto event_rank = static_cast<std::ptrdiff_t>(s.distribution->event.size());
  const std::vector<Dim> batch(shape.begin(), shape.end() - event_rank);
  const auto number = numbers(turn, batch);
  return transformed_draws(s, group, batch, number, number);
}

namespace {

/// Whether the density of a draw can be had at any point: every map has its inverse.
bool has_density(const DistributionExpr& d);

bool has_density(const check::Block& block) {
  return std::all_of(block.begin(), block.end(), [](const Statement* s) {
    return (!s->distribution || has_density(*s->distribution)) && has_density(s->body) && has_density(s->otherwise);
  });
}

bool has_density(const DistributionExpr& d) {
  if (d.kind == DistributionKind::family)
    return has_density(d.family->body);
  return !check::without_direction(d.steps, false) &&
         std::all_of(d.components.begin(), d.components.end(),
                     [](const DistributionExpr* c) { return has_density(*c); });
}

} // namespace

void lower_family(MasterContext& context, const FamilyLayout& family) {
  FamilyLowering(context, family, FamilyPart::draw).run();
  if (has_density(family.family->body))
    FamilyLowering(context, family, FamilyPart::density).run();
  if (!family.round_trips.empty())
    FamilyLowering(context, family, FamilyPart::round_trip).run();
  if (!family.mixed.empty()) {
    for (const FamilyPart part : {FamilyPart::mix, FamilyPart::proposal, FamilyPart::proposal_density})
      FamilyLowering(context, family, part).run();
  }
  lower_initial(context, family);
  lower_learned(context, family);
}

} // namespace vmodel::lower
