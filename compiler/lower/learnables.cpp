// What a family's kernels need before its statements: values that follow from the data, and the learnables' initial
// values and values on their own scale.
#include "compiler/lower/master.h"
#include "compiler/lower/reads.h"

#include <algorithm>

namespace vmodel::lower {

using ir::Axis;

void run_load_time(Master& master, const MasterContext& context, const check::Family& family) {
  Reads reads;
  collect(family.body, reads);
  for (const check::Learnable& l : family.learnables) {
    collect(l.declaration->type, reads);
    collect(l.initial, reads);
    collect(l.start, reads);
    for (const Expr* e : l.bijector_arguments)
      collect(e, reads);
  }
  for (const check::ModelParameter& p : context.module.program.model.parameters) {
    collect(p.declaration->type, reads);
    collect(p.location, reads);
    collect(p.scale, reads);
    for (const Expr* e : p.bijector_arguments)
      collect(e, reads);
  }
  const Reads wanted = through_definitions(context.body.statements(), std::move(reads));
  master.emitter().load_time_block(context.body.statements(), &wanted);
  master.emitter().load_time_block(family.body);
}

namespace {

/// Binds the arguments of the generic family that declares a learnable, for initial values and shapes.
void bind_template(Master& master, const LearnableLayout& l) {
  if (!l.statement)
    return;
  Emitter& e = master.emitter();
  const check::FamilyTemplate& generic = *l.statement->distribution->family;
  Environment inner;
  for (const Declaration* name : generic.size_names)
    inner[name] = e.size(l.statement->distribution->sizes.at(name->name));
  // An argument that varies, by particles or by turns of a plate, is read by draws alone.
  for (std::size_t k = 0; k < l.statement->distribution->arguments.size(); ++k) {
    const Expr& argument = *l.statement->distribution->arguments[k];
    Reads reads;
    collect(&argument, reads);
    const auto is_turn = [&](const Declaration* d) {
      return std::any_of(l.statement->plates.begin(), l.statement->plates.end(),
                         [&](const Statement* plate) { return plate->declaration == d; });
    };
    const bool known = argument.load_time && std::all_of(reads.begin(), reads.end(), [&](const Declaration* d) {
                         const bool own_index = d->kind == check::DeclarationKind::loop_index && !is_turn(d);
                         return own_index || e.environment.count(d) > 0;
                       });
    if (known)
      inner[generic.parameters[k]] = e.expression(argument);
  }
  for (const auto& [name, value] : inner)
    e.environment[name] = value;
}

/// The extents of what is learned: axes for the plates around, then its own, which may be sizes of a generic family.
std::vector<Dim> extents_of(Emitter& e, const LearnableLayout& l) {
  const std::size_t plates = l.statement ? l.statement->plates.size() : 0;
  std::vector<Dim> extents =
      e.dims(check::Shape(l.shape.begin(), l.shape.begin() + static_cast<std::ptrdiff_t>(plates)));
  for (const Dim& own : e.dims(l.learnable->declaration->type.shape))
    extents.push_back(own);
  return extents;
}

/// An array of draws; the last axes are an event's.
Value drawn(Emitter& e, const DistributionExpr& expr, const std::vector<Dim>& shape) {
  ir::Builder& b = e.builder();
  const LoweredDistribution d = e.distribution(expr);
  const std::vector<Dim> batch(shape.begin(), shape.end() - static_cast<std::ptrdiff_t>(expr.event.size()));
  if (batch.empty())
    return e.sample(d, {}, b.index(0));
  return b.build(shape, ir::Element::f64, [&](Indices i) {
    const Indices head = i.first(batch.size());
    return e.element(e.sample(d, head, e.flat_position(batch, head)), i.subspan(batch.size()));
  });
}

} // namespace

/// initial: phi from the learnables' initial values, or draws by the fit's seed; without one: 0, for positive
/// learnables 1.
void lower_initial(MasterContext& context, const FamilyLayout& family) {
  Master master(context, family.family->name + ".initial");
  const ValueId phi = master.output("phi", family.phi, Axis::step);
  Emitter& e = master.emitter();
  ir::Builder& b = master.b();
  run_load_time(master, context, *family.family);
  for (const LearnableLayout& l : family.learnables) {
    const Environment outer = e.environment;
    bind_template(master, l);
    const check::Type& type = l.learnable->declaration->type;
    const std::vector<Dim> shape = extents_of(e, l);
    const ValueId offset = e.size(l.phi_offset);
    const bool positive = type.support.kind == check::SupportKind::bounded && type.support.lower && !type.support.upper;
    if (l.learnable->start) {
      master.inverse(map_of(*l.learnable), drawn(e, *l.learnable->start, shape), phi, offset);
    } else if (l.learnable->initial || positive) {
      Value initial = l.learnable->initial ? e.expression(*l.learnable->initial) : Value(b.constant(1));
      if (b.function().type(initial.id).element == ir::Element::index && e.rank_of(initial) == 0)
        initial = b.to_real(initial.id);
      // A scalar fills the array; the value of one net fills an array of nets.
      if (const std::size_t own = e.rank_of(initial); own < shape.size()) {
        const Value fill = initial;
        initial = b.build(shape, ir::Element::f64, [&](Indices i) { return e.element(fill, i.last(own)); });
      }
      master.inverse(map_of(*l.learnable), initial, phi, offset);
    } else {
      const std::vector<Dim> flat{b.dim(e.size(l.phi_size))};
      b.for_each(flat, [&](Indices i) {
        const ValueId at[] = {b.add(offset, i[0])};
        b.store(phi, at, b.constant(0));
      });
    }
    e.environment = outer;
  }
  master.finish();
}

void lower_learned(MasterContext& context, const FamilyLayout& family) {
  Master master(context, family.family->name + ".learned");
  const ValueId phi = master.argument("phi", family.phi, Axis::step);
  const ValueId values = master.output("values", family.values, Axis::step);
  Emitter& e = master.emitter();
  ir::Builder& b = master.b();
  run_load_time(master, context, *family.family);
  for (const LearnableLayout& l : family.learnables) {
    const Environment outer = e.environment;
    bind_template(master, l);
    const std::vector<Dim> shape = extents_of(e, l);
    const Value value = master.forward(map_of(*l.learnable), shape, phi, e.size(l.phi_offset));
    const ValueId offset = e.size(l.offset);
    const auto store = [&](Indices i) {
      const ValueId at[] = {b.add(offset, e.flat_position(shape, i))};
      b.store(values, at, e.element(value, i));
    };
    if (shape.empty())
      store({});
    else
      b.for_each(shape, store);
    e.environment = outer;
  }
  master.finish();
}

} // namespace vmodel::lower
