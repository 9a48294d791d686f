// Tokens of a source, ready for the parser: wrong ones reported and replaced, words resolved.
#pragma once

#include "VModelLexer.h"
#include "VModelParser.h"
#include "compiler/diagnostics/diagnostic.h"
#include "compiler/syntax/ast.h"
#include "compiler/syntax/byte_stream.h"

#include <memory>
#include <string_view>
#include <vector>

namespace vmodel::syntax {

using grammar::VModelLexer;
using grammar::VModelParser;
using Token = antlr4::CommonToken;

// The token stream with all that it points into.
class Tokens {
public:
  // Reads all tokens of a source. Reports bytes that are not text, malformed numbers, foreign operators, unterminated
  // strings, and nesting beyond the limit.
  Tokens(const SourceFile& source, DiagnosticEngine& diagnostics);

  static constexpr std::size_t most_wrong_tokens = 1000;

  // False after an error with which parsing makes no sense (not text at all, nested too deeply).
  bool usable() const { return usable_; }
  antlr4::CommonTokenStream& stream() const { return *stream_; }
  const SourceFile& source() const { return source_; }

  // The tokens that the parser sees, the end of the file last.
  const std::vector<Token*>& visible() const { return visible_; }
  // Position of a token in visible(); of the end of the file for one that is not there.
  std::size_t index_of(const antlr4::Token* token) const;
  std::string_view text(const antlr4::Token* token) const { return source_.slice(range(token)); }
  SourceRange range(const antlr4::Token* token) const;

private:
  // False after most_wrong_tokens: the rest was not looked at.
  bool replace_wrong_tokens(DiagnosticEngine& diagnostics);
  void report_wrong_number(Token& token, DiagnosticEngine& diagnostics);
  void report_foreign_operator(Token& token, DiagnosticEngine& diagnostics);
  void report_non_ascii(Token& token, DiagnosticEngine& diagnostics);
  void check_nesting(DiagnosticEngine& diagnostics);

  const SourceFile& source_;
  std::unique_ptr<ByteStream> bytes_;
  std::unique_ptr<VModelLexer> lexer_;
  std::unique_ptr<antlr4::CommonTokenStream> stream_;
  std::vector<Token*> visible_;
  bool usable_ = true;
};

// Turns statement words that are used as names into NAME tokens: they are keywords only where a statement or
// declaration begins, unless the next token is one of `~ = += [`.
void resolve_words(const std::vector<Token*>& visible);

// `data`, `model`, `factor` ...: words that begin a statement or declaration and are names elsewhere.
bool is_statement_word(std::size_t type);
// `for`, `if`, `learn` ...: words that are never names.
bool is_reserved_word(std::size_t type);
// Whether an expression may end with this token.
bool ends_operand(std::size_t type);

} // namespace vmodel::syntax
