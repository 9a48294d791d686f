// The JSON reader: what it accepts, and each of its messages.

#include "runtime/io/json.h"

#include <gtest/gtest.h>

#include <cmath>

namespace vmodel::json {
namespace {

struct Case {
  const char* text;
  const char* error; // line:column: message
};

std::string error_of(std::string_view text) {
  Value value;
  ParseError error;
  if (parse(text, value, error))
    return "";
  return std::to_string(error.line) + ":" + std::to_string(error.column) + ": " + error.message;
}

TEST(Json, ErrorsHaveTheirMessage) {
  const Case cases[] = {
      {"", "1:1: the file is empty"},
      {" \n ", "2:2: the file is empty"},
      {"\xEF\xBB\xBF{}", "1:1: the file begins with a byte order mark"},
      {"{} {}", "1:4: there is more text after the end of the JSON value"},
      {"{\"a\": 1", "1:8: the file ends inside the object that begins at 1:1"},
      {"{\"a\": [1, 2", "1:12: the file ends inside the array that begins at 1:7"},
      {"{\"a\": ", "1:7: the file ends inside the object that begins at 1:1"},
      {"{\"a", "1:4: the file ends inside the string that begins at 1:2"},
      {"{\"a\": 1,\n \"a\": 2}", "2:2: the key \"a\" stands here a second time"},
      {"{a: 1}", "1:2: a key in double quotes expected, not `a`"},
      {"{\"a\" 1}", "1:6: `:` expected after the key, not `1`"},
      {"{\"a\": 1 \"b\": 2}", "1:9: `,` or `}` expected in an object, not `\"`"},
      {"{\"a\": 1,}", "1:9: a comma stands before the closing `}`"},
      {"[1, 2,]", "1:7: a comma stands before the closing `]`"},
      {"[1 2]", "1:4: `,` or `]` expected in an array, not `2`"},
      {"[1,,2]", "1:4: a value is missing here"},
      {"[NaN]", "1:2: NaN is not JSON: numbers are finite"},
      {"[Infinity]", "1:2: Infinity is not JSON: numbers are finite"},
      {"[-inf]", "1:2: -inf is not JSON: numbers are finite"},
      {"[1e400]", "1:2: the number 1e400 is too large for a double (limit about 1.8e308)"},
      {"[-1e999]", "1:2: the number -1e999 is too large for a double (limit about 1.8e308)"},
      {"[01]", "1:2: a number must not begin with a superfluous 0"},
      {"[+1]", "1:2: a number must begin with a digit or `-`"},
      {"[.5]", "1:2: a number must begin with a digit or `-`"},
      {"[1.]", "1:4: invalid number; expected digit after '.'"},
      {"[1e]", "1:4: invalid number; expected '+', '-', or digit after exponent"},
      {"[-]", "1:3: invalid number; expected digit after '-'"},
      {"[True]", "1:2: `True` is not a JSON value; a string stands in double quotes"},
      {"['a']", "1:2: a string stands in double quotes"},
      {"[1] // c", "1:5: there is more text after the end of the JSON value"},
      {"[ /* c */ 1]", "1:3: JSON has no comments"},
      {"[\"\x01\"]", "1:3: invalid string: control character U+0001 (SOH) must be escaped to \\u0001"},
      {"[\"\\x\"]", "1:4: invalid string: forbidden character after backslash"},
      {"[\"\\u12G4\"]", "1:7: invalid string: '\\u' must be followed by 4 hex digits"},
      {"[\"\\ud800\"]", "1:9: invalid string: surrogate U+D800..U+DBFF must be followed by U+DC00..U+DFFF"},
      {"[\"\xC3(\"]", "1:4: invalid string: ill-formed UTF-8 byte"},
      {"[\"\xC0\x80\"]", "1:3: invalid string: ill-formed UTF-8 byte"},
      {"\x80", "1:1: a value cannot begin with byte 0x80"},
  };
  for (const Case& c : cases)
    EXPECT_EQ(error_of(c.text), c.error) << c.text;
}

TEST(Json, RefusesDeepNesting) {
  const std::string good = std::string(64, '[') + std::string(64, ']');
  EXPECT_EQ(error_of(good), "");
  EXPECT_EQ(error_of(std::string(65, '[')), "1:65: arrays and objects are nested more than 64 deep");
  EXPECT_EQ(error_of(std::string(1000000, '[')), "1:65: arrays and objects are nested more than 64 deep");
}

TEST(Json, ReadsValuesExactly) {
  Value value;
  ParseError error;
  ASSERT_TRUE(
      parse(R"({"a": [1, 2.5, -0, 1e-400, 5e-324], "s": "\u00e9\ud83d\ude00\n", "t": true, "n": null, "d": 0.1})",
            value, error))
      << error.message;
  const Value& a = *value.find("a");
  EXPECT_EQ(a.numbers, (std::vector<double>{1, 2.5, 0, 0, 5e-324}));
  EXPECT_TRUE(std::signbit(a.numbers[2]));
  EXPECT_EQ(a.first_real, 1);
  EXPECT_EQ(value.find("s")->text, "\xC3\xA9\xF0\x9F\x98\x80\n");
  EXPECT_EQ(value.find("d")->number, 0.1);
  EXPECT_EQ(value.find("none"), nullptr);
}

TEST(Json, MixedArraysKeepTheirNumbers) {
  Value value;
  ParseError error;
  ASSERT_TRUE(parse("[1, 2.0, null, 4]", value, error));
  ASSERT_EQ(value.size(), 4);
  EXPECT_TRUE(value.element(0).integer);
  EXPECT_FALSE(value.element(1).integer);
  EXPECT_EQ(value.element(2).kind, Value::Kind::null);
  EXPECT_EQ(value.element(3).number, 4);
}

TEST(Json, LargeArraysStayFlat) {
  std::string text = "[";
  std::vector<double> expected;
  for (int i = 0; i < 100000; ++i) {
    const std::string number = std::to_string(i * 0.7312345678);
    text += (i ? "," : "") + number;
    expected.push_back(std::stod(number));
  }
  text += "]";
  Value value;
  ParseError error;
  ASSERT_TRUE(parse(text, value, error));
  EXPECT_EQ(value.numbers, expected);
  EXPECT_TRUE(value.elements.empty());
}

} // namespace
} // namespace vmodel::json
