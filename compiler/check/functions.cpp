// Functions, distributions, bijectors and generic families: signatures and bodies, checked once.
#include "compiler/check/checker.h"

#include <algorithm>

namespace vmodel::check {

namespace {

void size_names_in(const ast::Expression& e, std::vector<const ast::NameReference*>& names) {
  if (const auto* name = ast::as_if<ast::NameReference>(e))
    names.push_back(name);
  if (const auto* binary = ast::as_if<ast::Binary>(e)) {
    size_names_in(*binary->left, names);
    size_names_in(*binary->right, names);
  }
  if (const auto* unary = ast::as_if<ast::Unary>(e))
    size_names_in(*unary->operand, names);
  if (const auto* call = ast::as_if<ast::Call>(e)) {
    for (const ast::Argument& argument : call->arguments)
      size_names_in(*argument.value, names);
  }
}

} // namespace

void Checker::predeclare_sizes(const ast::Type& type, std::vector<const Declaration*>& size_names,
                               const std::vector<ast::Parameter>& list) {
  std::vector<const ast::NameReference*> names;
  for (const ast::ExpressionPtr& e : type.sizes)
    size_names_in(*e, names);
  for (const ast::Bound& bound : type.bounds) {
    if (!bound.name)
      size_names_in(*bound.value, names);
  }
  for (const ast::NameReference* name : names) {
    const bool parameter =
        std::any_of(list.begin(), list.end(), [&](const ast::Parameter& p) { return p.name.text == name->name; });
    if (parameter || find(name->name))
      continue;
    Type integer;
    integer.element = Element::integer;
    Declaration* d = declare(DeclarationKind::size_name, name->name, integer, name->range);
    d->load_time = true;
    enter(d);
    if (const auto fixed = context_->callable->fixed_sizes.find(name->name);
        fixed != context_->callable->fixed_sizes.end()) {
      known_sizes_[d] = fixed->second;
      context_->callable->fixed_names.push_back(d);
      continue;
    }
    size_names.push_back(d);
    context_->facts.add_bounds(d->name, {{Size::constant(0)}, {}});
  }
}

bool Checker::parameters(const std::vector<ast::Parameter>& list, Callable& callable,
                         std::vector<const Declaration*>& result, std::vector<const Declaration*>& size_names) {
  bool good = true;
  for (const ast::Parameter& p : list) {
    if (!takes_function(p)) {
      context_->dependencies.add_root(p.name.text);
      predeclare_sizes(p.type, size_names, list);
      continue;
    }
    if (callable.item->kind == ast::ItemKind::Distribution) {
      not_supported_yet(p.type.range, "a function as an argument of a distribution");
      good = false;
    }
    if (p.default_value && callable.functions.count(p.name.text) == 0)
      callable.functions[p.name.text] = function_argument(*p.default_value);
  }
  // Scalars without supports first: sizes and bounds of the others may name them.
  std::vector<const Declaration*> declared(list.size(), nullptr);
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (!takes_function(list[i]))
      continue;
    declared[i] = declare(DeclarationKind::argument, list[i].name.text, {}, list[i].name.range);
    function_parameters_.insert(declared[i]);
    if (list[i].default_value)
      callable.defaults[declared[i]] = nullptr;
  }
  for (const bool plain : {true, false}) {
    for (std::size_t i = 0; i < list.size(); ++i) {
      const ast::Parameter& p = list[i];
      if (takes_function(p) || (p.type.sizes.empty() && p.type.bounds.empty()) != plain)
        continue;
      TypeRules rules;
      rules.allow_bool = true;
      rules.what = "argument";
      const auto t = type(p.type, rules);
      Declaration* d = declare(DeclarationKind::argument, p.name.text, t.value_or(Type{}), p.name.range);
      if (!t) {
        poisoned_.insert(d);
        good = false;
      } else if (t->element == Element::integer && t->support.kind == SupportKind::bounded) {
        IntRange range;
        if (t->support.lower && t->support.lower->type.is_scalar())
          range.lower.push_back(to_size(t->support.lower));
        if (t->support.upper && t->support.upper->type.is_scalar())
          range.upper.push_back(to_size(t->support.upper));
        int_ranges_[d] = range;
      }
      enter(d);
      if (const auto range = int_ranges_.find(d); range != int_ranges_.end() && d->type.is_scalar())
        context_->facts.add_bounds(d->name, range->second);
      declared[i] = d;
    }
  }
  callable.parameters = declared;
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (takes_function(list[i]))
      continue;
    result.push_back(declared[i]);
    if (!list[i].default_value)
      continue;
    const Expr* value = expression(*list[i].default_value);
    // A list has the length of its own default where it is left out.
    const bool list_of_ints = declared[i]->type.element == Element::integer && declared[i]->type.rank() == 1;
    if (value && !poisoned(declared[i]) && (!list_of_ints || value->type.rank() != 1))
      value = convert(value, declared[i]->type, "the default");
    if (!value) {
      good = false;
    } else {
      callable.defaults[declared[i]] = value;
    }
  }
  return good;
}

bool Checker::check_signature(Callable& callable) {
  if (callable.state == Callable::State::failed)
    return false;
  if (callable.state != Callable::State::untouched)
    return true;
  callable.state = Callable::State::failed;
  Context context;
  context.kind = BlockKind::signature;
  context.scopes.emplace_back();
  context.callable = &callable;
  ContextGuard guard(*this, context);
  TypeRules rules;
  rules.what = "result";
  bool good = true;
  switch (callable.item->kind) {
  case ast::ItemKind::Function: {
    const auto& item = ast::as<ast::Function>(*callable.item);
    program_->functions.emplace_back();
    Function* function = &program_->functions.back();
    function->name = callable.prefix + item.name.text;
    function->symbol = unique_name(callable, item.name.text) + callable.version;
    function->range = item.name.range;
    function->builtin = item.is_builtin;
    if (item.is_builtin && !callable.library) {
      error(Code::misplaced_statement, item.range, "`builtin` functions belong to the standard library");
      return false;
    }
    good = parameters(item.parameters, callable, function->parameters, function->size_names);
    rules.allow_bool = true;
    for (const ast::Type& result : item.results) {
      const auto t = type(result, rules);
      good = good && t;
      if (t)
        function->results.push_back(*t);
    }
    callable.function = function;
    break;
  }
  case ast::ItemKind::Distribution: {
    const auto& item = ast::as<ast::Distribution>(*callable.item);
    program_->distributions.emplace_back();
    Distribution* distribution = &program_->distributions.back();
    distribution->name = callable.prefix + item.name.text;
    distribution->symbol = unique_name(callable, item.name.text);
    distribution->library = callable.library;
    distribution->range = item.name.range;
    distribution->whole = item.range;
    good = parameters(item.parameters, callable, distribution->parameters, distribution->size_names);
    predeclare_sizes(item.support, distribution->size_names, item.parameters);
    rules.what = "distribution";
    const auto on = type(item.support, rules);
    good = good && on;
    if (on)
      distribution->on = *on;
    distribution->discrete = on && on->element == Element::integer;
    callable.distribution = distribution;
    break;
  }
  case ast::ItemKind::Bijector: {
    const auto& item = ast::as<ast::Bijector>(*callable.item);
    program_->bijectors.emplace_back();
    Bijector* bijector = &program_->bijectors.back();
    bijector->name = callable.prefix + item.name.text;
    bijector->symbol = unique_name(callable, item.name.text) + callable.version;
    bijector->library = callable.library;
    bijector->range = item.name.range;
    good = parameters(item.parameters, callable, bijector->parameters, bijector->size_names);
    predeclare_sizes(item.from, bijector->size_names, item.parameters);
    predeclare_sizes(item.to, bijector->size_names, item.parameters);
    rules.what = "bijector";
    const auto from = type(item.from, rules), to = type(item.to, rules);
    good = good && from && to;
    for (const auto* side : {&from, &to}) {
      if (*side && (*side)->element != Element::real) {
        error(Code::invalid_type, (side == &from ? item.from : item.to).range, "a bijector of " + type_text(**side))
            .hint("bijectors map reals");
        good = false;
      }
    }
    if (from)
      bijector->from = *from;
    if (to)
      bijector->to = *to;
    callable.bijector = bijector;
    break;
  }
  case ast::ItemKind::Net: {
    const auto& item = ast::as<ast::Net>(*callable.item);
    Net* net = &nets_.emplace_back();
    net->name = callable.prefix + item.name.text;
    net->range = item.name.range;
    good = parameters(item.parameters, callable, net->parameters, net->size_names);
    predeclare_sizes(item.from, net->size_names, item.parameters);
    predeclare_sizes(item.to, net->size_names, item.parameters);
    rules.what = "net";
    const auto from = type(item.from, rules), to = type(item.to, rules);
    good = good && from && to;
    for (const auto* side : {&from, &to}) {
      if (*side && (*side)->element != Element::real) {
        error(Code::invalid_type, (side == &from ? item.from : item.to).range, "a net of " + type_text(**side))
            .hint("nets take and give reals");
        good = false;
      }
    }
    if (from)
      net->from = *from;
    if (to)
      net->to = *to;
    callable.net = net;
    break;
  }
  case ast::ItemKind::FamilyGeneric: {
    const auto& item = ast::as<ast::FamilyGeneric>(*callable.item);
    program_->family_templates.emplace_back();
    FamilyTemplate* family = &program_->family_templates.back();
    family->name = callable.prefix + item.name.text;
    family->range = item.name.range;
    good = parameters(item.parameters, callable, family->parameters, family->size_names);
    predeclare_sizes(item.variable_type, family->size_names, item.parameters);
    const auto t = type(item.variable_type, rules);
    good = good && t;
    if (t && (t->rank() != 1 || t->element != Element::real || t->support.kind != SupportKind::all)) {
      error(Code::invalid_type, item.variable_type.range, "a generic family on " + type_text(*t))
          .hint("it draws a flat vector: real[D]");
      good = false;
    }
    Declaration* x = declare(DeclarationKind::drawn, item.variable.text, t.value_or(Type{}), item.variable.range);
    enter(x);
    family->target = x;
    callable.family = family;
    break;
  }
  default: return false;
  }
  if (!good)
    return false;
  callable.state = Callable::State::signature;
  return true;
}

bool Checker::check_body(Callable& callable) {
  if (callable.state == Callable::State::done)
    return true;
  if (callable.state != Callable::State::signature)
    return false;
  callable.state = Callable::State::body;
  const std::size_t before = diagnostics_.error_count();
  bool good = false;
  switch (callable.item->kind) {
  case ast::ItemKind::Function: good = callable.function->builtin || function_body(callable); break;
  case ast::ItemKind::Distribution: good = distribution_members(callable); break;
  case ast::ItemKind::Bijector: good = bijector_members(callable); break;
  case ast::ItemKind::Net: good = net_members(callable); break;
  case ast::ItemKind::FamilyGeneric: good = family_template_body(callable); break;
  default: break;
  }
  good = good && diagnostics_.error_count() == before;
  callable.state = good ? Callable::State::done : Callable::State::failed;
  return good;
}

namespace {

void enter_all(Context& context, const std::vector<const Declaration*>& declarations) {
  for (const Declaration* d : declarations) {
    context.scopes.front().push_back(d);
    if (d->kind == DeclarationKind::argument)
      context.dependencies.add_root(d->name);
    if (d->kind == DeclarationKind::size_name)
      context.facts.add_bounds(d->name, {{Size::constant(0)}, {}});
  }
}

} // namespace

Context Checker::callable_context(BlockKind kind, Callable& callable, const std::vector<const Declaration*>& parameters,
                                  const std::vector<const Declaration*>& size_names) {
  Context context;
  context.kind = kind;
  context.scopes.resize(2);
  context.callable = &callable;
  enter_all(context, size_names);
  enter_all(context, callable.fixed_names);
  enter_all(context, parameters);
  for (const Declaration* d : callable.learned) {
    context.scopes.front().push_back(d);
    context.dependencies.add_root(d->kind == DeclarationKind::instance ? Dependencies::callable_root(d->name)
                                                                       : d->name);
  }
  for (const Declaration* p : parameters) {
    if (const auto range = int_ranges_.find(p); range != int_ranges_.end() && p->type.is_scalar())
      context.facts.add_bounds(p->name, range->second);
  }
  return context;
}

const Declaration* Checker::enter_argument(const ast::Name& name, const Type& type) {
  const Declaration* x = declare(DeclarationKind::argument, name.text, type, name.range);
  context_->dependencies.add_root(x->name);
  enter(x);
  return x;
}

bool Checker::function_body(Callable& callable) {
  const auto& item = ast::as<ast::Function>(*callable.item);
  Function& function = *callable.function;
  Context context = callable_context(BlockKind::function, callable, function.parameters, function.size_names);
  context.results = function.results;
  ContextGuard guard(*this, context);
  auto body = member_body(item.body, context.results, item.range);
  if (!body)
    return false;
  function.body = std::move(*body);
  return true;
}

std::optional<Block> Checker::member_body(const ast::Body& body, const std::vector<Type>& results, SourceRange range) {
  context_->results = results;
  Block block;
  if (body.expression) {
    const Expr* value = expression(*body.expression);
    if (!value)
      return std::nullopt;
    Statement* s = make(StatementKind::return_, body.expression->range);
    if (!returned_value(value, body.expression->range, *s))
      return std::nullopt;
    block.push_back(s);
    return block;
  }
  if (!body.block || body.block->statements.empty() ||
      body.block->statements.back()->kind != ast::StatementKind::Return) {
    error(Code::invalid_return, body.block ? body.block->range : range, "the body does not end in a return")
        .hint("the last statement is `return value;`");
    return std::nullopt;
  }
  const std::size_t before = diagnostics_.error_count();
  context_->dependencies.add_block(*body.block);
  collect_later_names(*body.block);
  statements(body.block->statements, block);
  if (diagnostics_.error_count() != before)
    return std::nullopt;
  check_cover(block, StatementKind::assign, {});
  return block;
}

bool Checker::returned_value(const Expr* value, SourceRange range, Statement& statement) {
  const std::vector<Type>& results = context_->results;
  if (results.size() == 1) {
    statement.value = convert(value, results[0], "the result");
    if (!statement.value)
      return false;
    // A declared range of an int result is a promise on which indices rely.
    const Support& support = results[0].support;
    if (results[0].element == Element::integer && support.kind == SupportKind::bounded &&
        !(context_->callable && context_->callable->library)) {
      const IntRange range_of_value = int_range(value);
      bool low = !support.lower, high = !support.upper;
      for (const Size& s : range_of_value.lower)
        low = low || context_->facts.at_most(to_size(support.lower), s);
      for (const Size& s : range_of_value.upper)
        high = high || context_->facts.at_most(s, to_size(support.upper));
      if (!low || !high) {
        error(Code::unproved_index, range,
              "nothing says that the result is within " + support_text(support, Element::integer))
            .hint("bound it: clamp(i, lower, upper)");
        return false;
      }
    }
    return true;
  }
  if (value->type.tuple.size() != results.size()) {
    error(Code::invalid_return, range,
          "the result is " + type_text(value->type) + ", and " + std::to_string(results.size()) +
              " values are declared");
    return false;
  }
  if (value->kind != ExprKind::tuple) {
    statement.value = value;
    return true;
  }
  std::vector<const Expr*> elements;
  Type type;
  for (std::size_t i = 0; i < results.size(); ++i) {
    const Expr* element = convert(value->operands[i], results[i], "result " + std::to_string(i + 1));
    if (!element)
      return false;
    elements.push_back(element);
    type.tuple.push_back(element->type);
  }
  statement.value = make(ExprKind::tuple, value->range, type, elements);
  return true;
}

bool Checker::distribution_members(Callable& callable) {
  const auto& item = ast::as<ast::Distribution>(*callable.item);
  Distribution& d = *callable.distribution;
  const std::map<std::string, std::optional<Member>*> places{
      {"log_density", &d.log_density}, {"cdf", &d.cdf},       {"log_cdf", &d.log_cdf}, {"log_ccdf", &d.log_ccdf},
      {"quantile", &d.quantile},       {"sample", &d.sample}, {"entropy", &d.entropy}};
  bool good = true;
  Type real;
  for (const ast::Member& m : item.members) {
    const auto place = places.find(m.name.text);
    if (place == places.end()) {
      std::vector<std::string> names;
      for (const auto& [name, p] : places)
        names.push_back(name);
      auto report = error(Code::missing_member, m.name.range, "a distribution has no member '" + m.name.text + "'");
      const auto guess = nearest(m.name.text, names);
      report.hint(guess ? "did you mean '" + *guess + "'?" : "the members are " + listed(names));
      good = false;
      continue;
    }
    if (place->second->has_value()) {
      error(Code::duplicate_name, m.name.range, "a second '" + m.name.text + "'");
      good = false;
      continue;
    }
    const bool takes_value = m.name.text != "sample" && m.name.text != "entropy";
    if (m.parameters.size() != (takes_value ? 1U : 0U)) {
      error(Code::missing_member, m.range,
            "'" + m.name.text + "' takes " + (takes_value ? "one argument" : "no arguments"));
      good = false;
      continue;
    }
    Context context;
    context.kind = m.name.text == "sample" ? BlockKind::sampler : BlockKind::member;
    context.scopes.resize(2);
    context.callable = &callable;
    enter_all(context, d.size_names);
    enter_all(context, d.parameters);
    ContextGuard guard(*this, context);
    Member member;
    if (takes_value) {
      const Type value = m.name.text == "quantile" ? real : d.on;
      const Declaration* x = enter_argument(m.parameters[0], value);
      // A file's own density is not evaluated outside of its support, so that the value may be an index.
      if (m.name.text == "log_density" && !callable.library && value.element == Element::integer && value.is_scalar()) {
        IntRange range;
        if (value.support.lower)
          range.lower.push_back(to_size(value.support.lower));
        if (value.support.upper)
          range.upper.push_back(to_size(value.support.upper));
        int_ranges_[x] = range;
      }
      member.parameters.push_back(x);
    }
    Type result = m.name.text == "quantile" || m.name.text == "sample" ? d.on : real;
    result.support = {};
    auto body = member_body(m.body, {result}, m.range);
    if (!body) {
      good = false;
      continue;
    }
    member.body = std::move(*body);
    *place->second = std::move(member);
  }
  if (good && !d.log_density) {
    error(Code::missing_member, item.name.range, "the distribution '" + d.name + "' has no log_density")
        .hint("log_density(x) = ...;");
    good = false;
  }
  return good;
}

bool Checker::bijector_members(Callable& callable) {
  const auto& item = ast::as<ast::Bijector>(*callable.item);
  Bijector& b = *callable.bijector;
  Type real;
  const auto with_log_det = [&](const Type& type) { return std::vector<Type>{type, real}; };
  Type from = b.from, to = b.to;
  from.support = to.support = {};
  struct Place {
    std::optional<Member>* member;
    const Type* takes;
    std::vector<Type> results;
  };
  const std::map<std::string, Place> places{
      {"forward", {&b.forward, &b.from, {to}}},
      {"inverse", {&b.inverse, &b.to, {from}}},
      {"log_det", {&b.log_det, &b.from, {real}}},
      {"forward_and_log_det", {&b.forward_and_log_det, &b.from, with_log_det(to)}},
      {"inverse_and_log_det", {&b.inverse_and_log_det, &b.to, with_log_det(from)}}};
  bool good = learn_members(callable, item.learnables, b.learnables, b.learned_calls, b.parameters, b.size_names);
  b.inputs = b.parameters;
  for (const Learnable& l : b.learnables)
    b.inputs.push_back(l.declaration);
  for (const ast::Member& m : item.members) {
    if (!good)
      break;
    const auto place = places.find(m.name.text);
    if (place == places.end()) {
      error(Code::missing_member, m.name.range, "a bijector has no member '" + m.name.text + "'")
          .hint("the members are forward(x), inverse(y), log_det(x), and with two results forward_and_log_det(x) and "
                "inverse_and_log_det(y)");
      good = false;
      continue;
    }
    if (place->second.member->has_value()) {
      error(Code::duplicate_name, m.name.range, "a second '" + m.name.text + "'");
      good = false;
      continue;
    }
    if (m.parameters.size() != 1) {
      error(Code::missing_member, m.range, "'" + m.name.text + "' takes one argument");
      good = false;
      continue;
    }
    Context context = callable_context(BlockKind::member, callable, b.parameters, b.size_names);
    ContextGuard guard(*this, context);
    Member member;
    member.parameters.push_back(enter_argument(m.parameters[0], *place->second.takes));
    auto body = member_body(m.body, place->second.results, m.range);
    if (!body) {
      good = false;
      continue;
    }
    member.body = std::move(*body);
    *place->second.member = std::move(member);
  }
  if (good && !b.has_forward() && !b.has_inverse()) {
    error(Code::missing_member, item.name.range, "the bijector '" + b.name + "' has neither forward nor inverse")
        .hint("forward(x) = ...; inverse(y) = ...;");
    good = false;
  }
  return good;
}

bool Checker::family_template_body(Callable& callable) {
  const auto& item = ast::as<ast::FamilyGeneric>(*callable.item);
  FamilyTemplate& family = *callable.family;
  Context context = callable_context(BlockKind::family_template, callable, family.parameters, family.size_names);
  context.learnables = &family.learnables;
  context.learned_calls = &family.learned_calls;
  context.mixed = &family.mixed;
  context.scopes.front().push_back(family.target);
  context.dependencies.add_root(family.target->name);
  ContextGuard guard(*this, context);
  context.dependencies.add_block(item.body);
  collect_later_names(item.body);
  const std::size_t before = diagnostics_.error_count();
  statements(item.body.statements, family.body);
  if (diagnostics_.error_count() != before)
    return false;
  check_cover(family.body, StatementKind::assign, {});
  check_cover(family.body, StatementKind::draw, {family.target});
  report_unused_mixes(family.mixed);
  if (!family.mixed.empty() && !context.proposal_range.valid()) {
    error(Code::incomplete_family, item.name.range, "a generic family with `mix` and without `proposal`")
        .label(family.mixed.front().declaration->range, "what is to be proposed")
        .hint("proposal { " + family.mixed.front().declaration->name + " ~ ...; }");
  }
  return diagnostics_.error_count() == before;
}

} // namespace vmodel::check
