// Reduces that are carried out for several iterations at once, against the evaluator, for every remainder.
#include "compiler/codegen/jam.h"
#include "compiler/codegen/varying.h"
#include "test/codegen/harness.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <utility>

namespace vmodel::test {

namespace {

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

// One row after the other, backwards, and every other one.
TEST(Jam, ElementsOfCopies) {
  expect_agreement_for_all_sizes([](Builder& b) {
    const Parameters p(b);
    const ValueId last = b.sub(p.t, b.index(1));
    const ValueId sum = b.sum(std::vector{of(p.t)}, [&](Builder::Indices n) {
      const ValueId norm = b.sum(std::vector{of(p.k)}, [&](Builder::Indices j) {
        return b.mul(b.load(p.z, j), b.load(p.y, std::vector{b.sub(last, n[0])}));
      });
      const ValueId before = b.binary(Opcode::max, b.sub(n[0], b.index(1)), b.index(0));
      b.store(p.rows, std::vector{b.sub(last, n[0])}, norm);
      const ValueId beside =
          b.add(b.load(p.y, std::vector{before}), b.load(p.y, std::vector{b.sub(b.add(n[0], n[0]), n[0])}));
      return b.mul(norm, beside);
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

// The derivatives of a layer of a net: sums over lanes of all rows at once, beside each other or far apart. An infinite
// unit leaves alone what has an adjoint of zero.
TEST(Jam, DerivativesByWeights) {
  for (const auto& [beside, infinite] : {std::pair(true, false), {false, false}, {true, true}, {false, true}}) {
    const ir::Module module = module_of(
        {{"log_density", [&](Builder& b) {
            const auto array = [](bool output, std::vector<Dim> dims) {
              return Type{Element::f64, output, std::move(dims)};
            };
            const ValueId t = b.parameter("T", {Element::index, false, {}}, Axis::load);
            const ValueId k = b.parameter("K", {Element::index, false, {}}, Axis::load);
            const ValueId size = b.parameter("size", {Element::index, false, {}}, Axis::load);
            const ValueId w = b.parameter("w", array(false, {of(size)}), Axis::step);
            const ValueId unit = b.parameter("unit", array(false, {of(k)}), Axis::particle);
            const ValueId adjoint = b.parameter("adjoint", array(false, {of(t)}), Axis::particle);
            const ValueId d_unit = b.parameter("d_unit", array(true, {of(k)}), Axis::particle);
            const ValueId d_w = b.parameter("d_w", array(true, {of(size)}), Axis::step);
            const ValueId d_shift = b.parameter("d_shift", array(true, {of(t)}), Axis::step);
            for (const auto& [memory, extent] : {std::pair(d_unit, k), std::pair(d_w, size), std::pair(d_shift, t)})
              b.for_each(std::vector{of(extent)},
                         [&, to = memory](Builder::Indices i) { b.store(to, i, b.constant(0)); });
            b.for_each(std::vector{of(t)}, [&, beside = beside](Builder::Indices row) {
              const ValueId e = b.load(adjoint, row);
              b.for_each(std::vector{of(k)}, [&](Builder::Indices j) {
                const ValueId at = beside ? b.add(b.mul(j[0], t), row[0]) : b.add(b.mul(row[0], k), j[0]);
                b.accumulate(d_unit, j, b.mul(e, b.load(w, {at})));
                b.accumulate(d_w, {{at}}, b.lane_sum(b.strong_mul(e, b.load(unit, j))));
              });
              b.accumulate(d_shift, row, b.lane_sum(e));
            });
          }}});
    for (const std::string& march : codegen::target_names()) {
      const codegen::Target target = codegen::find_target(march);
      if (!codegen::runs_here(target))
        continue;
      Compiled compiled(module, march, {target.lanes, 2 * target.lanes});
      // One register of particles, and two.
      for (const auto& [rows, registers] :
           {std::pair(0, 1), {1, 1}, {2, 1}, {3, 1}, {7, 1}, {8, 1}, {9, 1}, {21, 1}, {7, 2}, {8, 2}, {21, 2}}) {
        const std::size_t t = static_cast<std::size_t>(rows), k = 3;
        const int count = registers * target.lanes;
        SCOPED_TRACE(march + ", T = " + std::to_string(t) + ", lanes " + std::to_string(count));
        const Arrays data = {{"T", Array::index(static_cast<std::int64_t>(t))},
                             {"K", Array::index(static_cast<std::int64_t>(k))},
                             {"size", Array::index(static_cast<std::int64_t>(t * k))}};
        ASSERT_EQ(compiled.prepare(data), 0);
        std::vector<Arrays> lanes;
        for (int lane = 0; lane < count; ++lane)
          lanes.push_back({{"w", numbers(t * k, 0.3)},
                           {"unit", numbers(k, lane)},
                           {"adjoint", numbers(t, 0.5 * lane)},
                           {"d_unit", numbers(k, 0)},
                           {"d_w", numbers(t * k, 0)},
                           {"d_shift", numbers(t, 0)}});
        if (infinite) {
          lanes[0].at("unit").numbers[1] = std::numeric_limits<double>::infinity();
          for (std::size_t row = 0; row < t; row += 2)
            lanes[0].at("adjoint").numbers[row] = 0;
        }
        const std::vector<Arrays> together = compiled.run("log_density", lanes);
        std::vector<double> d_w(t * k), d_shift(t);
        for (std::size_t lane = 0; lane < lanes.size(); ++lane) {
          Arrays inputs = data;
          inputs.insert(lanes[lane].begin(), lanes[lane].end());
          const Arrays alone = ir::evaluate(compiled.module(), "log_density", inputs);
          for (std::size_t i = 0; i < d_w.size(); ++i)
            d_w[i] += alone.at("d_w").numbers[i];
          for (std::size_t i = 0; i < t; ++i)
            d_shift[i] += alone.at("d_shift").numbers[i];
          for (std::size_t j = 0; j < k; ++j)
            EXPECT_NEAR(together[lane].at("d_unit").numbers[j], alone.at("d_unit").numbers[j], 64 * 2.2e-16);
        }
        // So many numbers of at most 1 are added, in whatever order.
        const double error = count * count * 2.2e-16;
        for (std::size_t i = 0; i < d_w.size(); ++i) {
          const double made = together[0].at("d_w").numbers[i];
          if (std::isfinite(d_w[i]))
            EXPECT_NEAR(made, d_w[i], error) << i;
          else
            EXPECT_EQ(made, d_w[i]) << i;
        }
        for (std::size_t i = 0; i < t; ++i)
          EXPECT_NEAR(together[0].at("d_shift").numbers[i], d_shift[i], error) << i;
      }
    }
  }
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
