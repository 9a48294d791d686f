// Every error of a data file, with its message.

#include "runtime/io/error.h"
#include "runtime/model/prepared_model.h"
#include "test/support/models.h"

#include <gtest/gtest.h>

namespace vmodel::runtime {
namespace {

// Good data, one field of which a case replaces.
std::string kitchen(const std::string& name = "", const std::string& value = "") {
  const std::pair<std::string, std::string> fields[] = {{"N", "2"},
                                                        {"x", "[1.5, -2]"},
                                                        {"k", "[1, 2]"},
                                                        {"m", "[[1, 2], [3, 4]]"},
                                                        {"s", "[0.2,0.3,0.5]"},
                                                        {"o", "[-1, 0, 1e-3]"},
                                                        {"p", "[0, 2]"},
                                                        {"r", "0"},
                                                        {"c", "[[1, 0], [3, 0.5]]"},
                                                        {"u", "[0.6, -0.8]"},
                                                        {"counts", "[0, 7]"}};
  std::string text = "{";
  for (const auto& [field, usual] : fields) {
    const std::string& used = field == name ? value : usual;
    if (!used.empty())
      text += (text.size() > 1 ? ", \"" : "\"") + field + "\": " + used;
  }
  return text + "}";
}

// The messages of reading this text, or none.
std::vector<std::string> errors_of(const std::string& text, bool strict = false,
                                   std::vector<std::string>* notes = nullptr) {
  static const CompiledModel model(test::kitchen());
  json::Value value;
  json::ParseError error;
  if (!json::parse(text, value, error)) {
    return {"d.json:" + std::to_string(error.line) + ":" + std::to_string(error.column) + ": " + error.message};
  }
  std::vector<std::string> remarks;
  try {
    const PreparedModel prepared(model, value, {"d.json", strict, false}, notes ? *notes : remarks);
  } catch (const InputError& failure) {
    return failure.messages();
  }
  return {};
}

TEST(DataReader, ReadsGoodData) {
  EXPECT_EQ(errors_of(kitchen()), std::vector<std::string>());
}

struct Case {
  const char* name;
  const char* field;
  const char* value;
  const char* message;
};

class DataErrors : public testing::TestWithParam<Case> {};

TEST_P(DataErrors, HaveTheirMessage) {
  const Case& c = GetParam();
  const std::vector<std::string> errors = errors_of(kitchen(c.field, c.value));
  ASSERT_FALSE(errors.empty());
  EXPECT_EQ(errors.front(), std::string("d.json") + c.message);
}

#define AT(line, type) " (declared at kitchen.vmodel:" line ":8 as " type ")"

const Case cases[] = {
    {"Missing", "x", "", ": x: this field is missing" AT("3", "real[N]")},
    {"String", "r", "\"a\"", ": r: a number is expected, not a string" AT("9", "real<lower=0>")},
    {"Boolean", "r", "true", ": r: a number is expected, not a boolean" AT("9", "real<lower=0>")},
    {"Null", "r", "null",
     ": r: a number is expected, not null; missing values are not allowed" AT("9", "real<lower=0>")},
    {"NullElement", "x", "[1, null]",
     ": x[2]: a number is expected, not null; missing values are not allowed" AT("3", "real[N]")},
    {"Object", "x", "{\"a\": 1}",
     ": x: a number or an array is expected, not an object; an array in a file of its own is written "
     "{\"file\": \"x.npy\"}" AT("3", "real[N]")},
    {"MissingArrayFile", "x", "{\"file\": \"/nowhere/x.npy\"}",
     ": x: /nowhere/x.npy: cannot be read: No such file or directory" AT("3", "real[N]")},
    {"ScalarForArray", "x", "1",
     ": x: an array is expected, not a number; one element is written [x]" AT("3", "real[N]")},
    {"ArrayForScalar", "r", "[1]", ": r: a number is expected, not an array" AT("9", "real<lower=0>")},
    {"ArrayForInt", "N", "[2]", ": N: a number is expected, not an array" AT("2", "int<lower=1, upper=5>")},
    {"TooShort", "x", "[1]", ": x: 1 element where 2 are declared (N = 2)" AT("3", "real[N]")},
    {"TooLong", "x", "[1, 2, 3]", ": x: 3 elements where 2 are declared (N = 2)" AT("3", "real[N]")},
    {"Empty", "x", "[]", ": x: 0 elements where 2 are declared (N = 2)" AT("3", "real[N]")},
    {"Ragged", "m", "[[1, 2], [3]]", ": m[2]: 1 element where 2 are declared" AT("5", "real[N, 2]")},
    {"RankTooLow", "m", "[1, 2]",
     ": m[1]: an array is expected, not a number; one element is written [x]" AT("5", "real[N, 2]")},
    {"RankTooHigh", "x", "[[1], [2]]", ": x[1]: a number is expected, not an array" AT("3", "real[N]")},
    {"StringElement", "m", "[[1, 2], [3, \"b\"]]",
     ": m[2,2]: a number is expected, not a string" AT("5", "real[N, 2]")},
    {"NanString", "x", "[1, \"nan\"]", ": x[2]: \"nan\" is not a finite number" AT("3", "real[N]")},
    {"InfString", "x", "[\"-inf\", 1]", ": x[1]: \"-inf\" is not a finite number" AT("3", "real[N]")},
    {"RealForIntScalar", "N", "2.5", ": N: 2.5 is not an int" AT("2", "int<lower=1, upper=5>")},
    {"RealForInt", "k", "[1, 1.5]", ": k[2]: 1.5 is not an int" AT("4", "int<lower=1, upper=N>[N]")},
    {"HugeInt", "counts", "[1, 9007199254740994]",
     ": counts[2]: 9.00719925474099e+15 is too large for an int (limit 2^53)" AT("12", "int[N]")},
    {"BelowLower", "r", "-0.5", ": r: -0.5 is below the lower bound 0" AT("9", "real<lower=0>")},
    {"AboveUpper", "N", "6", ": N: 6 is above the upper bound 5" AT("2", "int<lower=1, upper=5>")},
    {"AboveUpperByName", "k", "[1, 3]", ": k[2]: 3 is above the upper bound 2 = N" AT("4", "int<lower=1, upper=N>[N]")},
    {"SimplexSum", "s", "[0.2, 0.3, 0.4]", ": s: a simplex sums to 1, this to 0.9" AT("6", "simplex<3>")},
    {"SimplexNegative", "s", "[-0.2, 0.7, 0.5]", ": s[1]: -0.2 is negative in a simplex" AT("6", "simplex<3>")},
    {"NotOrdered", "o", "[0, 2, 2]", ": o[3]: 2 is not above 2 before it" AT("7", "ordered<3>")},
    {"NotPositive", "p", "[-1, 2]", ": p[1]: -1 is negative" AT("8", "positive_ordered<2>")},
    {"AboveDiagonal", "c", "[[1, 1], [0, 1]]",
     ": c[1,2]: 1 above the diagonal of a Cholesky factor" AT("10", "cov_cholesky<2>[2]")},
    {"ZeroDiagonal", "c", "[[1, 0], [0, 0]]",
     ": c[2,2]: 0 on the diagonal of a Cholesky factor" AT("10", "cov_cholesky<2>[2]")},
    {"NotUnit", "u", "[1, 1]", ": u: a unit vector has length 1, this 1.4142135623731" AT("11", "unit_vector<2>")},
    {"OutsideSupport", "counts", "[3, -1]",
     ": counts[2] is -1, which is outside the support of poisson (observed at kitchen.vmodel:16:11)"},
    {"NotANumberLiteral", "x", "[NaN, 1]", ":1:16: NaN is not JSON: numbers are finite"},
    {"Infinity", "x", "[-Infinity, 1]", ":1:16: -Infinity is not JSON: numbers are finite"},
    {"TooLarge", "x", "[1e400, 1]", ":1:16: the number 1e400 is too large for a double (limit about 1.8e308)"},
};

INSTANTIATE_TEST_SUITE_P(Table, DataErrors, testing::ValuesIn(cases),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(DataReader, ReportsConditionsOfTheModel) {
  std::string text = kitchen("N", "4");
  for (const auto& [from, to] : {std::pair<std::string, std::string>{"[1.5, -2]", "[1, 2, 3, 4]"},
                                 {"[1, 2]", "[1, 2, 3, 4]"},
                                 {"[[1, 2, 3, 4], [3, 4]]", "[[1, 2], [3, 4], [5, 6], [7, 8]]"},
                                 {"[[1, 2], [3, 4]]", "[[1, 2], [3, 4], [5, 6], [7, 8]]"},
                                 {"[0, 7]", "[0, 7, 1, 1]"}}) {
    const size_t at = text.find(from);
    if (at != std::string::npos)
      text.replace(at, from.size(), to);
  }
  const auto errors = errors_of(text);
  ASSERT_EQ(errors.size(), 1u) << errors[0];
  EXPECT_EQ(errors[0], "d.json: require N != 4 does not hold: N is 4 (kitchen.vmodel:13:3)");
}

TEST(DataReader, AcceptsWholeNumbersForInts) {
  EXPECT_EQ(errors_of(kitchen("k", "[1.0, 2e0]")), std::vector<std::string>());
  EXPECT_EQ(errors_of(kitchen("N", "20e-1")), std::vector<std::string>());
}

TEST(DataReader, NamesTheFieldThatMayBeMeant) {
  std::string text = kitchen("counts", "");
  text.insert(1, "\"Count\": [0, 7], ");
  EXPECT_EQ(errors_of(text)[0],
            "d.json: counts: this field is missing; the file has Count, is that meant?" AT("12", "int[N]"));
  text = kitchen("counts", "");
  text.insert(1, "\"other\": [0, 7], ");
  EXPECT_EQ(errors_of(text)[0], "d.json: counts: this field is missing" AT("12", "int[N]"));
}

TEST(DataReader, ReportsSeveralErrorsAtOnce) {
  const auto errors = errors_of(R"({"N": 2, "x": [1], "k": [1, 9], "m": 3})");
  ASSERT_GE(errors.size(), 4u);
  EXPECT_NE(errors[0].find("x: 1 element"), std::string::npos);
  EXPECT_NE(errors[1].find("k[2]: 9 is above"), std::string::npos);
  EXPECT_NE(errors[2].find("m: an array"), std::string::npos);
  EXPECT_NE(errors[3].find("s: this field is missing"), std::string::npos);
}

TEST(DataReader, ReportsThreeErrorsOfAFieldAndCountsTheOthers) {
  EXPECT_EQ(errors_of(kitchen("k", "[1.5, \"a\"]")),
            (std::vector<std::string>{
                "d.json: k[1]: 1.5 is not an int" AT("4", "int<lower=1, upper=N>[N]"),
                "d.json: k[2]: a number is expected, not a string" AT("4", "int<lower=1, upper=N>[N]")}));
  const std::string in_m = AT("5", "real[N, 2]");
  EXPECT_EQ(errors_of(kitchen("m", "[[\"a\", null], [true, \"d\"]]")),
            (std::vector<std::string>{
                "d.json: m[1,1]: a number is expected, not a string" + in_m,
                "d.json: m[1,2]: a number is expected, not null; missing values are not allowed" + in_m,
                "d.json: m[2,1]: a number is expected, not a boolean" + in_m, "d.json: m: 1 more error"}));
  EXPECT_EQ(errors_of(kitchen("m", "[[1], [1, 2, 3]]")),
            (std::vector<std::string>{"d.json: m[1]: 1 element where 2 are declared" + in_m,
                                      "d.json: m[2]: 3 elements where 2 are declared" + in_m}));
}

TEST(DataReader, AWrongSizeIsReportedWithoutWhatFollowsFromIt) {
  const auto errors = errors_of(kitchen("N", "true"));
  ASSERT_EQ(errors.size(), 1u);
}

TEST(DataReader, DataMustBeAnObject) {
  EXPECT_EQ(errors_of("[1]")[0], "d.json: data are a JSON object, not an array");
}

TEST(DataReader, UndeclaredFieldsAreANoteOrAnError) {
  std::string text = kitchen();
  text.insert(1, "\"extra\": {\"a\": [null]}, \"other\": 1, ");
  std::vector<std::string> notes;
  EXPECT_TRUE(errors_of(text, false, &notes).empty());
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_EQ(notes[0], "d.json: the model does not declare extra, other; the fields are not read");
  EXPECT_EQ(errors_of(text, true)[0], notes[0]);
}

TEST(DataReader, HashIsOfDeclaredValuesOnly) {
  const CompiledModel model(test::kitchen());
  const auto hash = [&](const std::string& text) {
    json::Value value;
    json::ParseError error;
    EXPECT_TRUE(json::parse(text, value, error)) << error.message;
    std::vector<std::string> notes;
    return PreparedModel(model, value, {}, notes).data_hash();
  };
  std::string more = kitchen();
  more.insert(1, "\"extra\": 1,   ");
  EXPECT_EQ(hash(kitchen()), hash(more));
  EXPECT_EQ(hash(kitchen("r", "0")), hash(kitchen("r", "0.0")));
  EXPECT_NE(hash(kitchen("r", "0")), hash(kitchen("r", "1e-9")));
}

TEST(DataReader, SamplingNeedsOnlyWhatSamplesRead) {
  const CompiledModel model(test::kitchen());
  json::Value value;
  json::ParseError error;
  ASSERT_TRUE(json::parse("{\"N\": 3}", value, error));
  std::vector<std::string> notes;
  const PreparedModel prepared(model, value, {"fit.json", false, true}, notes);
  EXPECT_FALSE(prepared.data()[2].given);
  // Placeholders keep to the bounds.
  EXPECT_EQ(prepared.data()[2].integers[2], 1);
  ASSERT_TRUE(json::parse("{}", value, error));
  try {
    const PreparedModel without(model, value, {"fit.json", false, true}, notes);
    FAIL();
  } catch (const InputError& failure) {
    EXPECT_EQ(failure.messages()[0], "fit.json: N: the fit does not hold this field: give the data with "
                                     "--data (declared at kitchen.vmodel:2:8 as int<lower=1, upper=5>)");
  }
}

} // namespace
} // namespace vmodel::runtime
