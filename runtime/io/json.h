// JSON for data, points and results: nlohmann-json's parser, with values that keep arrays of numbers
// flat and know where they stand, and errors that name the place and the cure (json_explain.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vmodel::json {

// Nesting of arrays and objects beyond this is refused.
inline constexpr int maximum_depth = 64;

struct Member;

class Value {
public:
  Value();
  Value(const Value&);
  Value(Value&&) noexcept;
  Value& operator=(const Value&);
  Value& operator=(Value&&) noexcept;
  ~Value();

  enum class Kind : uint8_t { null, boolean, number, string, array, object };

  Kind kind = Kind::null;
  bool boolean = false;
  // A number written without fraction and exponent.
  bool integer = false;
  double number = 0;
  std::string text;
  // An array that holds nothing but numbers keeps them here, with the position of the first one
  // that is not written as an integer (-1: all are).
  std::vector<double> numbers;
  int64_t first_real = -1;
  // Elements of any other array.
  std::vector<Value> elements;
  std::vector<Member> members;
  int64_t line = 0;
  int64_t column = 0;

  bool is_object() const { return kind == Kind::object; }
  bool is_array() const { return kind == Kind::array; }
  bool is_number() const { return kind == Kind::number; }
  bool is_string() const { return kind == Kind::string; }
  // Number of elements of an array.
  int64_t size() const { return static_cast<int64_t>(numbers.size() + elements.size()); }
  // An element of an array; a copy where the array is flat.
  Value element(int64_t index) const;
  // The member of that name, or null.
  const Value* find(std::string_view name) const;
};

struct Member {
  std::string first; // the name
  Value second;
};

// "a number", "an array", ... as messages name a kind.
const char* kind_name(const Value& value);

struct ParseError {
  std::string message;
  int64_t line = 0;
  int64_t column = 0;
};

// Parses a whole document into `result`. Returns false and fills `error` at the first mistake.
bool parse(std::string_view text, Value& result, ParseError& error);

// What messages call a file: its path, and "standard input" for `-`.
std::string shown_path(const std::string& path);

// Reads and parses a file (`-`: standard input). Throws runtime::InputError with `path:line:column: message`.
Value read_file(const std::string& path);

// Parses the text of that file. Throws as read_file.
Value parse_text(const std::string& path, std::string_view text);

// The whole of a file (`-`: standard input). Throws runtime::InputError when it cannot be read.
std::string read_text(const std::string& path);

} // namespace vmodel::json
