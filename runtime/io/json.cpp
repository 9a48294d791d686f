#include "runtime/io/json.h"

#include "runtime/io/error.h"

#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <unordered_set>

namespace vmodel::json {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_';
}

class Parser {
public:
  Parser(std::string_view text, ParseError& error)
      : begin_(text.data()), at_(text.data()), end_(text.data() + text.size()), error_(error) {}

  bool document(Value& result) {
    if (text_starts("\xEF\xBB\xBF"))
      return fail("the file begins with a byte order mark");
    skip_space();
    if (at_ == end_)
      return fail("the file is empty");
    if (!value(result, 0))
      return false;
    skip_space();
    if (at_ != end_)
      return fail("there is more text after the end of the JSON value");
    return true;
  }

private:
  bool text_starts(std::string_view prefix) const {
    return std::string_view(at_, end_ - at_).substr(0, prefix.size()) == prefix;
  }

  // Lines are counted only when something is to be reported.
  bool fail(std::string message, const char* where = nullptr) {
    if (where == nullptr)
      where = at_;
    error_.message = std::move(message);
    position(where, error_.line, error_.column);
    return false;
  }

  void position(const char* where, int64_t& line, int64_t& column) const {
    line = 1;
    const char* start = begin_;
    for (const char* p = begin_; p < where; ++p) {
      if (*p == '\n') {
        ++line;
        start = p + 1;
      }
    }
    column = where - start + 1;
  }

  void skip_space() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t'))
      ++at_;
  }

  bool value(Value& result, int depth) {
    switch (*at_) {
    case '{': return object(result, depth + 1);
    case '[': return array(result, depth + 1);
    case '"': result.kind = Value::Kind::string; return string(result.text);
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9': result.kind = Value::Kind::number; return number(result.number, result.integer);
    default: return word(result);
    }
  }

  bool word(Value& result) {
    const char* start = at_;
    const char* stop = at_;
    if (stop != end_ && (*stop == '+' || *stop == '.')) {
      return fail("a number must begin with a digit or `-`");
    }
    while (stop != end_ && is_word(*stop))
      ++stop;
    const std::string_view text(start, stop - start);
    if (text == "true" || text == "false") {
      result.kind = Value::Kind::boolean;
      result.boolean = text == "true";
    } else if (text == "null") {
      result.kind = Value::Kind::null;
    } else if (text.empty()) {
      if (*at_ == '/' || *at_ == '#')
        return fail("JSON has no comments");
      if (*at_ == '\'')
        return fail("a string stands in double quotes");
      if (*at_ == ',' || *at_ == ']' || *at_ == '}')
        return fail("a value is missing here");
      return fail(std::string("a value cannot begin with ") + show(*at_));
    } else {
      if (not_finite(text))
        return fail(std::string(text) + " is not JSON: numbers are finite");
      const std::string shown(text.substr(0, 30));
      return fail("`" + shown + "` is not a JSON value; a string stands in double quotes");
    }
    at_ = stop;
    return true;
  }

  static bool not_finite(std::string_view text) {
    std::string lower;
    for (char c : text.substr(0, 12))
      lower += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    return lower == "nan" || lower == "inf" || lower == "infinity" || lower == "na";
  }

  static std::string show(char c) {
    if (c >= 32 && c < 127)
      return std::string("`") + c + "`";
    char text[16];
    std::snprintf(text, sizeof text, "byte 0x%02x", static_cast<unsigned char>(c));
    return text;
  }

  bool number(double& result, bool& integer) {
    const char* start = at_;
    const char* p = at_;
    if (*p == '-')
      ++p;
    if (p == end_ || !is_digit(*p)) {
      const char* stop = p;
      while (stop != end_ && is_word(*stop))
        ++stop;
      const std::string_view text(p, stop - p);
      if (not_finite(text)) {
        return fail("-" + std::string(text) + " is not JSON: numbers are finite");
      }
      return fail("a digit is missing after `-`", p);
    }
    if (*p == '0' && p + 1 != end_ && is_digit(p[1])) {
      return fail("a number must not begin with a superfluous 0");
    }
    while (p != end_ && is_digit(*p))
      ++p;
    integer = true;
    if (p != end_ && *p == '.') {
      integer = false;
      ++p;
      if (p == end_ || !is_digit(*p))
        return fail("a digit is missing after the decimal point", p);
      while (p != end_ && is_digit(*p))
        ++p;
    }
    if (p != end_ && (*p == 'e' || *p == 'E')) {
      integer = false;
      ++p;
      if (p != end_ && (*p == '+' || *p == '-'))
        ++p;
      if (p == end_ || !is_digit(*p))
        return fail("a digit is missing in the exponent", p);
      while (p != end_ && is_digit(*p))
        ++p;
    }
    const auto [stop, code] = std::from_chars(start, p, result);
    if (code == std::errc::result_out_of_range) {
      // Also reported for numbers that round to 0, which are welcome.
      result = std::strtod(std::string(start, p).c_str(), nullptr);
      if (!std::isfinite(result)) {
        std::string text(start, p);
        if (text.size() > 30)
          text = text.substr(0, 27) + "...";
        return fail("the number " + text + " is too large for a double (limit about 1.8e308)", start);
      }
    } else if (code != std::errc() || stop != p) {
      return fail("malformed number", start);
    }
    at_ = p;
    return true;
  }

  bool array(Value& result, int depth) {
    result.kind = Value::Kind::array;
    if (depth > maximum_depth)
      return too_deep();
    const char* open = at_++;
    skip_space();
    if (at_ != end_ && *at_ == ']')
      return ++at_, true;
    bool flat = true;
    while (true) {
      if (at_ == end_)
        return unclosed("array", open);
      if (flat && (is_digit(*at_) || *at_ == '-')) {
        double entry;
        bool integer;
        if (!number(entry, integer))
          return false;
        if (!integer && result.first_real < 0) {
          result.first_real = static_cast<int64_t>(result.numbers.size());
        }
        result.numbers.push_back(entry);
      } else {
        if (flat)
          unflatten(result);
        flat = false;
        result.elements.emplace_back();
        if (!value(result.elements.back(), depth))
          return false;
      }
      skip_space();
      if (at_ == end_)
        return unclosed("array", open);
      if (*at_ == ']')
        return ++at_, true;
      if (*at_ != ',')
        return fail("`,` or `]` expected in an array, not " + show(*at_));
      ++at_;
      skip_space();
      if (at_ != end_ && *at_ == ']')
        return fail("a comma stands before the closing `]`");
    }
  }

  static void unflatten(Value& result) {
    result.elements.reserve(result.numbers.size() + 1);
    for (int64_t i = 0; i < static_cast<int64_t>(result.numbers.size()); ++i) {
      Value entry;
      entry.kind = Value::Kind::number;
      entry.number = result.numbers[i];
      entry.integer = result.first_real < 0 || i < result.first_real;
      result.elements.push_back(std::move(entry));
    }
    result.numbers.clear();
    result.first_real = -1;
  }

  bool object(Value& result, int depth) {
    result.kind = Value::Kind::object;
    if (depth > maximum_depth)
      return too_deep();
    position_of(result);
    const char* open = at_++;
    std::unordered_set<std::string> seen;
    skip_space();
    if (at_ != end_ && *at_ == '}')
      return ++at_, true;
    while (true) {
      if (at_ == end_)
        return unclosed("object", open);
      if (*at_ != '"')
        return fail("a key in double quotes expected, not " + show(*at_));
      const char* key_start = at_;
      std::string key;
      if (!string(key))
        return false;
      if (!seen.insert(key).second) {
        return fail("the key \"" + key + "\" stands here a second time", key_start);
      }
      skip_space();
      if (at_ == end_)
        return unclosed("object", open);
      if (*at_ != ':')
        return fail("`:` expected after the key, not " + show(*at_));
      ++at_;
      skip_space();
      if (at_ == end_)
        return unclosed("object", open);
      result.members.push_back({std::move(key), Value()});
      if (!value(result.members.back().second, depth))
        return false;
      skip_space();
      if (at_ == end_)
        return unclosed("object", open);
      if (*at_ == '}')
        return ++at_, true;
      if (*at_ != ',')
        return fail("`,` or `}` expected in an object, not " + show(*at_));
      ++at_;
      skip_space();
      if (at_ != end_ && *at_ == '}')
        return fail("a comma stands before the closing `}`");
    }
  }

  // Objects know where they begin (few are expected); other values do not.
  void position_of(Value& result) {
    for (; counted_ < at_; ++counted_) {
      if (*counted_ == '\n') {
        ++line_;
        line_start_ = counted_ + 1;
      }
    }
    result.line = line_;
    result.column = at_ - (line_start_ ? line_start_ : begin_) + 1;
  }

  bool too_deep() { return fail("arrays and objects are nested more than " + std::to_string(maximum_depth) + " deep"); }

  bool unclosed(const char* what, const char* open) {
    int64_t line, column;
    position(open, line, column);
    return fail("the file ends inside the " + std::string(what) + " that begins at " + std::to_string(line) + ":" +
                std::to_string(column));
  }

  bool string(std::string& result) {
    const char* open = at_++;
    while (true) {
      const char* start = at_;
      while (at_ != end_ && *at_ != '"' && *at_ != '\\' && static_cast<unsigned char>(*at_) >= 32 &&
             static_cast<unsigned char>(*at_) < 128) {
        ++at_;
      }
      result.append(start, at_);
      if (at_ == end_) {
        int64_t line, column;
        position(open, line, column);
        return fail("the file ends inside the string that begins at " + std::to_string(line) + ":" +
                    std::to_string(column));
      }
      if (*at_ == '"')
        return ++at_, true;
      if (*at_ == '\\') {
        if (!escape(result))
          return false;
      } else if (static_cast<unsigned char>(*at_) < 32) {
        return fail("a control character in a string must be escaped (" + show(*at_) + ")");
      } else if (!utf8(result)) {
        return false;
      }
    }
  }

  bool hexadecimal(unsigned& code) {
    if (end_ - at_ < 4)
      return fail("four hexadecimal digits expected after \\u");
    const auto [stop, error] = std::from_chars(at_, at_ + 4, code, 16);
    if (error != std::errc() || stop != at_ + 4 || *at_ == '-') {
      return fail("four hexadecimal digits expected after \\u");
    }
    at_ += 4;
    return true;
  }

  bool escape(std::string& result) {
    ++at_;
    if (at_ == end_)
      return fail("the file ends inside a string");
    const char c = *at_++;
    switch (c) {
    case '"':
    case '\\':
    case '/': result += c; return true;
    case 'b': result += '\b'; return true;
    case 'f': result += '\f'; return true;
    case 'n': result += '\n'; return true;
    case 'r': result += '\r'; return true;
    case 't': result += '\t'; return true;
    case 'u': break;
    default: return fail("unknown escape in a string", at_ - 2);
    }
    unsigned code;
    if (!hexadecimal(code))
      return false;
    if (code >= 0xDC00 && code < 0xE000)
      return fail("half of a surrogate pair stands alone");
    if (code >= 0xD800 && code < 0xDC00) {
      unsigned low = 0;
      if (!text_starts("\\u"))
        return fail("half of a surrogate pair stands alone");
      at_ += 2;
      if (!hexadecimal(low))
        return false;
      if (low < 0xDC00 || low >= 0xE000)
        return fail("half of a surrogate pair stands alone");
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    append_utf8(result, code);
    return true;
  }

  static void append_utf8(std::string& result, unsigned code) {
    if (code < 0x80) {
      result += static_cast<char>(code);
    } else if (code < 0x800) {
      result += static_cast<char>(0xC0 | (code >> 6));
      result += static_cast<char>(0x80 | (code & 63));
    } else if (code < 0x10000) {
      result += static_cast<char>(0xE0 | (code >> 12));
      result += static_cast<char>(0x80 | ((code >> 6) & 63));
      result += static_cast<char>(0x80 | (code & 63));
    } else {
      result += static_cast<char>(0xF0 | (code >> 18));
      result += static_cast<char>(0x80 | ((code >> 12) & 63));
      result += static_cast<char>(0x80 | ((code >> 6) & 63));
      result += static_cast<char>(0x80 | (code & 63));
    }
  }

  bool utf8(std::string& result) {
    const unsigned char first = static_cast<unsigned char>(*at_);
    int length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    unsigned code = first & (0xFF >> (length + 1));
    if (first < 0xC2 || first > 0xF4 || end_ - at_ < length)
      return not_utf8();
    for (int i = 1; i < length; ++i) {
      const unsigned char next = static_cast<unsigned char>(at_[i]);
      if ((next & 0xC0) != 0x80)
        return not_utf8();
      code = (code << 6) | (next & 63);
    }
    const unsigned smallest = length == 4 ? 0x10000 : length == 3 ? 0x800 : 0x80;
    if (code < smallest || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
      return not_utf8();
    result.append(at_, at_ + length);
    at_ += length;
    return true;
  }

  bool not_utf8() { return fail("the text is not UTF-8 (" + show(*at_) + ")"); }

  const char* begin_;
  const char* at_;
  const char* end_;
  ParseError& error_;
  const char* counted_ = begin_;
  const char* line_start_ = nullptr;
  int64_t line_ = 1;
};

} // namespace

Value::Value() = default;
Value::Value(const Value&) = default;
Value::Value(Value&&) noexcept = default;
Value& Value::operator=(const Value&) = default;
Value& Value::operator=(Value&&) noexcept = default;
Value::~Value() = default;

Value Value::element(int64_t index) const {
  if (!elements.empty())
    return elements[index];
  Value result;
  result.kind = Kind::number;
  result.number = numbers[index];
  // Only the first number that is not an integer is remembered; later ones are asked by value.
  result.integer = first_real < 0 || index < first_real;
  return result;
}

const Value* Value::find(std::string_view name) const {
  for (const auto& member : members) {
    if (member.first == name)
      return &member.second;
  }
  return nullptr;
}

const char* kind_name(const Value& value) {
  switch (value.kind) {
  case Value::Kind::null: return "null";
  case Value::Kind::boolean: return "a boolean";
  case Value::Kind::number: return "a number";
  case Value::Kind::string: return "a string";
  case Value::Kind::array: return "an array";
  case Value::Kind::object: return "an object";
  }
  return "";
}

bool parse(std::string_view text, Value& result, ParseError& error) {
  result = Value();
  return Parser(text, error).document(result);
}

std::string read_text(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const auto refuse = [&](int code) {
    if (file >= 0)
      ::close(file);
    throw runtime::InputError(path + ": cannot be read: " + std::strerror(code));
  };
  if (file < 0)
    refuse(errno);
  struct stat status;
  if (::fstat(file, &status) != 0)
    refuse(errno);
  if (S_ISDIR(status.st_mode))
    refuse(EISDIR);
  std::string text;
  text.resize(S_ISREG(status.st_mode) ? static_cast<size_t>(status.st_size) + 1 : 65536);
  size_t used = 0;
  while (true) {
    if (used == text.size())
      text.resize(text.size() * 2);
    const ssize_t count = ::read(file, text.data() + used, text.size() - used);
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      refuse(errno);
    if (count == 0)
      break;
    used += static_cast<size_t>(count);
  }
  ::close(file);
  text.resize(used);
  return text;
}

Value read_file(const std::string& path) {
  const std::string text = read_text(path);
  Value result;
  ParseError error;
  if (!parse(text, result, error)) {
    throw runtime::InputError(path + ":" + std::to_string(error.line) + ":" + std::to_string(error.column) + ": " +
                              error.message);
  }
  return result;
}

} // namespace vmodel::json
