// Axes of values, by the hint of the value.
#include "compiler/ir/axes.h"
#include "compiler/ir/parse.h"

#include <gtest/gtest.h>

#include <map>

namespace {

using vmodel::ir::Axis;

std::map<std::string, Axis> axes_by_name(const std::string& body) {
  vmodel::ir::ParseError error;
  const auto module = vmodel::ir::parse(
      "func @f(%n: index load, %x: f64[%n] load, %s: f64 step, %z: f64 particle) {\n" + body + "\nyield }\n", &error);
  EXPECT_TRUE(module) << error.line << ": " << error.message;
  std::map<std::string, Axis> result;
  if (!module)
    return result;
  const auto& function = module->functions[0];
  const auto axes = vmodel::ir::axes(function);
  for (std::size_t i = 1; i < function.values.size(); ++i)
    result[function.values[i].hint] = axes[i];
  return result;
}

TEST(Axes, LatestOfOperands) {
  const auto axes = axes_by_name("%a = to_real %n : f64 %b = mul %a, %s : f64 %c = mul %b, %z : f64");
  EXPECT_EQ(axes.at("a"), Axis::load);
  EXPECT_EQ(axes.at("b"), Axis::step);
  EXPECT_EQ(axes.at("c"), Axis::particle);
}

TEST(Axes, LoopCarriedValuesReachAFixedPoint) {
  const auto axes = axes_by_name("%zero = constant 0 : f64 %a, %b = loop (%i < %n) carry (%p = %zero, %q = %zero) -> "
                                 "f64, f64 { %e = add %q, %z : f64 yield %q, %e }");
  EXPECT_EQ(axes.at("a"), Axis::particle);
  EXPECT_EQ(axes.at("p"), Axis::particle);
  EXPECT_EQ(axes.at("i"), Axis::load);
}

TEST(Axes, MemoryHasTheAxisOfWhatIsStored) {
  const auto axes = axes_by_name("%m = alloc (%n) -> &f64[%n] %k = alloc (%n) -> &f64[%n] reduce add (%i < %n) { %v = "
                                 "load %x[%i] : f64 store %m[%i], %v store %k[%i], %z yield }"
                                 " %fm = freeze %m : f64[%n] %fk = freeze %k : f64[%n]");
  EXPECT_EQ(axes.at("fm"), Axis::load);
  EXPECT_EQ(axes.at("fk"), Axis::particle);
}

TEST(Axes, StoresUnderAVaryingConditionVary) {
  const auto axes = axes_by_name("%m = alloc zeroed (%n) -> &f64[%n] %c = lt %z, %s : boolean if %c { store %m[%n], %s "
                                 "yield } %l = load %m[%n] : f64");
  EXPECT_EQ(axes.at("l"), Axis::particle);
}

TEST(Axes, RandomAndLaneSum) {
  const auto axes =
      axes_by_name("%zero = constant 0 : index %r = random uniform 1, %zero, %zero : f64 %t = lane_sum %r : f64");
  EXPECT_EQ(axes.at("r"), Axis::particle);
  EXPECT_EQ(axes.at("t"), Axis::step);
}

} // namespace
