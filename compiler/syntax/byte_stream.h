// Characters of a source for ANTLR's lexer: bytes, so that token positions are byte offsets.
#pragma once

#include "antlr4-runtime.h"

#include <string>
#include <string_view>

namespace vmodel::syntax {

// The grammar needs no more than ASCII; other bytes pass through comments and strings untouched.
class ByteStream final : public antlr4::CharStream {
public:
  // `text` must outlive the stream. `start` bytes at its begin are skipped (a byte order mark).
  ByteStream(std::string_view text, std::string name, std::size_t start)
      : text_(text), name_(std::move(name)), at_(start) {}

  void consume() override { ++at_; }
  std::size_t LA(ssize_t i) override {
    // 1 is the current byte, -1 the one before it.
    const auto index = static_cast<ssize_t>(at_) + (i > 0 ? i - 1 : i);
    if (i == 0)
      return 0;
    if (index < 0 || index >= static_cast<ssize_t>(text_.size()))
      return IntStream::EOF;
    return static_cast<unsigned char>(text_[static_cast<std::size_t>(index)]);
  }
  ssize_t mark() override { return -1; }
  void release(ssize_t) override {}
  std::size_t index() override { return at_; }
  void seek(std::size_t index) override { at_ = index; }
  std::size_t size() override { return text_.size(); }
  std::string getSourceName() const override { return name_; }
  std::string getText(const antlr4::misc::Interval& interval) override {
    if (interval.a < 0 || interval.b < interval.a || static_cast<std::size_t>(interval.a) >= text_.size())
      return {};
    return std::string(
        text_.substr(static_cast<std::size_t>(interval.a), static_cast<std::size_t>(interval.b - interval.a + 1)));
  }
  std::string toString() const override { return std::string(text_); }

private:
  std::string_view text_;
  std::string name_;
  std::size_t at_;
};

} // namespace vmodel::syntax
