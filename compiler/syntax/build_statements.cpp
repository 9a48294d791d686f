// Statements of the parse tree as nodes of the syntax tree.
#include "compiler/syntax/ast_builder.h"

namespace vmodel::syntax {

namespace {

constexpr std::size_t name_token = VModelParser::NAME;

} // namespace

ast::Block AstBuilder::block(const Context* context) {
  ast::Block result;
  result.range = range(context);
  Children children(context);
  while (!children.done()) {
    const Context* next = children.rule(VModelParser::RuleStatement);
    if (next == nullptr) {
      children.skip();
      continue;
    }
    if (next->exception != nullptr)
      continue;
    if (ast::StatementPtr node = statement(next))
      result.statements.push_back(std::move(node));
  }
  return result;
}

ast::Range AstBuilder::over(const Context* context) {
  Children children(context);
  ast::Range result;
  result.range = range(context);
  result.first = expression(children.rule(VModelParser::RuleExpression));
  if (children.token(VModelParser::COLON) != nullptr)
    result.last = expression(children.rule(VModelParser::RuleExpression));
  return result;
}

ast::ExpressionPtr AstBuilder::target(const Context* context) {
  Children children(context);
  const auto place = [&](const Context* node) -> ast::ExpressionPtr {
    Children parts(node);
    auto reference = std::make_unique<ast::NameReference>();
    const antlr4::Token* token = parts.token(name_token);
    reference->name = tokens_.text(token);
    reference->range = range(token);
    ast::ExpressionPtr result = std::move(reference);
    while (const Context* next = parts.rule(VModelParser::RuleSuffix))
      result = suffix(std::move(result), next);
    return result;
  };
  if (const Context* single = children.rule(VModelParser::RulePlace))
    return place(single);
  children.token(VModelParser::LEFT_PAREN);
  auto tuple = std::make_unique<ast::Tuple>();
  tuple->range = range(context);
  while (const Context* next = children.rule(VModelParser::RulePlace)) {
    tuple->elements.push_back(place(next));
    grow(*tuple, tuple->elements.back());
    children.token(VModelParser::COMMA);
  }
  if (tuple->elements.size() == 1)
    return std::move(tuple->elements[0]);
  return tuple;
}

ast::StatementPtr AstBuilder::learn(const Context* context) {
  Children children(context);
  children.token(VModelParser::LEARN);
  ast::Name declared = name(children.token(name_token));
  children.token(VModelParser::COLON);
  const antlr4::Token* base = children.token(name_token);
  if (const Context* list = children.rule(VModelParser::RuleArguments)) {
    auto node = std::make_unique<ast::LearnInstance>();
    node->range = range(context);
    node->name = std::move(declared);
    node->callee = name(base);
    node->arguments = arguments(list);
    if (const Context* sizes = children.rule(VModelParser::RuleShape))
      node->sizes = shape(sizes);
    return node;
  }
  auto node = std::make_unique<ast::Learn>();
  node->range = range(context);
  node->name = std::move(declared);
  node->type = type(base, children.rule(VModelParser::RuleTypeRest));
  if (children.token(VModelParser::ASSIGN) != nullptr)
    node->initial = expression(children.rule(VModelParser::RuleExpression));
  else if (children.token(VModelParser::TILDE) != nullptr)
    node->start = expression(children.rule(VModelParser::RuleExpression));
  return node;
}

ast::StatementPtr AstBuilder::let(const Context* context) {
  Children children(context);
  auto node = std::make_unique<ast::Let>();
  node->range = range(context);
  children.token(VModelParser::LET);
  if (children.token(VModelParser::LEFT_PAREN) != nullptr) {
    do {
      node->names.push_back(name(children.token(name_token)));
    } while (children.token(VModelParser::COMMA) != nullptr);
    children.token(VModelParser::RIGHT_PAREN);
  } else {
    node->names.push_back(name(children.token(name_token)));
    if (children.token(VModelParser::COLON) != nullptr)
      node->type = type(children.rule(VModelParser::RuleType));
  }
  children.token(VModelParser::ASSIGN);
  node->value = expression(children.rule(VModelParser::RuleExpression));
  return node;
}

ast::StatementPtr AstBuilder::if_else(const Context* context) {
  Children children(context);
  auto node = std::make_unique<ast::If>();
  node->range = range(context);
  const auto branch = [&](Children& parts) {
    ast::IfBranch result;
    result.condition = expression(parts.rule(VModelParser::RuleExpression));
    result.body = block(parts.rule(VModelParser::RuleBlock));
    node->branches.push_back(std::move(result));
  };
  children.token(VModelParser::IF);
  branch(children);
  while (const Context* next = children.rule(VModelParser::RuleElseBranch)) {
    Children parts(next);
    const antlr4::Token* word = parts.token(VModelParser::ELSE);
    if (node->otherwise.has_value()) {
      diagnostics_.report(Code::syntax, range(word), "'else' after the last branch")
          .label(range(context->start), "of this 'if'");
    }
    if (parts.token(VModelParser::IF) != nullptr)
      branch(parts);
    else
      node->otherwise = block(parts.rule(VModelParser::RuleBlock));
  }
  return node;
}

ast::StatementPtr AstBuilder::assign_or_sample(const Context* context) {
  Children children(context);
  const Context* left = children.rule(VModelParser::RuleTarget);
  ast::ExpressionPtr place = target(left);
  const antlr4::Token* op = children.any_token();
  ast::ExpressionPtr value = expression(children.rule(VModelParser::RuleExpression));
  if (op->getType() == VModelParser::TILDE) {
    auto node = std::make_unique<ast::Sample>();
    node->range = range(context);
    node->target = std::move(place);
    node->distribution = std::move(value);
    return node;
  }
  auto node = std::make_unique<ast::Assign>();
  node->range = range(context);
  node->is_add = op->getType() == VModelParser::PLUS_ASSIGN;
  node->op_range = range(op);
  const auto* reference = ast::as_if<ast::NameReference>(*place);
  const auto* index = ast::as_if<ast::Index>(*place);
  if (node->is_add && reference != nullptr && reference->name == "target") {
    diagnostics_.report(Code::foreign_statement, join(place->range, node->op_range), "there is no 'target' to add to")
        .hint("a term of the log density is written factor x;");
  } else if (reference == nullptr && (index == nullptr || index->base->kind != ast::ExpressionKind::NameReference)) {
    auto report = diagnostics_.report(Code::syntax, place->range,
                                      "cannot assign to '" + std::string(tokens_.source().slice(place->range)) + "'");
    if (place->kind == ast::ExpressionKind::Tuple)
      report.hint("several values are named by let (a, b) = ...;");
    else if (index != nullptr)
      report.hint("write all indices in one bracket: x[i, j]");
  }
  node->target = std::move(place);
  node->value = std::move(value);
  return node;
}

ast::StatementPtr AstBuilder::statement(const Context* statement) {
  const auto* context = static_cast<const Context*>(statement->children.at(0));
  if (context->exception != nullptr)
    return nullptr;
  Children children(context);
  const auto begin = [&](auto node) {
    node->range = range(context);
    return node;
  };
  const auto optional_type = [&](std::optional<ast::Type>& type_of) {
    if (children.token(VModelParser::COLON) != nullptr)
      type_of = type(children.rule(VModelParser::RuleType));
  };
  const auto next_expression = [&] { return expression(children.rule(VModelParser::RuleExpression)); };
  const auto optional_value = [&](std::size_t sign, ast::ExpressionPtr& value) {
    if (children.token(sign) != nullptr)
      value = next_expression();
  };
  switch (context->getRuleIndex()) {
  case VModelParser::RuleData: {
    auto node = begin(std::make_unique<ast::Data>());
    children.skip();
    node->name = name(children.token(name_token));
    children.token(VModelParser::COLON);
    node->type = type(children.rule(VModelParser::RuleType));
    if (children.token(VModelParser::FROM) != nullptr)
      node->field = string(children.token(VModelParser::STRING));
    return node;
  }
  case VModelParser::RuleParam: {
    auto node = begin(std::make_unique<ast::Param>());
    if (const antlr4::Token* word = children.token(VModelParser::NONCENTERED)) {
      node->noncentered = true;
      node->noncentered_range = range(word);
    }
    children.skip();
    node->name = name(children.token(name_token));
    children.token(VModelParser::COLON);
    node->type = type(children.rule(VModelParser::RuleType));
    optional_value(VModelParser::TILDE, node->prior);
    return node;
  }
  case VModelParser::RuleLet: return let(context);
  case VModelParser::RuleVar: {
    auto node = begin(std::make_unique<ast::Var>());
    children.skip();
    node->name = name(children.token(name_token));
    optional_type(node->type);
    optional_value(VModelParser::ASSIGN, node->value);
    return node;
  }
  case VModelParser::RuleLearn: return learn(context);
  case VModelParser::RuleMix: {
    auto node = begin(std::make_unique<ast::Mix>());
    children.skip();
    node->name = name(children.token(name_token));
    children.token(VModelParser::COLON);
    node->type = type(children.rule(VModelParser::RuleType));
    optional_value(VModelParser::TILDE, node->distribution);
    return node;
  }
  case VModelParser::RuleProposal: {
    auto node = begin(std::make_unique<ast::Proposal>());
    children.skip();
    node->body = block(children.rule(VModelParser::RuleBlock));
    return node;
  }
  case VModelParser::RuleObserve: {
    auto node = begin(std::make_unique<ast::Observe>());
    children.skip();
    node->target = target(children.rule(VModelParser::RuleTarget));
    optional_value(VModelParser::TILDE, node->distribution);
    return node;
  }
  case VModelParser::RuleFactor: {
    auto node = begin(std::make_unique<ast::Factor>());
    children.skip();
    node->value = next_expression();
    return node;
  }
  case VModelParser::RuleQuantity: {
    auto node = begin(std::make_unique<ast::Quantity>());
    children.skip();
    node->name = name(children.token(name_token));
    optional_type(node->type);
    optional_value(VModelParser::ASSIGN, node->value);
    return node;
  }
  case VModelParser::RuleRequire: {
    auto node = begin(std::make_unique<ast::Require>());
    children.skip();
    node->condition = next_expression();
    if (children.token(VModelParser::COMMA) != nullptr)
      node->message = string(children.token(VModelParser::STRING));
    return node;
  }
  case VModelParser::RuleForLoop:
  case VModelParser::RulePlate: {
    const auto fill = [&](auto node) -> ast::StatementPtr {
      children.skip();
      node->variable = name(children.token(name_token));
      children.token(VModelParser::IN);
      node->over = over(children.rule(VModelParser::RuleRange));
      node->body = block(children.rule(VModelParser::RuleBlock));
      return node;
    };
    if (context->getRuleIndex() == VModelParser::RulePlate)
      return fill(begin(std::make_unique<ast::Plate>()));
    return fill(begin(std::make_unique<ast::For>()));
  }
  case VModelParser::RuleWhileLoop: {
    auto node = begin(std::make_unique<ast::While>());
    children.skip();
    node->condition = next_expression();
    node->body = block(children.rule(VModelParser::RuleBlock));
    return node;
  }
  case VModelParser::RuleIfElse: return if_else(context);
  case VModelParser::RuleReturnValue: {
    auto node = begin(std::make_unique<ast::Return>());
    children.skip();
    node->value = next_expression();
    return node;
  }
  case VModelParser::RuleFunction: {
    auto node = begin(std::make_unique<ast::LocalFunction>());
    node->function = function(context, false);
    return node;
  }
  case VModelParser::RuleAssignOrSample: return assign_or_sample(context);
  default: return nullptr;
  }
}

} // namespace vmodel::syntax
