// Which words are keywords where: see resolve_words.
#include "compiler/syntax/tokens.h"

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

bool is_keyword(std::size_t type, std::size_t previous, std::size_t next) {
  switch (type) {
  case VModelParser::AS: return previous == VModelParser::STRING;
  case VModelParser::FROM: return next == VModelParser::STRING;
  case VModelParser::ON:
    return previous == VModelParser::RIGHT_PAREN || (previous == VModelParser::NAME && next == VModelParser::NAME);
  default: break;
  }
  if (is_statement_begin(previous)) {
    // `return [a, b];` has no such exception: `return` is reserved.
    if (next == VModelParser::LEFT_BRACKET)
      return false;
    return next != VModelParser::TILDE && next != VModelParser::ASSIGN && next != VModelParser::PLUS_ASSIGN;
  }
  // Two operands never stand side by side: a semicolon is missing before this word. After `>` it may be missing too,
  // behind the type of a declaration.
  return ends_operand(previous) || (previous == VModelParser::GREATER && next == VModelParser::NAME);
}

} // namespace

void resolve_words(const std::vector<Token*>& visible) {
  std::size_t previous = antlr4::Token::EOF;
  const std::size_t count = visible.size();
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t type = visible[i]->getType();
    if (is_statement_word(type) || type == VModelParser::AS || type == VModelParser::FROM || type == VModelParser::ON) {
      const std::size_t next = i + 1 < count ? visible[i + 1]->getType() : antlr4::Token::EOF;
      if (!is_keyword(type, previous, next))
        visible[i]->setType(VModelParser::NAME);
    }
    previous = visible[i]->getType();
  }
}

} // namespace vmodel::syntax
