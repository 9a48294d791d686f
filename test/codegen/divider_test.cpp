// Divisions and roots that are computed beside the divider are those of the divider, but for the last bit.
#include "test/codegen/harness.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace vmodel::test {

namespace {

/// r[i] = f(x[i], y[i]): loops of nothing else, so that all they wait for is the divider.
ir::Module kernels() {
  const auto kernel = [](auto function) {
    return [function](Builder& b) {
      const ValueId n = b.parameter("n", {Element::index, false, {}}, Axis::load);
      const ValueId x = b.parameter("x", {Element::f64, false, {of(n)}}, Axis::particle);
      const ValueId y = b.parameter("y", {Element::f64, false, {of(n)}}, Axis::particle);
      const ValueId r = b.parameter("r", {Element::f64, true, {of(n)}}, Axis::particle);
      b.for_each(std::vector{of(n)},
                 [&](Builder::Indices i) { b.store(r, i, function(b, b.load(x, i), b.load(y, i))); });
    };
  };
  return module_of(
      {{"quotient", kernel([](Builder& b, ValueId x, ValueId y) { return b.div(x, y); })},
       {"root", kernel([](Builder& b, ValueId x, ValueId) { return b.unary(Opcode::sqrt, x); })},
       {"both", kernel([](Builder& b, ValueId x, ValueId y) { return b.unary(Opcode::sqrt, b.div(x, y)); })}});
}

/// The result of a kernel for pairs of numbers; each lane has its own pairs, which start elsewhere in the lists.
void expect_quotients(Compiled& compiled, const std::vector<double>& x, const std::vector<double>& y) {
  const std::size_t n = x.size();
  ASSERT_EQ(compiled.prepare({{"n", Array::index(static_cast<std::int64_t>(n))}}), 0);
  const auto lanes = static_cast<std::size_t>(compiled.native_lanes());
  std::vector<Arrays> arguments;
  const auto at = [&](std::size_t lane, std::size_t i) { return (i + 37 * lane) % n; };
  for (std::size_t lane = 0; lane < lanes; ++lane) {
    std::vector<double> xs;
    std::vector<double> ys;
    for (std::size_t i = 0; i < n; ++i) {
      xs.push_back(x[at(lane, i)]);
      ys.push_back(y[at(lane, i)]);
    }
    arguments.push_back({{"x", Array::vector(xs)}, {"y", Array::vector(ys)}, {"r", Array::vector(xs)}});
  }
  const auto expect = [&](const std::string& kernel, const auto& function) {
    const std::vector<Arrays> results = compiled.run(kernel, arguments);
    for (std::size_t lane = 0; lane < lanes; ++lane)
      for (std::size_t i = 0; i < n; ++i) {
        const double a = x[at(lane, i)];
        const double b = y[at(lane, i)];
        const double wanted = function(a, b);
        const double found = results[lane].at("r").numbers[i];
        if (std::isnan(wanted)) {
          EXPECT_TRUE(std::isnan(found)) << kernel << " of " << a << ", " << b << " is " << found;
          continue;
        }
        EXPECT_TRUE(found == wanted || found == std::nextafter(wanted, INFINITY) ||
                    found == std::nextafter(wanted, -INFINITY))
            << kernel << " of " << a << ", " << b << " is " << found << ", not " << wanted;
      }
  };
  expect("quotient", [](double a, double b) { return a / b; });
  expect("root", [](double a, double) { return std::sqrt(a); });
  // An error of one place in the quotient moves the root by half a place.
  expect("both", [](double a, double b) { return std::sqrt(a / b); });
}

TEST(Divider, NumbersOfAllSizes) {
  Compiled compiled(kernels());
  std::mt19937_64 random(1);
  std::uniform_real_distribution<double> mantissa(1, 2);
  std::uniform_int_distribution<int> exponent(-1021, 1022);
  std::vector<double> x;
  std::vector<double> y;
  for (int i = 0; i < 20000; ++i) {
    x.push_back(std::ldexp(mantissa(random), exponent(random)));
    y.push_back(std::ldexp(i % 3 == 0 ? -mantissa(random) : mantissa(random), exponent(random)));
  }
  expect_quotients(compiled, x, y);
  for (std::size_t i = 0; i < x.size(); ++i)
    y[i] = x[i] * mantissa(random); // quotients near one
  expect_quotients(compiled, x, y);
}

TEST(Divider, NumbersThatNeedIt) {
  Compiled compiled(kernels());
  const double infinity = std::numeric_limits<double>::infinity();
  const double largest = std::numeric_limits<double>::max();
  const double special[] = {0.0,      -0.0,     1.0,       -3.0,      infinity, -infinity, NAN,    largest,
                            -largest, 0x1p1023, 0x1p-1022, 0x1p-1030, 5e-324,   -5e-324,   0x1p-1, 0x1.fffffffffffffp0};
  std::vector<double> x;
  std::vector<double> y;
  for (const double a : special)
    for (const double b : special) {
      x.push_back(a);
      y.push_back(b);
    }
  expect_quotients(compiled, x, y);
}

} // namespace

} // namespace vmodel::test
