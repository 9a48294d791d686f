// What is learned as a whole: nets and bijectors with learnables of their own. `learn net: mlp(...)` declares the
// learnables of the net in the family (or in the net around it), under names that begin with its own, and a call of the
// net becomes a call of a function that takes them beside x.
#include "compiler/check/checker.h"

#include <algorithm>

namespace vmodel::check {

namespace {

const std::vector<Learnable>& learnables_of(const Callable& callable) {
  return callable.net ? callable.net->learnables : callable.bijector->learnables;
}

const std::vector<LearnedCall>& learned_calls_of(const Callable& callable) {
  return callable.net ? callable.net->learned_calls : callable.bijector->learned_calls;
}

} // namespace

// ---------------------------------------------------------------- declarations

void Checker::learn_instance(const ast::LearnInstance& s) {
  Declaration* d = declare(DeclarationKind::instance, s.name.text, {}, s.name.range);
  enter(d);
  poisoned_.insert(d);
  if (context_->loop_depth > 0 || context_->conditional_depth > 0) {
    error(Code::misplaced_learn, s.range, "`learn` inside of a loop or condition")
        .hint("declare an array of them above: learn " + s.name.text + ": " + s.callee.text + "(...)[N];");
    return;
  }
  Instance instance;
  for (const auto& e : s.sizes) {
    const auto extent = size(*e, "the number of them");
    if (!extent)
      return;
    instance.batch.push_back(*extent);
  }
  std::vector<Callable*> candidates;
  for (Callable* callable : find_callables(s.callee.text)) {
    if (callable->item->kind == ast::ItemKind::Net || callable->item->kind == ast::ItemKind::Bijector)
      candidates.push_back(callable);
  }
  if (candidates.empty()) {
    report_unknown_callable(s.callee.text, s.callee.range, ast::ItemKind::Net);
    return;
  }
  auto call = versioned_call(s.arguments, candidates, s.callee.text, s.range);
  if (!call)
    return;
  const Callable& callable = *call->callable;
  for (const Declaration* name : size_names_of(callable)) {
    if (call->binding.sizes.count(name->name) != 0)
      continue;
    error(Code::shape_mismatch, s.range, "the size '" + name->name + "' of '" + s.callee.text + "' is not known here")
        .label(name->range, "no argument says what it is")
        .hint("give it an argument: " + name->name + ": int");
    return;
  }
  instance.callable = call->callable;
  instance.arguments = call->arguments;
  instance.binding = call->binding;
  for (const Learnable& l : learnables_of(callable)) {
    Type type = instantiate(l.declaration->type, call->binding);
    type.shape.insert(type.shape.begin(), instance.batch.begin(), instance.batch.end());
    for (const Expr* bound : {type.support.lower, type.support.upper}) {
      if (!bound || bound->type.is_scalar() || instance.batch.empty())
        continue;
      not_supported_yet(s.range, "an array of what learns within bounds that are arrays");
      return;
    }
    Declaration* own = declare(DeclarationKind::learn, s.name.text + "." + l.declaration->name, type, s.range);
    Learnable made = learnable(own, instantiate(l.initial, call->binding), s.range);
    if (!made.declaration)
      return;
    made.start = instantiate(l.start, call->binding);
    context_->learnables->push_back(made);
    instance.learnables.push_back(own);
  }
  context_->learned_calls->push_back({callable.net ? callable.net->parameters : callable.bijector->parameters,
                                      size_names_of(callable), call->arguments, call->binding.sizes, s.range});
  // What the library has inside of its own fits wherever the arguments of the whole do.
  for (LearnedCall inner : callable.library ? std::vector<LearnedCall>{} : learned_calls_of(callable)) {
    for (const Expr*& a : inner.arguments)
      a = instantiate(a, call->binding);
    for (auto& [name, size] : inner.sizes)
      size = instantiate(size, call->binding);
    inner.range = s.range;
    context_->learned_calls->push_back(std::move(inner));
  }
  instances_[d] = std::move(instance);
  poisoned_.erase(d);
}

/// The `learn` statements of a net or bijector.
bool Checker::learn_members(Callable& callable, const std::vector<ast::StatementPtr>& statements,
                            std::vector<Learnable>& learnables, std::vector<LearnedCall>& learned_calls,
                            const std::vector<const Declaration*>& parameters,
                            const std::vector<const Declaration*>& size_names) {
  Context context = callable_context(BlockKind::family_template, callable, parameters, size_names);
  context.learnables = &learnables;
  context.learned_calls = &learned_calls;
  ContextGuard guard(*this, context);
  const std::size_t before = diagnostics_.error_count();
  for (const auto& s : statements) {
    if (const auto* l = ast::as_if<ast::Learn>(*s))
      learn(*l);
    else
      learn_instance(ast::as<ast::LearnInstance>(*s));
  }
  callable.learned = context.scopes.back();
  return diagnostics_.error_count() == before;
}

bool Checker::net_members(Callable& callable) {
  const auto& item = ast::as<ast::Net>(*callable.item);
  Net& net = *callable.net;
  if (!learn_members(callable, item.learnables, net.learnables, net.learned_calls, net.parameters, net.size_names))
    return false;
  bool good = true;
  for (const ast::Member& m : item.members) {
    if (m.name.text != "apply" || m.parameters.size() != 1) {
      error(Code::missing_member, m.range, "a net has one member, apply(x)");
      good = false;
      continue;
    }
    if (net.apply) {
      error(Code::duplicate_name, m.name.range, "a second 'apply'");
      good = false;
      continue;
    }
    Context context = callable_context(BlockKind::member, callable, net.parameters, net.size_names);
    ContextGuard guard(*this, context);
    Type takes = net.from;
    takes.support = {};
    const Declaration* x = enter_argument(m.parameters[0], takes);
    program_->functions.emplace_back();
    Function* apply = &program_->functions.back();
    apply->name = net.name;
    apply->symbol = unique_name(callable, item.name.text) + ".net" + callable.version;
    apply->range = m.name.range;
    apply->parameters = {x};
    apply->parameters.insert(apply->parameters.end(), net.parameters.begin(), net.parameters.end());
    for (const Learnable& l : net.learnables)
      apply->parameters.push_back(l.declaration);
    apply->size_names = net.size_names;
    apply->results = {net.to};
    apply->results[0].support = {};
    auto body = member_body(m.body, apply->results, m.range);
    if (!body) {
      good = false;
      continue;
    }
    apply->body = std::move(*body);
    net.apply = apply;
  }
  if (good && !net.apply) {
    error(Code::missing_member, item.name.range, "the net '" + net.name + "' has no apply").hint("apply(x) = ...;");
    good = false;
  }
  return good;
}

// ---------------------------------------------------------------- uses

/// The net or bijector that the expression names, `net` or `layer[l]`; null: none.
const Declaration* Checker::instance_named(const ast::Expression& e) const {
  const auto* index = ast::as_if<ast::Index>(e);
  const auto* name = ast::as_if<ast::NameReference>(index ? *index->base : e);
  const Declaration* d = name ? find(name->name) : nullptr;
  return d && d->kind == DeclarationKind::instance ? d : nullptr;
}

std::optional<Checker::InstanceUse> Checker::instance_use(const ast::Expression& e) {
  InstanceUse use;
  use.declaration = instance_named(e);
  if (poisoned(use.declaration))
    return std::nullopt;
  use.instance = &instances_.at(use.declaration);
  const Instance& instance = *use.instance;
  const auto* index = ast::as_if<ast::Index>(e);
  const std::size_t given = index ? index->entries.size() : 0;
  if (given != instance.batch.size()) {
    error(Code::invalid_index, e.range,
          "'" + use.declaration->name + "' is " +
              (instance.batch.empty() ? "one, not an array" : "an array of shape " + shape_text(instance.batch)))
        .label(use.declaration->range, "declared here");
    return std::nullopt;
  }
  std::vector<Index> at;
  for (std::size_t axis = 0; axis < given; ++axis) {
    const ast::IndexEntry& entry = index->entries[axis];
    if (entry.is_slice) {
      error(Code::invalid_index, entry.range, "one of '" + use.declaration->name + "' is applied at a time")
          .hint("a list of bijectors is [b[l] for l in 1:L]");
      return std::nullopt;
    }
    Index i;
    i.range = entry.range;
    i.at = scalar_int(*entry.first, "the index");
    if (!i.at || !prove_index(i.at, instance.batch[axis], i, i.at, axis))
      return std::nullopt;
    at.push_back(i);
  }
  for (const Declaration* l : instance.learnables) {
    const Expr* value = name_expr(l, e.range);
    if (!at.empty()) {
      Type type = l->type;
      type.shape.erase(type.shape.begin(), type.shape.begin() + static_cast<std::ptrdiff_t>(at.size()));
      Expr* element = make(ExprKind::index, e.range, type, {value});
      element->indices = at;
      value = element;
    }
    use.learned.push_back(value);
  }
  return use;
}

const Expr* Checker::apply_net(const ast::Call& e) {
  const auto use = instance_use(*e.callee);
  std::vector<const Expr*> given;
  for (const ast::Argument& a : e.arguments)
    given.push_back(expression(*a.value));
  if (!use)
    return nullptr;
  const Instance& instance = *use->instance;
  const std::string& name = use->declaration->name;
  if (!instance.callable->net) {
    error(Code::type_mismatch, e.range, "'" + name + "' is a bijector, not a net")
        .label(use->declaration->range, "declared here")
        .hint("bijectors stand in transformed(...)");
    return nullptr;
  }
  if (given.size() != 1 || e.arguments[0].name) {
    error(Code::wrong_arguments, e.range, "the net '" + name + "' takes one argument");
    return nullptr;
  }
  const Net& net = *instance.callable->net;
  const Expr* x = to_real(given[0]);
  if (!x)
    return nullptr;
  const Shape wanted = instantiate(net.from.shape, instance.binding);
  if (x->type.element != Element::real || !x->type.tuple.empty() || x->type.rank() != wanted.size()) {
    Type type;
    type.shape = wanted;
    auto report = error(Code::wrong_arguments, x->range,
                        "the net '" + name + "' takes " + type_text(type) + ", not " + type_text(x->type));
    if (x->type.rank() == wanted.size() + 1)
      report.hint("for each row: [" + name + "(x[n]) for n in 1:N]");
    if (x->type.rank() == 0 && wanted.size() == 1)
      report.hint("a vector of one is [x]");
    return nullptr;
  }
  if (!same_shape(x->type.shape, wanted)) {
    report_shapes(x->range, "the argument of the net '" + name + "' does not fit", wanted, x->type.shape);
    return nullptr;
  }
  std::vector<const Expr*> operands{x};
  operands.insert(operands.end(), instance.arguments.begin(), instance.arguments.end());
  operands.insert(operands.end(), use->learned.begin(), use->learned.end());
  Type type = instantiate(net.apply->results[0], instance.binding);
  Expr* result = make(ExprKind::call, e.range, type, operands);
  result->function = net.apply;
  for (const Declaration* size_name : net.size_names)
    result->sizes[size_name->name] = instance.binding.sizes.at(size_name->name);
  return result;
}

/// A learned bijector as a step; see bijector_step.
const BijectorStep* Checker::instance_step(const WrittenStep& written, BijectorStep* step, bool backward, Shape& shape,
                                           const Target& target) {
  const auto use = instance_use(*written.expression);
  if (!use)
    return nullptr;
  const Instance& instance = *use->instance;
  const Bijector& b = *instance.callable->bijector;
  const Shape from = instantiate(b.from.shape, instance.binding), to = instantiate(b.to.shape, instance.binding);
  const Shape& before = backward != step->inverted ? to : from;
  const Shape& after = backward != step->inverted ? from : to;
  const auto own = static_cast<std::ptrdiff_t>(before.size());
  if (shape.size() < before.size() || !same_shape(Shape(shape.end() - own, shape.end()), before)) {
    report_shapes(step->range, "'" + use->declaration->name + "' does not fit " + target.name, before,
                  shape.size() < before.size() ? shape : Shape(shape.end() - own, shape.end()));
    return nullptr;
  }
  shape.erase(shape.end() - own, shape.end());
  shape.insert(shape.end(), after.begin(), after.end());
  step->bijector = &b;
  step->arguments = instance.arguments;
  step->arguments.insert(step->arguments.end(), use->learned.begin(), use->learned.end());
  for (const Declaration* name : b.size_names)
    step->sizes[name->name] = instance.binding.sizes.at(name->name);
  step->from = step->inverted ? to : from;
  step->to = step->inverted ? from : to;
  return step;
}

// ---------------------------------------------------------------- distributions at their use

const DistributionExpr* Checker::instantiate(const DistributionExpr* d, const Binding& binding) {
  if (!d)
    return nullptr;
  program_->distribution_expressions.push_back(*d);
  DistributionExpr* copy = &program_->distribution_expressions.back();
  copy->batch = instantiate(d->batch, binding);
  copy->event = instantiate(d->event, binding);
  for (const Expr*& a : copy->arguments)
    a = instantiate(a, binding);
  for (auto& [name, size] : copy->sizes)
    size = instantiate(size, binding);
  for (const DistributionExpr*& c : copy->components)
    c = instantiate(c, binding);
  copy->weights = instantiate(d->weights, binding);
  copy->lower = instantiate(d->lower, binding);
  copy->upper = instantiate(d->upper, binding);
  const std::function<const BijectorStep*(const BijectorStep*)> step_at = [&](const BijectorStep* step) {
    program_->bijector_steps.push_back(*step);
    BijectorStep* made = &program_->bijector_steps.back();
    for (const Expr*& a : made->arguments)
      a = instantiate(a, binding);
    for (auto& [name, size] : made->sizes)
      size = instantiate(size, binding);
    made->from = instantiate(step->from, binding);
    made->to = instantiate(step->to, binding);
    made->turns.from = instantiate(step->turns.from, binding);
    made->turns.to = instantiate(step->turns.to, binding);
    for (const BijectorStep*& inner : made->body)
      inner = step_at(inner);
    return made;
  };
  for (const BijectorStep*& step : copy->steps)
    step = step_at(step);
  return copy;
}

} // namespace vmodel::check
