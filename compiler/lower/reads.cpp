#include "compiler/lower/reads.h"

#include <functional>
#include <map>
#include <vector>

namespace vmodel::lower {

using check::Declaration;
using check::Expr;
using check::Statement;
using check::StatementKind;

void collect(const check::Size& size, Reads& reads) {
  for (const auto& [key, atom] : size.atoms()) {
    if (atom.declaration)
      reads.insert(atom.declaration);
    collect(atom.expression, reads);
  }
}

void collect(const check::Type& type, Reads& reads) {
  for (const check::Size& size : type.shape)
    collect(size, reads);
  collect(type.support.lower, reads);
  collect(type.support.upper, reads);
}

void collect(const check::BijectorStep* step, Reads& reads) {
  for (const Expr* a : step->arguments)
    collect(a, reads);
  for (const auto& [name, size] : step->sizes)
    collect(size, reads);
  collect(step->turns.from, reads);
  collect(step->turns.to, reads);
  for (const check::BijectorStep* inner : step->body)
    collect(inner, reads);
}

void collect(const check::DistributionExpr* d, Reads& reads) {
  if (!d)
    return;
  for (const Expr* a : d->arguments)
    collect(a, reads);
  for (const check::DistributionExpr* c : d->components)
    collect(c, reads);
  for (const Expr* e : {d->weights, d->lower, d->upper})
    collect(e, reads);
  for (const check::BijectorStep* step : d->steps)
    collect(step, reads);
  for (const auto& [name, size] : d->sizes)
    collect(size, reads);
  for (const check::Shape* shape : {&d->batch, &d->event}) {
    for (const check::Size& size : *shape)
      collect(size, reads);
  }
}

void collect(const Expr* e, Reads& reads) {
  if (!e)
    return;
  if (e->kind == check::ExprKind::name)
    reads.insert(e->declaration);
  reads.insert(e->declarations.begin(), e->declarations.end()); // of which it is the coordinates
  if (e->kind == check::ExprKind::size)
    collect(e->size, reads);
  for (const check::Size& size : e->type.shape)
    collect(size, reads);
  for (const Expr* operand : e->operands)
    collect(operand, reads);
  for (const check::Index& i : e->indices) {
    for (const Expr* x : {i.at, i.from, i.to})
      collect(x, reads);
  }
  for (const check::Generator& g : e->generators) {
    collect(g.from, reads);
    collect(g.to, reads);
  }
  for (const auto& [name, size] : e->sizes)
    collect(size, reads);
  collect(e->distribution, reads);
  for (const check::Part* part : e->parts)
    collect(*part, reads);
}

void collect(const check::Part& part, Reads& reads) {
  collect(part.elements, reads);
  for (const Expr* e : part.parameter.bijector_arguments)
    collect(e, reads);
  collect(part.parameter.location, reads);
  collect(part.parameter.scale, reads);
}

void collect(const check::Block& block, Reads& reads) {
  for (const Statement* s : block) {
    for (const Expr* e : {s->value, s->target, s->from, s->to})
      collect(e, reads);
    if (s->declaration)
      collect(s->declaration->type, reads);
    collect(s->distribution, reads);
    for (const check::Part* part : s->parts)
      collect(*part, reads);
    collect(s->body, reads);
    collect(s->otherwise, reads);
  }
}

Reads through_definitions(const check::Block& whole, Reads reads) {
  std::map<const Declaration*, Reads> definitions;
  std::function<void(const check::Block&, const Reads&)> define = [&](const check::Block& block, const Reads& around) {
    for (const Statement* s : block) {
      const auto add = [&](const Declaration* d) {
        for (const Expr* e : {s->value, s->target})
          collect(e, definitions[d]);
        collect(d->type, definitions[d]);
        // The loops and conditions around it decide, too.
        definitions[d].insert(around.begin(), around.end());
      };
      if (s->kind == StatementKind::assign)
        add((s->target->kind == check::ExprKind::index ? s->target->operands[0] : s->target)->declaration);
      else if (s->declaration)
        add(s->declaration);
      for (const Declaration* d : s->declarations)
        add(d);
      Reads inside = around;
      if (s->kind == StatementKind::for_ || s->kind == StatementKind::if_) {
        for (const Expr* e : {s->value, s->from, s->to})
          collect(e, inside);
      }
      define(s->body, inside);
      define(s->otherwise, inside);
    }
  };
  define(whole, {});
  std::vector<const Declaration*> pending(reads.begin(), reads.end());
  while (!pending.empty()) {
    const Declaration* d = pending.back();
    pending.pop_back();
    for (const Declaration* next : definitions[d]) {
      if (reads.insert(next).second)
        pending.push_back(next);
    }
  }
  return reads;
}

} // namespace vmodel::lower
