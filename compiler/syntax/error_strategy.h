// What the parser does at a syntax error: report it in the project's words, then go on at the next statement.
#pragma once

#include "compiler/syntax/tokens.h"

namespace vmodel::syntax {

class ErrorStrategy final : public antlr4::DefaultErrorStrategy {
public:
  // After this many errors the parser gives up and throws antlr4::ParseCancellationException.
  static constexpr std::size_t most_errors = 100;

  // With `bail`, the first error throws antlr4::ParseCancellationException and nothing is reported (the fast first
  // stage).
  ErrorStrategy(const Tokens& tokens, DiagnosticEngine& diagnostics, bool bail)
      : tokens_(tokens), diagnostics_(diagnostics), bail_(bail) {}

  void reportError(antlr4::Parser* parser, const antlr4::RecognitionException& error) override;
  // Unwinds to the enclosing statement, setting, member or declaration and skips the rest of it.
  void recover(antlr4::Parser* parser, std::exception_ptr error) override;
  // Where one token is missing whose absence confuses nothing (a `;` before the next statement), goes on as if it were
  // there.
  antlr4::Token* recoverInline(antlr4::Parser* parser) override;
  // In the lists of statements and declarations: reports and skips what can begin none.
  void sync(antlr4::Parser* parser) override;

private:
  void report(antlr4::Parser* parser, const antlr4::Token* found, const antlr4::misc::IntervalSet& expected);
  void skip_statement(antlr4::Parser* parser);

  const Tokens& tokens_;
  DiagnosticEngine& diagnostics_;
  bool bail_;
  std::size_t reported_ = 0;
  std::vector<std::unique_ptr<antlr4::CommonToken>> invented_;
  std::size_t last_skip_ = SIZE_MAX; // where skip_statement was called last
};

// Whether a token type is in the set.
inline bool contains(const antlr4::misc::IntervalSet& set, std::size_t type) {
  return set.contains(type);
}

// One syntax error, as the messages need it.
struct SyntaxError {
  const Tokens& tokens;
  std::size_t found; // index in tokens.visible()
  const antlr4::misc::IntervalSet& expected;
  std::size_t rule;

  const Token* token(std::ptrdiff_t offset = 0) const; // relative to `found`; clamped
  std::size_t type(std::ptrdiff_t offset = 0) const { return token(offset)->getType(); }
  std::string_view text(std::ptrdiff_t offset = 0) const { return tokens.text(token(offset)); }
  SourceRange range(std::ptrdiff_t offset = 0) const { return tokens.range(token(offset)); }
  // Index of the first token of the statement or declaration in which the error stands.
  std::size_t statement_begin() const;
  // Index of the innermost bracket that is open before `found`, or SIZE_MAX.
  std::size_t open_bracket() const;
};

// Reports the error if it is a construct of another language (foreign.cpp).
bool report_foreign(const SyntaxError& error, DiagnosticEngine& diagnostics);
// Reports any syntax error (messages.cpp).
void report_syntax_error(const SyntaxError& error, DiagnosticEngine& diagnostics);
// The token as a message names it: `'x'`, `the end of the file`.
std::string describe(const Tokens& tokens, const antlr4::Token* token);

} // namespace vmodel::syntax
