// The syntax tree: what the user wrote, with the place of every part, and nothing that was inferred.
//
// Nodes are plain structs below Expression, Statement or Item, owned by std::unique_ptr; a child is null only where the
// comment says so. Walk them with a switch over `kind` and `as<T>`:
//
//   switch (expression.kind) {
//     case ast::ExpressionKind::Binary: { const auto& binary = ast::as<ast::Binary>(expression); ... }
//
// No walk needs a guard against deep trees: the parser refuses nesting beyond max_nesting and heights beyond
// max_expression_height.
#pragma once

#include "compiler/syntax/ast_expressions.h"

namespace vmodel::ast {

// ---------------------------------------------------------------- statements

struct Statement {
  StatementKind kind;
  SourceRange range;

  virtual ~Statement() = default;

protected:
  explicit Statement(StatementKind k) : kind(k) {}
};
using StatementPtr = std::unique_ptr<Statement>;

template <StatementKind K>
struct StatementNode : Statement {
  static constexpr StatementKind node_kind = K;
  StatementNode() : Statement(K) {}
};

struct Block {
  std::vector<StatementPtr> statements;
  SourceRange range; // with its braces
};

// `data y: real[N] from "y.obs";`
struct Data final : StatementNode<StatementKind::Data> {
  Name name;
  Type type;
  std::optional<StringLiteral> field; // name in the data file, where it is another
};

// `noncentered param theta: real[J] ~ normal(mu, tau);`
struct Param final : StatementNode<StatementKind::Param> {
  bool noncentered = false;
  SourceRange noncentered_range; // of the word; invalid without it
  Name name;
  Type type;
  ExpressionPtr prior; // may be null
};

// `let x = e;`, `let x: real[N] = e;`, `let (a, b) = e;`
struct Let final : StatementNode<StatementKind::Let> {
  std::vector<Name> names; // one, or at least two for a tuple
  std::optional<Type> type;
  ExpressionPtr value;
};

// `var x: real[N] = 0;`
struct Var final : StatementNode<StatementKind::Var> {
  Name name;
  std::optional<Type> type;
  ExpressionPtr value; // may be null
};

// `learn m: real[J] = 0;`, `learn w: real[J] ~ normal(0, 0.1);`
struct Learn final : StatementNode<StatementKind::Learn> {
  Name name;
  Type type;
  ExpressionPtr initial; // may be null
  ExpressionPtr start;   // the distribution of the initial value; may be null
};

// `learn net: mlp(inputs = 8, outputs = 2)[layers];`
struct LearnInstance final : StatementNode<StatementKind::LearnInstance> {
  Name name;
  Name callee;
  std::vector<Argument> arguments;
  std::vector<ExpressionPtr> sizes;
};

// `mix eps: real[8] ~ normal(0, 1);`
struct Mix final : StatementNode<StatementKind::Mix> {
  Name name;
  Type type;
  ExpressionPtr distribution;
};

// `proposal { eps ~ normal(learn, learn); }`
struct Proposal final : StatementNode<StatementKind::Proposal> {
  Block body;
};

// `observe y[n] ~ normal(mu, sigma);`
struct Observe final : StatementNode<StatementKind::Observe> {
  ExpressionPtr target;
  ExpressionPtr distribution;
};

// `factor e;`
struct Factor final : StatementNode<StatementKind::Factor> {
  ExpressionPtr value;
};

// `quantity z = e;`, `quantity z: real = e;`, `quantity sigma;` (reports a value of the model)
struct Quantity final : StatementNode<StatementKind::Quantity> {
  Name name;
  std::optional<Type> type;
  ExpressionPtr value; // may be null
};

// `require N == J, "one row a group";`
struct Require final : StatementNode<StatementKind::Require> {
  ExpressionPtr condition;
  std::optional<StringLiteral> message;
};

// `for i in 1:N { ... }`
struct For final : StatementNode<StatementKind::For> {
  Name variable;
  Range over;
  Block body;
};

// `plate n in 1:N { ... }`
struct Plate final : StatementNode<StatementKind::Plate> {
  Name variable;
  Range over;
  Block body;
};

struct While final : StatementNode<StatementKind::While> {
  ExpressionPtr condition;
  Block body;
};

struct IfBranch {
  ExpressionPtr condition;
  Block body;
};

// `if a { ... } else if b { ... } else { ... }`
struct If final : StatementNode<StatementKind::If> {
  std::vector<IfBranch> branches; // at least one
  std::optional<Block> otherwise;
};

struct Return final : StatementNode<StatementKind::Return> {
  ExpressionPtr value;
};

struct Function;

// A function declared inside a block.
struct LocalFunction final : StatementNode<StatementKind::LocalFunction> {
  std::unique_ptr<Function> function;
  LocalFunction();
  ~LocalFunction() override;
};

// `x[i] = e;`, `x += e;`; the target is a NameReference or an Index of one as far as the syntax goes; others are
// refused by the parser.
struct Assign final : StatementNode<StatementKind::Assign> {
  ExpressionPtr target;
  bool is_add = false; // `+=`
  SourceRange op_range;
  ExpressionPtr value;
};

// `mu[t] ~ normal(mu[t - 1], s);`, `(a, b) ~ full_rank();`, `unconstrained(a, b) ~ ...;`, `rest ~ ...;` (`rest` is an
// ordinary name here)
struct Sample final : StatementNode<StatementKind::Sample> {
  ExpressionPtr target;
  ExpressionPtr distribution;
};

// ---------------------------------------------------------------- items

struct Item {
  ItemKind kind;
  SourceRange range;

  virtual ~Item() = default;

protected:
  explicit Item(ItemKind k) : kind(k) {}
};
using ItemPtr = std::unique_ptr<Item>;

template <ItemKind K>
struct ItemNode : Item {
  static constexpr ItemKind node_kind = K;
  ItemNode() : Item(K) {}
};

// `scale: real = 1`
struct Parameter {
  Name name;
  Type type;
  ExpressionPtr default_value; // may be null
  SourceRange range;
};

// `= expression;` or `{ ... }`: exactly one of the two, or neither for a builtin function.
struct Body {
  ExpressionPtr expression;
  std::optional<Block> block;
};

// `import "file.vmodel" as f;`
struct Import final : ItemNode<ItemKind::Import> {
  StringLiteral path;
  std::optional<Name> alias;
};

struct Model final : ItemNode<ItemKind::Model> {
  Name name;
  Block body;
};

// `family F(K: int) for M = mean_field();`
struct FamilyAlias final : ItemNode<ItemKind::FamilyAlias> {
  Name name;
  std::vector<Parameter> parameters;
  Name model;
  ExpressionPtr value;
};

// `family F(K: int) for M { ... }`
struct FamilyBlock final : ItemNode<ItemKind::FamilyBlock> {
  Name name;
  std::vector<Parameter> parameters;
  Name model;
  Block body;
};

// `family mean_field(scale: real = 1) on x: real[D] { ... }`
struct FamilyGeneric final : ItemNode<ItemKind::FamilyGeneric> {
  Name name;
  std::vector<Parameter> parameters;
  Name variable;
  Type variable_type;
  Block body;
};

// `steps = 50_000;`, `batch(n) = 64;`
struct Setting {
  Name name;
  std::optional<Name> argument;
  ExpressionPtr value;
  SourceRange range;
};

// `fit Second { ... }`
struct Fit final : ItemNode<ItemKind::Fit> {
  SourceRange keyword_range;
  std::optional<Name> name;
  std::vector<Setting> settings;
};

// `fn f(u: real[K]) -> (real, real) { ... }`, `fn f(x: real) -> real = e;`, `builtin fn exp(x: real) -> real;`
struct Function final : ItemNode<ItemKind::Function> {
  bool is_builtin = false; // no body; for the standard library
  Name name;
  std::vector<Parameter> parameters;
  std::vector<Type> results; // one, or at least two for a tuple
  SourceRange results_range;
  Body body;
};

// `log_density(x) = e;`, `sample() { ... }`
struct Member {
  Name name;
  std::vector<Name> parameters;
  Body body;
  SourceRange range;
};

struct Distribution final : ItemNode<ItemKind::Distribution> {
  Name name;
  std::vector<Parameter> parameters;
  Type support;
  std::vector<Member> members;
};

struct Bijector final : ItemNode<ItemKind::Bijector> {
  Name name;
  std::vector<Parameter> parameters;
  Type from;
  Type to;
  std::vector<StatementPtr> learnables; // Learn and LearnInstance only
  std::vector<Member> members;
};

// `net layer(inputs: int) on real[inputs] -> real { learn ...; apply(x) = ...; }`
struct Net final : ItemNode<ItemKind::Net> {
  Name name;
  std::vector<Parameter> parameters;
  Type from;
  Type to;
  std::vector<StatementPtr> learnables; // Learn and LearnInstance only
  std::vector<Member> members;
};

inline LocalFunction::LocalFunction() = default;
inline LocalFunction::~LocalFunction() = default;

// One source file.
struct File {
  FileId file;
  std::vector<ItemPtr> items; // in the order of the text
};

// ---------------------------------------------------------------- access

// The node as its own struct; `node.kind` must be T's.
template <typename T, typename Node>
const T& as(const Node& node) {
  return static_cast<const T&>(node);
}
template <typename T, typename Node>
T& as(Node& node) {
  return static_cast<T&>(node);
}

// The node as a T, or null when it is of another kind.
template <typename T, typename Node>
const T* as_if(const Node& node) {
  return node.kind == T::node_kind ? static_cast<const T*>(&node) : nullptr;
}

} // namespace vmodel::ast
