// Checks at load: statements, sizes, and the expressions in them.
#include "compiler/lower/checks.h"

#include <algorithm>

namespace vmodel::lower {

using check::ExprKind;
using check::StatementKind;
using ir::Opcode;

namespace {

/// The indices of comprehensions inside of an expression.
void own_indices(const Expr* e, Reads& indices) {
  if (!e)
    return;
  for (const check::Generator& g : e->generators)
    indices.insert(g.index);
  for (const Expr* operand : e->operands)
    own_indices(operand, indices);
  for (const check::Index& i : e->indices) {
    for (const Expr* x : {i.at, i.from, i.to})
      own_indices(x, indices);
  }
}

} // namespace

void Checks::run() {
  e_.model_statement = [this](const Statement& s) {
    if (const auto found = checked_.find(&s); found != checked_.end())
      statement(*found->second);
  };
  const check::Program& program = context_.module.program;
  for (const Declaration* d : program.model.data) {
    for (const Size& size : d->type.shape)
      sizes_of_data_.insert(size.text());
  }
  e_.block(skeleton(context_.body.statements(), {}));
  for (const check::Family& family : program.families) {
    for (const check::LearnedCall& call : family.learned_calls)
      learned(call, call.range);
    for (const check::Learnable& learnable : family.learnables) {
      declared(*learnable.declaration);
      expression(learnable.initial);
      distribution(learnable.start);
    }
    e_.block(skeleton(family.body, {}));
  }
  master_.finish();
}

check::Block Checks::skeleton(const check::Block& block, const Reads& unknown) {
  const auto is_known = [&](const Declaration* d, const Expr* value) {
    return d && (d->load_time || callee_depth_ > 0) && unknown.count(d) == 0 &&
           (!value || value->load_time || callee_depth_ > 0);
  };
  check::Block result;
  for (const Statement* s : block) {
    Statement& marker = made_.emplace_back();
    marker.kind = StatementKind::factor;
    marker.range = s->range;
    checked_[&marker] = s;
    result.push_back(&marker);
    switch (s->kind) {
    case StatementKind::let:
      if (is_known(s->declaration, s->value))
        result.push_back(s);
      break;
    case StatementKind::let_tuple:
      if (std::all_of(s->declarations.begin(), s->declarations.end(),
                      [&](const Declaration* d) { return is_known(d, s->value); }))
        result.push_back(s);
      break;
    case StatementKind::var:
      if (is_known(s->declaration, s->value))
        result.push_back(s);
      break;
    case StatementKind::assign: {
      const Expr* base = s->target->kind == ExprKind::index ? s->target->operands[0] : s->target;
      if (is_known(base->declaration, s->value))
        result.push_back(s);
      break;
    }
    case StatementKind::for_:
    case StatementKind::if_: {
      Reads limits;
      for (const Expr* e : {s->value, s->from, s->to})
        collect(e, limits);
      if (reads_any(limits, unknown))
        break;
      Statement& copy = made_.emplace_back(*s);
      copy.body = skeleton(s->body, unknown);
      copy.otherwise = skeleton(s->otherwise, unknown);
      result.push_back(&copy);
      break;
    }
    default: break;
    }
  }
  return result;
}

bool Checks::reads_any(const Reads& reads, const Reads& unknown) {
  return std::any_of(reads.begin(), reads.end(), [&](const Declaration* d) { return unknown.count(d) > 0; });
}

void Checks::statement(const Statement& s) {
  if (s.kind == StatementKind::require && known(s.value)) {
    fail_unless(e_.scalar(*s.value), s.text.empty() ? "a requirement does not hold" : s.text, s.value->range, {});
  }
  for (const Expr* e : {s.value, s.target, s.from, s.to})
    expression(e);
  for (const check::Part* part : s.parts)
    expression(part->elements);
  distribution(s.distribution, s.kind == StatementKind::observe ? s.target : nullptr);
  if (s.declaration && callee_depth_ == 0)
    declared(*s.declaration);
  else if (s.declaration)
    sizes(s.declaration->type);
}

void Checks::declared(const Declaration& d) {
  const check::Support& support = d.type.support;
  for (std::size_t axis = 0; axis < d.type.shape.size(); ++axis) {
    const Size& size = d.type.shape[axis];
    const bool simplex = support.kind == check::SupportKind::simplex && axis + 1 == d.type.shape.size();
    const std::int64_t least = simplex ? 1 : 0;
    if (never_below(size, least) || !known(size))
      continue;
    const ValueId extent = e_.size(size);
    fail_unless(e_.builder().compare(Opcode::ge, extent, e_.builder().index(least)),
                simplex ? "'" + d.name + "' is a simplex of {0} elements, and has to have one at least"
                        : "the size `" + size.text() + "` of '" + d.name + "' is {0}, which is negative",
                d.range, {extent});
  }
  sizes(d.type);
  expression(support.lower);
  expression(support.upper);
}

void Checks::sizes(const check::Type& type) {
  for (const Size& size : type.shape) {
    for (const auto& [key, atom] : size.atoms())
      expression(atom.expression);
  }
}

bool Checks::never_below(const Size& size, std::int64_t least) const {
  if (const auto constant = size.as_constant())
    return *constant >= least;
  if (least == 0 && sizes_of_data_.count(size.text()) > 0)
    return true;
  const check::SizeAtom& atom = size.atoms().begin()->second;
  if (!atom.declaration || !(size == Size::atom(atom)))
    return false;
  const Expr* lower = atom.declaration->type.support.lower;
  return lower && lower->kind == ExprKind::int_literal && lower->integer >= least;
}

void Checks::distribution(const DistributionExpr* d, const Expr* value) {
  if (!d)
    return;
  if (d->kind == check::DistributionKind::named && !d->distribution->library &&
      (search_.of_member(*d) || has_bounded_ints(d->distribution->parameters)))
    member(*d, value);
  for (const Expr* a : d->arguments)
    expression(a);
  if (d->kind == check::DistributionKind::family)
    generic(*d);
  for (const DistributionExpr* c : d->components)
    distribution(c);
  for (const Expr* e : {d->weights, d->lower, d->upper})
    expression(e);
  for (const check::BijectorStep* step : d->steps)
    bijector(*step);
}

bool Checks::known(const Expr* e) const {
  Reads reads, inner;
  collect(e, reads);
  own_indices(e, inner);
  return std::all_of(reads.begin(), reads.end(),
                     [&](const Declaration* d) { return e_.environment.count(d) > 0 || inner.count(d) > 0; });
}

bool Checks::known(const Size& size) const {
  Reads reads, inner;
  collect(size, reads);
  for (const auto& [key, atom] : size.atoms())
    own_indices(atom.expression, inner);
  return std::all_of(reads.begin(), reads.end(),
                     [&](const Declaration* d) { return e_.environment.count(d) > 0 || inner.count(d) > 0; });
}

void Checks::expression(const Expr* e) {
  if (!e)
    return;
  if (e->kind == ExprKind::comprehension) {
    comprehension(*e);
    return;
  }
  if (e->kind == ExprKind::conditional && (e->operands[0]->load_time || callee_depth_ > 0) && known(e->operands[0])) {
    // What is not taken may be out of range.
    expression(e->operands[0]);
    const auto side = [&](std::size_t k) {
      expression(e->operands[k]);
      return std::vector<ValueId>{};
    };
    e_.builder().if_(e_.scalar(*e->operands[0]), [&] { return side(1); }, [&] { return side(2); });
    return;
  }
  for (const Expr* operand : e->operands)
    expression(operand);
  for (const check::Part* part : e->parts)
    expression(part->elements);
  for (const check::Index& i : e->indices) {
    for (const Expr* x : {i.at, i.from, i.to})
      expression(x);
  }
  distribution(e->distribution,
               e->method == check::Method::log_density && !e->operands.empty() ? e->operands[0] : nullptr);
  if (e->kind == ExprKind::index)
    index(*e);
  if (e->check_at_load)
    divisor(*e);
  if (e->kind == ExprKind::call && (search_.has_checks(e->function->body) || has_bounded_ints(e->function->parameters)))
    callee(*e);
}

void Checks::comprehension(const Expr& e) {
  over_ranges(e.generators, [&] { expression(e.operands[0]); });
}

void Checks::over_ranges(const std::vector<check::Generator>& generators, const std::function<void()>& body) {
  for (const check::Generator& g : generators) {
    expression(g.from);
    expression(g.to);
  }
  for (const check::Generator& g : generators) {
    if (!known(g.from) || !known(g.to))
      return;
  }
  ir::Builder& b = e_.builder();
  std::vector<ValueId> first;
  std::vector<Dim> extents;
  for (const check::Generator& g : generators) {
    first.push_back(e_.scalar(*g.from));
    extents.push_back(b.dim(e_.range_extent(first.back(), e_.scalar(*g.to))));
  }
  b.for_each(extents, [&](Indices i) {
    const Environment outer = e_.environment;
    for (std::size_t g = 0; g < generators.size(); ++g)
      e_.environment[generators[g].index] = b.add(first[g], i[g]);
    body();
    e_.environment = outer;
  });
}

void Checks::fail_unless(ValueId condition, const std::string& text, SourceRange range,
                         const std::vector<ValueId>& values) {
  auto& messages = context_.module.messages;
  e_.builder().require(condition, std::to_string(messages.size()), values);
  messages.push_back({text, place_.value_or(range)});
}

void lower_checks(MasterContext& context) {
  Checks(context).run();
}

} // namespace vmodel::lower
