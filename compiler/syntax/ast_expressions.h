// The syntax tree's expressions and types; see ast.h.
#pragma once

#include "compiler/diagnostics/source.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vmodel::ast {

enum class ExpressionKind : std::uint8_t {
#define VMODEL_EXPRESSION(name) name,
#include "compiler/syntax/ast_kinds.def"
};
enum class StatementKind : std::uint8_t {
#define VMODEL_STATEMENT(name) name,
#include "compiler/syntax/ast_kinds.def"
};
enum class ItemKind : std::uint8_t {
#define VMODEL_ITEM(name) name,
#include "compiler/syntax/ast_kinds.def"
};
enum class BaseType : std::uint8_t {
#define VMODEL_BASE_TYPE(name) name##_,
#include "compiler/syntax/ast_kinds.def"
};
enum class BinaryOperator : std::uint8_t {
#define VMODEL_BINARY_OPERATOR(name, text) name,
#include "compiler/syntax/ast_kinds.def"
};
enum class UnaryOperator : std::uint8_t { negate, logical_not };

std::string_view to_string(ExpressionKind kind); // "Binary"
std::string_view to_string(StatementKind kind);  // "Observe"
std::string_view to_string(ItemKind kind);       // "FamilyBlock"
std::string_view to_string(BaseType base);       // "positive_ordered"
std::string_view to_string(BinaryOperator op);   // "+"
std::string_view to_string(UnaryOperator op);    // "-"
// The base type of that name, if there is one.
std::optional<BaseType> base_type_from(std::string_view name);

// Nested brackets and blocks in a source; a chain of prefix operators or of `^` counts like brackets.
inline constexpr std::uint32_t max_nesting = 200;
// Longest path from an expression to one of its leaves (a sum of a thousand terms is a thousand high).
inline constexpr std::uint32_t max_expression_height = 2000;

// An identifier where it is written.
struct Name {
  std::string text;
  SourceRange range;
};

// A string without its quotation marks (the range includes them). The language has no escapes.
struct StringLiteral {
  std::string text;
  SourceRange range;
};

// ---------------------------------------------------------------- expressions

struct Expression {
  ExpressionKind kind;
  SourceRange range;
  std::uint32_t height = 1; // 1 + the largest height of a child

  virtual ~Expression() = default;

protected:
  explicit Expression(ExpressionKind k) : kind(k) {}
};
using ExpressionPtr = std::unique_ptr<Expression>;

// Gives the struct its kind: `as<Binary>` and constructors need no more.
template <ExpressionKind K>
struct ExpressionNode : Expression {
  static constexpr ExpressionKind node_kind = K;
  ExpressionNode() : Expression(K) {}
};

// `7`, `50_000`: digits only. `value` fits 32 bits and is not negative.
struct IntLiteral final : ExpressionNode<ExpressionKind::IntLiteral> {
  std::string text; // as written
  std::int64_t value = 0;
};

// `0.5`, `1e-3`: finite.
struct RealLiteral final : ExpressionNode<ExpressionKind::RealLiteral> {
  std::string text; // as written
  double value = 0;
};

// `true`, `false`.
struct BoolLiteral final : ExpressionNode<ExpressionKind::BoolLiteral> {
  bool value = false;
};

// A name that stands for a value, or for a callable where one is expected.
struct NameReference final : ExpressionNode<ExpressionKind::NameReference> {
  std::string name;
};

// `learn` as an expression: a learnable value whose type follows from where it stands.
struct LearnHole final : ExpressionNode<ExpressionKind::LearnHole> {};

struct Unary final : ExpressionNode<ExpressionKind::Unary> {
  UnaryOperator op{};
  SourceRange op_range;
  ExpressionPtr operand;
};

struct Binary final : ExpressionNode<ExpressionKind::Binary> {
  BinaryOperator op{};
  SourceRange op_range;
  ExpressionPtr left;
  ExpressionPtr right;
};

// `condition ? if_true : if_false`.
struct Conditional final : ExpressionNode<ExpressionKind::Conditional> {
  ExpressionPtr condition;
  ExpressionPtr if_true;
  ExpressionPtr if_false;
};

// `value` or `name = value`.
struct Argument {
  std::optional<Name> name;
  ExpressionPtr value;
  SourceRange range;
};

// `normal(mu, sigma)`; the callee is a NameReference in nearly all programs, but may be `layer[i]`.
struct Call final : ExpressionNode<ExpressionKind::Call> {
  ExpressionPtr callee;
  std::vector<Argument> arguments;
};

// `normal(m, s).log_density(x)`.
struct MethodCall final : ExpressionNode<ExpressionKind::MethodCall> {
  ExpressionPtr receiver;
  Name method;
  std::vector<Argument> arguments;
};

// One entry of an index list: `first` alone, or a slice `first:last` with either end left out (`:` is both).
struct IndexEntry {
  bool is_slice = false;
  ExpressionPtr first; // null only in a slice
  ExpressionPtr last;  // null only in a slice, and always when it is not one
  SourceRange range;
};

// `x[i, 1:k, :]`.
struct Index final : ExpressionNode<ExpressionKind::Index> {
  ExpressionPtr base;
  std::vector<IndexEntry> entries; // at least one
};

// `X'`.
struct Transpose final : ExpressionNode<ExpressionKind::Transpose> {
  ExpressionPtr operand;
};

// `(a, b)`: at least two elements.
struct Tuple final : ExpressionNode<ExpressionKind::Tuple> {
  std::vector<ExpressionPtr> elements;
};

// `[a, b]`, `[]`.
struct Array final : ExpressionNode<ExpressionKind::Array> {
  std::vector<ExpressionPtr> elements;
};

// What a loop runs over: `first:last`, or one expression (`last` is null).
struct Range {
  ExpressionPtr first;
  ExpressionPtr last;
  SourceRange range;
};

// `i in 1:N` of a comprehension.
struct Generator {
  Name variable;
  Range over;
  SourceRange range;
};

// `[f(i, j) for i in 1:N, j in 1:M]`: shape (N, M).
struct Comprehension final : ExpressionNode<ExpressionKind::Comprehension> {
  ExpressionPtr element;
  std::vector<Generator> generators; // at least one
};

// ---------------------------------------------------------------- types

// `lower = 0` or a positional `K` between angle brackets.
struct Bound {
  std::optional<Name> name;
  ExpressionPtr value;
  SourceRange range;
};

// `real<lower=0>?[N, M]`.
struct Type {
  BaseType base{};
  SourceRange base_range;
  std::vector<Bound> bounds;
  bool is_optional = false;         // `?`: values may be missing
  std::vector<ExpressionPtr> sizes; // empty: a scalar (of the base type)
  SourceRange range;
};

} // namespace vmodel::ast
