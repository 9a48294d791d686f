// Expressions of the parse tree as nodes of the syntax tree.
#include "compiler/syntax/ast_builder.h"

#include <algorithm>
#include <charconv>
#include <limits>

namespace vmodel::syntax {

namespace {

std::optional<ast::BinaryOperator> binary_operator(std::size_t type) {
  switch (type) {
  case VModelParser::PLUS: return ast::BinaryOperator::add;
  case VModelParser::MINUS: return ast::BinaryOperator::subtract;
  case VModelParser::STAR: return ast::BinaryOperator::multiply;
  case VModelParser::SLASH: return ast::BinaryOperator::divide;
  case VModelParser::AT: return ast::BinaryOperator::matrix_multiply;
  case VModelParser::CARET: return ast::BinaryOperator::power;
  case VModelParser::EQUAL: return ast::BinaryOperator::equal;
  case VModelParser::NOT_EQUAL: return ast::BinaryOperator::not_equal;
  case VModelParser::LESS: return ast::BinaryOperator::less;
  case VModelParser::LESS_EQUAL: return ast::BinaryOperator::less_equal;
  case VModelParser::GREATER: return ast::BinaryOperator::greater;
  case VModelParser::GREATER_EQUAL: return ast::BinaryOperator::greater_equal;
  case VModelParser::AND: return ast::BinaryOperator::logical_and;
  case VModelParser::OR: return ast::BinaryOperator::logical_or;
  default: return std::nullopt;
  }
}

} // namespace

// ---------------------------------------------------------------- parse-tree access

const antlr4::Token* Children::any_token() {
  if (done())
    return nullptr;
  auto* terminal = dynamic_cast<antlr4::tree::TerminalNode*>(context_->children[at_]);
  if (terminal == nullptr)
    return nullptr;
  ++at_;
  return terminal->getSymbol();
}

const antlr4::Token* Children::token(std::size_t type) {
  const antlr4::Token* next = any_token();
  if (next == nullptr)
    return nullptr;
  if (next->getType() == type)
    return next;
  --at_;
  return nullptr;
}

std::size_t Children::next_rule() const {
  if (done())
    return SIZE_MAX;
  auto* node = dynamic_cast<antlr4::ParserRuleContext*>(context_->children[at_]);
  return node == nullptr ? SIZE_MAX : node->getRuleIndex();
}

const antlr4::ParserRuleContext* Children::rule(std::size_t index) {
  if (next_rule() != index)
    return nullptr;
  return static_cast<const antlr4::ParserRuleContext*>(context_->children[at_++]);
}

SourceRange AstBuilder::range(const Context* context) const {
  const SourceRange first = tokens_.range(context->start);
  if (context->stop == nullptr || context->stop->getTokenIndex() < context->start->getTokenIndex()) {
    return {first.file, first.begin, first.begin}; // an empty node
  }
  return {first.file, first.begin, tokens_.range(context->stop).end};
}

ast::Name AstBuilder::name(const antlr4::Token* token) const {
  return {std::string(tokens_.text(token)), tokens_.range(token)};
}

ast::StringLiteral AstBuilder::string(const antlr4::Token* token) const {
  std::string_view text = tokens_.text(token).substr(1);
  if (text.ends_with('"'))
    text.remove_suffix(1);
  return {std::string(text), tokens_.range(token)};
}

void AstBuilder::grow(ast::Expression& parent, ast::ExpressionPtr& child) {
  if (child == nullptr)
    return;
  if (child->height >= ast::max_expression_height) {
    if (!reported_height_) {
      diagnostics_
          .report(Code::nesting_too_deep, parent.range,
                  "more than " + std::to_string(ast::max_expression_height) + " operations in a chain")
          .hint("name parts of it with 'let', or write sum([...])");
    }
    reported_height_ = true;
    auto replacement = std::make_unique<ast::IntLiteral>();
    replacement->text = "0";
    replacement->range = child->range;
    child = std::move(replacement);
  }
  parent.height = std::max(parent.height, child->height + 1);
}

// ---------------------------------------------------------------- expressions

ast::ExpressionPtr AstBuilder::expression(const Context* context) {
  Children children(context);
  // c1 ? a1 : (c2 ? a2 : b): collected first, joined from the right.
  std::vector<ast::ExpressionPtr> parts;
  parts.push_back(chain(children.rule(VModelParser::RuleChain)));
  while (children.token(VModelParser::QUESTION) != nullptr) {
    parts.push_back(expression(children.rule(VModelParser::RuleExpression)));
    children.token(VModelParser::COLON);
    parts.push_back(chain(children.rule(VModelParser::RuleChain)));
  }
  ast::ExpressionPtr result = std::move(parts.back());
  for (std::size_t i = parts.size() - 1; i >= 2; i -= 2) {
    auto node = std::make_unique<ast::Conditional>();
    node->condition = std::move(parts[i - 2]);
    node->if_true = std::move(parts[i - 1]);
    node->if_false = std::move(result);
    node->range = join(node->condition->range, node->if_false->range);
    for (auto* child : {&node->condition, &node->if_true, &node->if_false})
      grow(*node, *child);
    result = std::move(node);
  }
  return result;
}

ast::ExpressionPtr AstBuilder::chain(const Context* context) {
  Children children(context);
  Chain result;
  result.operands.push_back(operand(children.rule(VModelParser::RuleOperand)));
  while (!children.done()) {
    const Context* op = children.rule(VModelParser::RuleArithmeticOperator);
    if (op == nullptr)
      op = children.rule(VModelParser::RuleComparisonOperator);
    result.operators.push_back({*binary_operator(op->start->getType()), range(op)});
    result.operands.push_back(operand(children.rule(VModelParser::RuleOperand)));
  }
  return resolve(std::move(result));
}

Chain::Operand AstBuilder::operand(const Context* context) {
  Children children(context);
  Chain::Operand result;
  while (const antlr4::Token* prefix = children.any_token()) {
    const bool is_minus = prefix->getType() == VModelParser::MINUS;
    result.prefixes.push_back({is_minus ? ast::UnaryOperator::negate : ast::UnaryOperator::logical_not, range(prefix)});
  }
  result.value = primary(children.rule(VModelParser::RulePrimary));
  while (const Context* next = children.rule(VModelParser::RuleSuffix))
    result.value = suffix(std::move(result.value), next);
  return result;
}

ast::ExpressionPtr AstBuilder::primary(const Context* context) {
  Children children(context);
  const antlr4::Token* first = children.any_token();
  switch (first->getType()) {
  case VModelParser::NUMBER: return number(first);
  case VModelParser::NAME: {
    auto node = std::make_unique<ast::NameReference>();
    node->name = tokens_.text(first);
    node->range = range(first);
    return node;
  }
  case VModelParser::LEARN: {
    auto node = std::make_unique<ast::LearnHole>();
    node->range = range(first);
    return node;
  }
  case VModelParser::TRUE:
  case VModelParser::FALSE: {
    auto node = std::make_unique<ast::BoolLiteral>();
    node->value = first->getType() == VModelParser::TRUE;
    node->range = range(first);
    return node;
  }
  default: break;
  }
  std::vector<ast::ExpressionPtr> elements;
  if (const Context* element = children.rule(VModelParser::RuleExpression))
    elements.push_back(expression(element));
  if (children.token(VModelParser::FOR) != nullptr)
    return comprehension(std::move(elements[0]), children, range(context));
  while (children.token(VModelParser::COMMA) != nullptr) {
    elements.push_back(expression(children.rule(VModelParser::RuleExpression)));
  }
  if (first->getType() == VModelParser::LEFT_PAREN) {
    if (elements.size() == 1) {
      elements[0]->range = range(context); // an underline covers the parentheses too
      return std::move(elements[0]);
    }
    auto node = std::make_unique<ast::Tuple>();
    node->range = range(context);
    for (auto& element : elements)
      grow(*node, element);
    node->elements = std::move(elements);
    return node;
  }
  auto node = std::make_unique<ast::Array>();
  node->range = range(context);
  for (auto& element : elements)
    grow(*node, element);
  node->elements = std::move(elements);
  return node;
}

ast::ExpressionPtr AstBuilder::comprehension(ast::ExpressionPtr element, Children& children, SourceRange whole) {
  auto node = std::make_unique<ast::Comprehension>();
  node->range = whole;
  grow(*node, element);
  node->element = std::move(element);
  do {
    const Context* context = children.rule(VModelParser::RuleGenerator);
    Children parts(context);
    ast::Generator generator;
    generator.variable = name(parts.token(VModelParser::NAME));
    parts.token(VModelParser::IN);
    generator.over = over(parts.rule(VModelParser::RuleRange));
    generator.range = range(context);
    grow(*node, generator.over.first);
    grow(*node, generator.over.last);
    node->generators.push_back(std::move(generator));
  } while (children.token(VModelParser::COMMA) != nullptr);
  return node;
}

ast::ExpressionPtr AstBuilder::suffix(ast::ExpressionPtr base, const Context* context) {
  Children children(context);
  const SourceRange whole = join(base->range, range(context));
  if (const Context* list = children.rule(VModelParser::RuleArguments)) {
    auto node = std::make_unique<ast::Call>();
    node->range = whole;
    node->arguments = arguments(list);
    grow(*node, base);
    for (ast::Argument& argument : node->arguments)
      grow(*node, argument.value);
    node->callee = std::move(base);
    return node;
  }
  if (children.token(VModelParser::TRANSPOSE) != nullptr) {
    auto node = std::make_unique<ast::Transpose>();
    node->range = whole;
    grow(*node, base);
    node->operand = std::move(base);
    return node;
  }
  if (children.token(VModelParser::DOT) != nullptr) {
    ast::Name method = name(children.token(VModelParser::NAME));
    // `shapes.inner.f(x)`: the import `inner` of the file that is `shapes` here.
    bool is_chain = false;
    while (children.token(VModelParser::DOT) != nullptr) {
      is_chain = true;
      const ast::Name next = name(children.token(VModelParser::NAME));
      method.text += "." + next.text;
      method.range = join(method.range, next.range);
    }
    const auto* before = ast::as_if<ast::NameReference>(*base);
    if (before != nullptr && aliases_.count(before->name) != 0) {
      auto node = std::make_unique<ast::Call>();
      node->range = whole;
      auto callee = std::make_unique<ast::NameReference>();
      callee->range = base->range;
      callee->range.end = method.range.end;
      callee->name = before->name + "." + method.text;
      node->callee = std::move(callee);
      node->arguments = arguments(children.rule(VModelParser::RuleArguments));
      grow(*node, node->callee);
      for (ast::Argument& argument : node->arguments)
        grow(*node, argument.value);
      return node;
    }
    if (is_chain) {
      diagnostics_
          .report(Code::syntax, method.range, "names joined by '.' that do not begin with the name of an import")
          .hint("import \"file.vmodel\" as shapes; then shapes.inner.f(x)");
    }
    auto node = std::make_unique<ast::MethodCall>();
    node->range = whole;
    node->method = std::move(method);
    node->arguments = arguments(children.rule(VModelParser::RuleArguments));
    grow(*node, base);
    for (ast::Argument& argument : node->arguments)
      grow(*node, argument.value);
    node->receiver = std::move(base);
    return node;
  }
  auto node = std::make_unique<ast::Index>();
  node->range = whole;
  children.token(VModelParser::LEFT_BRACKET);
  do {
    node->entries.push_back(index_entry(children.rule(VModelParser::RuleIndex)));
    grow(*node, node->entries.back().first);
    grow(*node, node->entries.back().last);
  } while (children.token(VModelParser::COMMA) != nullptr);
  grow(*node, base);
  node->base = std::move(base);
  return node;
}

ast::IndexEntry AstBuilder::index_entry(const Context* context) {
  Children children(context);
  ast::IndexEntry entry;
  entry.range = range(context);
  if (const Context* first = children.rule(VModelParser::RuleExpression))
    entry.first = expression(first);
  entry.is_slice = children.token(VModelParser::COLON) != nullptr;
  if (const Context* last = children.rule(VModelParser::RuleExpression))
    entry.last = expression(last);
  check_not_negative(entry.first.get());
  check_not_negative(entry.last.get());
  return entry;
}

void AstBuilder::check_not_negative(const ast::Expression* index) {
  if (index == nullptr)
    return;
  const auto* unary = ast::as_if<ast::Unary>(*index);
  if (unary == nullptr || unary->op != ast::UnaryOperator::negate)
    return;
  if (unary->operand->kind != ast::ExpressionKind::IntLiteral)
    return;
  diagnostics_.report(Code::negative_index, index->range, "an index counted from the end")
      .hint("indices go from 1 to the size: x[N], x[1 : N - 1]");
}

std::optional<ast::Name> AstBuilder::argument_name(const ast::Expression& expression) {
  const auto* reference = ast::as_if<ast::NameReference>(expression);
  const std::string_view written = tokens_.source().slice(expression.range);
  if (reference != nullptr && !written.starts_with('('))
    return ast::Name{reference->name, reference->range};
  diagnostics_.report(Code::syntax, expression.range, "expected a name before '='").hint("equality is written '=='");
  return std::nullopt;
}

std::vector<ast::Argument> AstBuilder::arguments(const Context* context) {
  Children children(context);
  std::vector<ast::Argument> result;
  children.token(VModelParser::LEFT_PAREN);
  while (const Context* next = children.rule(VModelParser::RuleArgument)) {
    Children parts(next);
    ast::Argument argument;
    argument.range = range(next);
    argument.value = expression(parts.rule(VModelParser::RuleExpression));
    if (parts.token(VModelParser::ASSIGN) != nullptr) {
      argument.name = argument_name(*argument.value);
      argument.value = expression(parts.rule(VModelParser::RuleExpression));
    }
    result.push_back(std::move(argument));
    children.token(VModelParser::COMMA);
  }
  return result;
}

ast::ExpressionPtr AstBuilder::number(const antlr4::Token* token) {
  const std::string_view written = tokens_.text(token);
  std::string digits(written);
  if (digits.ends_with('_') || digits.find("__") != std::string::npos || digits.find("_.") != std::string::npos ||
      digits.find("_e") != std::string::npos || digits.find("_E") != std::string::npos) {
    diagnostics_.report(Code::malformed_number, range(token), "'" + digits + "' is not a number")
        .hint("'_' stands between two digits, as in 50_000");
  }
  std::erase(digits, '_');
  const auto out_of_range = [&](const std::string& why, const std::string& hint) {
    auto report = diagnostics_.report(Code::number_out_of_range, range(token), std::string(written) + " " + why);
    if (!hint.empty())
      report.hint(hint);
  };
  if (std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    auto node = std::make_unique<ast::IntLiteral>();
    node->text = written;
    node->range = range(token);
    constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), node->value);
    if (error != std::errc() || node->value > most) {
      out_of_range("does not fit an int, whose largest value is " + std::to_string(most), "write a real, as in 1e10");
      node->value = most;
    }
    return node;
  }
  auto node = std::make_unique<ast::RealLiteral>();
  node->text = written;
  node->range = range(token);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), node->value);
  if (error == std::errc::result_out_of_range) {
    const bool is_small =
        digits.find("e-") != std::string::npos || digits.find("E-") != std::string::npos || digits.starts_with("0.");
    if (is_small)
      out_of_range("is too small for a real: it would be 0", "");
    else
      out_of_range("does not fit a real, whose largest value is about 1.8e308", "infinity is written inf()");
    node->value = 0;
  }
  return node;
}

} // namespace vmodel::syntax
