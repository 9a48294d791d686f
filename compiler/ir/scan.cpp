#include "compiler/ir/scan.h"

#include <algorithm>
#include <charconv>

namespace vmodel::ir {

namespace {

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

} // namespace

void Scanner::fail(const std::string& message) {
  error_->message = message;
  error_->line = 1;
  for (std::size_t i = 0; i < std::min(at_, text_.size()); ++i)
    error_->line += text_[i] == '\n';
  throw ParseFailure{};
}

char Scanner::peek() {
  skip_space();
  return at_ < text_.size() ? text_[at_] : '\0';
}

void Scanner::expect(std::string_view token) {
  if (!accept(token))
    fail("expected '" + std::string(token) + "'");
}

std::size_t Scanner::position() {
  skip_space();
  return at_;
}

void Scanner::skip_to(char stop) {
  while (at_ < text_.size() && text_[at_] != stop)
    ++at_;
}

void Scanner::skip_space() {
  while (at_ < text_.size()) {
    const char c = text_[at_];
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
      ++at_;
    else if (text_.substr(at_, 2) == "//")
      while (at_ < text_.size() && text_[at_] != '\n')
        ++at_;
    else
      return;
  }
}

bool Scanner::accept(std::string_view token) {
  skip_space();
  if (text_.substr(at_, token.size()) != token)
    return false;
  at_ += token.size();
  return true;
}

bool Scanner::accept_word(std::string_view word) {
  skip_space();
  if (text_.substr(at_, word.size()) != word)
    return false;
  if (at_ + word.size() < text_.size() && is_name_character(text_[at_ + word.size()]))
    return false;
  at_ += word.size();
  return true;
}

std::string Scanner::word(const char* what) {
  skip_space();
  const std::size_t begin = at_;
  while (at_ < text_.size() && is_name_character(text_[at_]))
    ++at_;
  if (begin == at_)
    fail(std::string("expected ") + what);
  return std::string(text_.substr(begin, at_ - begin));
}

std::string Scanner::string() {
  expect("\"");
  std::string result;
  while (at_ < text_.size() && text_[at_] != '"') {
    char c = text_[at_++];
    if (c == '\\' && at_ < text_.size()) {
      c = text_[at_++];
      if (c == 'n')
        c = '\n';
    }
    result += c;
  }
  if (at_ == text_.size())
    fail("a string does not end");
  ++at_;
  return result;
}

std::string_view Scanner::number_text() {
  skip_space();
  const std::size_t begin = at_;
  while (at_ < text_.size() && (is_name_character(text_[at_]) || text_[at_] == '-' || text_[at_] == '+'))
    ++at_;
  return text_.substr(begin, at_ - begin);
}

double Scanner::number() {
  const std::string_view text = number_text();
  double value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc{} || end != text.data() + text.size())
    fail("expected a number");
  return value;
}

std::int64_t Scanner::integer() {
  const std::string_view text = number_text();
  std::int64_t value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc{} || end != text.data() + text.size())
    fail("expected an integer");
  return value;
}

} // namespace vmodel::ir
