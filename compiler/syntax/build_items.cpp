// Declarations and types of the parse tree as nodes of the syntax tree.
#include "compiler/syntax/ast_builder.h"

#include <array>
#include <utility>

namespace vmodel::syntax {

namespace {

constexpr std::size_t name_token = VModelParser::NAME;

// Types of other languages, and this language's.
constexpr std::array<std::pair<std::string_view, std::string_view>, 17> foreign_types = {{
    {"vector", "write real[N]"},
    {"row_vector", "write real[N]"},
    {"matrix", "write real[N, M]"},
    {"array", "sizes follow the type: real[N]"},
    {"float", "write real"},
    {"double", "write real"},
    {"number", "write real"},
    {"integer", "write int"},
    {"boolean", "write bool"},
    {"positive", "write real<lower=0>"},
    {"probability", "write real<lower=0, upper=1>"},
    {"unit", "write real<lower=0, upper=1>"},
    {"cholesky_factor_corr", "write corr_cholesky<K>"},
    {"cholesky_factor_cov", "write cov_cholesky<K>"},
    {"covariance", "write cov_matrix<K>"},
    {"correlation", "write corr_matrix<K>"},
    {"complex", "there are no complex numbers"},
}};

} // namespace

ast::File AstBuilder::file(const Context* context) {
  ast::File result;
  result.file = tokens_.source().id();
  collect_aliases(context);
  Children children(context);
  while (!children.done()) {
    const Context* next = children.rule(VModelParser::RuleItem);
    if (next == nullptr) {
      children.skip();
      continue;
    }
    if (next->exception != nullptr)
      continue;
    if (ast::ItemPtr node = item(next))
      result.items.push_back(std::move(node));
  }
  return result;
}

void AstBuilder::collect_aliases(const Context* file) {
  Children children(file);
  while (!children.done()) {
    const Context* next = children.rule(VModelParser::RuleItem);
    if (next == nullptr) {
      children.skip();
      continue;
    }
    const auto* inner = next->exception ? nullptr : static_cast<const Context*>(next->children.at(0));
    if (inner == nullptr || inner->exception != nullptr || inner->getRuleIndex() != VModelParser::RuleImportItem)
      continue;
    Children parts(inner);
    while (!parts.done()) {
      if (parts.token(VModelParser::AS) == nullptr) {
        parts.skip();
        continue;
      }
      if (const antlr4::Token* alias = parts.token(name_token))
        aliases_.insert(name(alias).text);
    }
  }
}

ast::ItemPtr AstBuilder::item(const Context* context) {
  const auto* inner = static_cast<const Context*>(context->children.at(0));
  if (inner->exception != nullptr)
    return nullptr;
  switch (inner->getRuleIndex()) {
  case VModelParser::RuleImportItem: return import_item(inner);
  case VModelParser::RuleModel: return model(inner);
  case VModelParser::RuleFamily: return family(inner);
  case VModelParser::RuleFit: return fit(inner);
  case VModelParser::RuleFunction: return function(inner, true);
  case VModelParser::RuleDistribution: return distribution(inner);
  case VModelParser::RuleBijector: return mapping<ast::Bijector>(inner);
  case VModelParser::RuleNet: return mapping<ast::Net>(inner);
  default: return nullptr;
  }
}

ast::ItemPtr AstBuilder::import_item(const Context* context) {
  Children children(context);
  auto node = std::make_unique<ast::Import>();
  node->range = range(context);
  children.skip();
  node->path = string(children.token(VModelParser::STRING));
  if (children.token(VModelParser::AS) != nullptr)
    node->alias = name(children.token(name_token));
  return node;
}

ast::ItemPtr AstBuilder::model(const Context* context) {
  Children children(context);
  auto node = std::make_unique<ast::Model>();
  node->range = range(context);
  children.skip();
  node->name = name(children.any_token()); // invented where it is missing
  node->body = block(children.rule(VModelParser::RuleBlock));
  return node;
}

ast::ItemPtr AstBuilder::family(const Context* context) {
  Children children(context);
  children.skip();
  ast::Name declared = name(children.token(name_token));
  std::vector<ast::Parameter> list;
  if (const Context* next = children.rule(VModelParser::RuleParameters))
    list = parameters(next);
  const auto fill = [&](auto node) {
    node->range = range(context);
    node->name = std::move(declared);
    node->parameters = std::move(list);
    return node;
  };
  if (children.token(VModelParser::ON) != nullptr) {
    auto node = fill(std::make_unique<ast::FamilyGeneric>());
    node->variable = name(children.token(name_token));
    children.token(VModelParser::COLON);
    node->variable_type = type(children.rule(VModelParser::RuleType));
    node->body = block(children.rule(VModelParser::RuleBlock));
    return node;
  }
  children.token(VModelParser::FOR);
  ast::Name of = name(children.token(name_token));
  if (children.token(VModelParser::ASSIGN) != nullptr) {
    auto node = fill(std::make_unique<ast::FamilyAlias>());
    node->model = std::move(of);
    node->value = expression(children.rule(VModelParser::RuleExpression));
    return node;
  }
  auto node = fill(std::make_unique<ast::FamilyBlock>());
  node->model = std::move(of);
  node->body = block(children.rule(VModelParser::RuleBlock));
  return node;
}

ast::ItemPtr AstBuilder::fit(const Context* context) {
  Children children(context);
  auto node = std::make_unique<ast::Fit>();
  node->range = range(context);
  node->keyword_range = range(children.token(VModelParser::FIT));
  if (const antlr4::Token* declared = children.token(name_token))
    node->name = name(declared);
  for (; !children.done(); children.skip()) {
    if (children.next_rule() != VModelParser::RuleSetting)
      continue;
    while (const Context* next = children.rule(VModelParser::RuleSetting)) {
      if (next->exception != nullptr)
        continue;
      Children parts(next);
      ast::Setting setting;
      setting.range = range(next);
      setting.name = name(parts.token(name_token));
      if (parts.token(VModelParser::LEFT_PAREN) != nullptr) {
        setting.argument = name(parts.token(name_token));
        parts.token(VModelParser::RIGHT_PAREN);
      }
      parts.token(VModelParser::ASSIGN);
      setting.value = expression(parts.rule(VModelParser::RuleExpression));
      node->settings.push_back(std::move(setting));
    }
    if (children.done())
      break;
  }
  return node;
}

std::unique_ptr<ast::Function> AstBuilder::function(const Context* context, bool is_top_level) {
  Children children(context);
  auto node = std::make_unique<ast::Function>();
  node->range = range(context);
  const antlr4::Token* builtin = children.token(VModelParser::BUILTIN);
  node->is_builtin = builtin != nullptr;
  children.token(VModelParser::FN);
  node->name = name(children.token(name_token));
  node->parameters = parameters(children.rule(VModelParser::RuleParameters));
  children.token(VModelParser::ARROW);
  const Context* result = children.rule(VModelParser::RuleResult);
  node->results_range = range(result);
  Children types(result);
  types.token(VModelParser::LEFT_PAREN);
  while (const Context* next = types.rule(VModelParser::RuleType)) {
    node->results.push_back(type(next));
    types.token(VModelParser::COMMA);
  }
  if (children.token(VModelParser::ASSIGN) != nullptr) {
    node->body.expression = expression(children.rule(VModelParser::RuleExpression));
  } else if (const Context* body = children.rule(VModelParser::RuleBlock)) {
    node->body.block = block(body);
  }
  const bool has_body = node->body.expression != nullptr || node->body.block.has_value();
  if (node->is_builtin && !is_top_level) {
    diagnostics_.report(Code::syntax, range(builtin), "a builtin function inside a block");
  } else if (node->is_builtin && has_body) {
    diagnostics_.report(Code::syntax, range(builtin), "a builtin function with a body")
        .hint("remove 'builtin', or the body");
  } else if (!node->is_builtin && !has_body) {
    diagnostics_.report(Code::syntax, node->name.range, "the function '" + node->name.text + "' has no body")
        .hint("write '= expression;' or '{ ... return expression; }' after the result type");
  }
  return node;
}

ast::Member AstBuilder::member(const Context* context) {
  Children children(context);
  ast::Member result;
  result.range = range(context);
  result.name = name(children.token(name_token));
  children.token(VModelParser::LEFT_PAREN);
  while (const antlr4::Token* parameter = children.token(name_token)) {
    result.parameters.push_back(name(parameter));
    children.token(VModelParser::COMMA);
  }
  children.token(VModelParser::RIGHT_PAREN);
  if (children.token(VModelParser::ASSIGN) != nullptr) {
    result.body.expression = expression(children.rule(VModelParser::RuleExpression));
  } else {
    result.body.block = block(children.rule(VModelParser::RuleBlock));
  }
  return result;
}

ast::ItemPtr AstBuilder::distribution(const Context* context) {
  Children children(context);
  auto node = std::make_unique<ast::Distribution>();
  node->range = range(context);
  children.skip();
  node->name = name(children.token(name_token));
  node->parameters = parameters(children.rule(VModelParser::RuleParameters));
  children.token(VModelParser::ON);
  node->support = type(children.rule(VModelParser::RuleType));
  for (; !children.done();) {
    const Context* next = children.rule(VModelParser::RuleMember);
    if (next == nullptr)
      children.skip();
    else if (next->exception == nullptr)
      node->members.push_back(member(next));
  }
  return node;
}

template <typename Item>
ast::ItemPtr AstBuilder::mapping(const Context* context) {
  Children children(context);
  auto node = std::make_unique<Item>();
  node->range = range(context);
  children.skip();
  node->name = name(children.token(name_token));
  node->parameters = parameters(children.rule(VModelParser::RuleParameters));
  children.token(VModelParser::ON);
  node->from = type(children.rule(VModelParser::RuleType));
  children.token(VModelParser::ARROW);
  node->to = type(children.rule(VModelParser::RuleType));
  while (!children.done()) {
    if (const Context* next = children.rule(VModelParser::RuleMember)) {
      if (next->exception == nullptr)
        node->members.push_back(member(next));
    } else if (const Context* learnable = children.rule(VModelParser::RuleLearn)) {
      if (learnable->exception == nullptr)
        node->learnables.push_back(learn(learnable));
    } else {
      children.skip();
    }
  }
  return node;
}

std::vector<ast::Parameter> AstBuilder::parameters(const Context* context) {
  Children children(context);
  std::vector<ast::Parameter> result;
  children.token(VModelParser::LEFT_PAREN);
  while (const Context* next = children.rule(VModelParser::RuleParameter)) {
    Children parts(next);
    ast::Parameter parameter;
    parameter.range = range(next);
    parameter.name = name(parts.token(name_token));
    parts.token(VModelParser::COLON);
    parameter.type = type(parts.rule(VModelParser::RuleType));
    if (parts.token(VModelParser::ASSIGN) != nullptr) {
      parameter.default_value = expression(parts.rule(VModelParser::RuleExpression));
    }
    result.push_back(std::move(parameter));
    children.token(VModelParser::COMMA);
  }
  return result;
}

// ---------------------------------------------------------------- types

ast::Type AstBuilder::type(const Context* context) {
  Children children(context);
  const antlr4::Token* base = children.token(name_token);
  return type(base, children.rule(VModelParser::RuleTypeRest));
}

ast::Type AstBuilder::type(const antlr4::Token* base, const Context* rest) {
  ast::Type result;
  result.base_range = range(base);
  result.range = join(result.base_range, range(rest));
  check_base_type(base, result);
  Children children(rest);
  if (const Context* support = children.rule(VModelParser::RuleSupport)) {
    Children bounds(support);
    bounds.token(VModelParser::LESS);
    while (const Context* next = bounds.rule(VModelParser::RuleBound)) {
      Children parts(next);
      ast::Bound bound;
      bound.range = range(next);
      bound.value = chain(parts.rule(VModelParser::RuleArithmetic));
      if (parts.token(VModelParser::ASSIGN) != nullptr) {
        bound.name = argument_name(*bound.value);
        bound.value = chain(parts.rule(VModelParser::RuleArithmetic));
      }
      result.bounds.push_back(std::move(bound));
      bounds.token(VModelParser::COMMA);
    }
  }
  result.is_optional = children.token(VModelParser::QUESTION) != nullptr;
  if (const Context* sizes = children.rule(VModelParser::RuleShape))
    result.sizes = shape(sizes);
  return result;
}

std::vector<ast::ExpressionPtr> AstBuilder::shape(const Context* context) {
  Children children(context);
  std::vector<ast::ExpressionPtr> result;
  children.token(VModelParser::LEFT_BRACKET);
  while (const Context* next = children.rule(VModelParser::RuleExpression)) {
    result.push_back(expression(next));
    children.token(VModelParser::COMMA);
  }
  return result;
}

void AstBuilder::check_base_type(const antlr4::Token* base, ast::Type& type) {
  const std::string_view written = tokens_.text(base);
  if (const std::optional<ast::BaseType> known = ast::base_type_from(written)) {
    type.base = *known;
    return;
  }
  type.base = ast::BaseType::real_;
  auto report = diagnostics_.report(Code::unknown_type, range(base), "no type is named '" + std::string(written) + "'");
  for (const auto& [name, hint] : foreign_types) {
    if (name == written)
      report.hint(std::string(hint));
  }
}

} // namespace vmodel::syntax
