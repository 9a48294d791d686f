// An exactly zero adjoint stays zero beside an infinite derivative.
#include "test/derivatives/derivative_check.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace vmodel::passes {
namespace {

using ir::Array;
using ir::Arrays;

const double infinity = std::numeric_limits<double>::infinity();

// The gradient of `value` by `a`, and the Hessian times (1, 1, ...).
struct Derivatives {
  std::vector<double> gradient, hessian;
};

Derivatives derivatives(const std::string& text, const Arrays& point) {
  const ir::Module module = module_of(text);
  std::vector<DerivativeError> errors;
  ir::Module adjoint, second;
  adjoint.functions.push_back(
      gradient(module, module.functions[0], {.of = {{"value", ""}}, .wrt = {{"a", "d"}}, .keep = {}}, errors));
  second.functions.push_back(
      linearise(adjoint, adjoint.functions[0], {.inputs = {{"a", "v"}}, .outputs = {{"d", "h"}}}, errors));
  EXPECT_TRUE(errors.empty());
  Arrays at = point;
  at["v"] = at.at("a");
  for (double& x : at["v"].numbers)
    x = 1;
  const Arrays result = evaluate(second, "f", at);
  return {result.at("d").numbers, result.at("h").numbers};
}

TEST(Zero, UnselectedSideIsInfinite) {
  // The density of a mixture part: select(0 < a, log(a), 0) + a at 0.
  const Derivatives d = derivatives(R"(
func @f(%a: f64 particle, %value: &f64 particle) {
  %zero = constant 0 : f64
  %c = lt %zero, %a : boolean
  %l = log %a : f64
  %q = mul %l, %l : f64
  %s = select %c, %q, %zero : f64
  %r = add %s, %a : f64
  store %value[], %r
  yield
}
)",
                                    {{"a", Array::scalar(0)}});
  EXPECT_EQ(d.gradient[0], 1);
  EXPECT_EQ(d.hessian[0], 0);
}

TEST(Zero, UnselectedQuotient) {
  const Derivatives d = derivatives(R"(
func @f(%a: f64[2] particle, %value: &f64 particle) {
  %0 = constant 0 : index
  %1 = constant 1 : index
  %x = load %a[%0] : f64
  %y = load %a[%1] : f64
  %zero = constant 0 : f64
  %c = eq %y, %zero : boolean
  %q = div %x, %y : f64
  %e = exp %q : f64
  %s = select %c, %x, %e : f64
  store %value[], %s
  yield
}
)",
                                    {{"a", Array::vector({2, 0})}});
  EXPECT_EQ(d.gradient, (std::vector<double>{1, 0}));
  EXPECT_EQ(d.hessian, (std::vector<double>{0, 0}));
}

TEST(Zero, BranchOnParameters) {
  const Derivatives d = derivatives(R"(
func @f(%a: f64[3] particle, %value: &f64 particle) {
  %3 = constant 3 : index
  %zero = constant 0 : f64
  %s = reduce add (%i < %3) -> f64 {
    %x = load %a[%i] : f64
    %c = lt %zero, %x : boolean
    %r = if %c -> f64 {
      %l = log %x : f64
      yield %l
    } else {
      yield %x
    }
    yield %r
  }
  store %value[], %s
  yield
}
)",
                                    {{"a", Array::vector({0, 2, -1})}});
  EXPECT_EQ(d.gradient, (std::vector<double>{1, 0.5, 1}));
  EXPECT_EQ(d.hessian, (std::vector<double>{0, -0.25, 0}));
}

// The infinite value is computed before the branches, and only a side that is not taken uses it.
TEST(Zero, UnselectedRegionUsesWhatIsInfinite) {
  const char* text = R"(
func @f(%t: index load, %a: f64 particle, %value: &f64 particle) {
  %0 = constant 0 : index
  %1 = constant 1 : index
  %one = constant 1 : f64
  %m = abs %a : f64
  %inf = div %one, %m : f64
  %zero = sub %a, %a : f64
  %first = eq %t, %0 : boolean
  %r = if %first -> f64 {
    %twice = add %a, %a : f64
    yield %twice
  } else {
    %second = eq %t, %1 : boolean
    %s = if %second -> f64 {
      %minus = neg %inf : f64
      yield %minus
    } else {
      %p = mul %zero, %inf : f64
      yield %p
    }
    yield %s
  }
  store %value[], %r
  yield
}
)";
  const Derivatives taken = derivatives(text, {{"t", Array::index(0)}, {"a", Array::scalar(0)}});
  EXPECT_EQ(taken.gradient[0], 2);
  EXPECT_EQ(taken.hessian[0], 0);
  const Derivatives other = derivatives(text, {{"t", Array::index(1)}, {"a", Array::scalar(2)}});
  EXPECT_EQ(other.gradient[0], 0.25);
  EXPECT_EQ(other.hessian[0], -0.25);
}

TEST(Zero, VaryingRegionUsesWhatIsInfinite) {
  // In a loop, with the infinite value outside of it; the condition follows from the parameter.
  const Derivatives d = derivatives(R"(
func @f(%N: index load, %x: f64[%N] load, %a: f64 particle, %value: &f64 particle) {
  %l = log %a : f64
  %zero = constant 0 : f64
  %c = lt %zero, %a : boolean
  %s = reduce add (%n < %N) -> f64 {
    %xn = load %x[%n] : f64
    %r = if %c -> f64 {
      %q = mul %l, %xn : f64
      yield %q
    } else {
      %q.2 = mul %a, %xn : f64
      yield %q.2
    }
    yield %r
  }
  store %value[], %s
  yield
}
)",
                                    {{"N", Array::index(2)}, {"x", Array::vector({1, 2})}, {"a", Array::scalar(0)}});
  EXPECT_EQ(d.gradient[0], 3);
  EXPECT_EQ(d.hessian[0], 0);
}

const char* log_sum_exp = R"(
func @f(%N: index load, %a: f64[%N] particle, %value: &f64 particle) {
  %m = reduce max (%n < %N) -> f64 {
    %p = load %a[%n] : f64
    %x = log %p : f64
    yield %x
  }
  %stopped = stop %m : f64
  %s = reduce add (%n.2 < %N) -> f64 {
    %p.2 = load %a[%n.2] : f64
    %x.2 = log %p.2 : f64
    %d = sub %x.2, %stopped : f64
    %e = exp %d : f64
    yield %e
  }
  %l = log %s : f64
  %r = add %l, %stopped : f64
  store %value[], %r
  yield
}
)";

TEST(Zero, WeightsOfMinusInfinity) {
  // log(sum of p) through logs, with p = 0 among them: the part of weight zero contributes zero.
  const Derivatives d = derivatives(log_sum_exp, {{"N", Array::index(3)}, {"a", Array::vector({0, 1, 3})}});
  EXPECT_EQ(d.gradient[0], 0);
  EXPECT_NEAR(d.gradient[1], 0.25, 1e-14);
  EXPECT_NEAR(d.gradient[2], 0.25, 1e-14);
  for (double h : d.hessian)
    EXPECT_TRUE(std::isfinite(h)) << h;
}

TEST(Zero, SaturatedTransform) {
  // tanh(1/a) at a = 0 from above: the value is 1 and does not move.
  const Derivatives d = derivatives(R"(
func @f(%a: f64 particle, %value: &f64 particle) {
  %one = constant 1 : f64
  %q = div %one, %a : f64
  %t = tanh %q : f64
  store %value[], %t
  yield
}
)",
                                    {{"a", Array::scalar(0)}});
  EXPECT_EQ(d.gradient[0], 0);
}

TEST(Zero, RealInfinitiesAreNotHidden) {
  const Derivatives d = derivatives(R"(
func @f(%a: f64 particle, %value: &f64 particle) {
  %l = log %a : f64
  store %value[], %l
  yield
}
)",
                                    {{"a", Array::scalar(0)}});
  EXPECT_EQ(d.gradient[0], infinity);
}

} // namespace
} // namespace vmodel::passes
