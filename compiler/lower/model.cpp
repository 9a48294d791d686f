// The model's master function, and the kernels about its data and sizes.
#include "compiler/lower/lower.h"
#include "compiler/lower/master.h"
#include "compiler/lower/reads.h"

#include <limits>

namespace vmodel::lower {

using check::ExprKind;
using check::StatementKind;
using ir::Axis;
using ir::SiteKind;

void emit_site(Emitter& emitter, SiteKind kind, const std::string& name, const DistributionExpr& expr,
               Value value, // NOLINT(performance-unnecessary-value-param): a copy, as master.h says
               const std::function<ValueId(Indices)>& position, const std::function<ValueId(Indices)>& density) {
  ir::Builder& b = emitter.builder();
  const LoweredDistribution d = emitter.distribution(expr);
  const std::size_t event_rank = expr.event.size();
  const std::vector<Dim> shape = emitter.shape_of(value);
  const std::vector<Dim> batch(shape.begin(),
                               shape.end() - static_cast<std::ptrdiff_t>(std::min(event_rank, shape.size())));
  const auto event = [&](Indices i) {
    return event_rank == 0 ? Value(emitter.element(value, i)) : emitter.slice(value, i);
  };
  ir::Builder::SiteBodies bodies;
  bodies.density = [&](Indices i) { return density ? density(i) : emitter.log_density(d, i, event(i)); };
  // Of the first element of an event, which stands for it; and those of all its elements, which need not be neighbours
  // (a column of a matrix).
  const auto first = [&](Indices i) {
    std::vector<ValueId> at(i.begin(), i.end());
    at.resize(at.size() + event_rank, b.index(0));
    return position(at);
  };
  const auto all = [&](Indices i) {
    const std::vector<ValueId> head(i.begin(), i.end());
    const std::vector<Dim> extents(shape.begin() + static_cast<std::ptrdiff_t>(batch.size()), shape.end());
    return b.build(extents, ir::Element::index, [&](Indices within) {
      std::vector<ValueId> at = head;
      at.insert(at.end(), within.begin(), within.end());
      return position(at);
    });
  };
  if (kind == SiteKind::observe) {
    if (emitter.can_sample(expr)) {
      bodies.sample = [&](Indices i) { return emitter.sample(d, i, first(i)).id; };
      if (event_rank > 0)
        bodies.positions = all;
    }
    if (emitter.has_support_condition(expr))
      bodies.support = [&](Indices i) { return emitter.in_support(d, i, event(i)); };
    bodies.position = first;
  }
  if (kind == SiteKind::draw && emitter.has_entropy(expr))
    bodies.entropy = [&](Indices i) { return emitter.entropy(d, i); };
  b.site(kind, name, batch, bodies);
}

namespace {

/// Lowers the statements of the model that mean something only there.
class ModelLowering {
public:
  explicit ModelLowering(MasterContext& context) : context_(context), master_(context, "model") {
    z_ = master_.argument("z", context.layout.dimension, Axis::particle);
  }

  void run() {
    Emitter& e = master_.emitter();
    e.model_statement = [this](const Statement& s) { statement(s); };
    e.block(context_.body.statements());
    for (const ParameterLayout& p : context_.layout.parameters)
      output(p.parameter->declaration);
    for (const Layout::Quantity& q : context_.layout.quantities)
      output(q.declaration);
    master_.finish();
  }

private:
  void output(const Declaration* d) {
    Emitter& e = master_.emitter();
    Value value = e.environment.at(d);
    if (e.builder().function().type(value.id).element == ir::Element::index) {
      const Value whole = value;
      const std::vector<Dim> shape = e.shape_of(whole);
      ir::Builder& b = e.builder();
      value = shape.empty()
                  ? Value(b.to_real(whole.id))
                  : Value(b.build(shape, ir::Element::f64, [&](Indices i) { return b.to_real(b.load(whole.id, i)); }));
    }
    e.builder().output(d->name, value.id);
  }

  void statement(const Statement& s) {
    Emitter& e = master_.emitter();
    ir::Builder& b = e.builder();
    switch (s.kind) {
    case StatementKind::prior: {
      if (s.declaration)
        create(*s.declaration);
      if (!s.distribution)
        return;
      emit_site(e, SiteKind::prior, s.name, *s.distribution, e.expression(*s.target), {});
      return;
    }
    case StatementKind::observe: observe(s); return;
    case StatementKind::factor: {
      const Value value = e.expression(*s.value);
      ir::Builder::SiteBodies bodies;
      bodies.density = [&](Indices i) {
        const ir::ValueId term = e.element(value, i);
        return b.function().type(term).element == ir::Element::index ? b.to_real(term) : term;
      };
      b.site(SiteKind::factor, s.name, e.shape_of(value), bodies);
      return;
    }
    case StatementKind::quantity: {
      const Value value = e.expression(*s.value);
      e.environment[s.declaration] = value;
      return;
    }
    default: return;
    }
  }

  void create(const Declaration& d) {
    for (const ParameterLayout& p : context_.layout.parameters) {
      if (p.parameter->declaration != &d)
        continue;
      const ValueId offset = master_.emitter().size(p.unconstrained_offset);
      master_.emitter().environment[&d] = master_.constrained(*p.parameter, z_, offset);
      master_.log_determinant_site(*p.parameter, z_, offset, SiteKind::jacobian);
    }
  }

  void observe(const Statement& s) {
    Emitter& e = master_.emitter();
    ir::Builder& b = e.builder();
    const Expr* target = s.target;
    const Value value = e.expression(*target);
    if (target->kind == ExprKind::to_real)
      target = target->operands[0];
    const ModelBody::Place& place = context_.body.place(s);
    const Expr* indexed = place.declaration && target->kind == ExprKind::index ? target : nullptr;
    const Observation& o =
        context_.layout.observations.at(place.declaration ? context_.layout.observation_of.at(place.declaration)
                                                          : context_.layout.observation_at.at(&s));
    const ValueId base = master_.tabled(o.offset);
    const auto position = [&](Indices within) {
      std::vector<ValueId> at;
      if (place.counter) {
        const ValueId before = b.add(base, e.environment.at(place.counter).id);
        return b.add(before, e.flat_position(e.dims(target->type.shape), within));
      }
      for (const ModelBody::Place::Loop& loop : place.loops)
        at.push_back(b.sub(e.environment.at(loop.statement->declaration).id, e.scalar(*loop.statement->from)));
      at.insert(at.end(), within.begin(), within.end());
      if (indexed)
        at = e.base_indices(*indexed, at);
      return b.add(base, e.flat_position(e.dims(o.shape), at));
    };
    emit_site(e, SiteKind::observe, o.name, *s.distribution, value, position);
  }

  MasterContext& context_;
  Master master_;
  ValueId z_;
};

} // namespace

void lower_model(MasterContext& context) {
  ModelLowering(context).run();
}

void lower_unconstrain(MasterContext& context) {
  Master master(context, "unconstrain");
  const ValueId x = master.argument("x", context.layout.reported_parameters, Axis::particle);
  const ValueId z = master.output("z", context.layout.dimension, Axis::particle);
  Emitter& e = master.emitter();
  ir::Builder& b = master.b();
  // Lets that bounds may read come before; the statements that only models have bring the parameters.
  e.model_statement = [&](const Statement& s) {
    if (s.kind == StatementKind::quantity)
      e.environment[s.declaration] = e.expression(*s.value);
    if (s.kind != StatementKind::prior || !s.declaration)
      return;
    for (const ParameterLayout& p : context.layout.parameters) {
      if (p.parameter->declaration != s.declaration)
        continue;
      const ValueId offset = e.size(p.offset);
      const std::vector<Dim> shape = e.dims(s.declaration->type.shape);
      const auto load = [&](Indices i) {
        const ValueId at[] = {b.add(offset, e.flat_position(shape, i))};
        return b.load(x, at);
      };
      const Value value = shape.empty() ? load({}) : b.build(shape, ir::Element::f64, load);
      e.environment[s.declaration] = value;
      master.store_unconstrained(*p.parameter, value, z, e.size(p.unconstrained_offset));
    }
  };
  e.block(context.body.statements());
  master.finish();
}

namespace {

/// Writes one shape or the table of sizes as integers.
void store_sizes(Master& master, ValueId out, const std::vector<Size>& sizes) {
  for (std::size_t k = 0; k < sizes.size(); ++k) {
    const ValueId at[] = {master.b().index(static_cast<std::int64_t>(k))};
    master.b().store(out, at, master.emitter().size(sizes[k]));
  }
}

/// Lowers the statements of the model from which these declarations are computed.
void run_definitions(MasterContext& context, Master& master, Reads reads) {
  master.shape_flat_data();
  const Reads wanted = through_definitions(context.body.statements(), std::move(reads));
  master.emitter().load_time_block(context.body.statements(), &wanted);
}

} // namespace

void lower_sizes_and_data(MasterContext& context) {
  {
    Master master(context, "sizes", false);
    const auto& sizes = context.table.sizes();
    const ValueId out =
        master.output("sizes", Size::constant(static_cast<std::int64_t>(sizes.size())), Axis::step, ir::Element::index);
    // Sizes may name values that are computed from data.
    Reads reads;
    for (const Size& size : sizes)
      collect(size, reads);
    run_definitions(context, master, std::move(reads));
    store_sizes(master, out, sizes);
    master.finish();
  }
  for (const Declaration* d : context.module.program.model.data) {
    {
      Master master(context, "data_shape." + d->name, false, d);
      const ValueId out = master.output("shape", Size::constant(static_cast<std::int64_t>(d->type.shape.size())),
                                        Axis::step, ir::Element::index);
      Reads reads;
      for (const Size& size : d->type.shape)
        collect(size, reads);
      run_definitions(context, master, std::move(reads));
      store_sizes(master, out, d->type.shape);
      master.finish();
    }
    const check::Support& support = d->type.support;
    if (support.kind != check::SupportKind::bounded)
      continue;
    Master master(context, "data_bounds." + d->name, false, d);
    // Flat outputs: their extent is the caller's business.
    const auto unsized = [&](const char* name) {
      return master.b().parameter(name, {ir::Element::f64, true, {Dim{0, {}}}}, Axis::step);
    };
    const ValueId lower = unsized("lower"), upper = unsized("upper");
    Reads reads;
    collect(d->type, reads);
    run_definitions(context, master, std::move(reads));
    Emitter& e = master.emitter();
    ir::Builder& b = master.b();
    const std::vector<Dim> shape = e.dims(d->type.shape);
    const auto fill = [&](ValueId out, const Expr* bound, double none) {
      const Value value = bound ? e.expression(*bound) : Value(b.constant(none));
      const auto one = [&](Indices i) {
        ValueId x = e.element(value, i);
        if (b.function().type(x).element == ir::Element::index)
          x = b.to_real(x);
        const ValueId at[] = {e.flat_position(shape, i)};
        b.store(out, at, x);
      };
      if (shape.empty())
        one({});
      else
        b.for_each(shape, one);
    };
    fill(lower, support.lower, -std::numeric_limits<double>::infinity());
    fill(upper, support.upper, std::numeric_limits<double>::infinity());
    master.finish();
  }
}

Lowered lower(const check::Program& program, const SourceManager& sources) {
  ModuleContext module{program, {}, {}, {}};
  SizeTable table;
  const ModelBody body(program);
  const Layout layout = lay_out(program, body, table);
  MasterContext context{module, body, table, layout};
  lower_sizes_and_data(context);
  lower_checks(context);
  lower_model(context);
  lower_unconstrain(context);
  // One family draws at a time, so all may have the same sites; those of the model are others.
  const std::int64_t first_site = module.next_random_site;
  for (const FamilyLayout& family : layout.families) {
    module.next_random_site = first_site;
    lower_family(context, family);
  }
  Lowered result;
  result.metadata = metadata(context, sources);
  result.module = std::move(module.module);
  return result;
}

} // namespace vmodel::lower
