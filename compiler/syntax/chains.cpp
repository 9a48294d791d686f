// Precedences: a flat chain of operands and operators becomes a tree.
//
//   ||  <  &&  <  == != < <= > >= (no chains)  <  + -  <  * / @  <  prefix - !  <  ^ (to the right)
#include "compiler/syntax/ast_builder.h"

namespace vmodel::syntax {

namespace {

using ast::BinaryOperator;

constexpr int lowest = 1;
constexpr int comparison = 3;

int precedence(BinaryOperator op) {
  switch (op) {
  case BinaryOperator::logical_or: return 1;
  case BinaryOperator::logical_and: return 2;
  case BinaryOperator::equal:
  case BinaryOperator::not_equal:
  case BinaryOperator::less:
  case BinaryOperator::less_equal:
  case BinaryOperator::greater:
  case BinaryOperator::greater_equal: return comparison;
  case BinaryOperator::add:
  case BinaryOperator::subtract: return 4;
  case BinaryOperator::multiply:
  case BinaryOperator::divide:
  case BinaryOperator::matrix_multiply: return 5;
  case BinaryOperator::power: return 7;
  }
  return lowest;
}

} // namespace

// Precedence climbing.
class ChainResolver {
public:
  ChainResolver(AstBuilder& builder, Chain chain) : builder_(builder), chain_(std::move(chain)) {}

  // Operators of at least this precedence, from the current operand on.
  ast::ExpressionPtr binary(int at_least) {
    ast::ExpressionPtr left = prefixed();
    SourceRange compared; // the comparison operator that is already in `left`
    while (at_ < chain_.operators.size() && precedence(chain_.operators[at_].op) >= at_least) {
      const Chain::Operator op = chain_.operators[at_++];
      const int level = precedence(op.op);
      ast::ExpressionPtr right = binary(level + 1);
      if (level == comparison) {
        if (compared.valid()) {
          builder_.diagnostics_.report(Code::chained_comparison, op.range, "a comparison of a comparison")
              .label(compared, "the first comparison")
              .hint("write a < b && b < c");
        }
        compared = op.range;
      }
      left = join_operands(op, std::move(left), std::move(right));
    }
    return left;
  }

private:
  // `-x^2` is `-(x^2)`; `2^-x` is `2^(-x)`.
  ast::ExpressionPtr prefixed() {
    Chain::Operand& operand = chain_.operands[operand_++];
    ast::ExpressionPtr value = std::move(operand.value);
    if (at_ < chain_.operators.size() && chain_.operators[at_].op == BinaryOperator::power) {
      const Chain::Operator op = chain_.operators[at_++];
      if (++powers_ > ast::max_nesting) {
        if (powers_ == ast::max_nesting + 1) {
          builder_.diagnostics_.report(Code::nesting_too_deep, op.range,
                                       "more than " + std::to_string(ast::max_nesting) + " powers of powers");
        }
        operand_ = chain_.operands.size();
        at_ = chain_.operators.size();
      } else {
        ast::ExpressionPtr exponent = prefixed();
        value = join_operands(op, std::move(value), std::move(exponent));
      }
    }
    for (auto prefix = operand.prefixes.rbegin(); prefix != operand.prefixes.rend(); ++prefix) {
      auto node = std::make_unique<ast::Unary>();
      node->op = prefix->op;
      node->op_range = prefix->range;
      node->range = join(prefix->range, value->range);
      builder_.grow(*node, value);
      node->operand = std::move(value);
      value = std::move(node);
    }
    return value;
  }

  ast::ExpressionPtr join_operands(const Chain::Operator& op, ast::ExpressionPtr left, ast::ExpressionPtr right) {
    auto node = std::make_unique<ast::Binary>();
    node->op = op.op;
    node->op_range = op.range;
    node->range = join(left->range, right->range);
    builder_.grow(*node, left);
    builder_.grow(*node, right);
    node->left = std::move(left);
    node->right = std::move(right);
    return node;
  }

  AstBuilder& builder_;
  Chain chain_;
  std::size_t operand_ = 0;
  std::size_t at_ = 0; // next operator
  std::uint32_t powers_ = 0;
};

ast::ExpressionPtr AstBuilder::resolve(Chain chain) {
  return ChainResolver(*this, std::move(chain)).binary(lowest);
}

} // namespace vmodel::syntax
