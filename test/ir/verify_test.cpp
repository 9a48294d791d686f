// Every rule of the verifier has a program that breaks it.
#include "compiler/ir/parse.h"
#include "compiler/ir/verify.h"

#include <gtest/gtest.h>

namespace {

using vmodel::ir::Module;

// The messages about a function with this body.
std::vector<std::string> errors(const std::string& text) {
  vmodel::ir::ParseError error;
  const auto module = vmodel::ir::parse(text, &error);
  EXPECT_TRUE(module) << error.line << ": " << error.message;
  return module ? vmodel::ir::verify(*module) : std::vector<std::string>{"parse error"};
}

const std::string parameters = "func @f(%n: index load, %x: f64[%n] load, %s: f64 step, %z: f64 particle, %out: &f64 "
                               "step, %p: &f64[%n] particle) {\n";

void expect_error(const std::string& body, const std::string& message) {
  const auto found = errors(parameters + body + "\n}\n");
  ASSERT_FALSE(found.empty()) << body;
  EXPECT_NE(found.front().find(message), std::string::npos) << found.front();
}

TEST(Verify, AcceptsASoundFunction) {
  EXPECT_EQ(errors(parameters +
                   "%v = reduce add (%i < %n) -> f64 { %e = load %x[%i] : f64 yield %e }\n store %p[%n], %v yield }"),
            std::vector<std::string>{});
}

TEST(Verify, OperandTypes) {
  expect_error("%a = add %n, %z : f64 yield", "operands differ in type");
  expect_error("%a = exp %n : index yield", "operands are index");
  expect_error("%a = add %z, %z : index yield", "operand and result differ in type");
  expect_error("%a = lt %z, %z : f64 yield", "result is f64, not boolean");
  expect_error("%a = select %z, %z, %z : f64 yield", "condition is f64, not boolean");
  expect_error("%a = neg %x : f64 yield", "operand 0 is not a scalar");
}

TEST(Verify, Loads) {
  expect_error("%a = load %z[] : f64 yield", "the first operand is a scalar");
  expect_error("%a = load %x[] : f64 yield", "0 indices for rank 1");
  expect_error("%a = load %x[%z] : f64 yield", "index 0 is f64");
  expect_error("%a = load %x[%n] : index yield", "result is index, not f64");
}

TEST(Verify, Stores) {
  expect_error("store %x[%n], %z yield", "not a reference");
  expect_error("store %p[%n], %n yield", "value is index");
}

TEST(Verify, NoStoreAfterFreeze) {
  expect_error("%m = alloc (%n) -> &f64[%n] %a = freeze %m : f64[%n] store %m[%n], %s yield", "which is frozen");
}

TEST(Verify, AccumulateNeedsZeros) {
  expect_error("%m = alloc (%n) -> &f64[%n] accumulate %m[%n], %s yield", "which is not zeroed");
}

TEST(Verify, Scopes) {
  expect_error("%v = reduce add (%i < %n) -> f64 { %e = load %x[%i] : f64 yield %e } store %p[%i], %v yield",
               "outside the region");
}

TEST(Verify, Yields) {
  expect_error("%v = reduce add (%i < %n) -> f64 { yield } yield", "region yields 0 values, expected 1");
  expect_error("%v = reduce and (%i < %n) -> f64 { yield %z } yield", "a result of kind and is f64");
  expect_error("%v = reduce mean (%i < %n) -> f64 { yield %z } yield", "unknown kind 'mean'");
  expect_error("%v = loop (%i < %n) carry (%c = %z) -> f64 { yield %n } yield",
               "carried value and yield differ in type");
}

TEST(Verify, Extents) {
  expect_error("%two = constant 2 : index %a = build (%i < %two) -> f64[3] { yield %z } yield",
               "is not that of the operand");
  expect_error("%a = build (%i < %n) -> f64[%n, %n] { yield %z } yield", "another rank");
  expect_error("%k = to_index %z : index %v = reduce add (%i < %k) -> f64 { yield %z } yield", "varies over particles");
}

TEST(Verify, BuildsHaveNoEffects) {
  expect_error("%a = build (%i < %n) -> f64[%n] { store %p[%i], %z yield %z } yield", "writes memory of the outside");
}

TEST(Verify, StepOutputsAreUniform) {
  expect_error("store %out[], %z yield", "of a value of a later axis");
  expect_error("%c = lt %z, %z : boolean if %c { store %out[], %s yield } yield", "of a value of a later axis");
  EXPECT_EQ(errors(parameters + "%l = lane_sum %z : f64 store %out[], %l yield }"), std::vector<std::string>{});
}

TEST(Verify, ConditionsOfLoopsHaveUniformMemory) {
  // Every lane evaluates the condition; under it, in the body, memory is each lane's own.
  EXPECT_EQ(errors(parameters +
                   "%i = constant 0 : index %one = constant 1 : index %r = while (%c = %z) -> f64 { %m = alloc "
                   "zeroed (%one) -> &f64[%one] store %m[%i], %s %v = load %m[%i] : f64 %t = lt %c, %v : boolean "
                   "yield %t } do (%e) { %d = add %e, %s : f64 yield %d } store %p[%i], %r yield }"),
            std::vector<std::string>{});
}

TEST(Verify, RequiresAreAboutData) {
  expect_error("%c = lt %z, %z : boolean require \"0\", %c yield", "does not depend on data only");
}

TEST(Verify, Calls) {
  expect_error("%a = call @g(%z) -> f64 yield", "not an earlier function");
  const auto found =
      errors("func @g(%a: f64 load) -> f64 { yield %a }\n" + parameters + "%a = call @g(%n) -> f64 yield }");
  ASSERT_FALSE(found.empty());
  EXPECT_NE(found.front().find("argument 0 has the wrong type"), std::string::npos);
}

TEST(Verify, Names) {
  EXPECT_FALSE(errors("func @f() { yield }\nfunc @f() { yield }").empty());
  EXPECT_FALSE(errors("func @f(%a \"x\": f64 load, %b \"x\": f64 load) { yield }").empty());
}

} // namespace
