// The words, numbers and strings of the textual form of VIR.
#pragma once

#include "compiler/ir/parse.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace vmodel::ir {

/// Thrown by Scanner::fail, which has written the error down.
struct ParseFailure {};

/// Reads tokens one after the other, over spaces and comments.
class Scanner {
public:
  Scanner(std::string_view text, ParseError* error) : text_(text), error_(error) {}

  /// Notes the message with the line that has been reached, and throws ParseFailure.
  [[noreturn]] void fail(const std::string& message);

  /// The next character that is no space, without reading it; zero at the end.
  char peek();
  /// Reads a token if it is next.
  bool accept(std::string_view token);
  /// The same for one that must not be the start of a longer name.
  bool accept_word(std::string_view word);
  /// Reads a token, or fails.
  void expect(std::string_view token);
  /// A name; `what` says in the message what it should have been.
  std::string word(const char* what);
  /// A string in quotes, without them and with escapes resolved.
  std::string string();
  /// Everything up to the first character that no number has.
  std::string_view number_text();
  double number();
  std::int64_t integer();

  /// Where the next token begins, to come back to it.
  std::size_t position();
  void return_to(std::size_t position) { at_ = position; }
  /// Passes over everything before the next `stop`.
  void skip_to(char stop);

private:
  void skip_space();

  std::string_view text_;
  ParseError* error_;
  std::size_t at_ = 0;
};

} // namespace vmodel::ir
