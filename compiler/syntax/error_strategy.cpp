#include "compiler/syntax/error_strategy.h"

#include <algorithm>

namespace vmodel::syntax {

namespace {

std::size_t rule_of(antlr4::Parser* parser) {
  return parser->getContext()->getRuleIndex();
}

// Rules after whose end the parser can go on as if nothing had happened.
bool is_recovery_rule(std::size_t rule) {
  switch (rule) {
  case VModelParser::RuleFile:
  case VModelParser::RuleItem:
  case VModelParser::RuleStatement:
  case VModelParser::RuleSetting:
  case VModelParser::RuleMember:
  case VModelParser::RuleLearn: return true;
  default: return false;
  }
}

bool is_list_rule(std::size_t rule) {
  switch (rule) {
  case VModelParser::RuleFile:
  case VModelParser::RuleBlock:
  case VModelParser::RuleFit:
  case VModelParser::RuleDistribution:
  case VModelParser::RuleBijector:
  case VModelParser::RuleNet: return true;
  default: return false;
  }
}

// A word that begins a declaration and cannot begin a statement.
bool begins_item_only(std::size_t type) {
  switch (type) {
  case VModelParser::IMPORT:
  case VModelParser::MODEL:
  case VModelParser::FAMILY:
  case VModelParser::FIT:
  case VModelParser::DISTRIBUTION:
  case VModelParser::BIJECTOR:
  case VModelParser::NET: return true;
  default: return false;
  }
}

bool begins_statement_word(std::size_t type) {
  switch (type) {
  case VModelParser::LEARN:
  case VModelParser::FOR:
  case VModelParser::IF:
  case VModelParser::WHILE:
  case VModelParser::RETURN: return true;
  default: return is_statement_word(type);
  }
}

} // namespace

const Token* SyntaxError::token(std::ptrdiff_t offset) const {
  const auto& visible = tokens.visible();
  const auto last = static_cast<std::ptrdiff_t>(visible.size()) - 1;
  return visible[static_cast<std::size_t>(
      std::clamp<std::ptrdiff_t>(static_cast<std::ptrdiff_t>(found) + offset, 0, last))];
}

std::size_t SyntaxError::statement_begin() const {
  std::size_t begin = found;
  while (begin > 0) {
    const std::size_t before = tokens.visible()[begin - 1]->getType();
    if (before == VModelParser::SEMICOLON || before == VModelParser::LEFT_BRACE || before == VModelParser::RIGHT_BRACE)
      break;
    --begin;
  }
  return begin;
}

std::size_t SyntaxError::open_bracket() const {
  std::size_t closed = 0;
  for (std::size_t i = found; i-- > 0;) {
    switch (tokens.visible()[i]->getType()) {
    case VModelParser::RIGHT_PAREN:
    case VModelParser::RIGHT_BRACKET:
    case VModelParser::RIGHT_BRACE: ++closed; break;
    case VModelParser::LEFT_PAREN:
    case VModelParser::LEFT_BRACKET:
    case VModelParser::LEFT_BRACE:
      if (closed == 0)
        return i;
      --closed;
      break;
    default: break;
    }
  }
  return SIZE_MAX;
}

void ErrorStrategy::report(antlr4::Parser* parser, const antlr4::Token* found,
                           const antlr4::misc::IntervalSet& expected) {
  // A file that is something else altogether: its further errors say nothing, and take time.
  if (++reported_ > most_errors)
    throw antlr4::ParseCancellationException();
  const SyntaxError error{tokens_, tokens_.index_of(found), expected, rule_of(parser)};
  if (!report_foreign(error, diagnostics_))
    report_syntax_error(error, diagnostics_);
}

void ErrorStrategy::reportError(antlr4::Parser* parser, const antlr4::RecognitionException& error) {
  if (bail_)
    throw antlr4::ParseCancellationException();
  if (inErrorRecoveryMode(parser))
    return;
  beginErrorCondition(parser);
  report(parser, error.getOffendingToken(), parser->getExpectedTokens());
}

void ErrorStrategy::recover(antlr4::Parser* parser, std::exception_ptr error) {
  // The rule's own handler called this: throwing again hands the error to the rule around it.
  if (!is_recovery_rule(rule_of(parser)))
    std::rethrow_exception(error);
  skip_statement(parser);
}

void ErrorStrategy::skip_statement(antlr4::Parser* parser) {
  antlr4::TokenStream* stream = parser->getTokenStream();
  // Called twice at one token: it must go, or the parser would stand still.
  const bool must_move = last_skip_ == stream->index();
  last_skip_ = stream->index();
  std::size_t depth = 0;
  for (bool first = true;; first = false) {
    const std::size_t type = stream->LA(1);
    if (type == antlr4::Token::EOF)
      return;
    if (depth == 0) {
      if (type == VModelParser::RIGHT_BRACE)
        return;
      // `if`, `for` ... may also stand in the middle of a foreign expression: they count only where a line begins.
      const std::size_t at = tokens_.index_of(stream->LT(1));
      const bool begins_line = at == 0 || stream->LT(1)->getLine() > tokens_.visible()[at - 1]->getLine();
      if ((is_statement_word(type) || (begins_statement_word(type) && begins_line)) && !(first && must_move))
        return;
      if (type == VModelParser::SEMICOLON) {
        parser->consume();
        return;
      }
    }
    parser->consume();
    if (type == VModelParser::LEFT_BRACE)
      ++depth;
    if (type == VModelParser::RIGHT_BRACE && --depth == 0) {
      if (stream->LA(1) == VModelParser::SEMICOLON)
        parser->consume();
      else if (stream->LA(1) == VModelParser::ELSE)
        continue;
      return;
    }
  }
}

antlr4::Token* ErrorStrategy::recoverInline(antlr4::Parser* parser) {
  if (bail_)
    throw antlr4::ParseCancellationException();
  const antlr4::misc::IntervalSet expected = parser->getExpectedTokens();
  antlr4::Token* found = parser->getCurrentToken();
  const std::size_t type = found->getType();
  std::size_t missing = antlr4::Token::INVALID_TYPE;
  if (contains(expected, VModelParser::SEMICOLON)) {
    // Only where a new statement surely begins.
    const SyntaxError error{tokens_, tokens_.index_of(found), expected, rule_of(parser)};
    const std::size_t next = error.type(1);
    const bool begins_line = found->getLine() > error.token(-1)->getLine();
    const bool begins_assignment =
        type == VModelParser::NAME && begins_line &&
        (next == VModelParser::ASSIGN || next == VModelParser::PLUS_ASSIGN || next == VModelParser::TILDE ||
         next == VModelParser::LEFT_BRACKET || next == VModelParser::LEFT_PAREN);
    if (is_statement_word(type) || (begins_statement_word(type) && begins_line) || begins_assignment ||
        type == VModelParser::RIGHT_BRACE || type == antlr4::Token::EOF) {
      missing = VModelParser::SEMICOLON;
    }
  } else if (contains(expected, VModelParser::RIGHT_BRACE) && (begins_item_only(type) || type == antlr4::Token::EOF)) {
    missing = VModelParser::RIGHT_BRACE;
  } else if (rule_of(parser) == VModelParser::RuleModel && type == VModelParser::LEFT_BRACE) {
    missing = VModelParser::NAME;
  }
  if (missing == antlr4::Token::INVALID_TYPE)
    throw antlr4::InputMismatchException(parser);
  if (!inErrorRecoveryMode(parser)) {
    beginErrorCondition(parser);
    report(parser, found, expected);
  }
  std::unique_ptr<antlr4::CommonToken> invented = std::make_unique<antlr4::CommonToken>(missing, "<missing>");
  invented->setStartIndex(found->getStartIndex());
  invented->setStopIndex(found->getStartIndex() - 1);
  invented_.push_back(std::move(invented));
  return invented_.back().get();
}

void ErrorStrategy::sync(antlr4::Parser* parser) {
  if (bail_)
    return;
  const std::size_t rule = rule_of(parser);
  if (!is_list_rule(rule))
    return;
  const antlr4::atn::ATN& atn = parser->getATN();
  const antlr4::misc::IntervalSet expected = atn.nextTokens(atn.states[parser->getState()]);
  const std::size_t closing =
      rule == VModelParser::RuleFile ? antlr4::Token::EOF : std::size_t{VModelParser::RIGHT_BRACE};
  if (!contains(expected, closing))
    return; // not at the list yet
  while (true) {
    antlr4::Token* found = parser->getCurrentToken();
    const std::size_t type = found->getType();
    if (contains(expected, type) || type == antlr4::Token::EOF)
      return;
    // A declaration inside a block: most likely the block was not closed. Leave it.
    if (rule != VModelParser::RuleFile && begins_item_only(type))
      return;
    report(parser, found, expected);
    if (type == VModelParser::RIGHT_BRACE) {
      parser->consume();
    } else {
      last_skip_ = parser->getTokenStream()->index();
      skip_statement(parser);
    }
  }
}

} // namespace vmodel::syntax
