// Kernels for one lane with the iterations of their loops in lanes, against the evaluator, for every remainder.
#include "compiler/codegen/rows.h"
#include "test/codegen/harness.h"

#include <gtest/gtest.h>

#include <cmath>

namespace vmodel::test {

namespace {

/// n rows, each with a number y, a group in 0 .. k - 1, and a position that no other row has.
struct Parameters {
  explicit Parameters(Builder& b)
      : n(b.parameter("N", {Element::index, false, {}}, Axis::load)),
        k(b.parameter("K", {Element::index, false, {}}, Axis::load)),
        y(b.parameter("y", {Element::f64, false, {of(n)}}, Axis::load)),
        group(b.parameter("group", {Element::index, false, {of(n)}}, Axis::load)),
        columns(b.parameter("columns", {Element::f64, false, {of(k), of(n)}}, Axis::load)),
        table(b.parameter("table", {Element::f64, false, {of(n), of(k)}}, Axis::load)),
        order(b.parameter("order", {Element::index, false, {of(n)}}, Axis::load)),
        z(b.parameter("z", {Element::f64, false, {of(k)}}, Axis::particle)),
        value(b.parameter("value", {Element::f64, true, {}}, Axis::particle)),
        gradient(b.parameter("gradient", {Element::f64, true, {of(k)}}, Axis::particle)),
        rows(b.parameter("rows", {Element::f64, true, {of(n)}}, Axis::particle)) {
    for (const auto& [memory, extent] : {std::pair(gradient, k), std::pair(rows, n)})
      b.for_each(std::vector{of(extent)}, [&, to = memory](Builder::Indices i) { b.store(to, i, b.constant(0)); });
  }

  ValueId n, k, y, group, columns, table, order, z, value, gradient, rows;
};

void expect_agreement_for_all_sizes(const std::function<void(Builder&)>& kernel) {
  const ir::Module module = module_of({{"log_density", kernel}});
  for (const std::size_t n : {0, 1, 3, 4, 8, 13, 17, 1001}) {
    constexpr std::size_t k = 3;
    std::vector<std::int64_t> group;
    std::vector<std::int64_t> order;
    for (std::size_t i = 0; i < n; ++i) {
      group.push_back(static_cast<std::int64_t>(i / 9 % k));
      order.push_back(static_cast<std::int64_t>(n - 1 - i));
    }
    Array columns = numbers(k * n, 0.7);
    columns.dims = {static_cast<std::int64_t>(k), static_cast<std::int64_t>(n)};
    Array table = numbers(k * n, 0.2);
    table.dims = {static_cast<std::int64_t>(n), static_cast<std::int64_t>(k)};
    const Arrays data = {{"columns", columns},
                         {"table", table},
                         {"N", Array::index(static_cast<std::int64_t>(n))},
                         {"K", Array::index(static_cast<std::int64_t>(k))},
                         {"y", numbers(n, 0.1)},
                         {"group", Array::indices(group)},
                         {"order", Array::indices(order)}};
    const Arrays lane = {
        {"z", numbers(k, 0.3)}, {"value", Array::scalar(0)}, {"gradient", numbers(k, 0)}, {"rows", numbers(n, 0)}};
    SCOPED_TRACE("N = " + std::to_string(n));
    expect_agreement(module, "log_density", data, {lane});
  }
}

TEST(Rows, PicksAndAccumulatesByGroup) {
  expect_agreement_for_all_sizes([](Builder& b) {
    const Parameters p(b);
    const ValueId sum = b.sum(std::vector{of(p.n)}, [&](Builder::Indices i) {
      const ValueId group = b.load(p.group, i);
      const ValueId e = b.unary(Opcode::exp, b.mul(b.load(p.y, i), b.load(p.z, {group})));
      b.accumulate(p.gradient, std::vector{group}, e);
      b.accumulate(p.gradient, std::vector{b.index(1)}, b.neg(e));
      return e;
    });
    b.store(p.value, {}, sum);
  });
}

TEST(Rows, StoresInOrderAndOutOfOrder) {
  expect_agreement_for_all_sizes([](Builder& b) {
    const Parameters p(b);
    b.for_each(std::vector{of(p.n)},
               [&](Builder::Indices i) { b.store(p.rows, std::vector{b.load(p.order, i)}, b.load(p.y, i)); });
    b.for_each(std::vector{of(p.n)}, [&](Builder::Indices i) { b.accumulate(p.rows, i, b.to_real(i[0])); });
    const ValueId doubled = b.build(std::vector{of(p.n)}, Element::f64,
                                    [&](Builder::Indices i) { return b.mul(b.load(p.y, i), b.constant(2)); });
    const ValueId sum = b.sum(std::vector{of(p.n)}, [&](Builder::Indices i) { return b.load(doubled, i); });
    b.store(p.value, {}, sum);
  });
}

TEST(Rows, ConditionsOfARow) {
  expect_agreement_for_all_sizes([](Builder& b) {
    const Parameters p(b);
    const ValueId sum = b.sum(std::vector{of(p.n)}, [&](Builder::Indices i) {
      // The row before is there for all but the first.
      const ValueId before = b.if_(
          b.compare(Opcode::gt, i[0], b.index(0)),
          [&] {
            const ValueId earlier = b.load(p.y, {b.sub(i[0], b.index(1))});
            b.accumulate(p.gradient, std::vector{b.load(p.group, i)}, earlier);
            b.accumulate(p.gradient, std::vector{b.index(2)}, earlier);
            b.accumulate(p.rows, i, earlier);
            return std::vector<ValueId>{earlier};
          },
          [&] { return std::vector<ValueId>{b.load(p.z, {b.index(0)})}; })[0];
      return b.mul(before, b.load(p.y, i));
    });
    b.store(p.value, {}, sum);
  });
}

TEST(Rows, OtherReductions) {
  for (const std::string kind : {"max", "min"})
    expect_agreement_for_all_sizes([&](Builder& b) {
      const Parameters p(b);
      const auto found = b.reduce(kind, std::vector{of(p.n)}, [&](Builder::Indices i) {
        return std::vector<ValueId>{b.mul(b.load(p.y, i), b.load(p.z, {b.load(p.group, i)}))};
      });
      b.store(p.value, {}, found[0]);
    });
  for (const std::string kind : {"and", "or"})
    expect_agreement_for_all_sizes([&](Builder& b) {
      const Parameters p(b);
      const auto found = b.reduce(kind, std::vector{of(p.n)}, [&](Builder::Indices i) {
        return std::vector<ValueId>{b.compare(Opcode::gt, b.load(p.y, i), b.load(p.z, {b.index(0)}))};
      });
      b.store(p.value, {}, b.to_real(found[0]));
    });
}

TEST(Rows, SumsOfLogarithms) {
  for (const Opcode opcode : {Opcode::log, Opcode::log1p})
    expect_agreement_for_all_sizes([&](Builder& b) {
      const Parameters p(b);
      const ValueId sum = b.sum(std::vector{of(p.n)}, [&](Builder::Indices i) {
        return b.unary(opcode, b.unary(Opcode::exp, b.mul(b.load(p.y, i), b.load(p.z, {b.load(p.group, i)}))));
      });
      b.store(p.value, {}, sum);
    });
}

TEST(Rows, TwoIndices) {
  expect_agreement_for_all_sizes([](Builder& b) {
    const Parameters p(b);
    const ValueId sum = b.sum(std::vector{of(p.k), of(p.n)}, [&](Builder::Indices i) {
      const ValueId term = b.mul(b.load(p.z, {i[0]}), b.load(p.y, {i[1]}));
      b.accumulate(p.gradient, std::vector{i[0]}, term);
      b.accumulate(p.rows, std::vector{i[1]}, term);
      return b.unary(Opcode::log1p, b.unary(Opcode::exp, term));
    });
    b.store(p.value, {}, sum);
  });
}

TEST(Rows, LoopsInside) {
  expect_agreement_for_all_sizes([](Builder& b) {
    const Parameters p(b);
    const ValueId products = b.build(std::vector{of(p.n)}, Element::f64, [&](Builder::Indices i) {
      return b.sum(std::vector{of(p.k)},
                   [&](Builder::Indices j) { return b.mul(b.load(p.columns, {j[0], i[0]}), b.load(p.z, j)); });
    });
    const ValueId sum = b.sum(std::vector{of(p.n)}, [&](Builder::Indices i) {
      const ValueId e = b.sub(b.load(p.y, i), b.load(products, i));
      b.for_each(std::vector{of(p.k)}, [&](Builder::Indices j) {
        const ValueId term = b.mul(e, b.load(p.columns, {j[0], i[0]}));
        b.accumulate(p.gradient, j, term);
        b.accumulate(p.rows, i, term);
      });
      const ValueId logarithms = b.sum(std::vector{of(p.k)}, [&](Builder::Indices j) {
        return b.unary(Opcode::log1p, b.unary(Opcode::exp, b.mul(e, b.load(p.z, j))));
      });
      return b.add(b.mul(e, e), logarithms);
    });
    b.store(p.value, {}, sum);
  });
}

/// The plan for the first reduce with results of a kernel.
std::optional<codegen::Rows> plan(const std::function<void(Builder&)>& kernel) {
  const ir::Module module = module_of({{"log_density", kernel}});
  const ir::Function& function = module.functions[0];
  for (const ir::Op& op : function.body.ops)
    if (op.opcode == Opcode::reduce_ && !op.results.empty())
      return codegen::plan_rows(function, codegen::find_varying(function, 1), op);
  return std::nullopt;
}

TEST(RowsPlan, LoopsInsideGoThroughRows) {
  const auto has_lanes = [](bool by_columns) {
    return plan([by_columns](Builder& b) {
             const Parameters p(b);
             const ValueId sum = b.sum(std::vector{of(p.n)}, [&](Builder::Indices i) {
               return b.sum(std::vector{of(p.k)}, [&](Builder::Indices j) {
                 return by_columns ? b.load(p.columns, {j[0], i[0]}) : b.load(p.table, {i[0], j[0]});
               });
             });
             b.store(p.value, {}, sum);
           })
        .has_value();
  };
  EXPECT_TRUE(has_lanes(true));
  EXPECT_FALSE(has_lanes(false));
}

TEST(RowsPlan, AnElementOfAllRowsIsSummed) {
  const auto rows = plan([](Builder& b) {
    const Parameters p(b);
    const ValueId sum = b.sum(std::vector{of(p.n)}, [&](Builder::Indices i) {
      const ValueId y = b.load(p.y, i);
      b.accumulate(p.gradient, std::vector{b.index(0)}, y);
      b.accumulate(p.gradient, std::vector{b.load(p.group, i)}, y);
      return y;
    });
    b.store(p.value, {}, sum);
  });
  ASSERT_TRUE(rows);
  EXPECT_EQ(rows->sums.size(), 1U);
}

} // namespace

} // namespace vmodel::test
