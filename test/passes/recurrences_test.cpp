// Passes over recurrences: the same values and the same derivatives, with and without them.
#include "compiler/ir/parse.h"
#include "compiler/ir/print.h"
#include "compiler/ir/verify.h"
#include "compiler/passes/log_recurrences.h"
#include "compiler/passes/passes.h"
#include "test/support/vir_evaluate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

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

const Arrays variance_inputs{{"n", Array::index(5)},
                             {"y", Array::vector({0.3, -1.2, 2.1, 0.0, -0.4})},
                             {"a", Array::scalar(0.2)},
                             {"b", Array::scalar(0.6)}};

TEST(Recurrences, VarianceInsteadOfScale) {
  check(variance, "inverses", "of:value;wrt:a=d_a,b=d_b", variance_inputs);
}

TEST(Recurrences, VarianceCarried) {
  const Module plain = passed(parsed(variance), {{"inverses", ""}});
  check(print(plain), "carry", "of:value;wrt:a=d_a,b=d_b", variance_inputs);
}

// The forward algorithm of a hidden Markov model of two states; weights and first values from w, emissions from y and
// a.
const char* const forward = R"(
func @next(%p: f64 particle, %q: f64 particle, %w.0: f64 particle, %w.1: f64 particle, %s: f64 particle) -> f64 {
  %zero = constant 0 : f64
  %infinity = constant inf : f64
  %x.0 = add %p, %w.0 : f64
  %x.1 = add %q, %w.1 : f64
  %m = max %x.0, %x.1 : f64
  %h = abs %m : f64
  %i = eq %h, %infinity : boolean
  %g = select %i, %zero, %m : f64
  %k = stop %g : f64
  %e.0 = sub %x.0, %k : f64
  %e.1 = sub %x.1, %k : f64
  %f.0 = exp %e.0 : f64
  %f.1 = exp %e.1 : f64
  %t = add %f.0, %f.1 : f64
  %l = log %t : f64
  %r = add %k, %l : f64
  %z = sub %r, %s : f64
  yield %z
}
func @log_density(%n: index load, %y: f64[%n] load, %w: f64[4] particle, %a: f64[2] particle, %value: &f64 particle) {
  %0 = constant 0 : index
  %1 = constant 1 : index
  %2 = constant 2 : index
  %3 = constant 3 : index
  %w.00 = load %w[%0] : f64
  %w.01 = load %w[%1] : f64
  %w.10 = load %w[%2] : f64
  %w.11 = load %w[%3] : f64
  %a.0 = load %a[%0] : f64
  %a.1 = load %a[%1] : f64
  %c.0, %c.1 = loop (%t < %n) carry (%p = %a.0, %q = %a.1) -> f64, f64 {
    %y.t = load %y[%t] : f64
    %d.0 = sub %y.t, %a.0 : f64
    %d.1 = sub %y.t, %a.1 : f64
    %s.0 = square %d.0 : f64
    %s.1 = square %d.1 : f64
    %z.0 = call @next(%p, %q, %w.00, %w.01, %s.0) -> f64
    %z.1 = call @next(%p, %q, %w.10, %w.11, %s.1) -> f64
    yield %z.0, %z.1
  }
  %top = max %c.0, %c.1 : f64
  %shift = stop %top : f64
  %u.0 = sub %c.0, %shift : f64
  %u.1 = sub %c.1, %shift : f64
  %v.0 = exp %u.0 : f64
  %v.1 = exp %u.1 : f64
  %sum = add %v.0, %v.1 : f64
  %log = log %sum : f64
  %total = add %shift, %log : f64
  store %value[], %total
  yield
}
)";

/// log_density and its gradient with scaled numbers, where weights allow, against those in logarithms.
void check_forward(const std::vector<double>& y, const std::vector<double>& w, const std::vector<double>& a) {
  const Arrays inputs{{"n", Array::index(static_cast<std::int64_t>(y.size()))},
                      {"y", Array::vector(y)},
                      {"w", Array::vector(w)},
                      {"a", Array::vector(a)}};
  const Module plain = passed(parsed(forward), {{"inline", ""}, {"simplify", ""}});
  Module scaled = vmodel::passes::log_recurrences(plain);
  ASSERT_EQ(scaled.functions.size(), 2u);
  ASSERT_EQ(scaled.functions[1].name, "log_density.irregular");
  const std::string gradient = "of:value;wrt:w=d_w,a=d_a";
  const Module expected = passed(plain, {{"gradient", gradient}});
  Module actual = passed(scaled, {{"gradient", gradient}});
  for (Module* module : {&scaled, &actual}) {
    *module = vmodel::passes::join_irregular(std::move(*module));
    ASSERT_EQ(module->functions.size(), 1u);
    *module = passed(std::move(*module), {{"simplify", ""}, {"exponential-pairs", ""}});
  }
  expect_equal(evaluate(plain, "log_density", inputs), evaluate(scaled, "log_density", inputs), print(scaled));
  expect_equal(evaluate(expected, "log_density", inputs), evaluate(actual, "log_density", inputs), print(actual));
}

TEST(Recurrences, LogarithmsAsScaledNumbers) {
  const std::vector<double> weights{-0.3, -1.9, -1.3, -0.2};
  for (const std::vector<double>& y : {std::vector<double>{}, {0.4}, {0.3, 1.9, -0.7, 2.2, 2.5}})
    check_forward(y, weights, {0.1, 1.8});
  // Emissions whose ratio leaves the range of doubles, in both directions; sums of logarithms far below it.
  check_forward({-30, 40, 90, -90, 3}, weights, {0, 20});
  check_forward(std::vector<double>(300, 7), {-3, -4, 2, 5}, {-2, 1});
  // The larger emission alternates; both are equal.
  check_forward({0, 2, 0, 2, 1, 1}, weights, {0, 2});
}

TEST(Recurrences, IrregularWeightsStayLogarithms) {
  const double none = -std::numeric_limits<double>::infinity();
  // From the second state to the first by a weight that numbers do not hold: 1000 observations long the second state is
  // lost in numbers, but it is not in logarithms.
  for (const double weight : {-300.0, -800.0, 300.0})
    check_forward({3, 3, 3, -30, -30, -30}, {0, weight, -1, -0.5}, {0, 3});
  const std::vector<double> y{30, 30, 30, -30, -30, -30, -30};
  const Arrays inputs{{"n", Array::index(7)},
                      {"y", Array::vector(y)},
                      {"w", Array::vector({0, none, none, 0})},
                      {"a", Array::vector({0, 30})}};
  const Module plain = passed(parsed(forward), {{"inline", ""}, {"simplify", ""}});
  const Module scaled = vmodel::passes::join_irregular(vmodel::passes::log_recurrences(plain));
  const double value = evaluate(plain, "log_density", inputs).at("value").numbers[0];
  EXPECT_TRUE(std::isfinite(value));
  expect_equal(evaluate(plain, "log_density", inputs), evaluate(scaled, "log_density", inputs), print(scaled));
}

} // namespace
