// Families: drawing, densities at given points, learnables.
#include "compiler/lower/master.h"
#include "compiler/lower/reads.h"

#include <algorithm>
#include <functional>

namespace vmodel::lower {

using check::DistributionKind;
using check::ExprKind;
using check::StatementKind;
using ir::Axis;
using ir::SiteKind;

namespace {

/// One pass through a family's statements: drawing (values are sampled and z is stored), or at a given z.
class FamilyLowering {
public:
  FamilyLowering(MasterContext& context, const FamilyLayout& layout, bool drawing)
      : context_(context), layout_(layout), drawing_(drawing),
        master_(context, layout.family->name + (drawing ? ".draw" : ".density")), e_(master_.emitter()),
        b_(master_.b()) {
    phi_ = master_.argument("phi", layout.phi, Axis::step);
    z_ = drawing ? master_.output("z", context.layout.dimension, Axis::particle)
                 : master_.argument("z", context.layout.dimension, Axis::particle);
  }

  void run() {
    e_.values_are_draws = true;
    run_load_time(master_, context_, *layout_.family);
    bind_learnables(nullptr);
    find_partial(layout_.family->body);
    if (drawing_) {
      for (const ParameterLayout* p : partial_) {
        bind(*p, b_.alloc(e_.dims(p->parameter->declaration->type.shape), ir::Element::f64, false));
      }
    }
    e_.model_statement = [this](const Statement& s) {
      if (s.kind == StatementKind::draw)
        draw(s);
    };
    e_.unconstrained = [this](const Expr& e) { return coordinates(e); };
    e_.block(layout_.family->body);
    for (const ParameterLayout* p : partial_)
      complete(*p);
    master_.finish();
  }

private:
  const ParameterLayout* parameter(const Declaration* d) const {
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
    for (const Declaration& d : context_.module.program.declarations) {
      if (d.kind == check::DeclarationKind::drawn && d.name == p.parameter->declaration->name)
        e_.environment[&d] = value;
    }
  }

  void bind_learnables(const Statement* statement) {
    for (const LearnableLayout& l : layout_.learnables) {
      if (l.statement != statement)
        continue;
      const std::vector<Dim> shape = e_.dims(l.learnable->declaration->type.shape);
      e_.environment[l.learnable->declaration] =
          master_.forward(map_of(*l.learnable), shape, phi_, e_.size(l.phi_offset));
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
      const Value x = flat_value(s, members, [&] {
        own = drawn(s, {b_.dim(e_.size(group_dimension(context_.layout, s)))});
        return own.value;
      });
      emit_site(e_, SiteKind::draw, s.name, *s.distribution, x, {}, own.log_density);
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
      bind(p, master_.forward(map_of(*p.parameter), shape, z_, e_.size(p.unconstrained_offset)));
    }
    emit_site(e_, SiteKind::draw, s.name, *s.distribution, e_.environment.at(p.parameter->declaration), {},
              own.log_density);
    if (drawing_)
      store_coordinates(p);
    else
      log_determinant(p, z_);
  }

  /// In density mode the whole parameter is known at its first element.
  void element_draw(const Statement& s, const ParameterLayout& p) {
    if (!drawing_ && !e_.environment.count(p.parameter->declaration)) {
      const std::vector<Dim> shape = e_.dims(p.parameter->declaration->type.shape);
      bind(p, master_.forward(map_of(*p.parameter), shape, z_, e_.size(p.unconstrained_offset)));
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
        own = e_.transformed_draws(*s.distribution, batch, number);
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
    emit_site(e_, SiteKind::draw, s.name, *s.distribution, e_.expression(*s.target), {}, own.log_density);
  }

  void complete(const ParameterLayout& p) {
    if (drawing_) {
      bind(p, b_.freeze(e_.environment.at(p.parameter->declaration).id));
      store_coordinates(p);
    } else {
      log_determinant(p, z_);
    }
  }

  void store_coordinates(const ParameterLayout& p) {
    const ValueId offset = e_.size(p.unconstrained_offset);
    master_.store_unconstrained(*p.parameter, e_.environment.at(p.parameter->declaration), z_, offset);
    log_determinant(p, z_);
  }

  /// log q on the unconstrained scale has the log determinant of the map added.
  void log_determinant(const ParameterLayout& p, ValueId z) {
    master_.log_determinant_site(*p.parameter, z, e_.size(p.unconstrained_offset), SiteKind::draw);
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
      if (drawn == flat_.end() && drawing_) {
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

  /// The same, with their densities where these come with the draw.
  Emitter::Draws drawn(const Statement& s, const std::vector<Dim>& shape) {
    if (s.distribution->kind != DistributionKind::transformed)
      return {sampled(s, shape), {}};
    const auto event_rank = static_cast<std::ptrdiff_t>(s.distribution->event.size());
    const std::vector<Dim> batch(shape.begin(), shape.end() - event_rank);
    return e_.transformed_draws(*s.distribution, batch, [&](Indices i) { return e_.flat_position(batch, i); });
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

  /// The flat coordinates of a group: sampled and stored to z, or gathered from z. Binds the members.
  Value flat_value(const Statement& s, const std::vector<const ParameterLayout*>& members,
                   const std::function<Value()>& sample) {
    const Dim extent = b_.dim(e_.size(group_dimension(context_.layout, s)));
    const std::vector<Dim> extents{extent};
    Value x;
    if (drawing_) {
      x = sample();
    } else {
      const ValueId memory = b_.alloc(extents, ir::Element::f64, false);
      copy_coordinates(members, [&](ValueId in_group, ValueId in_z) {
        const ValueId from[] = {in_z}, to[] = {in_group};
        b_.store(memory, to, b_.load(z_, from));
      });
      x = b_.freeze(memory);
    }
    if (drawing_) {
      copy_coordinates(members, [&](ValueId in_group, ValueId in_z) {
        const ValueId from[] = {in_group}, to[] = {in_z};
        b_.store(z_, to, b_.load(x.id, from));
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

  /// A group under a generic family: its body with x as target.
  void group(const Statement& s) {
    const check::FamilyTemplate& generic = *s.distribution->family;
    const std::vector<const ParameterLayout*> members = members_of(s);
    Environment inner;
    for (const Declaration* name : generic.size_names)
      inner[name] = e_.size(s.distribution->sizes.at(name->name));
    for (std::size_t k = 0; k < s.distribution->arguments.size(); ++k)
      inner[generic.parameters[k]] = e_.expression(*s.distribution->arguments[k]);
    std::vector<std::pair<const check::Learnable*, ValueId>> offsets;
    for (const LearnableLayout& l : layout_.learnables) {
      if (l.statement == &s)
        offsets.emplace_back(l.learnable, e_.size(l.phi_offset));
    }
    const auto with_inner = [&](const std::function<void()>& body) {
      std::swap(e_.environment, inner);
      const auto handler = e_.model_statement;
      body();
      e_.model_statement = handler;
      std::swap(e_.environment, inner);
    };
    with_inner([&] {
      for (const auto& [learnable, offset] : offsets) {
        e_.environment[learnable->declaration] =
            master_.forward(map_of(*learnable), e_.dims(learnable->declaration->type.shape), phi_, offset);
      }
    });
    const Value x = flat_value(s, members, [&] {
      Value drawn;
      with_inner([&] { drawn = draw_generic(generic); });
      return drawn;
    });
    with_inner([&] {
      e_.environment[generic.target] = x;
      e_.model_statement = [&](const Statement& inner_statement) {
        if (inner_statement.kind == StatementKind::draw) {
          const auto density = own_densities_.find(&inner_statement);
          emit_site(e_, SiteKind::draw, s.name, *inner_statement.distribution, e_.expression(*inner_statement.target),
                    {}, density == own_densities_.end() ? nullptr : density->second);
        }
      };
      e_.block(generic.body);
    });
  }

  /// Samples x of a generic family: whole, or element by element into memory.
  Value draw_generic(const check::FamilyTemplate& generic) {
    Value result;
    bool elementwise = false;
    std::vector<const Statement*> stack(generic.body.begin(), generic.body.end());
    while (!stack.empty()) {
      const Statement* s = stack.back();
      stack.pop_back();
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
      if (s.kind != StatementKind::draw)
        return;
      if (s.target->kind != ExprKind::index) {
        const Emitter::Draws own = drawn(s, shape);
        result = own.value;
        if (own.log_density)
          own_densities_[&s] = own.log_density;
        e_.environment[generic.target] = result;
        return;
      }
      const LoweredDistribution d = e_.distribution(*s.distribution);
      const auto one = [&](Indices i) {
        const std::vector<ValueId> at = e_.base_indices(*s.target, i);
        b_.store(result.id, at, e_.sample(d, i, at[0]).id);
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
  bool drawing_;
  Master master_;
  Emitter& e_;
  ir::Builder& b_;
  ValueId phi_, z_;
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
  FamilyLowering(context, family, true).run();
  if (has_density(family.family->body))
    FamilyLowering(context, family, false).run();
  lower_initial(context, family);
  lower_learned(context, family);
}

} // namespace vmodel::lower
