// Passes over recurrences: the same values and the same derivatives, with and without them.
#include "compiler/ir/parse.h"
#include "compiler/ir/print.h"
#include "compiler/ir/verify.h"
#include "compiler/passes/passes.h"
#include "test/support/vir_evaluate.h"

#include <gtest/gtest.h>

#include <cmath>

namespace {

using vmodel::ir::Array;
using vmodel::ir::Arrays;
using vmodel::ir::Module;

Module parsed(const std::string& text) {
  vmodel::ir::ParseError error;
  const auto module = vmodel::ir::parse(text, &error);
  EXPECT_TRUE(module) << error.line << ": " << error.message;
  return module ? *module : Module{};
}

Module passed(Module module, const std::vector<std::pair<std::string, std::string>>& passes) {
  std::vector<std::string> errors;
  for (const auto& [name, argument] : passes) {
    module = vmodel::passes::find_pass(name)->run(std::move(module), argument, errors);
    EXPECT_EQ(vmodel::ir::verify(module), std::vector<std::string>{}) << name << "\n" << print(module);
  }
  EXPECT_EQ(errors, std::vector<std::string>{});
  return module;
}

void expect_equal(const Arrays& expected, const Arrays& actual, const std::string& text) {
  for (const auto& [name, array] : expected) {
    ASSERT_TRUE(actual.contains(name)) << name;
    for (std::size_t i = 0; i < array.numbers.size(); ++i) {
      const double a = array.numbers[i], b = actual.at(name).numbers[i];
      // A few roundings an iteration.
      EXPECT_TRUE((std::isnan(a) && std::isnan(b)) || a == b || std::fabs(a - b) <= 1e-12 * (1 + std::fabs(a)))
          << name << "[" << i << "]: " << a << " became " << b << "\n"
          << text;
    }
  }
}

/// The pass changes neither the function @f nor its gradient.
void check(const std::string& text, const std::string& pass, const std::string& gradient, const Arrays& inputs) {
  const Module plain = passed(parsed(text), {{"simplify", ""}});
  const Module changed = passed(plain, {{pass, ""}});
  EXPECT_NE(print(plain), print(changed));
  expect_equal(evaluate(plain, "f", inputs), evaluate(changed, "f", inputs), print(changed));
  const Module expected = passed(plain, {{"gradient", gradient}});
  const Module actual = passed(changed, {{"gradient", gradient}, {"fuse", ""}, {"simplify", ""}, {"first-writes", ""}});
  expect_equal(evaluate(expected, "f", inputs), evaluate(actual, "f", inputs), print(actual));
}

// y of two iterations and x of one; the last y and all x are read afterwards.
const char* const lags = R"(
func @f(%n: index load, %a: f64 particle, %b: f64 particle, %value: &f64 particle) {
  %0 = constant 0 : index
  %1 = constant 1 : index
  %2 = constant 2 : index
  %x = alloc (%n) -> &f64[%n]
  %y = alloc (%n, %2) -> &f64[%n, 2]
  store %x[%0], %a
  store %x[%1], %b
  store %y[%0, %1], %b
  store %y[%1, %1], %a
  %before = sub %n, %2 : index
  %rest = max %0, %before : index
  loop (%t < %rest) {
    %t.1 = add %t, %1 : index
    %t.2 = add %t, %2 : index
    %p = load %x[%t.1] : f64
    %q = load %y[%t, %1] : f64
    %r = load %y[%t.1, %1] : f64
    %s = mul %q, %a : f64
    %u = add %s, %r : f64
    %v = sin %u : f64
    %w = mul %v, %p : f64
    %z = cos %w : f64
    store %x[%t.2], %z
    store %y[%t.2, %1], %v
    yield
  }
  %sum = reduce add (%i < %n) -> f64 {
    %e = load %x[%i] : f64
    %e2 = square %e : f64
    yield %e2
  }
  %end = sub %n, %1 : index
  %last = load %y[%end, %1] : f64
  %total = mul %sum, %last : f64
  store %value[], %total
  yield
}
)";

TEST(Recurrences, CarriedLags) {
  for (const std::int64_t n : {2, 3, 4, 9})
    check(lags, "carry", "of:value;wrt:a=d_a,b=d_b",
          {{"n", Array::index(n)}, {"a", Array::scalar(0.7)}, {"b", Array::scalar(-0.4)}});
}

const char* const variance = R"(
func @f(%n: index load, %y: f64[%n] load, %a: f64 particle, %b: f64 particle, %value: &f64 particle) {
  %0 = constant 0 : index
  %1 = constant 1 : index
  %p = exp %a : f64
  %r = inv_logit %b : f64
  %s = alloc (%n) -> &f64[%n]
  store %s[%0], %p
  %before = sub %n, %1 : index
  %rest = max %0, %before : index
  loop (%t < %rest) {
    %s.t = load %s[%t] : f64
    %y.t = load %y[%t] : f64
    %q = square %s.t : f64
    %e = square %y.t : f64
    %m = mul %q, %r : f64
    %v = add %m, %e : f64
    %w = add %v, %p : f64
    %next.s = sqrt %w : f64
    %next = add %t, %1 : index
    store %s[%next], %next.s
    yield
  }
  %half = constant -0.5 : f64
  %sum = reduce add (%i < %n) -> f64 {
    %y.i = load %y[%i] : f64
    %s.i = load %s[%i] : f64
    %z = div %y.i, %s.i : f64
    %h = mul %half, %z : f64
    %k = mul %h, %z : f64
    %l = log %s.i : f64
    %d = sub %k, %l : f64
    yield %d
  }
  store %value[], %sum
  yield
}
)";

TEST(Recurrences, VarianceInsteadOfScale) {
  check(variance, "inverses", "of:value;wrt:a=d_a,b=d_b",
        {{"n", Array::index(5)},
         {"y", Array::vector({0.3, -1.2, 2.1, 0.0, -0.4})},
         {"a", Array::scalar(0.2)},
         {"b", Array::scalar(0.6)}});
}

TEST(Recurrences, VarianceCarried) {
  const Module plain = passed(parsed(variance), {{"inverses", ""}});
  check(print(plain), "carry", "of:value;wrt:a=d_a,b=d_b",
        {{"n", Array::index(5)},
         {"y", Array::vector({0.3, -1.2, 2.1, 0.0, -0.4})},
         {"a", Array::scalar(0.2)},
         {"b", Array::scalar(0.6)}});
}

} // namespace
