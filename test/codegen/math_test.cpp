// Elementary and special functions against tables of correctly rounded values (function_table.py).
#include "test/codegen/harness.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <fstream>
#include <map>
#include <sstream>

namespace vmodel::test {

namespace {

struct Row {
  double x;
  double y;
};

std::map<std::string, std::vector<Row>> read_table() {
  std::map<std::string, std::vector<Row>> table;
  std::ifstream file(VMODEL_SOURCE_DIR "/test/codegen/Inputs/function_table.txt");
  for (std::string name, x, y; file >> name >> x >> y;)
    table[name].push_back({std::strtod(x.c_str(), nullptr), std::strtod(y.c_str(), nullptr)});
  return table;
}

Opcode opcode_of(const std::string& name) {
#define VIR_UNARY(op, derivative)                                                                                      \
  if (name == #op)                                                                                                     \
    return Opcode::op;
#include "compiler/ir/opcode.def"
  ADD_FAILURE() << "no operation " << name;
  return Opcode::neg;
}

/// A kernel for each of the functions, of its name: y[i] = function(x[i]) for i < n.
ir::Module kernels_of(const std::vector<std::string>& functions) {
  std::vector<std::pair<std::string, std::function<void(Builder&)>>> kernels;
  for (const std::string& name : functions)
    kernels.emplace_back(name, [name](Builder& b) {
      const ValueId n = b.parameter("n", {Element::index, false, {}}, Axis::load);
      const ValueId x = b.parameter("x", {Element::f64, false, {of(n)}}, Axis::particle);
      const ValueId y = b.parameter("y", {Element::f64, true, {of(n)}}, Axis::particle);
      b.for_each(std::vector{of(n)},
                 [&](Builder::Indices i) { b.store(y, i, b.unary(opcode_of(name), b.load(x, i))); });
    });
  return module_of(kernels);
}

template <typename Value>
std::vector<std::string> names_of(const std::map<std::string, Value>& functions) {
  std::vector<std::string> names;
  for (const auto& [name, value] : functions)
    names.push_back(name);
  return names;
}

/// Largest error that docs/numerics.md states, in units of the last place of the result (at least of 2^-1022), and the
/// size below which the error counts as that of a result of this size (near zeros of the function).
struct Bound {
  double ulps;
  double floor = 0;
};
const std::map<std::string, Bound> bounds = {
    {"exp", {1.5}},
    {"expm1", {2.5}},
    {"log", {1.5}},
    {"log1p", {1.6}},
    {"tanh", {4}},
    {"sin", {4, 0.01}},
    {"cos", {4, 0.01}},
    {"tan", {4}},
    {"asin", {4}},
    {"acos", {4}},
    {"atan", {4}},
    {"sinh", {4}},
    {"cosh", {4}},
    {"asinh", {4}},
    {"acosh", {4}},
    {"atanh", {4}},
    {"erf", {4}},
    {"erfc", {4}},
    {"inv_logit", {4}},
    {"log_inv_logit", {4}},
    {"log1p_exp", {4}},
    {"log1m_exp", {6}},
    {"log_expm1", {6, 1}},
    {"logit", {6}},
    {"std_normal_cdf", {8}},
    {"log_std_normal_cdf", {8, 1e-3}},
    {"std_normal_quantile", {16}},
    {"lgamma", {8, 1}},
    {"digamma", {12, 1}},
    {"trigamma", {16}},
    {"tetragamma", {16, 1}},
};

double ulp(double y) {
  const double size = std::fmax(std::fabs(y), 0x1p-1022);
  return std::ldexp(1.0, std::ilogb(size) - 52);
}

class FunctionTables : public testing::TestWithParam<std::string> {};

TEST_P(FunctionTables, MatchTheirTables) {
  const auto table = read_table();
  ASSERT_EQ(table.size(), bounds.size());
  const std::string march = GetParam();
  if (!codegen::runs_here(codegen::find_target(march)))
    GTEST_SKIP() << "this machine has no " << march;
  Compiled compiled(kernels_of(names_of(table)), march);
  for (const auto& [name, rows] : table) {
    std::vector<double> x;
    for (const Row& row : rows)
      x.push_back(row.x);
    ASSERT_EQ(compiled.prepare({{"n", Array::index(static_cast<std::int64_t>(x.size()))}}), 0);
    const auto lanes = static_cast<std::size_t>(compiled.native_lanes());
    const Arrays arguments = {{"x", Array::vector(x)}, {"y", Array::vector(x)}};
    const auto single = compiled.run(name, {arguments})[0].at("y").numbers;
    const auto wide = compiled.run(name, std::vector<Arrays>(lanes, arguments));
    const Bound bound = bounds.at(name);
    double worst = 0;
    double worst_at = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const double expected = rows[i].y;
      for (const double found : {single[i], wide[0].at("y").numbers[i], wide[lanes - 1].at("y").numbers[i]}) {
        if (std::isnan(expected) || std::isinf(expected)) {
          EXPECT_TRUE(std::isnan(expected) ? std::isnan(found) : found == expected)
              << name << "(" << rows[i].x << ") = " << found << ", not " << expected;
          continue;
        }
        const double error = std::fabs(found - expected) / ulp(std::fmax(std::fabs(expected), bound.floor));
        if (!(error <= worst)) {
          worst = error;
          worst_at = rows[i].x;
        }
      }
    }
    EXPECT_LE(worst, bound.ulps) << name << " at " << worst_at;
    RecordProperty(name, std::to_string(worst));
    if (std::getenv("VMODEL_SHOW_ERRORS"))
      std::printf("%-20s %-10s %6.2f ulp at %g\n", name.c_str(), march.c_str(), worst, worst_at);
  }
}

/// Operations on the bits of a number, for one lane and all.
TEST_P(FunctionTables, PowersOfTwo) {
  if (!codegen::runs_here(codegen::find_target(GetParam())))
    GTEST_SKIP() << "this machine has no " << GetParam();
  const std::vector<double> x{1, -1, 1.5, 0.75, -3, 1e300, 0x1p-1022, 0x1p-1030, 0, 7e-200};
  Compiled compiled(kernels_of({"exponent", "inverse_power"}), GetParam());
  ASSERT_EQ(compiled.prepare({{"n", Array::index(static_cast<std::int64_t>(x.size()))}}), 0);
  const auto lanes = static_cast<std::size_t>(compiled.native_lanes());
  const Arrays arguments = {{"x", Array::vector(x)}, {"y", Array::vector(x)}};
  for (const char* name : {"exponent", "inverse_power"})
    for (const std::size_t count : {std::size_t{1}, lanes})
      for (const Arrays& result : compiled.run(name, std::vector<Arrays>(count, arguments)))
        for (std::size_t i = 0; i < x.size(); ++i) {
          const double exponent = std::isnormal(x[i]) ? std::ilogb(x[i]) : -1023;
          EXPECT_EQ(result.at("y").numbers[i],
                    std::string(name) == "exponent" ? exponent : std::ldexp(1.0, static_cast<int>(-exponent)))
              << name << "(" << x[i] << ")";
        }
}

/// Not a test: prints nanoseconds an element, for docs/numerics.md (--gtest_also_run_disabled_tests).
TEST(Functions, DISABLED_Speed) {
  Compiled compiled(kernels_of(names_of(bounds)), "native");
  const std::int64_t n = 512;
  ASSERT_EQ(compiled.prepare({{"n", Array::index(n)}}), 0);
  for (const auto& [name, bound] : bounds)
    for (const int lanes : {1, compiled.native_lanes()}) {
      const auto count = static_cast<std::size_t>(n * lanes);
      std::vector<double> x(count);
      std::vector<double> y(count);
      for (std::size_t i = 0; i < count; ++i)
        x[i] = 0.05 + 0.9 * static_cast<double>(i) / static_cast<double>(count);
      void* arguments[] = {x.data(), y.data()};
      double best = 1e9;
      for (int repeat = 0; repeat < 200; ++repeat) {
        const auto start = std::chrono::steady_clock::now();
        compiled.find(name, lanes)->run(compiled.slots(), arguments, nullptr, nullptr);
        best =
            std::min(best, std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count());
      }
      std::printf("%-20s %d lanes %6.2f ns\n", name.c_str(), lanes, best / static_cast<double>(count));
    }
}

INSTANTIATE_TEST_SUITE_P(Targets, FunctionTables, testing::Values("x86-64-v2", "x86-64-v3", "x86-64-v4"),
                         [](const auto& info) { return "v" + info.param.substr(info.param.size() - 1); });

} // namespace

} // namespace vmodel::test
