// Reduces that are carried out for several iterations at once, against the evaluator, for every remainder.
#include "compiler/codegen/jam.h"
#include "compiler/codegen/varying.h"
#include "test/codegen/harness.h"

#include <gtest/gtest.h>

#include <cmath>

namespace vmodel::test {

namespace {

Array numbers(std::size_t count, double phase) {
  std::vector<double> values;
  for (std::size_t i = 0; i < count; ++i)
    values.push_back(std::sin(phase + 1.7 * static_cast<double>(i)));
  return Array::vector(values);
}

/// Parameters of the kernels below: T rows of K columns, z one number a column.
struct Parameters {
  explicit Parameters(Builder& b)
      : t(b.parameter("T", {Element::index, false, {}}, Axis::load)),
        k(b.parameter("K", {Element::index, false, {}}, Axis::load)),
        y(b.parameter("y", {Element::f64, false, {of(t)}}, Axis::load)),
        x(b.parameter("x", {Element::f64, false, {of(t), of(k)}}, Axis::load)),
        z(b.parameter("z", {Element::f64, false, {of(k)}}, Axis::particle)),
        value(b.parameter("value", {Element::f64, true, {}}, Axis::particle)),
        gradient(b.parameter("gradient", {Element::f64, true, {of(k)}}, Axis::particle)),
        rows(b.parameter("rows", {Element::f64, true, {of(t)}}, Axis::particle)) {
    for (const auto& [memory, extent] : {std::pair(gradient, k), std::pair(rows, t)})
      b.for_each(std::vector{of(extent)}, [&, to = memory](Builder::Indices i) { b.store(to, i, b.constant(0)); });
  }

  ValueId t, k, y, x, z, value, gradient, rows;
};

void expect_agreement_for_all_sizes(const std::function<void(Builder&)>& kernel) {
  const ir::Module module = module_of({{"log_density", kernel}});
  for (const std::size_t t : {0, 1, 2, 3, 7, 8, 9, 16, 21})
    for (const std::size_t k : {1, 3}) {
      Array x = numbers(t * k, 0.4);
      x.dims = {static_cast<std::int64_t>(t), static_cast<std::int64_t>(k)};
      const Arrays data = {{"T", Array::index(static_cast<std::int64_t>(t))},
                           {"K", Array::index(static_cast<std::int64_t>(k))},
                           {"y", numbers(t, 0.1)},
                           {"x", x}};
      std::vector<Arrays> lanes;
      for (int lane = 0; lane < 8; ++lane)
        lanes.push_back({{"z", numbers(k, lane)},
                         {"value", Array::scalar(0)},
                         {"gradient", numbers(k, 0)},
                         {"rows", numbers(t, 0)}});
      SCOPED_TRACE("T = " + std::to_string(t) + ", K = " + std::to_string(k));
      expect_agreement(module, "log_density", data, lanes);
    }
}

TEST(Jam, SumsInSeveralNumbers) {
  expect_agreement_for_all_sizes([](Builder& b) {
    const Parameters p(b);
    const ValueId slope = b.load(p.z, {b.index(0)});
    const auto sums = b.reduce("add", std::vector{of(p.t)}, [&](Builder::Indices n) {
      const ValueId rest = b.sub(b.load(p.y, n), b.mul(slope, b.load(p.x, {n[0], b.index(0)})));
      return std::vector<ValueId>{b.mul(rest, rest), rest};
    });
    b.store(p.value, {}, b.sub(sums[0], sums[1]));
  });
}

TEST(Jam, OtherReductions) {
  for (const std::string kind : {"max", "min"})
    expect_agreement_for_all_sizes([&](Builder& b) {
      const Parameters p(b);
      const auto found = b.reduce(kind, std::vector{of(p.t)}, [&](Builder::Indices n) {
        return std::vector<ValueId>{b.mul(b.load(p.y, n), b.load(p.z, {b.index(0)}))};
      });
      b.store(p.value, {}, found[0]);
    });
}

TEST(Jam, MatrixProductAndItsTranspose) {
  expect_agreement_for_all_sizes([](Builder& b) {
    const Parameters p(b);
    const ValueId sum = b.sum(std::vector{of(p.t)}, [&](Builder::Indices n) {
      const ValueId row = b.sum(std::vector{of(p.k)},
                                [&](Builder::Indices j) { return b.mul(b.load(p.x, {n[0], j[0]}), b.load(p.z, j)); });
      const ValueId rest = b.sub(b.load(p.y, n), row);
      b.for_each(std::vector{of(p.k)},
                 [&](Builder::Indices j) { b.accumulate(p.gradient, j, b.mul(rest, b.load(p.x, {n[0], j[0]}))); });
      return b.mul(rest, rest);
    });
    b.store(p.value, {}, sum);
  });
}

TEST(Jam, StoresConditionsAndCommonTerms) {
  expect_agreement_for_all_sizes([](Builder& b) {
    const Parameters p(b);
    const ValueId sum = b.sum(std::vector{of(p.t)}, [&](Builder::Indices n) {
      // The same in every iteration, a row's own element, and an element that all rows add to.
      const ValueId norm =
          b.sum(std::vector{of(p.k)}, [&](Builder::Indices j) { return b.unary(Opcode::square, b.load(p.z, j)); });
      const ValueId shifted = b.add(b.load(p.y, n), norm);
      b.store(p.rows, n, shifted);
      b.accumulate(p.gradient, std::vector{b.index(0)}, norm);
      return b.if_(
          b.compare(Opcode::lt, b.load(p.y, n), b.load(p.z, {b.index(0)})),
          [&] {
            b.accumulate(p.rows, n, b.constant(1));
            return std::vector<ValueId>{b.unary(Opcode::exp, shifted)};
          },
          [&] { return std::vector<ValueId>{b.mul(shifted, norm)}; })[0];
    });
    b.store(p.value, {}, sum);
  });
}

TEST(Jam, SumsOverTwoIndices) {
  expect_agreement_for_all_sizes([](Builder& b) {
    const Parameters p(b);
    const ValueId sum = b.sum(std::vector{of(p.k), of(p.t)}, [&](Builder::Indices i) {
      return b.mul(b.load(p.z, {i[0]}), b.load(p.x, {i[1], i[0]}));
    });
    b.store(p.value, {}, sum);
  });
}

/// What is planned for the first reduce with results of a kernel.
std::optional<codegen::Jam> plan(const std::function<void(Builder&)>& kernel, const char* march) {
  const ir::Module module = module_of({{"log_density", kernel}});
  const ir::Function& function = module.functions[0];
  const codegen::Target target = codegen::find_target(march);
  const codegen::Varying varying = codegen::find_varying(function, target.lanes);
  for (const ir::Op& op : function.body.ops)
    if (op.opcode == Opcode::reduce_ && !op.results.empty())
      return codegen::plan_jam(function, varying, target.lanes, target, op);
  return std::nullopt;
}

void sum_of_products(Builder& b, int terms) {
  const Parameters p(b);
  const auto sums = b.reduce("add", std::vector{of(p.t)}, [&](Builder::Indices n) {
    std::vector<ValueId> results;
    for (int i = 0; i < terms; ++i)
      results.push_back(b.mul(b.load(p.x, {n[0], b.index(i)}), b.load(p.z, {b.index(i)})));
    return results;
  });
  b.store(p.value, {}, sums[0]);
}

TEST(JamPlan, FewSumsAreKeptApart) {
  const auto jam = plan([](Builder& b) { sum_of_products(b, 1); }, "x86-64-v3");
  ASSERT_TRUE(jam);
  EXPECT_EQ(jam->copies, jam->sums);
  EXPECT_GE(jam->sums, 4);
}

TEST(JamPlan, ManySumsHideEachOther) {
  EXPECT_FALSE(plan([](Builder& b) { sum_of_products(b, 12); }, "x86-64-v3"));
}

TEST(JamPlan, RecurrencesStayAlone) {
  EXPECT_FALSE(plan(
      [](Builder& b) {
        const Parameters p(b);
        const ValueId sum = b.sum(std::vector{of(p.t)}, [&](Builder::Indices n) {
          return b.loop(of(p.k), std::vector{b.load(p.y, n)}, false, [&](ValueId j, std::span<const ValueId> state) {
            return std::vector<ValueId>{b.mul(state[0], b.load(p.z, {j}))};
          })[0];
        });
        b.store(p.value, {}, sum);
      },
      "x86-64-v3"));
}

} // namespace

} // namespace vmodel::test
