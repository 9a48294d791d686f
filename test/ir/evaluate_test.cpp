// The reference evaluator itself.
#include "compiler/ir/parse.h"
#include "test/support/special_functions.h"
#include "test/support/vir_evaluate.h"

#include <gtest/gtest.h>

#include <cmath>

namespace {

using vmodel::ir::Array;
using vmodel::ir::Arrays;

Arrays run(const std::string& text, const Arrays& inputs) {
  vmodel::ir::ParseError error;
  const auto module = vmodel::ir::parse(text, &error);
  EXPECT_TRUE(module) << error.line << ": " << error.message;
  return vmodel::ir::evaluate(*module, module->functions.back().name, inputs);
}

TEST(Evaluate, Recurrence) {
  // Fibonacci numbers, filled element by element.
  const Arrays result = run(R"(
func @f(%n: index load, %out: &f64[%n] particle) {
  %one = constant 1 : f64
  %a, %b = loop (%i < %n) carry (%p = %one, %q = %one) -> f64, f64 {
    store %out[%i], %p
    %next = add %p, %q : f64
    yield %q, %next
  }
  yield
})",
                            {{"n", Array::index(6)}});
  EXPECT_EQ(result.at("out").numbers, (std::vector<double>{1, 1, 2, 3, 5, 8}));
}

TEST(Evaluate, ReductionsOfNothing) {
  const Arrays result = run(R"(
func @f(%n: index load) -> f64, f64, f64 {
  %one = constant 1 : f64
  %a = reduce add (%i < %n) -> f64 { yield %one }
  %b = reduce max (%i.1 < %n) -> f64 { yield %one }
  %c = reduce min (%i.2 < %n) -> f64 { yield %one }
  yield %a, %b, %c
})",
                            {{"n", Array::index(0)}});
  EXPECT_EQ(result.at("result.0").numbers[0], 0);
  EXPECT_EQ(result.at("result.1").numbers[0], -INFINITY);
  EXPECT_EQ(result.at("result.2").numbers[0], INFINITY);
}

TEST(Evaluate, WhileAndIf) {
  const Arrays result = run(R"(
func @f(%x: f64 particle) -> f64 {
  %limit = constant 100 : f64
  %r = while (%c = %x) -> f64 {
    %go = lt %c, %limit : boolean
    yield %go
  } do (%d) {
    %twice = add %d, %d : f64
    yield %twice
  }
  yield %r
})",
                            {{"x", Array::scalar(3)}});
  EXPECT_EQ(result.at("result.0").numbers[0], 192);
}

TEST(Evaluate, RefusesIndicesOutOfRange) {
  EXPECT_THROW(run("func @f(%x: f64[2] load) -> f64 { %i = constant 2 : index %a = load %x[%i] : f64 yield %a }",
                   {{"x", Array::vector({1, 2})}}),
               std::runtime_error);
}

// Abramowitz and Stegun, tables 6.1, 6.2 and 26.1.
TEST(SpecialFunctions, KnownValues) {
  EXPECT_NEAR(vmodel::polygamma(0, 1), -0.57721566490153286, 1e-15);
  EXPECT_NEAR(vmodel::polygamma(1, 1), 1.6449340668482264, 1e-14);
  EXPECT_NEAR(vmodel::polygamma(2, 1), -2.4041138063191886, 1e-14);
  EXPECT_NEAR(vmodel::polygamma(0, -0.5), 0.03648997397857652, 1e-14);
  EXPECT_NEAR(vmodel::std_normal_quantile(0.975), 1.9599639845400545, 1e-14);
  EXPECT_NEAR(vmodel::std_normal_quantile(1e-10), -6.361340902404056, 1e-13);
  EXPECT_NEAR(vmodel::log_std_normal_cdf(-40), -804.608442013754, 1e-9);
}

} // namespace
