// Families: drawing, densities at given points, learnables.
#include "compiler/lower/master.h"
#include "compiler/lower/reads.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace vmodel::lower {

using check::DistributionKind;
using check::ExprKind;
using check::StatementKind;
using ir::Axis;
using ir::SiteKind;

namespace {

/// What a function of a family does with parameters and with what the family mixes over.
enum class Part : std::uint8_t {
  draw,             // FAMILY.draw: samples both
  round_trip,       // FAMILY.round_trip: the same, for what maps make of their bases, and back
  density,          // FAMILY.density: both are given
  mix,              // FAMILY.mix.draw: samples what is mixed over, at given parameters
  proposal,         // FAMILY.proposal.draw: the same by the proposal
  proposal_density, // FAMILY.proposal.density: both are given
};

constexpr const char* ending(Part part) {
  switch (part) {
  case Part::draw: return ".draw";
  case Part::round_trip: return ".round_trip";
  case Part::density: return ".density";
  case Part::mix: return ".mix.draw";
  case Part::proposal: return ".proposal.draw";
  case Part::proposal_density: break;
  }
  return ".proposal.density";
}

/// One pass through a family's statements. Values that are sampled are stored to z or to `mix`.
class FamilyLowering {
public:
  FamilyLowering(MasterContext& context, const FamilyLayout& layout, Part part)
      : context_(context), layout_(layout), part_(part),
        drawing_(part == Part::draw || part == Part::round_trip || part == Part::proposal),
        master_(context, layout.family->name + ending(part)), e_(master_.emitter()), b_(master_.b()) {
    phi_ = master_.argument("phi", layout.phi, Axis::step);
    if (of_proposal())
      theta_ = master_.argument("theta", layout.phi, Axis::step);
    const Size& dimension = context.layout.dimension;
    if (part == Part::round_trip) {
      declare_round_trip();
    } else {
      z_ = part == Part::draw ? master_.output("z", dimension, Axis::particle)
                              : master_.argument("z", dimension, Axis::particle);
    }
    if (!layout.mixed.empty() && part != Part::round_trip) {
      const bool given = part == Part::density || part == Part::proposal_density;
      mix_ = given ? master_.argument("mix", layout.mix, Axis::particle)
                   : master_.output("mix", layout.mix, Axis::particle);
    }
    for (const MixLayout& m : layout.mixed) {
      ParameterLayout p;
      p.parameter = m.variable;
      p.unconstrained_offset = m.offset;
      p.unconstrained_size = m.size;
      mixed_[m.statement].push_back(std::move(p));
    }
  }

  void run() {
    e_.values_are_draws = true;
    run_load_time(master_, context_, *layout_.family);
    bind_learnables(nullptr);
    e_.unconstrained = [this](const Expr& e) { return coordinates(e); };
    if (of_proposal())
      proposals();
    else
      statements(layout_.family->body);
    master_.finish();
  }

private:
  bool of_proposal() const { return part_ == Part::proposal || part_ == Part::proposal_density; }

  void declare_round_trip() {
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

  /// Whether the coordinates stand in `mix`, and not in z.
  static bool is_mixed(const ParameterLayout& p) {
    return p.parameter->declaration->kind == check::DeclarationKind::mixed;
  }
  ValueId home(const ParameterLayout& p) const { return is_mixed(p) ? mix_ : z_; }

  void statements(const check::Block& body) {
    partial_.clear();
    find_partial(body);
    if (drawing_) {
      for (const ParameterLayout* p : partial_)
        bind(*p, b_.alloc(e_.dims(p->parameter->declaration->type.shape), ir::Element::f64, false));
    }
    e_.model_statement = [this](const Statement& s) {
      if (s.kind == StatementKind::draw)
        draw(s);
      if (s.kind == StatementKind::mix)
        mix(s);
    };
    e_.block(body);
    for (const ParameterLayout* p : partial_)
      complete(*p);
  }

  /// The family's own proposal, and those of the generic families in it, at given parameters.
  void proposals() {
    for (const ParameterLayout& p : context_.layout.parameters)
      bind(p, master_.forward(map_of(*p.parameter), e_.dims(p.parameter->declaration->type.shape), z_,
                              e_.size(p.unconstrained_offset)));
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
  void mix(const Statement& s) {
    const ParameterLayout& p = *parameter(s.declaration);
    const bool sampled = part_ == Part::draw || part_ == Part::round_trip || part_ == Part::mix;
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
    if (sampling_only_ || part_ == Part::round_trip)
      return;
    // A family of this function alone sums them as any draw.
    const SiteKind kind = part_ == Part::mix ? SiteKind::draw : SiteKind::prior;
    const auto density = own_densities_.find(&s);
    emit_site(e_, kind, s.name, *s.distribution, e_.environment.at(s.declaration), {},
              density == own_densities_.end() ? nullptr : density->second);
    master_.log_determinant_site(*p.parameter, mix_, offset, kind);
  }

  /// The site of a draw; at given parameters those of what is mixed over count alone.
  void site(const Statement& s, const std::string& name, const Value& value,
            const std::function<ValueId(Indices)>& density) {
    if (part_ != Part::mix && part_ != Part::round_trip)
      emit_site(e_, SiteKind::draw, name, *s.distribution, value, {}, density);
  }

  const ParameterLayout* parameter(const Declaration* d) const {
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

  static const Declaration* target_declaration(const Statement& s) {
    const Expr* target = s.target;
    if (!target)
      return nullptr;
    if (target->kind == ExprKind::index)
      target = target->operands[0];
    return target->declaration;
  }

  /// Parameters that are drawn element by element.
  void find_partial(const check::Block& block) {
    for (const Statement* s : block) {
      if (s->kind == StatementKind::proposal)
        continue;
      if (s->kind == StatementKind::draw && s->target && s->target->kind == ExprKind::index) {
        const ParameterLayout* p = parameter(target_declaration(*s));
        if (p && std::find(partial_.begin(), partial_.end(), p) == partial_.end())
          partial_.push_back(p);
      }
      find_partial(s->body);
      find_partial(s->otherwise);
    }
  }

  void bind(const ParameterLayout& p, const Value& value) {
    e_.environment[p.parameter->declaration] = value;
    if (is_mixed(p))
      return;
    for (const Declaration& d : context_.module.program.declarations) {
      if (d.kind == check::DeclarationKind::drawn && d.name == p.parameter->declaration->name)
        e_.environment[&d] = value;
    }
  }

  void bind_learnables(const Statement* statement) {
    for (const LearnableLayout& l : layout_.learnables) {
      if (l.statement != statement || (l.of_proposal && !of_proposal()))
        continue;
      const std::vector<Dim> shape = e_.dims(l.learnable->declaration->type.shape);
      e_.environment[l.learnable->declaration] =
          master_.forward(map_of(*l.learnable), shape, l.of_proposal ? theta_ : phi_, e_.size(l.phi_offset));
    }
  }

  void draw(const Statement& s) {
    if (s.distribution->kind == DistributionKind::family) {
      group(s);
      return;
    }
    if (s.unconstrained_scale) {
      // unconstrained(a, b) ~ d: on the flat coordinates.
      const std::vector<const ParameterLayout*> members = members_of(s);
      Emitter::Draws own;
      const Value x = flat_value(members, [&] {
        own = drawn(s, {b_.dim(e_.size(dimension_of(members)))});
        return own.value;
      });
      site(s, s.name, x, own.log_density);
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

  /// In density mode the whole parameter is known at its first element.
  void element_draw(const Statement& s, const ParameterLayout& p) {
    if (!drawing_ && !e_.environment.count(p.parameter->declaration)) {
      const std::vector<Dim> shape = e_.dims(p.parameter->declaration->type.shape);
      bind(p, master_.forward(map_of(*p.parameter), shape, home(p), e_.size(p.unconstrained_offset)));
    }
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

  void complete(const ParameterLayout& p) {
    if (drawing_) {
      bind(p, b_.freeze(e_.environment.at(p.parameter->declaration).id));
      store_coordinates(p);
    } else {
      log_determinant(p);
    }
  }

  void store_coordinates(const ParameterLayout& p) {
    const ValueId offset = e_.size(p.unconstrained_offset);
    master_.store_unconstrained(*p.parameter, e_.environment.at(p.parameter->declaration), home(p), offset);
    log_determinant(p);
  }

  /// log q on the unconstrained scale has the log determinant of the map added.
  void log_determinant(const ParameterLayout& p) {
    if (part_ != Part::mix && part_ != Part::round_trip)
      master_.log_determinant_site(*p.parameter, home(p), e_.size(p.unconstrained_offset), SiteKind::draw);
  }

  /// The coordinates of drawn parameters as one flat vector.
  Value coordinates(const Expr& e) {
    Size size;
    std::vector<const ParameterLayout*> members;
    for (const Declaration* d : e.declarations) {
      members.push_back(parameter(d));
      size = size + members.back()->unconstrained_size;
    }
    const std::vector<Dim> extents{b_.dim(e_.size(size))};
    const ValueId memory = b_.alloc(extents, ir::Element::f64, false);
    ValueId position = b_.index(0);
    for (const ParameterLayout* p : members) {
      const ValueId count = e_.size(p->unconstrained_size);
      const auto drawn = flat_.find(p);
      if (drawn == flat_.end() && drawing_ && !of_proposal()) {
        master_.inverse(map_of(*p->parameter), e_.environment.at(p->parameter->declaration), memory, position);
      } else {
        const ValueId from = drawn == flat_.end() ? z_ : drawn->second.first;
        const ValueId offset = drawn == flat_.end() ? e_.size(p->unconstrained_offset) : drawn->second.second;
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

  /// Draws of a whole array: one event a batch index.
  Value sampled(const Statement& s, const std::vector<Dim>& shape) {
    const LoweredDistribution d = e_.distribution(*s.distribution);
    const std::size_t event_rank = s.distribution->event.size();
    const std::vector<Dim> batch(shape.begin(), shape.end() - static_cast<std::ptrdiff_t>(event_rank));
    if (batch.empty())
      return e_.sample(d, {}, b_.index(0));
    if (event_rank == 0) {
      return b_.build(batch, ir::Element::f64,
                      [&](Indices i) { return e_.sample(d, i, e_.flat_position(batch, i)).id; });
    }
    const ValueId memory = b_.alloc(shape, ir::Element::f64, false);
    b_.for_each(batch, [&](Indices i) {
      const std::vector<ValueId> head(i.begin(), i.end());
      const Value x = e_.sample(d, head, e_.flat_position(batch, head));
      b_.for_each(e_.shape_of(x), [&](Indices k) {
        std::vector<ValueId> at = head;
        at.insert(at.end(), k.begin(), k.end());
        b_.store(memory, at, b_.load(x.id, k));
      });
    });
    return b_.freeze(memory);
  }

  /// The same, with their densities where these come with the draw. `group`: the draw in whose generic family it is.
  Emitter::Draws drawn(const Statement& s, const std::vector<Dim>& shape, const Statement* group = nullptr) {
    if (s.distribution->kind != DistributionKind::transformed)
      return {sampled(s, shape), {}};
    const auto event_rank = static_cast<std::ptrdiff_t>(s.distribution->event.size());
    const std::vector<Dim> batch(shape.begin(), shape.end() - event_rank);
    const auto number = [&](Indices i) { return e_.flat_position(batch, i); };
    return transformed_draws(s, group, batch, number, number);
  }

  // ---- maps forward and back

  /// Where the events of a draw lie, if this function maps them forward and back.
  const RoundTripLayout* round_trip(const Statement& s, const Statement* group) const {
    for (const RoundTripLayout& r : layout_.round_trips) {
      if (part_ == Part::round_trip && r.statement == &s && r.group == group)
        return &r;
    }
    return nullptr;
  }

  /// The number of an event among those that the whole of what `s` draws elements of has room for.
  ValueId place_in_whole(const Statement& s, Indices batch) {
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
  Emitter::Draws transformed_draws(const Statement& s, const Statement* group, const std::vector<Dim>& batch,
                                   const std::function<ValueId(Indices)>& number,
                                   const std::function<ValueId(Indices)>& place) {
    if (part_ != Part::round_trip)
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

  void store_event(ValueId memory, const std::vector<ValueId>& head, const Value& value) {
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
  Value each_element(const Value& event, ValueId first, const std::function<ValueId(ValueId x, ValueId at)>& f) {
    if (e_.rank_of(event) == 0)
      return f(event.id, first);
    const std::vector<Dim> shape = e_.shape_of(event);
    return b_.build(shape, ir::Element::f64,
                    [&](Indices k) { return f(e_.element(event, k), b_.add(first, e_.flat_position(shape, k))); });
  }

  void store_flat(const Value& event, ValueId first, ValueId memory) {
    const auto store = [&](ValueId x, ValueId at) { b_.store(memory, std::vector{at}, x); };
    if (e_.rank_of(event) == 0)
      return store(event.id, first);
    const std::vector<Dim> shape = e_.shape_of(event);
    b_.for_each(shape, [&](Indices k) { store(e_.element(event, k), b_.add(first, e_.flat_position(shape, k))); });
  }

  /// One event: its base (moved by `shift`, for derivatives by it), its image, and what the inverse maps make of that.
  /// What is drawn below does not move with it, so that derivatives are those of this event alone.
  Value there_and_back(const LoweredDistribution& d, Indices batch, ValueId number, const RoundTripLayout& layout,
                       ValueId place) {
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

  std::vector<const ParameterLayout*> members_of(const Statement& s) const {
    std::vector<const ParameterLayout*> members;
    for (const Declaration* d : s.declarations)
      members.push_back(parameter(d));
    if (members.empty() && s.target) {
      for (const Declaration* d : s.target->declarations)
        members.push_back(parameter(d));
    }
    return members;
  }

  /// The flat coordinates of a group as they are given.
  Value gathered(const std::vector<const ParameterLayout*>& members) {
    const std::vector<Dim> extents{b_.dim(e_.size(dimension_of(members)))};
    const ValueId memory = b_.alloc(extents, ir::Element::f64, false);
    copy_coordinates(members, [&](ValueId in_group, ValueId in_home) {
      const ValueId from[] = {in_home}, to[] = {in_group};
      b_.store(memory, to, b_.load(home(*members.front()), from));
    });
    return b_.freeze(memory);
  }

  static Size dimension_of(const std::vector<const ParameterLayout*>& members) {
    Size dimension;
    for (const ParameterLayout* p : members)
      dimension = dimension + p->unconstrained_size;
    return dimension;
  }

  /// The flat coordinates of a group: sampled and stored, or as they are given. Binds the members.
  Value flat_value(const std::vector<const ParameterLayout*>& members, const std::function<Value()>& sample) {
    const Value x = drawing_ ? sample() : gathered(members);
    if (drawing_) {
      copy_coordinates(members, [&](ValueId in_group, ValueId in_home) {
        const ValueId from[] = {in_group}, to[] = {in_home};
        b_.store(home(*members.front()), to, b_.load(x.id, from));
      });
    }
    ValueId position = b_.index(0);
    for (const ParameterLayout* p : members) {
      const std::vector<Dim> shape = e_.dims(p->parameter->declaration->type.shape);
      bind(*p, master_.forward(map_of(*p->parameter), shape, x.id, position));
      flat_[p] = {x.id, position};
      position = b_.add(position, e_.size(p->unconstrained_size));
    }
    return x;
  }

  void copy_coordinates(const std::vector<const ParameterLayout*>& members,
                        const std::function<void(ValueId, ValueId)>& copy) {
    ValueId position = b_.index(0);
    for (std::size_t first = 0; first < members.size();) {
      // Neighbours in z that are neighbours in the group are copied by one loop.
      std::size_t last = first;
      Size size = members[first]->unconstrained_size;
      while (last + 1 < members.size() && members[last + 1]->unconstrained_offset ==
                                              members[last]->unconstrained_offset + members[last]->unconstrained_size) {
        ++last;
        size = size + members[last]->unconstrained_size;
      }
      const ValueId count = e_.size(size), offset = e_.size(members[first]->unconstrained_offset);
      const std::vector<Dim> extents{b_.dim(count)};
      b_.for_each(extents, [&](Indices i) { copy(b_.add(position, i[0]), b_.add(offset, i[0])); });
      position = b_.add(position, count);
      first = last + 1;
    }
  }

  /// With the generic family of a draw in scope: its sizes, arguments and learnables. `body` may be more than once with
  /// what it bound before.
  void within(const Statement& s, const std::function<void()>& body) {
    Environment& inner = inner_[&s];
    if (inner.empty()) {
      const check::FamilyTemplate& generic = *s.distribution->family;
      for (const Declaration* name : generic.size_names)
        inner[name] = e_.size(s.distribution->sizes.at(name->name));
      for (std::size_t k = 0; k < s.distribution->arguments.size(); ++k)
        inner[generic.parameters[k]] = e_.expression(*s.distribution->arguments[k]);
      std::vector<std::pair<const LearnableLayout*, ValueId>> learned;
      for (const LearnableLayout& l : layout_.learnables) {
        if (l.statement == &s && (!l.of_proposal || of_proposal()))
          learned.emplace_back(&l, e_.size(l.phi_offset));
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
  void group(const Statement& s) {
    const check::FamilyTemplate& generic = *s.distribution->family;
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

  void mix_within(const Statement& s, const Statement& inner) {
    const Statement* outer = std::exchange(scope_, &s);
    mix(inner);
    scope_ = outer;
  }

  /// Samples x of a generic family: whole, or element by element into memory.
  Value draw_generic(const Statement& group) {
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
        b_.store(result.id, at, layout ? there_and_back(d, i, at[0], *layout, at[0]).id : e_.sample(d, i, at[0]).id);
      };
      if (s.target->type.shape.empty())
        one({});
      else
        b_.for_each(e_.dims(s.target->type.shape), one);
    };
    e_.block(generic.body);
    return elementwise ? Value(b_.freeze(result.id)) : result;
  }

  MasterContext& context_;
  const FamilyLayout& layout_;
  const Part part_;
  const bool drawing_; // what the statements' draws are of is sampled
  Master master_;
  Emitter& e_;
  ir::Builder& b_;
  ValueId phi_, theta_, z_, mix_;
  ValueId shift_, base_, image_, back_; // of FAMILY.round_trip
  /// What is mixed over, by the draw whose generic family declares it (null: the family's own).
  std::map<const Statement*, std::vector<ParameterLayout>> mixed_;
  const Statement* scope_ = nullptr; // the draw in whose generic family mixed variables are meant
  bool sampling_only_ = false;       // sites come in another pass
  std::map<const Statement*, Environment> inner_;
  std::vector<const ParameterLayout*> partial_;
  std::map<const ParameterLayout*, std::pair<ValueId, ValueId>>
      flat_; // of groups: their coordinates, and where theirs begin
  /// Draws of the generic family that is being lowered: densities that came with them.
  std::map<const Statement*, std::function<ValueId(Indices)>> own_densities_;
};

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
  FamilyLowering(context, family, Part::draw).run();
  if (has_density(family.family->body))
    FamilyLowering(context, family, Part::density).run();
  if (!family.round_trips.empty())
    FamilyLowering(context, family, Part::round_trip).run();
  if (!family.mixed.empty()) {
    for (const Part part : {Part::mix, Part::proposal, Part::proposal_density})
      FamilyLowering(context, family, part).run();
  }
  lower_initial(context, family);
  lower_learned(context, family);
}

} // namespace vmodel::lower
