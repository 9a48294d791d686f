// Statements that every block has: let, var, assignments, loops, conditions, require, return.
#include "compiler/check/checker.h"

#include <algorithm>

namespace vmodel::check {

Statement* Checker::make(StatementKind kind, SourceRange range) {
  program_->statements.emplace_back();
  Statement& s = program_->statements.back();
  s.kind = kind;
  s.range = range;
  return &s;
}

Declaration* Checker::declare(DeclarationKind kind, const std::string& name, Type type, SourceRange range) {
  program_->declarations.emplace_back();
  Declaration& d = program_->declarations.back();
  d.kind = kind;
  d.name = name;
  d.type = std::move(type);
  d.range = range;
  return &d;
}

void Checker::block(const ast::Block& block, Block& into) {
  ScopeGuard scope(*this);
  statements(block.statements, into);
}

void Checker::statements(const std::vector<ast::StatementPtr>& list, Block& into) {
  for (std::size_t i = 0; i < list.size(); ++i) {
    const bool returns = context_->kind == BlockKind::function || context_->kind == BlockKind::member ||
                         context_->kind == BlockKind::sampler;
    if (returns && list[i]->kind == ast::StatementKind::Return && i + 1 != list.size()) {
      error(Code::invalid_return, list[i + 1]->range, "a statement after the return")
          .label(list[i]->range, "the return");
    }
    statement(*list[i], into);
  }
}

bool Checker::allowed(const ast::Statement& s) {
  using K = ast::StatementKind;
  const BlockKind kind = context_->kind;
  const bool model = kind == BlockKind::model, family = kind == BlockKind::family || kind == BlockKind::family_template;
  const auto refuse = [&](const std::string& what, const std::string& where) {
    error(Code::misplaced_statement, s.range, "`" + what + "` outside of a " + where);
    return false;
  };
  switch (s.kind) {
  case K::Data: return model ? true : refuse("data", "model");
  case K::Param: return model ? true : refuse("param", "model");
  case K::Observe: return model ? true : refuse("observe", "model");
  case K::Factor: return model ? true : refuse("factor", "model");
  case K::Quantity: return model ? true : refuse("quantity", "model");
  case K::Require:
    return model || kind == BlockKind::function || kind == BlockKind::member ? true : refuse("require", "model");
  case K::Learn:
    if (model) {
      not_supported_yet(s.range, "`learn` in a model");
      return false;
    }
    return family ? true : refuse("learn", "family");
  case K::LearnInstance:
    if (model) {
      not_supported_yet(s.range, "`learn` in a model");
      return false;
    }
    return family ? true : refuse("learn", "family");
  case K::Mix:
  case K::Proposal: {
    const char* word = s.kind == K::Mix ? "mix" : "proposal";
    if (!family)
      return refuse(word, "family");
    if (!context_->in_proposal)
      return true;
    error(Code::misplaced_statement, s.range, std::string("`") + word + "` inside of a `proposal`");
    return false;
  }
  case K::Plate:
    if (family)
      return true;
    if (!model)
      return refuse("plate", "family");
    not_supported_yet(s.range, "`plate` in a model", "write the statements for whole arrays, or a for loop");
    return false;
  case K::LocalFunction:
    not_supported_yet(s.range, "a function inside of a block", "declare it outside of the model");
    return false;
  case K::While:
    if (kind == BlockKind::sampler)
      return true;
    error(Code::misplaced_statement, s.range, "`while` outside of sample()")
        .hint("loops run over ranges: for i in 1:N { ... }");
    return false;
  case K::Return:
    if (kind == BlockKind::function || kind == BlockKind::member || kind == BlockKind::sampler) {
      if (context_->loop_depth == 0 && context_->conditional_depth == 0)
        return true;
      error(Code::invalid_return, s.range, "a return inside of a loop or condition")
          .hint("the last statement returns; choose with ?:");
      return false;
    }
    return refuse("return", "function");
  case K::Sample:
    if (model || family)
      return true;
    error(Code::misplaced_statement, s.range, "`~` outside of models and families");
    return false;
  default: return true;
  }
}

void Checker::statement(const ast::Statement& s, Block& into) {
  if (!allowed(s)) {
    // Its name exists all the same, so that uses are not reported as well.
    const ast::Name* name = s.kind == ast::StatementKind::Mix             ? &ast::as<ast::Mix>(s).name
                            : s.kind == ast::StatementKind::LearnInstance ? &ast::as<ast::LearnInstance>(s).name
                            : s.kind == ast::StatementKind::Learn         ? &ast::as<ast::Learn>(s).name
                            : s.kind == ast::StatementKind::Param         ? &ast::as<ast::Param>(s).name
                            : s.kind == ast::StatementKind::Data          ? &ast::as<ast::Data>(s).name
                                                                          : nullptr;
    if (name) {
      const Declaration* d = declare(DeclarationKind::let, name->text, {}, name->range);
      poisoned_.insert(d);
      if (!find(name->text))
        enter(d);
    }
    if (s.kind == ast::StatementKind::Plate) {
      for (const auto& inner : ast::as<ast::Plate>(s).body.statements) {
        if (inner->kind != ast::StatementKind::Param)
          continue;
        const ast::Name& n = ast::as<ast::Param>(*inner).name;
        const Declaration* d = declare(DeclarationKind::param, n.text, {}, n.range);
        poisoned_.insert(d);
        enter(d);
      }
    }
    return;
  }
  switch (s.kind) {
  case ast::StatementKind::Data: return data(ast::as<ast::Data>(s));
  case ast::StatementKind::Param: return param(ast::as<ast::Param>(s), into);
  case ast::StatementKind::Let: return let(ast::as<ast::Let>(s), into);
  case ast::StatementKind::Var: return var(ast::as<ast::Var>(s), into);
  case ast::StatementKind::Learn: return learn(ast::as<ast::Learn>(s));
  case ast::StatementKind::LearnInstance: return learn_instance(ast::as<ast::LearnInstance>(s));
  case ast::StatementKind::Mix: return mix(ast::as<ast::Mix>(s), into);
  case ast::StatementKind::Proposal: return proposal(ast::as<ast::Proposal>(s), into);
  case ast::StatementKind::Observe: return observe(ast::as<ast::Observe>(s), into);
  case ast::StatementKind::Factor: return factor(ast::as<ast::Factor>(s), into);
  case ast::StatementKind::Quantity: return quantity(ast::as<ast::Quantity>(s), into);
  case ast::StatementKind::Require: return require(ast::as<ast::Require>(s), into);
  case ast::StatementKind::For: return for_statement(ast::as<ast::For>(s), into);
  case ast::StatementKind::Plate: return plate(ast::as<ast::Plate>(s), into);
  case ast::StatementKind::If: return if_statement(ast::as<ast::If>(s), into);
  case ast::StatementKind::While: return while_statement(ast::as<ast::While>(s), into);
  case ast::StatementKind::Return: return return_statement(ast::as<ast::Return>(s), into);
  case ast::StatementKind::Assign: return assign(ast::as<ast::Assign>(s), into);
  case ast::StatementKind::Sample: return sample(ast::as<ast::Sample>(s), into);
  default: return;
  }
}

void Checker::let(const ast::Let& s, Block& into) {
  const Expr* value = expression(*s.value);
  if (s.names.size() > 1) {
    Statement* statement = make(StatementKind::let_tuple, s.range);
    statement->value = value;
    const bool fits = value && value->type.tuple.size() == s.names.size();
    if (value && !fits) {
      error(Code::type_mismatch, s.value->range,
            std::to_string(s.names.size()) + " names for " + type_text(value->type));
    }
    for (std::size_t i = 0; i < s.names.size(); ++i) {
      Declaration* d =
          declare(DeclarationKind::let, s.names[i].text, fits ? value->type.tuple[i] : Type{}, s.names[i].range);
      if (!fits)
        poisoned_.insert(d);
      d->load_time = fits && value->load_time;
      enter(d);
      statement->declarations.push_back(d);
    }
    if (fits)
      into.push_back(statement);
    return;
  }
  if (s.type) {
    TypeRules rules;
    rules.allow_bool = true;
    rules.what = "let";
    rules.support_allowed = false;
    const auto t = type(*s.type, rules);
    if (t && value)
      value = convert(value, *t, "the value of '" + s.names[0].text + "'");
    if (!t)
      value = nullptr;
  }
  if (value && !value->type.tuple.empty()) {
    error(Code::type_mismatch, s.value->range, "one name for " + type_text(value->type))
        .hint("take it apart: let (a, b) = ...;");
    value = nullptr;
  }
  Declaration* d = declare(DeclarationKind::let, s.names[0].text, value ? value->type : Type{}, s.names[0].range);
  if (!value)
    poisoned_.insert(d);
  if (value) {
    d->load_time = value->load_time;
    d->type.support = {};
    intervals_[d] = interval(value);
    if (value->type.element == Element::integer) {
      IntRange range = int_range(value);
      for (std::vector<Size>* bounds : {&range.lower, &range.upper}) {
        std::erase_if(*bounds, [&](const Size& s) { return mentions_var(s); });
      }
      int_ranges_[d] = range;
      if (value->kind == ExprKind::array)
        known_lists_[d] = value;
      if (value->type.is_scalar() && value->load_time && !mentions_var(to_size(value)))
        known_sizes_[d] = to_size(value);
    }
  }
  enter(d);
  if (!value)
    return;
  Statement* statement = make(StatementKind::let, s.range);
  statement->declaration = d;
  statement->value = value;
  into.push_back(statement);
}

void Checker::var(const ast::Var& s, Block& into) {
  const Expr* value = s.value ? expression(*s.value) : nullptr;
  bool good = !s.value || value;
  Type t = value ? value->type : Type{};
  t.support = {};
  if (s.type) {
    TypeRules rules;
    rules.allow_bool = true;
    rules.what = "var";
    rules.support_allowed = false;
    const auto declared = type(*s.type, rules);
    good = good && declared;
    if (declared)
      t = *declared;
    if (declared && value) {
      // A scalar fills an array.
      if (value->type.is_scalar() && declared->rank() > 0) {
        Type element = *declared;
        element.shape.clear();
        value = convert(value, element, "the fill value");
      } else {
        value = convert(value, *declared, "the value of '" + s.name.text + "'");
      }
      good = good && value;
    }
  } else if (!s.value) {
    error(Code::invalid_type, s.range, "a var without type or value")
        .hint("var " + s.name.text + ": real[N]; or var " + s.name.text + " = 0.0;");
    good = false;
  } else if (value && value->type.is_scalar() && value->type.element == Element::integer &&
             value->kind == ExprKind::int_literal) {
    // `var total = 0;` starts an int; most people want a real and are told by the first assignment.
  }
  if (value && !value->type.tuple.empty()) {
    error(Code::type_mismatch, s.value->range, "a var of " + type_text(value->type));
    good = false;
  }
  Declaration* d = declare(DeclarationKind::var, s.name.text, t, s.name.range);
  d->write_once = !s.value;
  d->load_time = !context_->dependencies.varying(s.name);
  if (!good)
    poisoned_.insert(d);
  if (value)
    intervals_[d] = interval(value);
  enter(d);
  if (!good)
    return;
  Statement* statement = make(StatementKind::var, s.range);
  statement->declaration = d;
  statement->value = value;
  into.push_back(statement);
}

void Checker::assign(const ast::Assign& s, Block& into) {
  const ast::Expression* name_node = s.target.get();
  if (const auto* index = ast::as_if<ast::Index>(*name_node))
    name_node = index->base.get();
  const auto* name = ast::as_if<ast::NameReference>(*name_node);
  if (!name) {
    error(Code::not_assignable, s.target->range, "this cannot be assigned to");
    return;
  }
  const Declaration* d = find(name->name);
  if (d && d->kind != DeclarationKind::var) {
    auto report = error(Code::not_assignable, s.target->range, "'" + name->name + "' is not a var");
    report.label(d->range, "declared here");
    if (d->kind == DeclarationKind::let)
      report.hint("declare it with `var`");
    if (d->kind == DeclarationKind::param)
      report.hint("a parameter gets its prior with ~");
    if (d->kind == DeclarationKind::argument)
      report.hint("copy it: var x = " + name->name + ";");
    expression(*s.value);
    return;
  }
  if (!d && context_->declared_later.count(name->name) == 0) {
    auto report = error(Code::unknown_name, name_node->range, "no var named '" + name->name + "'");
    report.hint(name_node == s.target.get() ? "declare it: let " + name->name + " = ...;"
                                            : "declare it: var " + name->name + ": real[N];");
    expression(*s.value);
    return;
  }
  const Expr* target = expression(*s.target);
  const Expr* value = expression(*s.value);
  if (!d || !target || !value || !stays_in_turn(d, s.target->range))
    return;
  for (const Index& index : target->indices) {
    if (index.kind != Index::Kind::gather)
      continue;
    error(Code::not_assignable, index.range, "an assignment to elements by an index array").hint("write a loop");
    return;
  }
  Type wanted = target->type;
  wanted.support = {};
  if (value->type.is_scalar() && wanted.rank() > 0) {
    Type element = wanted;
    element.shape.clear();
    value = convert(value, element, "the value");
  } else {
    if (value->type.element == Element::real && wanted.element == Element::integer &&
        value->type.rank() == wanted.rank()) {
      error(Code::type_mismatch, value->range, "a real value for '" + name->name + "', which is " + type_text(d->type))
          .label(d->range, "declared here")
          .hint("start it with a real: var " + name->name + " = 0.0;");
      return;
    }
    value = convert(value, wanted, "the value");
  }
  if (!value)
    return;
  if (s.is_add && wanted.element == Element::boolean) {
    error(Code::type_mismatch, s.target->range, "'+=' of " + type_text(target->type));
    return;
  }
  if (s.is_add && d->write_once) {
    error(Code::read_before_write, s.target->range, "'+=' to '" + name->name + "', which has no fill value")
        .label(d->range, "declared here")
        .hint("give it one: var " + name->name + ": ... = 0;");
    return;
  }
  Interval written = interval(value);
  if (s.is_add)
    written = {};
  const auto known = intervals_.find(d);
  if (known == intervals_.end()) {
    intervals_[d] = written;
  } else {
    known->second = {std::min(known->second.lower, written.lower), std::max(known->second.upper, written.upper),
                     known->second.tight && written.tight};
  }
  Statement* statement = make(StatementKind::assign, s.range);
  statement->target = target;
  statement->value = value;
  statement->add = s.is_add;
  into.push_back(statement);
}

void Checker::for_statement(const ast::For& s, Block& into) {
  const auto range = loop_range(s.over);
  ScopeGuard scope(*this);
  Statement* statement = make(StatementKind::for_, s.range);
  statement->declaration = enter_loop_index(s.variable, range);
  if (range) {
    statement->from = range->first;
    statement->to = range->second;
  }
  ++context_->loop_depth;
  block(s.body, statement->body);
  --context_->loop_depth;
  if (range)
    into.push_back(statement);
}

void Checker::if_statement(const ast::If& s, Block& into) {
  Block* place = &into;
  for (std::size_t i = 0; i < s.branches.size(); ++i) {
    const Expr* condition = expression(*s.branches[i].condition);
    if (condition && (condition->type.element != Element::boolean || !condition->type.is_scalar())) {
      auto report = error(Code::type_mismatch, condition->range,
                          "the condition is " + type_text(condition->type) + ", not a bool");
      if (condition->type.element == Element::integer)
        report.hint("compare it: ... != 0");
      condition = nullptr;
    }
    if (condition && context_->kind != BlockKind::sampler &&
        !require_load_time(condition, "the condition", "choose a value instead: condition ? a : b")) {
      condition = nullptr;
    }
    Statement* statement = make(StatementKind::if_, s.range);
    statement->value = condition;
    ++context_->conditional_depth;
    block(s.branches[i].body, statement->body);
    --context_->conditional_depth;
    if (condition)
      place->push_back(statement);
    place = &statement->otherwise;
  }
  if (!s.otherwise)
    return;
  ++context_->conditional_depth;
  block(*s.otherwise, *place);
  --context_->conditional_depth;
}

void Checker::while_statement(const ast::While& s, Block& into) {
  const Expr* condition = expression(*s.condition);
  if (condition && (condition->type.element != Element::boolean || !condition->type.is_scalar())) {
    error(Code::type_mismatch, condition->range, "the condition is " + type_text(condition->type) + ", not a bool");
    condition = nullptr;
  }
  Statement* statement = make(StatementKind::while_, s.range);
  statement->value = condition;
  ++context_->loop_depth;
  block(s.body, statement->body);
  --context_->loop_depth;
  if (condition)
    into.push_back(statement);
}

void Checker::require(const ast::Require& s, Block& into) {
  const Expr* condition = expression(*s.condition);
  if (!condition)
    return;
  if (condition->type.element != Element::boolean || !condition->type.is_scalar()) {
    error(Code::type_mismatch, condition->range, "the condition is " + type_text(condition->type) + ", not a bool");
    return;
  }
  if (!require_load_time(condition, "the condition", "`require` is checked when the data are loaded"))
    return;
  Statement* statement = make(StatementKind::require, s.range);
  statement->value = condition;
  if (s.message)
    statement->text = s.message->text;
  into.push_back(statement);
  // Facts for sizes and indices, from every part of a conjunction. A callable is also checked where nothing is loaded.
  if (context_->kind != BlockKind::model || context_->loop_depth > 0 || context_->conditional_depth > 0)
    return;
  std::vector<const Expr*> parts{condition};
  while (!parts.empty()) {
    const Expr* part = parts.back();
    parts.pop_back();
    if (part->kind == ExprKind::binary && part->op == Operator::logical_and) {
      parts.insert(parts.end(), part->operands.begin(), part->operands.end());
      continue;
    }
    if (part->kind != ExprKind::compare || part->operands[0]->type.element != Element::integer ||
        !part->operands[0]->type.is_scalar())
      continue;
    const Size a = to_size(part->operands[0]), b = to_size(part->operands[1]), one = Size::constant(1);
    if (mentions_var(a) || mentions_var(b))
      continue;
    if (const auto difference = (a - b).as_constant()) {
      const std::int64_t v = *difference;
      const bool holds = part->op == Operator::eq   ? v == 0
                         : part->op == Operator::ne ? v != 0
                         : part->op == Operator::lt ? v < 0
                         : part->op == Operator::le ? v <= 0
                         : part->op == Operator::gt ? v > 0
                                                    : v >= 0;
      if (!holds)
        error(Code::outside_support, part->range, "the condition never holds");
      continue;
    }
    switch (part->op) {
    case Operator::eq: context_->facts.add_equal(a, b); break;
    case Operator::le: context_->facts.add_nonnegative(b - a); break;
    case Operator::lt: context_->facts.add_nonnegative(b - a - one); break;
    case Operator::ge: context_->facts.add_nonnegative(a - b); break;
    case Operator::gt: context_->facts.add_nonnegative(a - b - one); break;
    default: break;
    }
  }
}

void Checker::return_statement(const ast::Return& s, Block& into) {
  const Expr* value = expression(*s.value);
  if (!value)
    return;
  Statement* statement = make(StatementKind::return_, s.range);
  if (returned_value(value, s.value->range, *statement))
    into.push_back(statement);
}

std::string Checker::site_name(const Expr* target, const std::string& fallback) {
  std::string name = context_->site_prefix + fallback;
  const Expr* base = target;
  while (base && (base->kind == ExprKind::index || base->kind == ExprKind::to_real))
    base = base->operands[0];
  if (base && base->kind == ExprKind::name)
    name = context_->site_prefix + base->declaration->name;
  const int count = ++context_->site_names[name];
  return count == 1 ? name : name + "." + std::to_string(count);
}

} // namespace vmodel::check
