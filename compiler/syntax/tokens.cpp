#include "compiler/syntax/tokens.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <string>

namespace vmodel::syntax {

namespace {

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

// Length of the UTF-8 code point at the begin of `text`, or 0 where there is none.
std::size_t code_point_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const auto continues = [&](std::size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
  const unsigned lead = byte(0);
  if (lead < 0x80)
    return 1;
  if (lead < 0xC2)
    return 0;
  if (lead < 0xE0)
    return continues(1) ? 2 : 0;
  if (lead < 0xF0) {
    if (!continues(1) || !continues(2))
      return 0;
    // Overlong forms and surrogates.
    if ((lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xED && byte(1) >= 0xA0))
      return 0;
    return 3;
  }
  if (lead > 0xF4 || !continues(1) || !continues(2) || !continues(3))
    return 0;
  if ((lead == 0xF0 && byte(1) < 0x90) || (lead == 0xF4 && byte(1) >= 0x90))
    return 0;
  return 4;
}

// Reports the first byte that is not text. Binary files would give thousands of errors otherwise.
bool check_text(const SourceFile& source, DiagnosticEngine& diagnostics) {
  const std::string_view text = source.text();
  if (text.size() > max_source_size) {
    diagnostics.report(Code::source_too_large, {source.id(), 0, 0},
                       "the file is larger than " + std::to_string(max_source_size >> 20) + " MiB");
    return false;
  }
  for (std::size_t i = 0; i < text.size();) {
    const auto at = static_cast<std::uint32_t>(i);
    if (text[i] == '\0') {
      diagnostics.report(Code::invalid_utf8, {source.id(), at, at + 1}, "a zero byte: this is not a text file");
      return false;
    }
    const std::size_t length = code_point_length(text.substr(i));
    if (length == 0) {
      diagnostics.report(Code::invalid_utf8, {source.id(), at, at + 1}, "a byte that is not UTF-8")
          .hint("save the file with UTF-8 encoding");
      return false;
    }
    i += length;
  }
  return true;
}

struct ForeignOperator {
  std::string_view text;
  std::size_t replacement;
  std::string_view hint;
};
constexpr std::array foreign_operators = {
    ForeignOperator{"%", VModelParser::SLASH, "the remainder is mod(a, b)"},
    ForeignOperator{"%%", VModelParser::SLASH, "the remainder is mod(a, b)"},
    ForeignOperator{"%/%", VModelParser::SLASH, "whole-number division is div(a, b)"},
    ForeignOperator{"%*%", VModelParser::AT, "a matrix product is written '@'"},
    ForeignOperator{"**", VModelParser::CARET, "a power is written '^'"},
    ForeignOperator{".*", VModelParser::STAR, "'*' is elementwise; a matrix product is written '@'"},
    ForeignOperator{"./", VModelParser::SLASH, "'/' is elementwise"},
    ForeignOperator{".^", VModelParser::CARET, "'^' is elementwise"},
    ForeignOperator{"\\", VModelParser::SLASH, "there is no left division: use a solve function"},
    ForeignOperator{"&", VModelParser::AND, "'and' is written '&&'"},
    ForeignOperator{"|", VModelParser::OR, "'or' is written '||'; densities are written normal(m, s).log_density(x)"},
    ForeignOperator{":=", VModelParser::ASSIGN, "a value is given with '='"},
    ForeignOperator{"-=", VModelParser::PLUS_ASSIGN, "write 'x += -y'"},
    ForeignOperator{"*=", VModelParser::PLUS_ASSIGN, "write 'x = x * y'"},
    ForeignOperator{"/=", VModelParser::PLUS_ASSIGN, "write 'x = x / y'"},
    ForeignOperator{"++", VModelParser::PLUS, "write 'x += 1'"},
    ForeignOperator{"===", VModelParser::EQUAL, "equality is written '=='"},
    ForeignOperator{"=>", VModelParser::ARROW, "a result type follows '->'"},
    ForeignOperator{"<>", VModelParser::NOT_EQUAL, "'unequal' is written '!='"},
    ForeignOperator{"|>", VModelParser::COMMA, "write a call: f(x)"},
};

// Typographic signs, often pasted from a paper or a word processor.
struct Typographic {
  std::string_view text;
  std::size_t replacement; // 0: white space
  std::string_view hint;
};
constexpr std::array typographic_signs = {
    Typographic{"\u2212", VModelParser::MINUS, "write '-'"},
    Typographic{"\u2013", VModelParser::MINUS, "write '-'"},
    Typographic{"\u00D7", VModelParser::STAR, "write '*'"},
    Typographic{"\u00B7", VModelParser::STAR, "write '*'"},
    Typographic{"\u2264", VModelParser::LESS_EQUAL, "write '<='"},
    Typographic{"\u2265", VModelParser::GREATER_EQUAL, "write '>='"},
    Typographic{"\u2260", VModelParser::NOT_EQUAL, "write '!='"},
    Typographic{"\u223C", VModelParser::TILDE, "write '~'"},
    Typographic{"\u2190", VModelParser::ASSIGN, "write '='"},
    Typographic{"\u2192", VModelParser::ARROW, "write '->'"},
    Typographic{"\u2208", VModelParser::IN, "write 'in'"},
    Typographic{"\u2019", VModelParser::TRANSPOSE, "a transpose is written with the straight sign \"'\""},
    Typographic{"\u00A0", 0, "a no-break space: write a plain one"},
};

} // namespace

Tokens::Tokens(const SourceFile& source, DiagnosticEngine& diagnostics) : source_(source) {
  usable_ = check_text(source, diagnostics);
  const std::string_view text = usable_ ? source.text() : std::string_view();
  bytes_ =
      std::make_unique<ByteStream>(text, source.name(), text.starts_with(byte_order_mark) ? byte_order_mark.size() : 0);
  lexer_ = std::make_unique<VModelLexer>(bytes_.get());
  lexer_->removeErrorListeners();
  stream_ = std::make_unique<antlr4::CommonTokenStream>(lexer_.get());
  stream_->fill();
  if (!replace_wrong_tokens(diagnostics))
    usable_ = false;
  for (antlr4::Token* token : stream_->getTokens()) {
    if (token->getChannel() == antlr4::Token::DEFAULT_CHANNEL)
      visible_.push_back(static_cast<Token*>(token));
  }
  resolve_words(visible_);
  check_nesting(diagnostics);
  stream_->seek(0);
}

SourceRange Tokens::range(const antlr4::Token* token) const {
  const auto size = static_cast<std::uint32_t>(source_.text().size());
  if (token->getType() == antlr4::Token::EOF)
    return {source_.id(), size, size};
  const auto begin = static_cast<std::uint32_t>(token->getStartIndex());
  return {source_.id(), begin, static_cast<std::uint32_t>(token->getStopIndex() + 1)};
}

std::size_t Tokens::index_of(const antlr4::Token* token) const {
  const auto found =
      std::lower_bound(visible_.begin(), visible_.end(), token->getTokenIndex(),
                       [](const Token* candidate, std::size_t index) { return candidate->getTokenIndex() < index; });
  return found == visible_.end() ? visible_.size() - 1 : static_cast<std::size_t>(found - visible_.begin());
}

bool Tokens::replace_wrong_tokens(DiagnosticEngine& diagnostics) {
  std::size_t comment_line = 0; // behind a `#`, the rest of the line is a comment too
  for (antlr4::Token* base : stream_->getTokens()) {
    if (base->getLine() == comment_line && base->getType() != antlr4::Token::EOF) {
      static_cast<Token&>(*base).setChannel(antlr4::Token::HIDDEN_CHANNEL);
      continue;
    }
    if (diagnostics.error_count() >= most_wrong_tokens)
      return false;
    auto& token = static_cast<Token&>(*base);
    switch (token.getType()) {
    case VModelLexer::MALFORMED_NUMBER: report_wrong_number(token, diagnostics); break;
    case VModelLexer::FOREIGN_OPERATOR: report_foreign_operator(token, diagnostics); break;
    case VModelLexer::NON_ASCII: report_non_ascii(token, diagnostics); break;
    case VModelLexer::BLOCK_COMMENT: {
      SourceRange opening = range(&token);
      opening.end = opening.begin + 2;
      diagnostics.report(Code::block_comment, opening, "there are no block comments").hint("begin each line with '//'");
      token.setChannel(antlr4::Token::HIDDEN_CHANNEL);
      break;
    }
    case VModelLexer::UNTERMINATED_STRING:
      diagnostics.report(Code::unterminated_string, range(&token), "the string does not end on its line")
          .hint("close it with '\"'");
      token.setType(VModelLexer::STRING);
      break;
    case VModelLexer::UNKNOWN: {
      std::string shown(text(&token));
      if (static_cast<unsigned char>(shown[0]) < 0x20 || shown[0] == 0x7F)
        shown = "control character";
      else
        shown.insert(0, "'").append("'");
      auto report = diagnostics.report(Code::unknown_character, range(&token), shown + " has no meaning here");
      if (shown == "'#'") {
        report.hint("a comment begins with '//'");
        comment_line = token.getLine();
      }
      if (shown == "'$'")
        report.hint("parts of a value are read by index: x[1]");
      token.setChannel(antlr4::Token::HIDDEN_CHANNEL);
      break;
    }
    default: break;
    }
  }
  return true;
}

void Tokens::report_wrong_number(Token& token, DiagnosticEngine& diagnostics) {
  const std::string_view written = text(&token);
  auto report =
      diagnostics.report(Code::malformed_number, range(&token), "'" + std::string(written) + "' is not a number");
  if (written.starts_with('.')) {
    report.hint("write 0" + std::string(written));
  } else if (written.ends_with('.')) {
    report.hint("write " + std::string(written) + "0; a range is written 1:N");
  } else if (written.starts_with("0x") || written.starts_with("0X") || written.starts_with("0b")) {
    report.hint("numbers are written in decimal");
  } else {
    report.hint("a name begins with a letter, a product is written with '*', an exponent as in 1e-3");
  }
  token.setType(VModelLexer::NUMBER);
}

void Tokens::report_foreign_operator(Token& token, DiagnosticEngine& diagnostics) {
  const std::string_view written = text(&token);
  for (const ForeignOperator& entry : foreign_operators) {
    if (entry.text != written)
      continue;
    diagnostics.report(Code::unknown_operator, range(&token), "'" + std::string(written) + "' is not an operator here")
        .hint(std::string(entry.hint));
    token.setType(entry.replacement);
    return;
  }
}

void Tokens::report_non_ascii(Token& token, DiagnosticEngine& diagnostics) {
  const std::string_view written = text(&token);
  for (const Typographic& sign : typographic_signs) {
    if (sign.text != written)
      continue;
    diagnostics
        .report(Code::unknown_character, range(&token), "'" + std::string(written) + "' is not a sign of the language")
        .hint(std::string(sign.hint));
    if (sign.replacement == 0)
      token.setChannel(antlr4::Token::HIDDEN_CHANNEL);
    else
      token.setType(sign.replacement);
    return;
  }
  diagnostics
      .report(Code::unknown_character, range(&token), "'" + std::string(written) + "' outside a comment or string")
      .hint("names are written with the letters A to Z and a to z, digits and '_'");
  // Part of a name (`sigma²`): leave the rest of the name. Alone it stands for a name, so that no second error follows.
  const auto is_word = [&](std::size_t at) {
    const std::string_view all = source_.text();
    return at < all.size() && (std::isalnum(static_cast<unsigned char>(all[at])) != 0 || all[at] == '_');
  };
  if (is_word(token.getStartIndex() - 1) || is_word(token.getStopIndex() + 1))
    token.setChannel(antlr4::Token::HIDDEN_CHANNEL);
  else
    token.setType(VModelLexer::NAME);
}

void Tokens::check_nesting(DiagnosticEngine& diagnostics) {
  std::uint32_t depth = 0;
  std::uint32_t conditionals = 0; // `?` since the last statement began: they nest in the grammar too
  for (const Token* token : visible_) {
    switch (token->getType()) {
    case VModelLexer::LEFT_PAREN:
    case VModelLexer::LEFT_BRACKET: ++depth; break;
    case VModelLexer::LEFT_BRACE:
      ++depth;
      conditionals = 0;
      break;
    case VModelLexer::RIGHT_PAREN:
    case VModelLexer::RIGHT_BRACKET: depth -= depth > 0 ? 1 : 0; break;
    case VModelLexer::RIGHT_BRACE:
      depth -= depth > 0 ? 1 : 0;
      conditionals = 0;
      break;
    case VModelLexer::SEMICOLON: conditionals = 0; break;
    case VModelLexer::QUESTION: ++conditionals; break;
    default: break;
    }
    if (depth <= ast::max_nesting && conditionals <= ast::max_nesting)
      continue;
    diagnostics
        .report(Code::nesting_too_deep, range(token),
                "more than " + std::to_string(ast::max_nesting) +
                    (depth > ast::max_nesting ? " nested brackets" : " conditional expressions in one statement"))
        .hint("name parts of it with 'let'");
    usable_ = false;
    return;
  }
}

} // namespace vmodel::syntax
