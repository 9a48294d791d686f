#include "runtime/io/json_explain.h"

#include <algorithm>
#include <cctype>
#include <cstdio>

namespace vmodel::json {
namespace {

bool is_space(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

std::string show(char c) {
  if (c >= 32 && c < 127)
    return std::string("`") + c + "`";
  char text[16];
  std::snprintf(text, sizeof text, "byte 0x%02x", static_cast<unsigned char>(c));
  return text;
}

// The spellings that other programs write for values that are not finite.
bool not_finite(std::string_view text) {
  std::string lower(text.substr(0, 12));
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return lower == "nan" || lower == "inf" || lower == "infinity" || lower == "na";
}

// The library's own words, without its prefix and without what it had read last.
std::string essence(std::string_view reason) {
  if (const size_t column = reason.find("column "); column != std::string_view::npos) {
    if (const size_t colon = reason.find(": ", column); colon != std::string_view::npos)
      reason.remove_prefix(colon + 2);
  }
  for (const std::string_view prefix :
       {"syntax error while parsing value - ", "syntax error while parsing object key - ",
        "syntax error while parsing object - ", "syntax error while parsing array - "}) {
    if (reason.substr(0, prefix.size()) == prefix)
      reason.remove_prefix(prefix.size());
  }
  return std::string(reason.substr(0, reason.find("; last read")));
}

class Explanation {
public:
  Explanation(const Place& place, const char* read, std::string_view reason, bool too_large)
      : place_(place), read_(read), reason_(reason), too_large_(too_large),
        end_(place.text.data() + place.text.size()) {}

  // Follows the grammar from the last thing that was read to the token that does not fit.
  ParseError find() const {
    const char* at = skip(place_.after == Place::After::number ? end_of_number() : place_.previous);
    switch (place_.after) {
    case Place::After::nothing: return at == end_ ? error(at, "the file is empty") : value(at);
    case Place::After::opening: return inner().object ? key(at) : value(at);
    case Place::After::key:
      if (at == end_)
        return unclosed();
      if (*at != ':')
        return error(at, "`:` expected after the key, not " + show(*at));
      return value(skip(at + 1));
    case Place::After::number:
    case Place::After::value: break;
    }
    if (place_.open.empty())
      return error(at, "there is more text after the end of the JSON value");
    if (at == end_)
      return unclosed();
    const char closing = inner().object ? '}' : ']';
    if (*at != ',') {
      if (is_digit(*at) && at[-1] == '0')
        return error(at - 1, "a number must not begin with a superfluous 0");
      return error(at, std::string("`,` or `") + closing + "` expected in an " + (inner().object ? "object" : "array") +
                           ", not " + show(*at));
    }
    at = skip(at + 1);
    if (at != end_ && *at == closing)
      return error(at, std::string("a comma stands before the closing `") + closing + "`");
    return inner().object ? key(at) : value(at);
  }

private:
  const Place::Open& inner() const { return place_.open.back(); }

  const char* skip(const char* at) const {
    while (at != end_ && is_space(*at))
      ++at;
    return at;
  }

  // Back to the beginning of the number that `previous` ends, then forward by the grammar: the
  // library takes `01` for the number 0 and something that does not fit.
  const char* end_of_number() const {
    const auto belongs = [](char c) { return is_digit(c) || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E'; };
    const char* at = place_.previous;
    if (!belongs(at[-1]))
      --at;
    const char* const limit = at;
    while (at != place_.text.data() && belongs(at[-1]))
      --at;
    if (*at == '-')
      ++at;
    if (*at == '0' && at + 1 != end_ && is_digit(at[1]))
      return at + 1;
    return limit;
  }

  ParseError error(const char* where, std::string message) const {
    return error_at(place_.text, where, std::move(message));
  }

  std::string beginning(const char* at) const {
    const ParseError place = error(at, "");
    return " that begins at " + std::to_string(place.line) + ":" + std::to_string(place.column);
  }

  ParseError unclosed() const {
    return error(end_, std::string("the file ends inside the ") + (inner().object ? "object" : "array") +
                           beginning(inner().at));
  }

  ParseError key(const char* at) const {
    if (at == end_)
      return unclosed();
    return *at == '"' ? string(at) : error(at, "a key in double quotes expected, not " + show(*at));
  }

  ParseError value(const char* at) const {
    if (at == end_)
      return unclosed();
    if (*at == '"')
      return string(at);
    return is_digit(*at) || *at == '-' ? number(at) : word(at);
  }

  ParseError string(const char* at) const {
    if (reason_.find("missing closing quote") != std::string_view::npos)
      return error(end_, "the file ends inside the string" + beginning(at));
    return error(read_ - 1, essence(reason_));
  }

  ParseError number(const char* at) const {
    if (too_large_) {
      const char* stop = at;
      while (stop != end_ && (is_word(*stop) || *stop == '.' || *stop == '-' || *stop == '+'))
        ++stop;
      std::string text(at, stop);
      if (text.size() > 30)
        text = text.substr(0, 27) + "...";
      return error(at, "the number " + text + " is too large for a double (limit about 1.8e308)");
    }
    const char* const digits = *at == '-' ? at + 1 : at;
    const std::string_view text = word_at(digits);
    if (not_finite(text))
      return error(at, "-" + std::string(text) + " is not JSON: numbers are finite");
    return error(std::max(at, read_ - 1), essence(reason_));
  }

  ParseError word(const char* at) const {
    const std::string_view text = word_at(at);
    if (not_finite(text))
      return error(at, std::string(text) + " is not JSON: numbers are finite");
    if (!text.empty())
      return error(at,
                   "`" + std::string(text.substr(0, 30)) + "` is not a JSON value; a string stands in double quotes");
    switch (*at) {
    case '+':
    case '.': return error(at, "a number must begin with a digit or `-`");
    case '/':
    case '#': return error(at, "JSON has no comments");
    case '\'': return error(at, "a string stands in double quotes");
    case ',':
    case ']':
    case '}': return error(at, "a value is missing here");
    default: return error(at, "a value cannot begin with " + show(*at));
    }
  }

  std::string_view word_at(const char* at) const {
    const char* stop = at;
    while (stop != end_ && is_word(*stop))
      ++stop;
    return {at, static_cast<size_t>(stop - at)};
  }

  const Place& place_;
  const char* read_;
  std::string_view reason_;
  bool too_large_;
  const char* end_;
};

} // namespace

ParseError error_at(std::string_view text, const char* where, std::string message) {
  const std::string_view before = text.substr(0, static_cast<size_t>(where - text.data()));
  const size_t line_end = before.rfind('\n');
  ParseError result;
  result.message = std::move(message);
  result.line = 1 + std::count(before.begin(), before.end(), '\n');
  result.column = static_cast<int64_t>(before.size() - (line_end == std::string_view::npos ? 0 : line_end + 1)) + 1;
  return result;
}

const char* next_token(const Place& place) {
  const char* at = place.previous;
  const char* const end = place.text.data() + place.text.size();
  while (at != end && (is_space(*at) || *at == ','))
    ++at;
  return at;
}

ParseError explain(const Place& place, const char* read, std::string_view reason, bool too_large) {
  return Explanation(place, read, reason, too_large).find();
}

} // namespace vmodel::json
