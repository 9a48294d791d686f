// From ANTLR's parse tree to the syntax tree.
#pragma once

#include "compiler/syntax/ast.h"
#include "compiler/syntax/tokens.h"

#include <optional>
#include <set>
#include <string>
#include <vector>

namespace vmodel::syntax {

// Walks the children of a parse-tree node from left to right.
class Children {
public:
  explicit Children(const antlr4::ParserRuleContext* context) : context_(context) {}

  bool done() const { return at_ >= context_->children.size(); }
  // The next child if it is a token of this type (moves on), else null.
  const antlr4::Token* token(std::size_t type);
  // The next child if it is any token (moves on), else null.
  const antlr4::Token* any_token();
  // The next child if it is a node of this rule (moves on), else null.
  const antlr4::ParserRuleContext* rule(std::size_t index);
  // The next child's rule, or SIZE_MAX for a token or none.
  std::size_t next_rule() const;
  void skip() { ++at_; }

private:
  const antlr4::ParserRuleContext* context_;
  std::size_t at_ = 0;
};

// The operands of a chain and what stands between and before them; see chains.cpp.
struct Chain {
  struct Prefix {
    ast::UnaryOperator op;
    SourceRange range;
  };
  struct Operand {
    std::vector<Prefix> prefixes; // outermost first
    ast::ExpressionPtr value;
  };
  struct Operator {
    ast::BinaryOperator op;
    SourceRange range;
  };
  std::vector<Operand> operands; // one more than operators
  std::vector<Operator> operators;
};

// Nodes that the parser gave up on (their `exception` is set) are left out. Mistakes that the grammar lets pass, such
// as `a < b < c`, are reported here.
class AstBuilder {
public:
  using Context = antlr4::ParserRuleContext;

  AstBuilder(const Tokens& tokens, DiagnosticEngine& diagnostics) : tokens_(tokens), diagnostics_(diagnostics) {}

  ast::File file(const Context* context);

private:
  // Items (build_items.cpp)
  ast::ItemPtr item(const Context* context);
  ast::ItemPtr import_item(const Context* context);
  ast::ItemPtr model(const Context* context);
  ast::ItemPtr family(const Context* context);
  ast::ItemPtr fit(const Context* context);
  std::unique_ptr<ast::Function> function(const Context* context, bool is_top_level);
  ast::ItemPtr distribution(const Context* context);
  /// A bijector or a net.
  template <typename Item>
  ast::ItemPtr mapping(const Context* context);
  ast::Member member(const Context* context);
  std::vector<ast::Parameter> parameters(const Context* context);
  ast::Type type(const Context* context);
  ast::Type type(const antlr4::Token* base, const Context* rest);
  std::vector<ast::ExpressionPtr> shape(const Context* context);
  void check_base_type(const antlr4::Token* base, ast::Type& type);

  // Statements (build_statements.cpp)
  ast::Block block(const Context* context);
  ast::StatementPtr statement(const Context* context);
  ast::StatementPtr learn(const Context* context);
  ast::StatementPtr let(const Context* context);
  ast::StatementPtr if_else(const Context* context);
  ast::StatementPtr assign_or_sample(const Context* context);
  ast::ExpressionPtr target(const Context* context);
  ast::Range over(const Context* context);

  // Expressions (build_expressions.cpp)
  ast::ExpressionPtr expression(const Context* context);
  ast::ExpressionPtr chain(const Context* context);
  Chain::Operand operand(const Context* context);
  ast::ExpressionPtr primary(const Context* context);
  ast::ExpressionPtr suffix(ast::ExpressionPtr base, const Context* context);
  ast::ExpressionPtr number(const antlr4::Token* token);
  ast::ExpressionPtr comprehension(ast::ExpressionPtr element, Children& children, SourceRange range);
  std::vector<ast::Argument> arguments(const Context* context);
  ast::IndexEntry index_entry(const Context* context);
  void check_not_negative(const ast::Expression* index);
  // `name = value` parsed as two expressions: the first must be a plain name.
  std::optional<ast::Name> argument_name(const ast::Expression& expression);
  // Raises the parent's height above the child's. A child that is too high is reported (once a file) and replaced, so
  // that no walk over the tree, and no destructor, needs more stack than the limit allows.
  void grow(ast::Expression& parent, ast::ExpressionPtr& child);

  // chains.cpp
  ast::ExpressionPtr resolve(Chain chain);

  SourceRange range(const Context* context) const;
  SourceRange range(const antlr4::Token* token) const { return tokens_.range(token); }
  ast::Name name(const antlr4::Token* token) const;
  ast::StringLiteral string(const antlr4::Token* token) const;

  // Notes the names after `as`, so that `name.f(x)` is known as a call of an imported function.
  void collect_aliases(const Context* file);

  const Tokens& tokens_;
  DiagnosticEngine& diagnostics_;
  std::set<std::string> aliases_;
  bool reported_height_ = false;

  friend class ChainResolver;
};

} // namespace vmodel::syntax
