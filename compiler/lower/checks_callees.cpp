// Checks at load inside of what is called: functions, distributions, bijectors, nets, generic families.
#include "compiler/lower/checks.h"

#include <algorithm>

namespace vmodel::lower {

using check::ExprKind;
using check::StatementKind;
using ir::Opcode;

void Checks::spread(const check::Block& block, const Reads& around, Reads& unknown) {
  for (const Statement* s : block) {
    Reads reads = around;
    for (const Expr* e : {s->value, s->from, s->to})
      collect(e, reads);
    const bool is_element = s->target && s->target->kind == ExprKind::index;
    if (is_element)
      collect(s->target, reads);
    if (reads_any(reads, unknown)) {
      if (s->declaration)
        unknown.insert(s->declaration);
      unknown.insert(s->declarations.begin(), s->declarations.end());
      if (s->kind == StatementKind::assign && s->target)
        unknown.insert((is_element ? s->target->operands[0] : s->target)->declaration);
    }
    const bool nested = s->kind == StatementKind::for_ || s->kind == StatementKind::if_;
    spread(s->body, nested ? reads : around, unknown);
    spread(s->otherwise, nested ? reads : around, unknown);
  }
}

void Checks::generic(const DistributionExpr& d) {
  const check::FamilyTemplate& family = *d.family;
  Environment inner;
  for (const Declaration* name : family.size_names) {
    const auto size = d.sizes.find(name->name);
    if (size != d.sizes.end() && known(size->second))
      inner[name] = e_.size(size->second);
  }
  for (std::size_t k = 0; k < d.arguments.size(); ++k) {
    if (known(d.arguments[k]))
      inner[family.parameters[k]] = e_.expression(*d.arguments[k]);
  }
  arguments_in_bounds(family.parameters, inner, d.range);
  std::swap(e_.environment, inner);
  for (const check::LearnedCall& call : family.learned_calls)
    learned(call, call.range.file == d.range.file ? call.range : d.range);
  std::swap(e_.environment, inner);
}

void Checks::learned(const check::LearnedCall& call, SourceRange range) {
  Environment inner;
  for (const Declaration* name : call.size_names) {
    const auto size = call.sizes.find(name->name);
    if (size != call.sizes.end() && known(size->second))
      inner[name] = e_.size(size->second);
  }
  for (std::size_t k = 0; k < call.arguments.size(); ++k) {
    if (known(call.arguments[k]))
      inner[call.parameters[k]] = e_.expression(*call.arguments[k]);
  }
  arguments_in_bounds(call.parameters, inner, range);
}

void Checks::bijector(const check::BijectorStep& step) {
  if (!step.bijector) {
    over_ranges({step.turns}, [&] {
      for (const check::BijectorStep* inner : step.body)
        bijector(*inner);
    });
    return;
  }
  for (const Expr* a : step.arguments)
    expression(a);
  const check::Bijector& b = *step.bijector;
  for (const std::optional<check::Member>* m :
       {&b.forward, &b.inverse, &b.log_det, &b.forward_and_log_det, &b.inverse_and_log_det}) {
    if (*m && (search_.has_checks((*m)->body) || (b.learnables.empty() && has_bounded_ints(b.parameters))))
      bijector_member(step, **m);
  }
}

void Checks::arguments_in_bounds(const std::vector<const Declaration*>& parameters, Environment inner,
                                 SourceRange range) {
  ir::Builder& b = e_.builder();
  for (const Declaration* p : parameters) {
    const check::Support& support = p->type.support;
    if (inner.count(p) == 0 || p->type.element != check::Element::integer ||
        support.kind != check::SupportKind::bounded)
      continue;
    for (const bool low : {true, false}) {
      const Expr* bound = low ? support.lower : support.upper;
      std::swap(e_.environment, inner);
      const Value limit = bound && known(bound) ? e_.expression(*bound) : Value();
      const Value argument = e_.environment.at(p);
      std::swap(e_.environment, inner);
      if (!limit.id)
        continue;
      const auto one = [&](Indices i) {
        const ValueId x = e_.element(argument, i), l = e_.element(limit, i);
        fail_unless(b.compare(low ? Opcode::ge : Opcode::le, x, l),
                    "'" + p->name + "' is {0}, " + (low ? "below" : "above") + " its bound {1}", range, {x, l});
      };
      if (e_.rank_of(argument) == 0)
        one({});
      else
        b.for_each(e_.shape_of(argument), one);
    }
  }
}

void Checks::callee(const Expr& call) {
  Environment inner;
  std::vector<std::pair<const Declaration*, Value>> elements; // of a function of scalars applied to arrays
  for (const Declaration* name : call.function->size_names) {
    const auto found = call.sizes.find(name->name);
    if (found != call.sizes.end() && known(found->second))
      inner[name] = e_.size(found->second);
  }
  for (std::size_t k = 0; k < call.operands.size(); ++k) {
    const Expr& operand = *call.operands[k];
    const Declaration* parameter = call.function->parameters[k];
    if (!(operand.load_time || callee_depth_ > 0) || !known(&operand))
      continue;
    const Value value = e_.expression(operand);
    if (parameter->type.is_scalar() && !operand.type.shape.empty())
      elements.emplace_back(parameter, value);
    else
      inner[parameter] = value;
  }
  const auto run = [&](const Environment& arguments) {
    arguments_in_bounds(call.function->parameters, arguments, call.range);
    if (search_.has_checks(call.function->body))
      run_callee(call.function->body, call.function->parameters, arguments);
  };
  if (elements.empty()) {
    run(inner);
    return;
  }
  e_.builder().for_each(e_.shape_of(elements[0].second), [&](Indices i) {
    Environment here = inner;
    for (const auto& [parameter, value] : elements)
      here[parameter] = e_.element(value, i);
    run(here);
  });
}

void Checks::run_callee(const check::Block& body, const std::vector<const Declaration*>& parameters,
                        Environment inner) {
  Reads unknown;
  for (const Declaration* p : parameters) {
    if (inner.count(p) == 0)
      unknown.insert(p);
  }
  for (std::size_t before = parameters.size() + 1; before != unknown.size();) {
    before = unknown.size();
    spread(body, {}, unknown);
  }
  ++callee_depth_;
  std::swap(e_.environment, inner);
  e_.block(skeleton(body, unknown));
  std::swap(e_.environment, inner);
  --callee_depth_;
}

void Checks::member(const DistributionExpr& d, const Expr* value) {
  const check::Distribution& named = *d.distribution;
  for (const Size& size : d.batch) {
    if (!known(size))
      return;
  }
  Environment sizes;
  for (const Declaration* name : named.size_names) {
    if (known(d.sizes.at(name->name)))
      sizes[name] = e_.size(d.sizes.at(name->name));
  }
  const auto if_known = [&](const Expr* e) {
    return e && (e->load_time || callee_depth_ > 0) && known(e) ? e_.expression(*e) : Value();
  };
  std::vector<Value> arguments;
  for (const Expr* argument : d.arguments)
    arguments.push_back(if_known(argument));
  const Value x = if_known(value);
  std::vector<const Declaration*> parameters = named.parameters;
  parameters.insert(parameters.end(), named.log_density->parameters.begin(), named.log_density->parameters.end());
  const auto at = [&](const Value& v, std::size_t own, Indices batch) {
    const std::size_t rank = e_.rank_of(v);
    return rank > own ? e_.slice(v, batch.last(std::min(rank - own, batch.size()))) : v;
  };
  const auto one = [&](Indices batch) {
    Environment inner = sizes;
    for (std::size_t k = 0; k < arguments.size(); ++k) {
      if (arguments[k].id)
        inner[named.parameters[k]] = at(arguments[k], named.parameters[k]->type.rank(), batch);
    }
    if (x.id)
      inner[named.log_density->parameters[0]] = at(x, d.event.size(), batch);
    arguments_in_bounds(named.parameters, inner, d.range);
    if (search_.has_checks(named.log_density->body))
      run_callee(named.log_density->body, parameters, inner);
  };
  if (d.batch.empty())
    one({});
  else
    e_.builder().for_each(e_.dims(d.batch), one);
}

void Checks::bijector_member(const check::BijectorStep& step, const check::Member& m) {
  const check::Bijector& b = *step.bijector;
  Environment sizes;
  for (const Declaration* name : b.size_names) {
    if (known(step.sizes.at(name->name)))
      sizes[name] = e_.size(step.sizes.at(name->name));
  }
  std::vector<Value> arguments(step.arguments.size());
  std::vector<Dim> batch;
  const auto lead = [&](std::size_t k) { return e_.rank_of(arguments[k]) - b.inputs[k]->type.rank(); };
  for (std::size_t k = 0; k < arguments.size(); ++k) {
    const Expr* a = step.arguments[k];
    if (!(a->load_time || callee_depth_ > 0) || !known(a))
      continue;
    arguments[k] = e_.expression(*a);
    const std::vector<Dim> shape = e_.shape_of(arguments[k]);
    if (lead(k) > batch.size())
      batch.assign(shape.begin(), shape.begin() + static_cast<std::ptrdiff_t>(lead(k)));
  }
  std::vector<const Declaration*> parameters = b.inputs;
  parameters.insert(parameters.end(), m.parameters.begin(), m.parameters.end());
  const auto one = [&](Indices at) {
    Environment inner = sizes;
    for (std::size_t k = 0; k < arguments.size(); ++k) {
      if (arguments[k].id)
        inner[b.inputs[k]] = lead(k) > 0 ? e_.slice(arguments[k], at.last(lead(k))) : arguments[k];
    }
    // Those of what is learned are held against their bounds where it is declared.
    if (b.learnables.empty())
      arguments_in_bounds(b.inputs, inner, step.range);
    if (!search_.has_checks(m.body))
      return;
    // What fails in the library is told where the user calls it.
    const std::optional<SourceRange> outer = place_;
    if (b.library && !place_)
      place_ = step.range;
    run_callee(m.body, parameters, inner);
    place_ = outer;
  };
  if (batch.empty())
    one({});
  else
    e_.builder().for_each(batch, one);
}

} // namespace vmodel::lower
