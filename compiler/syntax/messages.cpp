// Syntax errors in words.
#include "compiler/syntax/error_strategy.h"

#include <map>
#include <string>
#include <vector>

namespace vmodel::syntax {

namespace {

std::string in_quotes(std::string_view text) {
  std::string out = "'";
  out += text;
  return out += "'";
}

std::string token_text(std::size_t type) {
  static const std::map<std::size_t, std::string> words = {{VModelParser::SEMICOLON, "';'"},
                                                           {VModelParser::COMMA, "','"},
                                                           {VModelParser::COLON, "':'"},
                                                           {VModelParser::ASSIGN, "'='"},
                                                           {VModelParser::PLUS_ASSIGN, "'+='"},
                                                           {VModelParser::TILDE, "'~'"},
                                                           {VModelParser::ARROW, "'->'"},
                                                           {VModelParser::LEFT_PAREN, "'('"},
                                                           {VModelParser::RIGHT_PAREN, "')'"},
                                                           {VModelParser::LEFT_BRACKET, "'['"},
                                                           {VModelParser::RIGHT_BRACKET, "']'"},
                                                           {VModelParser::LEFT_BRACE, "'{'"},
                                                           {VModelParser::RIGHT_BRACE, "'}'"},
                                                           {VModelParser::GREATER, "'>'"},
                                                           {VModelParser::QUESTION, "'?'"},
                                                           {VModelParser::FOR, "'for'"},
                                                           {VModelParser::IN, "'in'"},
                                                           {VModelParser::IF, "'if'"},
                                                           {VModelParser::ON, "'on'"},
                                                           {VModelParser::FROM, "'from'"},
                                                           {VModelParser::AS, "'as'"},
                                                           {VModelParser::FN, "'fn'"},
                                                           {VModelParser::PARAM, "'param'"},
                                                           {VModelParser::NAME, "a name"},
                                                           {VModelParser::STRING, "a string in double quotes"},
                                                           {antlr4::Token::EOF, "the end of the file"}};
  const auto found = words.find(type);
  return found == words.end() ? std::string() : found->second;
}

// `a`, `a or b`, `a, b or c`.
std::string alternatives(const std::vector<std::string>& words) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i != 0)
      out += i + 1 == words.size() ? " or " : ", ";
    out += words[i];
  }
  return out;
}

// What may stand before the closing token where an optional part was left out: the parser has decided against it when
// it looks for the closing one, but the reader should know.
std::string optional_before(const SyntaxError& error, std::size_t closing) {
  if (closing == VModelParser::SEMICOLON) {
    const auto written = [&](std::size_t type) {
      for (std::size_t i = error.statement_begin(); i < error.found; ++i) {
        if (error.tokens.visible()[i]->getType() == type)
          return true;
      }
      return false;
    };
    switch (error.rule) {
    case VModelParser::RuleParam: return written(VModelParser::TILDE) ? "" : "'~'";
    case VModelParser::RuleRequire: return written(VModelParser::COMMA) ? "" : "','";
    case VModelParser::RuleVar:
    case VModelParser::RuleQuantity: return written(VModelParser::ASSIGN) ? "" : "'='";
    default: return "";
    }
  }
  switch (error.rule) {
  case VModelParser::RuleArguments:
  case VModelParser::RuleSuffix:
  case VModelParser::RulePrimary:
  case VModelParser::RuleShape:
  case VModelParser::RuleSupport:
  case VModelParser::RuleResult:
  case VModelParser::RuleParameters:
  case VModelParser::RuleMember: return "','";
  default: return "";
  }
}

std::string expected_words(const SyntaxError& error) {
  const antlr4::misc::IntervalSet& expected = error.expected;
  const auto has = [&](std::size_t type) { return contains(expected, type); };
  if (error.rule == VModelParser::RuleFit && has(VModelParser::RIGHT_BRACE))
    return "a setting such as 'steps = 1000;' or '}'";
  if (has(VModelParser::OBSERVE))
    return "a statement or '}'";
  if (has(VModelParser::MODEL))
    return "a declaration (model, family, fit, fn, distribution, bijector, net or import)";
  if (has(VModelParser::NUMBER)) {
    std::string what = "an expression";
    for (const std::size_t closing : {VModelParser::RIGHT_PAREN, VModelParser::RIGHT_BRACKET}) {
      if (has(closing))
        what += " or " + token_text(closing);
    }
    return what;
  }
  std::vector<std::string> words;
  const std::size_t before = error.type(-1);
  for (const antlr4::misc::Interval& interval : expected.getIntervals()) {
    for (ssize_t type = interval.a; type <= interval.b; ++type) {
      const auto kind = static_cast<std::size_t>(type);
      const bool is_type =
          kind == VModelParser::NAME && (before == VModelParser::COLON || before == VModelParser::ARROW ||
                                         (before == VModelParser::ON && error.rule != VModelParser::RuleFamily));
      std::string word = is_type ? "a type" : token_text(kind);
      if (word.empty())
        continue;
      if (expected.size() == 1) {
        if (std::string optional = optional_before(error, kind); !optional.empty())
          words.push_back(std::move(optional));
      }
      words.push_back(std::move(word));
    }
  }
  return words.empty() ? "something else" : alternatives(words);
}

// A comment that began right after an operand, and behind which the error stands: `a // b` for a whole division.
bool follows_comment_after_operand(const SyntaxError& error) {
  if (error.found == 0 || !ends_operand(error.type(-1)))
    return false;
  antlr4::CommonTokenStream& stream = error.tokens.stream();
  for (std::size_t i = error.token(-1)->getTokenIndex() + 1; i < error.token()->getTokenIndex(); ++i) {
    const antlr4::Token* between = stream.get(i);
    if (between->getType() == VModelParser::COMMENT)
      return between->getLine() == error.token(-1)->getLine();
  }
  return false;
}

constexpr std::string_view comment_hint =
    "'//' begins a comment; if a division was meant, write '/', or div(a, b) for whole numbers";

std::string hint_for(const SyntaxError& error) {
  const std::size_t type = error.type();
  const bool wants_expression = contains(error.expected, VModelParser::NUMBER);
  if (follows_comment_after_operand(error))
    return std::string(comment_hint);
  if (error.rule == VModelParser::RuleModel && type == VModelParser::LEFT_BRACE)
    return "a model has a name: model Name { ... }";
  if (wants_expression && type == VModelParser::LEFT_BRACE)
    return "an array is written [1, 2, 3]";
  if (type == VModelParser::TRANSPOSE && (wants_expression || contains(error.expected, VModelParser::STRING))) {
    return "a string is written in double quotes";
  }
  const bool is_condition = error.rule == VModelParser::RuleBlock || error.rule == VModelParser::RuleRequire;
  if (type == VModelParser::ASSIGN && is_condition)
    return "equality is written '=='";
  if (type == VModelParser::SEMICOLON && error.type(-1) == VModelParser::RIGHT_BRACE)
    return "no ';' stands after '}'";
  if (type == VModelParser::SEMICOLON && error.type(-1) == VModelParser::SEMICOLON)
    return "one ';' is enough";
  if (type == VModelParser::EQUAL && contains(error.expected, VModelParser::ASSIGN))
    return "a value is given with '='";
  if (type == VModelParser::LESS && error.type(1) == VModelParser::MINUS &&
      contains(error.expected, VModelParser::ASSIGN)) {
    return "a value is given with '='";
  }
  if (type == VModelParser::GREATER_EQUAL && contains(error.expected, VModelParser::GREATER))
    return "put a space between '>' and '='";
  if (contains(error.expected, VModelParser::LEFT_BRACE) && error.expected.size() == 1 &&
      (error.rule == VModelParser::RuleBlock)) {
    return "the body stands in braces, also when it is one statement";
  }
  if (error.text() == "and")
    return "'and' is written '&&'";
  if (error.text() == "or")
    return "'or' is written '||'";
  if (error.text(-1) == "not" && wants_expression == false)
    return "'not' is written '!'";
  if (type == VModelParser::IF)
    return "a choice between values is written 'condition ? a : b'";
  return {};
}

} // namespace

std::string describe(const Tokens& tokens, const antlr4::Token* token) {
  if (token->getType() == antlr4::Token::EOF)
    return "the end of the file";
  const std::string_view text = tokens.text(token);
  constexpr std::size_t most = 40;
  if (text.size() > most)
    return in_quotes(std::string(text.substr(0, most)) + "...");
  if (token->getType() == VModelParser::STRING)
    return "the string " + std::string(text);
  return in_quotes(text);
}

void report_syntax_error(const SyntaxError& error, DiagnosticEngine& diagnostics) {
  const antlr4::misc::IntervalSet& expected = error.expected;
  const std::size_t type = error.type();
  const std::string found = describe(error.tokens, error.token());
  const std::size_t open = error.open_bracket();
  const auto open_token = [&] { return error.tokens.visible()[open]; };

  // A closing bracket of the wrong kind, or the end of what the bracket could span.
  const bool ends_span = type == antlr4::Token::EOF || type == VModelParser::SEMICOLON ||
                         type == VModelParser::LEFT_BRACE || type == VModelParser::RIGHT_BRACE ||
                         type == VModelParser::RIGHT_PAREN || type == VModelParser::RIGHT_BRACKET ||
                         is_statement_word(type);
  for (const std::size_t closing :
       {VModelParser::RIGHT_PAREN, VModelParser::RIGHT_BRACKET, VModelParser::RIGHT_BRACE}) {
    const bool only_closing =
        contains(expected, closing) && (expected.size() == 1 || type == antlr4::Token::EOF ||
                                        (closing == VModelParser::RIGHT_BRACE && is_statement_word(type)));
    if (!ends_span || !only_closing || open == SIZE_MAX)
      continue;
    auto report = diagnostics.report(Code::unclosed_bracket, error.range(),
                                     "expected " + token_text(closing) + ", found " + found);
    report.label(error.tokens.range(open_token()), in_quotes(error.tokens.text(open_token())) + " opened here");
    if (follows_comment_after_operand(error))
      report.hint(std::string(comment_hint));
    return;
  }
  if (type == VModelParser::RIGHT_BRACE && error.rule == VModelParser::RuleFile) {
    diagnostics.report(Code::unclosed_bracket, error.range(), "'}' closes nothing");
    return;
  }
  // A missing semicolon: shown where it belongs, behind the last token.
  const bool on_later_line = error.token()->getLine() > error.token(-1)->getLine();
  if (contains(expected, VModelParser::SEMICOLON) && error.found > 0 &&
      (on_later_line || is_statement_word(type) || type == VModelParser::RIGHT_BRACE || type == antlr4::Token::EOF)) {
    SourceRange behind = error.range(-1);
    behind.begin = behind.end;
    auto report =
        diagnostics.report(Code::missing_semicolon, behind,
                           "expected " + expected_words(error) + " at the end of the statement, found " + found);
    if (follows_comment_after_operand(error))
      report.hint(std::string(comment_hint));
    return;
  }
  if (contains(expected, VModelParser::NAME) && expected.size() <= 2 && is_reserved_word(type)) {
    diagnostics.report(Code::reserved_word, error.range(), found + " is a reserved word, not a name")
        .hint("choose another name");
    return;
  }
  const bool begins_value = type == VModelParser::NUMBER || type == VModelParser::NAME || type == VModelParser::MINUS ||
                            type == VModelParser::LEFT_BRACKET || type == VModelParser::LEFT_PAREN ||
                            type == VModelParser::TRUE || type == VModelParser::FALSE;
  if (begins_value && contains(expected, VModelParser::ASSIGN) && !contains(expected, VModelParser::NUMBER)) {
    const bool is_statement = error.rule == VModelParser::RuleAssignOrSample;
    auto report = diagnostics.report(is_statement ? Code::syntax : Code::missing_equals, error.range(),
                                     "expected " + expected_words(error) + ", found " + found);
    if (!is_statement)
      report.hint("write '= " + std::string(error.text()) + "'");
    return;
  }
  auto report =
      diagnostics.report(Code::syntax, error.range(), "expected " + expected_words(error) + ", found " + found);
  if (std::string hint = hint_for(error); !hint.empty())
    report.hint(std::move(hint));
}

} // namespace vmodel::syntax
