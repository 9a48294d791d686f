#include "runtime/io/json.h"

#include "runtime/io/error.h"
#include "runtime/io/json_explain.h"

#include <nlohmann/json.hpp>

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <unordered_set>

namespace vmodel::json {
namespace {

// Bytes of the text, noting how far the library has read: its events carry no positions.
class Cursor {
public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  Cursor(const char* at, const char** read) : at_(at), read_(read) {}

  reference operator*() const { return *at_; }
  Cursor& operator++() {
    *read_ = ++at_;
    return *this;
  }
  Cursor operator++(int) {
    Cursor before = *this;
    ++*this;
    return before;
  }
  bool operator==(const Cursor& other) const { return at_ == other.at_; }
  bool operator!=(const Cursor& other) const { return at_ != other.at_; }

private:
  const char* at_;
  const char** read_;
};

// Builds a value from the library's events. Each event returns whether reading goes on.
class Builder {
public:
  Builder(std::string_view text, Value& root, ParseError& error) : root_(root), error_(error) {
    place_.text = text;
    place_.previous = text.data();
    read_ = text.data();
  }

  bool build() {
    const char* const begin = place_.text.data();
    return nlohmann::json::sax_parse(Cursor(begin, &read_), Cursor(begin + place_.text.size(), &read_), this);
  }

  // --- Events of nlohmann's json_sax ---
  bool null() {
    return leaf([](Value& value) { value.kind = Value::Kind::null; });
  }
  bool boolean(bool truth) {
    return leaf([&](Value& value) {
      value.kind = Value::Kind::boolean;
      value.boolean = truth;
    });
  }
  // The library reads `-0` as an integer without a sign.
  bool number_integer(int64_t number) { return this->number(number == 0 ? -0.0 : static_cast<double>(number), true); }
  bool number_unsigned(uint64_t number) { return this->number(static_cast<double>(number), true); }
  bool number_float(double number, const std::string& written) {
    return this->number(number, written.find_first_of(".eE") == std::string::npos);
  }
  bool string(std::string& text) {
    return leaf([&](Value& value) {
      value.kind = Value::Kind::string;
      value.text = std::move(text);
    });
  }
  bool binary(nlohmann::json::binary_t&) { return false; } // JSON has none
  bool start_array(std::size_t) { return open(Value::Kind::array); }
  bool start_object(std::size_t) {
    if (!open(Value::Kind::object))
      return false;
    keys_.emplace_back();
    Value& value = *containers_.back();
    advance_line(place_.open.back().at);
    value.line = line_;
    value.column = place_.open.back().at - line_start() + 1;
    return true;
  }
  bool key(std::string& name) {
    if (!keys_.back().insert(name).second) {
      error_ = error_at(place_.text, next_token(place_), "the key \"" + name + "\" stands here a second time");
      return false;
    }
    containers_.back()->members.push_back({std::move(name), Value()});
    return note(Place::After::key);
  }
  bool end_array() { return close(); }
  bool end_object() {
    keys_.pop_back();
    return close();
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception& reason) {
    error_ = explain(place_, read_, reason.what(), reason.id == 406);
    return false;
  }

private:
  bool note(Place::After what) {
    place_.after = what;
    place_.previous = read_;
    return true;
  }

  // Where the value that the text holds next belongs.
  Value& next() {
    if (containers_.empty())
      return root_;
    Value& parent = *containers_.back();
    if (parent.is_object())
      return parent.members.back().second;
    unflatten(parent);
    return parent.elements.emplace_back();
  }

  template <typename Fill>
  bool leaf(Fill fill) {
    fill(next());
    return note(Place::After::value);
  }

  bool number(double number, bool integer) {
    if (!containers_.empty() && containers_.back()->is_array() && containers_.back()->elements.empty()) {
      Value& array = *containers_.back();
      if (!integer && array.first_real < 0)
        array.first_real = static_cast<int64_t>(array.numbers.size());
      array.numbers.push_back(number);
      return note(Place::After::number);
    }
    Value& value = next();
    value.kind = Value::Kind::number;
    value.number = number;
    value.integer = integer;
    return note(Place::After::number);
  }

  bool open(Value::Kind kind) {
    const char* const at = read_ - 1;
    if (place_.open.size() == maximum_depth) {
      error_ = error_at(place_.text, at,
                        "arrays and objects are nested more than " + std::to_string(maximum_depth) + " deep");
      return false;
    }
    Value& value = next();
    value.kind = kind;
    containers_.push_back(&value);
    place_.open.push_back({at, kind == Value::Kind::object});
    return note(Place::After::opening);
  }

  bool close() {
    containers_.pop_back();
    place_.open.pop_back();
    return note(Place::After::value);
  }

  static void unflatten(Value& array) {
    if (array.numbers.empty())
      return;
    array.elements.reserve(array.numbers.size() + 1);
    for (int64_t i = 0; i < static_cast<int64_t>(array.numbers.size()); ++i) {
      Value& entry = array.elements.emplace_back();
      entry.kind = Value::Kind::number;
      entry.number = array.numbers[i];
      entry.integer = array.first_real < 0 || i < array.first_real;
    }
    array.numbers.clear();
    array.first_real = -1;
  }

  const char* line_start() const { return line_start_ != nullptr ? line_start_ : place_.text.data(); }

  void advance_line(const char* at) {
    for (const char* p = counted_ != nullptr ? counted_ : place_.text.data(); p < at; ++p) {
      if (*p == '\n') {
        ++line_;
        line_start_ = p + 1;
      }
    }
    counted_ = at;
  }

  Value& root_;
  ParseError& error_;
  const char* read_;
  Place place_;
  // The open arrays and objects; a container does not move while one inside it is open.
  std::vector<Value*> containers_;
  std::vector<std::unordered_set<std::string>> keys_;
  // Objects know their line; lines are counted as far as the last object.
  const char* counted_ = nullptr;
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
  error = ParseError();
  // The library would skip the mark without a word; other readers of the same file will not.
  if (text.substr(0, 3) == "\xEF\xBB\xBF") {
    error = error_at(text, &text.front(), "the file begins with a byte order mark");
    return false;
  }
  return Builder(text, result, error).build();
}

std::string shown_path(const std::string& path) {
  return path == "-" ? "standard input" : path;
}

std::string read_text(const std::string& path) {
  const int file = path == "-" ? ::dup(STDIN_FILENO) : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const auto refuse = [&](int code) {
    if (file >= 0)
      ::close(file);
    throw runtime::InputError(shown_path(path) + ": cannot be read: " + std::strerror(code));
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

Value parse_text(const std::string& path, std::string_view text) {
  Value result;
  ParseError error;
  if (!parse(text, result, error)) {
    throw runtime::InputError(shown_path(path) + ":" + std::to_string(error.line) + ":" + std::to_string(error.column) +
                              ": " + error.message);
  }
  return result;
}

Value read_file(const std::string& path) {
  return parse_text(path, read_text(path));
}

} // namespace vmodel::json
