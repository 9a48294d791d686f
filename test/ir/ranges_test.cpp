// What the interval analysis knows of a value holds for what the program computes.
#include "compiler/ir/parse.h"
#include "compiler/ir/ranges.h"
#include "compiler/ir/rewrite.h"

#include <gtest/gtest.h>

#include <cmath>

namespace {

using vmodel::ir::Function;
using vmodel::ir::Range;

const double infinity = std::numeric_limits<double>::infinity();

/// The range of the value that the first function of a program yields.
Range range_of(const std::string& text) {
  vmodel::ir::ParseError error;
  const auto module = vmodel::ir::parse(text, &error);
  EXPECT_TRUE(module) << error.line << ": " << error.message;
  const Function& function = module->functions[0];
  return vmodel::ir::ranges(function)[function.body.yields[0].id];
}

Range of_expression(const std::string& operations, const std::string& value) {
  return range_of("func @f(%x: f64 particle, %y: f64 particle) -> f64 {\n" + operations + "\nyield " + value + "\n}\n");
}

TEST(Ranges, Signs) {
  EXPECT_EQ(of_expression("%a = exp %x : f64", "%a"), (Range{0, infinity}));
  EXPECT_EQ(
      of_expression("%a = square %x : f64\n%b = exp %y : f64\n%c = mul %a, %b : f64\n%d = add %a, %c : f64", "%d"),
      (Range{0, infinity}));
  EXPECT_EQ(of_expression(
                "%1 = constant 1 : f64\n%a = inv_logit %x : f64\n%b = sub %1, %a : f64\n%c = mul %a, %b : f64", "%c"),
            (Range{0, 1}));
  EXPECT_EQ(of_expression("%a = abs %x : f64\n%b = neg %a : f64\n%c = exp %b : f64", "%c"), (Range{0, 1}));
  EXPECT_EQ(of_expression("%a = square %x : f64\n%b = exp %y : f64\n%c = div %a, %b : f64", "%c"),
            (Range{0, infinity}));
  EXPECT_EQ(of_expression("%a = sub %x, %y : f64", "%a"), (Range{-infinity, infinity}));
  EXPECT_EQ(of_expression("%a = tanh %x : f64\n%2 = constant 2 : f64\n%b = max %a, %2 : f64", "%b"), (Range{2, 2}));
  // The smaller of two; beside a NaN the other one is taken.
  EXPECT_EQ(of_expression("%0 = constant 0 : f64\n%c = gt %x, %0 : boolean\n%a = select %c, %0, %x : f64", "%a"),
            (Range{-infinity, 0}));
  EXPECT_EQ(of_expression("%e = exp %y : f64\n%c = gt %e, %x : boolean\n%a = select %c, %e, %x : f64", "%a"),
            (Range{-infinity, infinity}));
  // Divided by what may be zero or negative.
  EXPECT_EQ(of_expression("%a = tanh %x : f64\n%b = exp %y : f64\n%c = div %b, %a : f64", "%c"),
            (Range{-infinity, infinity}));
  EXPECT_EQ(of_expression("%a = exp %x : f64\n%b = inv_logit %y : f64\n%c = neg %b : f64\n%d = div %a, %c : f64", "%d"),
            (Range{-infinity, 0}));
}

// What the kernel `prepare` makes of data has the range that follows from their declared bounds.
TEST(Ranges, Slots) {
  vmodel::ir::ParseError error;
  const auto module = vmodel::ir::parse(R"(
func @data_bounds.nu(%lower: &f64 step, %upper: &f64 step) {
  %1 = constant 1 : f64
  %2 = constant inf : f64
  store %lower[], %1
  store %upper[], %2
  yield
}
func @prepare(%nu "data.nu": f64 load, %y "data.y": f64 load) {
  %1 = constant 1 : f64
  %a = div %1, %nu : f64
  output "prepared.0", %a
  %b = add %a, %y : f64
  output "prepared.1", %b
  yield
}
)",
                                        &error);
  ASSERT_TRUE(module) << error.line << ": " << error.message;
  const auto known = vmodel::ir::slot_ranges(*module);
  EXPECT_EQ(known.at("data.nu"), (Range{1, infinity}));
  EXPECT_EQ(known.at("prepared.0"), (Range{0, 1}));
  EXPECT_EQ(known.at("prepared.1"), (Range{-infinity, infinity}));
}

// Carried values and memory grow until nothing changes; what keeps growing is cut short.
TEST(Ranges, Recurrences) {
  EXPECT_EQ(range_of(R"(
func @f(%n: index load, %x: f64 particle) -> f64 {
  %p = inv_logit %x : f64
  %c = loop (%t < %n) carry (%v = %p) -> f64 {
    %w = mul %v, %p : f64
    %u = add %w, %p : f64
    yield %u
  }
  yield %c
}
)"),
            (Range{0, infinity}));
  EXPECT_EQ(range_of(R"(
func @f(%n: index load, %x: f64 particle) -> f64 {
  %0 = constant 0 : index
  %1 = constant 1 : index
  %p = inv_logit %x : f64
  %m = alloc (%n) -> &f64[%n]
  store %m[%0], %p
  %rest = sub %n, %1 : index
  loop (%t < %rest) {
    %v = load %m[%t] : f64
    %w = mul %v, %p : f64
    %next = add %t, %1 : index
    store %m[%next], %w
    yield
  }
  %a = freeze %m : f64[%n]
  %last = load %a[%rest] : f64
  yield %last
}
)"),
            (Range{0, 1}));
}

// The sum of nothing is zero, the largest of nothing -infinity.
TEST(Ranges, Reductions) {
  const auto reduce = [](const std::string& kind) {
    return range_of("func @f(%n: index load, %x: f64[%n] particle) -> f64 {\n%s = reduce " + kind +
                    " (%i < %n) -> f64 {\n%v = load %x[%i] : f64\n%p = inv_logit %v : f64\nyield %p\n}\nyield %s\n}\n");
  };
  EXPECT_EQ(reduce("add"), (Range{0, infinity}));
  EXPECT_EQ(reduce("max"), (Range{-infinity, 1}));
  EXPECT_EQ(reduce("min"), (Range{0, infinity}));
}

// Indices lie below the number of turns, where that is bounded.
TEST(Ranges, Indices) {
  const auto last = [](const std::string& extent) {
    return range_of(
        "func @f(%n: index load) -> index {\n%3 = constant 3 : index\n%5 = constant 5 : index\n"
        "%m = min %n, %5 : index\n%s = reduce max (%i < " +
        extent + ") -> index {\nyield %i\n}\n%r = loop (%k < " + extent +
        ") carry (%c = %3) -> index {\nyield %k\n}\n%t = max %s, %r : index\n%u = max %t, %3 : index\nyield %u\n}\n");
  };
  EXPECT_EQ(last("%5"), (Range{3, 4}));
  EXPECT_EQ(last("%m"), (Range{3, 4}));
  EXPECT_EQ(last("%n"), (Range{3, infinity}));
}

} // namespace
