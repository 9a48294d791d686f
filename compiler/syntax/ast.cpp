#include "compiler/syntax/ast.h"

namespace vmodel::ast {

std::string_view to_string(ExpressionKind kind) {
  switch (kind) {
#define VMODEL_EXPRESSION(name)                                                                                        \
  case ExpressionKind::name: return #name;
#include "compiler/syntax/ast_kinds.def"
  }
  return "";
}

std::string_view to_string(StatementKind kind) {
  switch (kind) {
#define VMODEL_STATEMENT(name)                                                                                         \
  case StatementKind::name: return #name;
#include "compiler/syntax/ast_kinds.def"
  }
  return "";
}

std::string_view to_string(ItemKind kind) {
  switch (kind) {
#define VMODEL_ITEM(name)                                                                                              \
  case ItemKind::name: return #name;
#include "compiler/syntax/ast_kinds.def"
  }
  return "";
}

std::string_view to_string(BaseType base) {
  switch (base) {
#define VMODEL_BASE_TYPE(name)                                                                                         \
  case BaseType::name##_: return #name;
#include "compiler/syntax/ast_kinds.def"
  }
  return "";
}

std::string_view to_string(BinaryOperator op) {
  switch (op) {
#define VMODEL_BINARY_OPERATOR(name, text)                                                                             \
  case BinaryOperator::name: return text;
#include "compiler/syntax/ast_kinds.def"
  }
  return "";
}

std::string_view to_string(UnaryOperator op) {
  return op == UnaryOperator::negate ? "-" : "!";
}

std::optional<BaseType> base_type_from(std::string_view name) {
#define VMODEL_BASE_TYPE(base)                                                                                         \
  if (name == #base)                                                                                                   \
    return BaseType::base##_;
#include "compiler/syntax/ast_kinds.def"
  return std::nullopt;
}

} // namespace vmodel::ast
