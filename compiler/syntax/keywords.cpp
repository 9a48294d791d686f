// Which words are keywords where: see resolve_words.
#include "compiler/syntax/tokens.h"

#include <cstdint>

namespace vmodel::syntax {

bool is_statement_word(std::size_t type) {
  return type >= VModelParser::IMPORT && type <= VModelParser::PLATE;
}

bool is_reserved_word(std::size_t type) {
  return type >= VModelParser::LEARN && type <= VModelParser::FALSE;
}

bool ends_operand(std::size_t type) {
  switch (type) {
  case VModelParser::NAME:
  case VModelParser::NUMBER:
  case VModelParser::STRING:
  case VModelParser::LEARN:
  case VModelParser::TRUE:
  case VModelParser::FALSE:
  case VModelParser::TRANSPOSE:
  case VModelParser::RIGHT_PAREN:
  case VModelParser::RIGHT_BRACKET: return true;
  default: return false;
  }
}

namespace {

bool is_statement_begin(std::size_t previous) {
  switch (previous) {
  case antlr4::Token::EOF: // the begin of the file
  case VModelParser::SEMICOLON:
  case VModelParser::LEFT_BRACE:
  case VModelParser::RIGHT_BRACE:
  case VModelParser::BUILTIN:
  case VModelParser::NONCENTERED: return true;
  default: return false;
  }
}

// Whether what begins with the bracket at `at` is the index of something that is assigned or drawn, `factor[i] = 1;`,
// and not an expression, `factor [a, b][k];`: within the statement and outside of brackets stands `=`, `+=` or `~`.
bool is_index_of_target(const std::vector<Token*>& visible, std::size_t at) {
  std::uint32_t depth = 0;
  for (; at < visible.size(); ++at) {
    switch (visible[at]->getType()) {
    case VModelParser::LEFT_PAREN:
    case VModelParser::LEFT_BRACKET: ++depth; break;
    case VModelParser::RIGHT_PAREN:
    case VModelParser::RIGHT_BRACKET: depth -= depth > 0 ? 1 : 0; break;
    case VModelParser::TILDE:
    case VModelParser::ASSIGN:
    case VModelParser::PLUS_ASSIGN:
      if (depth == 0)
        return true;
      break;
    case VModelParser::SEMICOLON:
    case VModelParser::LEFT_BRACE:
    case VModelParser::RIGHT_BRACE: return false;
    default: break;
    }
  }
  return false;
}

bool is_keyword(const std::vector<Token*>& visible, std::size_t at, std::size_t previous) {
  const std::size_t type = visible[at]->getType();
  const std::size_t next = at + 1 < visible.size() ? visible[at + 1]->getType() : antlr4::Token::EOF;
  switch (type) {
  case VModelParser::AS: return previous == VModelParser::STRING;
  case VModelParser::FROM: return next == VModelParser::STRING;
  case VModelParser::ON:
    return previous == VModelParser::RIGHT_PAREN || (previous == VModelParser::NAME && next == VModelParser::NAME);
  default: break;
  }
  if (is_statement_begin(previous)) {
    if (next == VModelParser::LEFT_BRACKET) {
      // The statements that begin with an expression. `return [a, b];` needs no rule: `return` is reserved.
      return (type == VModelParser::FACTOR || type == VModelParser::REQUIRE) && !is_index_of_target(visible, at + 1);
    }
    return next != VModelParser::TILDE && next != VModelParser::ASSIGN && next != VModelParser::PLUS_ASSIGN;
  }
  // `learn net: ...`: the name of what is learned.
  if (previous == VModelParser::LEARN && next == VModelParser::COLON)
    return false;
  // Two operands never stand side by side: a semicolon is missing before this word. After `>` it may be missing too,
  // behind the type of a declaration.
  return ends_operand(previous) || (previous == VModelParser::GREATER && next == VModelParser::NAME);
}

} // namespace

void resolve_words(const std::vector<Token*>& visible) {
  std::size_t previous = antlr4::Token::EOF;
  for (std::size_t i = 0; i < visible.size(); ++i) {
    const std::size_t type = visible[i]->getType();
    if (is_statement_word(type) || type == VModelParser::AS || type == VModelParser::FROM || type == VModelParser::ON) {
      if (!is_keyword(visible, i, previous))
        visible[i]->setType(VModelParser::NAME);
    }
    previous = visible[i]->getType();
  }
}

} // namespace vmodel::syntax
