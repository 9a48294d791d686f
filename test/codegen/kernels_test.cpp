// Whole kernels against the evaluator, for one lane and all lanes of each target that runs here.
#include "runtime/random/philox.h"
#include "test/codegen/harness.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace vmodel::test {

namespace {

const double infinity = std::numeric_limits<double>::infinity();

Type real(std::vector<Dim> dims = {}) {
  return {Element::f64, false, std::move(dims)};
}
Type reference(std::vector<Dim> dims = {}, Element element = Element::f64) {
  return {element, true, std::move(dims)};
}
Type integer(std::vector<Dim> dims = {}) {
  return {Element::index, false, std::move(dims)};
}
Dim fixed(std::int64_t n) {
  return {n, {}};
}

std::vector<Arrays> eight(const std::function<Arrays(int)>& make) {
  std::vector<Arrays> lanes;
  for (int i = 0; i < 8; ++i)
    lanes.push_back(make(i));
  return lanes;
}

/// Lanes with z = a few numbers that differ, and a scalar output `value`.
std::vector<Arrays> with_z(std::size_t count) {
  return eight([=](int i) {
    std::vector<double> z;
    for (std::size_t k = 0; k < count; ++k)
      z.push_back(std::sin(1.0 + 3 * i + 7.0 * static_cast<double>(k)));
    return Arrays{{"z", Array::vector(z)}, {"value", Array::scalar(0)}};
  });
}

const Array some_y = Array::vector({1, -2, 0.5, 3, 7, 0.25, -1});
const Arrays some_data = {{"T", Array::index(7)}, {"y", some_y}};

TEST(Kernels, ReduceOverData) {
  expect_agreement(module_of({{"f",
                               [](Builder& b) {
                                 const ValueId t = b.parameter("T", integer(), Axis::load);
                                 const ValueId y = b.parameter("y", real({of(t)}), Axis::load);
                                 const ValueId z = b.parameter("z", real({fixed(2)}), Axis::particle);
                                 const ValueId value = b.parameter("value", reference(), Axis::particle);
                                 const ValueId scale = b.unary(Opcode::exp, b.load(z, {b.index(1)}));
                                 const ValueId sum = b.sum(std::vector{of(t)}, [&](Builder::Indices i) {
                                   return b.unary(Opcode::square,
                                                  b.div(b.sub(b.load(y, i), b.load(z, {b.index(0)})), scale));
                                 });
                                 b.store(value, {}, sum);
                               }}}),
                   "f", some_data, with_z(2));
}

/// What the evaluator may be wrong by, which adds equal terms one by one: half a unit in the last place of the sum
/// each.
double one_by_one(std::int64_t terms) {
  return static_cast<double>(std::max<std::int64_t>(terms, 64)) * 2.2e-16;
}

/// Sums of logarithms are logarithms of products. Zero, infinities, NaN, negative and subnormal factors and such whose
/// product leaves the range of doubles give what the logarithms give, in each lane by itself.
TEST(Kernels, SumsOfLogarithms) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double least = std::numeric_limits<double>::denorm_min();
  const std::vector<std::vector<double>> lanes = {{1e300, 1e300, 1e300, 3, 1e-300},
                                                  {1e-300, 1e-300, 1e-300, 1e300, 2},
                                                  {least, 0.5, 1e-310, 7, 1},
                                                  {1, 0, 2, 3, 4},
                                                  {1, infinity, 2, 3, 4},
                                                  {1, -2, -3, 4, 5},
                                                  {1, nan, 2, 3, 4},
                                                  {0, infinity, 1, 1, 1}};
  // Repeated often enough that products of bounded factors need several logarithms too.
  for (const std::int64_t repeats : {1, 400}) {
    const auto module =
        module_of({{"f", [&](Builder& b) {
                      const ValueId z = b.parameter("z", real({fixed(5)}), Axis::particle);
                      const ValueId value = b.parameter("value", reference({fixed(4)}), Axis::particle);
                      const auto sums = b.reduce("add", std::vector{fixed(5 * repeats)}, [&](Builder::Indices i) {
                        const ValueId x = b.load(z, {b.binary(Opcode::imod, i[0], b.index(5))});
                        const ValueId positive = b.unary(Opcode::abs, x);
                        const ValueId bounded = b.unary(Opcode::exp, b.neg(positive));
                        return std::vector{b.unary(Opcode::log, x), b.unary(Opcode::log1p, positive),
                                           b.unary(Opcode::log1p, bounded),
                                           b.add(b.unary(Opcode::log, b.add(bounded, b.constant(2))),
                                                 b.unary(Opcode::log1p, b.unary(Opcode::square, bounded)))};
                      });
                      for (std::int64_t k = 0; k < 4; ++k)
                        b.store(value, std::vector{b.index(k)}, sums[static_cast<std::size_t>(k)]);
                    }}});
    expect_agreement(module, "f", {}, eight([&](int i) {
                       return Arrays{{"z", Array::vector(lanes[static_cast<std::size_t>(i)])},
                                     {"value", Array::vector({0, 0, 0, 0})}};
                     }),
                     one_by_one(5 * repeats));
  }
}

/// The same where the innermost index does not count all terms, and under a mask.
TEST(Kernels, SumsOfLogarithmsOverTwoIndicesAndInBranches) {
  expect_agreement(module_of({{"f",
                               [](Builder& b) {
                                 const ValueId z = b.parameter("z", real({fixed(2)}), Axis::particle);
                                 const ValueId value = b.parameter("value", reference(), Axis::particle);
                                 const auto sum = [&](double scale) {
                                   return b.sum(std::vector{fixed(300), fixed(7)}, [&](Builder::Indices i) {
                                     const ValueId x = b.load(z, {b.index(0)});
                                     const ValueId e =
                                         b.unary(Opcode::exp, b.mul(b.constant(scale), b.mul(x, b.to_real(i[1]))));
                                     return b.unary(Opcode::log, e);
                                   });
                                 };
                                 const ValueId positive = b.compare(Opcode::gt, b.load(z, {b.index(1)}), b.constant(0));
                                 b.store(value, {},
                                         b.if_(
                                             positive, [&] { return std::vector{sum(90)}; },
                                             [&] { return std::vector{sum(-0.01)}; })[0]);
                               }}}),
                   "f", {}, with_z(2), one_by_one(std::int64_t{300} * 7));
}

TEST(Kernels, ReductionsOfAllKinds) {
  for (const std::string kind : {"add", "max", "min"})
    expect_agreement(
        module_of({{"f",
                    [&](Builder& b) {
                      const ValueId t = b.parameter("T", integer(), Axis::load);
                      const ValueId y = b.parameter("y", real({of(t)}), Axis::load);
                      const ValueId z = b.parameter("z", real({fixed(3)}), Axis::particle);
                      const ValueId value = b.parameter("value", reference(), Axis::particle);
                      const auto found = b.reduce(kind, std::vector{of(t), fixed(3)}, [&](Builder::Indices i) {
                        return std::vector<ValueId>{b.mul(b.load(y, {i[0]}), b.load(z, {i[1]})), b.load(y, {i[0]})};
                      });
                      b.store(value, {}, b.add(found[0], found[1]));
                    }}}),
        "f", some_data, with_z(3));
  expect_agreement(
      module_of({{"f",
                  [&](Builder& b) {
                    const ValueId t = b.parameter("T", integer(), Axis::load);
                    const ValueId y = b.parameter("y", real({of(t)}), Axis::load);
                    const ValueId z = b.parameter("z", real({fixed(3)}), Axis::particle);
                    const ValueId value = b.parameter("value", reference(), Axis::particle);
                    const auto over = [&](const std::string& kind) {
                      return b.reduce(kind, std::vector{of(t)}, [&](Builder::Indices i) {
                        return std::vector<ValueId>{b.compare(Opcode::lt, b.load(y, i), b.load(z, {b.index(0)}))};
                      })[0];
                    };
                    b.store(value, {}, b.add(b.to_real(over("and")), b.mul(b.constant(2), b.to_real(over("or")))));
                  }}}),
      "f", some_data, with_z(3));
}

TEST(Kernels, RecurrenceForwardAndBackward) {
  expect_agreement(
      module_of({{"f",
                  [](Builder& b) {
                    const ValueId t = b.parameter("T", integer(), Axis::load);
                    const ValueId y = b.parameter("y", real({of(t)}), Axis::load);
                    const ValueId z = b.parameter("z", real({fixed(2)}), Axis::particle);
                    const ValueId value = b.parameter("value", reference(), Axis::particle);
                    const ValueId states = b.alloc(std::vector{of(t)}, Element::f64, false);
                    const ValueId adjoints = b.alloc(std::vector{fixed(3)}, Element::f64, true);
                    const auto last = b.loop(
                        of(t), std::vector{b.load(z, {b.index(0)})}, false, [&](ValueId i, std::span<const ValueId> s) {
                          const ValueId next = b.add(b.mul(s[0], b.load(z, {b.index(1)})), b.load(y, {i}));
                          b.store(states, std::vector{i}, next);
                          return std::vector<ValueId>{next};
                        });
                    const ValueId all = b.freeze(states);
                    const auto back =
                        b.loop(of(t), std::vector{b.constant(1)}, true, [&](ValueId i, std::span<const ValueId> s) {
                          b.accumulate(adjoints, std::vector{b.binary(Opcode::imod, i, b.index(3))}, b.load(all, {i}));
                          return std::vector<ValueId>{b.add(b.mul(s[0], b.constant(0.5)), b.load(all, {i}))};
                        });
                    const ValueId sums = b.freeze(adjoints);
                    b.store(
                        value, {},
                        b.add(b.add(last[0], back[0]), b.mul(b.load(sums, {b.index(0)}), b.load(sums, {b.index(2)}))));
                  }}}),
      "f", some_data, with_z(2), 1e-12);
}

TEST(Kernels, VaryingConditionBlendsResultsAndStores) {
  expect_agreement(module_of({{"f",
                               [](Builder& b) {
                                 const ValueId z = b.parameter("z", real({fixed(4)}), Axis::particle);
                                 const ValueId value = b.parameter("value", reference(), Axis::particle);
                                 const ValueId kept = b.alloc(std::vector{fixed(4)}, Element::f64, true);
                                 const auto at = [&](int i) { return b.load(z, {b.index(i)}); };
                                 const ValueId positive = b.compare(Opcode::gt, at(0), b.constant(0));
                                 const auto chosen = b.if_(
                                     positive,
                                     [&] {
                                       b.store(kept, std::vector{b.index(1)}, b.unary(Opcode::log, at(0)));
                                       const auto inner = b.if_(
                                           b.compare(Opcode::gt, at(1), b.constant(0)),
                                           [&] {
                                             b.accumulate(kept, std::vector{b.index(2)}, at(1));
                                             return std::vector{b.unary(Opcode::sqrt, at(1))};
                                           },
                                           [&] {
                                             b.for_each(std::vector{fixed(4)}, [&](Builder::Indices i) {
                                               b.accumulate(kept, i, b.load(z, i));
                                             });
                                             return std::vector{b.constant(3)};
                                           });
                                       return inner;
                                     },
                                     [&] { return std::vector{b.unary(Opcode::exp, at(2))}; });
                                 const ValueId all = b.freeze(kept);
                                 b.store(value, {},
                                         b.add(chosen[0], b.sum(std::vector{fixed(4)},
                                                                [&](Builder::Indices i) { return b.load(all, i); })));
                               }}}),
                   "f", {}, with_z(4), 1e-13);
}

TEST(Kernels, VaryingWhileAndVaryingIndex) {
  expect_agreement(module_of({{"f",
                               [](Builder& b) {
                                 const ValueId t = b.parameter("T", integer(), Axis::load);
                                 const ValueId y = b.parameter("y", real({of(t)}), Axis::load);
                                 const ValueId z = b.parameter("z", real({fixed(4)}), Axis::particle);
                                 const ValueId value = b.parameter("value", reference(), Axis::particle);
                                 const ValueId counts = b.alloc(std::vector{of(t)}, Element::index, true);
                                 const auto found = b.while_(
                                     std::vector{b.load(z, {b.index(0)}), b.index(0)},
                                     [&](std::span<const ValueId> c) {
                                       return b.logical_and(b.compare(Opcode::lt, c[0], b.constant(2)),
                                                            b.compare(Opcode::lt, c[1], b.index(6)));
                                     },
                                     [&](std::span<const ValueId> c) {
                                       b.accumulate(counts, std::vector{c[1]}, b.index(2));
                                       return std::vector{b.add(c[0], b.unary(Opcode::abs, b.load(y, {c[1]}))),
                                                          b.add(c[1], b.index(1))};
                                     });
                                 const ValueId frozen = b.freeze(counts);
                                 const ValueId total = b.sum(std::vector{of(t)}, [&](Builder::Indices i) {
                                   return b.to_real(b.load(frozen, i));
                                 });
                                 const ValueId which = b.binary(Opcode::imod, b.sub(found[1], b.index(7)), b.index(4));
                                 b.store(value, {}, b.add(b.add(found[0], total), b.load(z, {which})));
                               }}}),
                   "f", some_data, with_z(4));
}

TEST(Kernels, TemporariesOfEveryShape) {
  expect_agreement(
      module_of({{"f",
                  [](Builder& b) {
                    const ValueId t = b.parameter("T", integer(), Axis::load);
                    const ValueId y = b.parameter("y", real({of(t)}), Axis::load);
                    const ValueId z = b.parameter("z", real({fixed(4)}), Axis::particle);
                    const ValueId value = b.parameter("value", reference(), Axis::particle);
                    const ValueId wider = b.add(t, b.index(30));
                    const ValueId uniform = b.build(std::vector{of(wider)}, Element::f64,
                                                    [&](Builder::Indices i) { return b.to_real(b.mul(i[0], i[0])); });
                    const ValueId table = b.build(std::vector{of(t), fixed(20)}, Element::f64, [&](Builder::Indices i) {
                      return b.mul(b.load(y, {i[0]}),
                                   b.add(b.load(z, {b.index(2)}), b.load(uniform, {b.add(i[1], i[0])})));
                    });
                    // Extents that depend on a loop's index.
                    const ValueId sum = b.sum(std::vector{of(t)}, [&](Builder::Indices i) {
                      const ValueId size = b.add(b.mul(i[0], b.index(9)), b.index(1));
                      const ValueId part = b.build(std::vector{of(size)}, Element::f64, [&](Builder::Indices j) {
                        return b.add(b.load(z, {b.index(1)}), b.to_real(j[0]));
                      });
                      const ValueId twice = b.build(std::vector{of(size)}, Element::f64, [&](Builder::Indices j) {
                        return b.mul(b.constant(2), b.load(part, {b.sub(b.sub(size, b.index(1)), j[0])}));
                      });
                      return b.sum(std::vector{of(size)}, [&](Builder::Indices j) {
                        return b.mul(b.sub(b.load(twice, j), b.load(part, j)),
                                     b.load(table, {i[0], b.binary(Opcode::imod, j[0], b.index(20))}));
                      });
                    });
                    b.store(value, {}, sum);
                  }}}),
      "f", some_data, with_z(4), 1e-12);
}

TEST(Kernels, LaneSumIntoStepOutput) {
  const ir::Module module = module_of({{"f", [](Builder& b) {
                                          const ValueId phi = b.parameter("phi", real({fixed(2)}), Axis::step);
                                          const ValueId z = b.parameter("z", real({fixed(2)}), Axis::particle);
                                          const ValueId d_phi = b.parameter("d_phi", reference({fixed(2)}), Axis::step);
                                          b.for_each(std::vector{fixed(2)}, [&](Builder::Indices i) {
                                            b.store(d_phi, i, b.lane_sum(b.mul(b.load(phi, i), b.load(z, i))));
                                          });
                                        }}});
  Compiled compiled(module);
  ASSERT_EQ(compiled.prepare({}), 0);
  std::vector<Arrays> lanes;
  double total = 0;
  for (int l = 0; l < compiled.native_lanes(); ++l) {
    lanes.push_back(
        {{"phi", Array::vector({2, 3})}, {"z", Array::vector({1.0 + l, 0.5})}, {"d_phi", Array::vector({0, 0})}});
    total += 2 * (1.0 + l);
  }
  const Arrays found = compiled.run("f", lanes)[0];
  EXPECT_EQ(found.at("d_phi").numbers[0], total);
  EXPECT_EQ(found.at("d_phi").numbers[1], 1.5 * compiled.native_lanes());
}

TEST(Kernels, IntegerDivisionRoundsDown) {
  const ir::Module module = module_of({{"f", [](Builder& b) {
                                          const ValueId a = b.parameter("a", integer(), Axis::load);
                                          const ValueId d = b.parameter("d", integer(), Axis::load);
                                          const ValueId out =
                                              b.parameter("out", reference({fixed(2)}, Element::index), Axis::step);
                                          b.store(out, std::vector{b.index(0)}, b.binary(Opcode::idiv, a, d));
                                          b.store(out, std::vector{b.index(1)}, b.binary(Opcode::imod, a, d));
                                        }}});
  Compiled compiled(module);
  for (const std::int64_t a : {7, -7, 0, 12, -12})
    for (const std::int64_t d : {3, -3, 1, -1, 4}) {
      ASSERT_EQ(compiled.prepare({{"a", Array::index(a)}, {"d", Array::index(d)}}), 0);
      const Arrays found = compiled.run("f", {{{"out", Array::indices({0, 0})}}})[0];
      const auto quotient = static_cast<std::int64_t>(std::floor(static_cast<double>(a) / static_cast<double>(d)));
      EXPECT_EQ(found.at("out").integers, (std::vector{quotient, a - d * quotient})) << a << " " << d;
    }
}

TEST(Kernels, NanAndInfinitySurviveOptimisation) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const ir::Module module = module_of(
      {{"f", [](Builder& b) {
          const ValueId z = b.parameter("z", real({fixed(2)}), Axis::particle);
          const ValueId value = b.parameter("value", reference({fixed(8)}), Axis::particle);
          const ValueId x = b.load(z, {b.index(0)});
          const ValueId y = b.load(z, {b.index(1)});
          const std::vector<ValueId> all = {b.to_real(b.is_nan(x)),       b.sub(x, x),
                                            b.mul(x, b.sub(y, y)),        b.div(x, x),
                                            b.binary(Opcode::max, x, y),  b.binary(Opcode::min, y, x),
                                            b.strong_mul(b.sub(y, y), x), b.to_real(b.compare(Opcode::eq, x, x))};
          for (std::size_t i = 0; i < all.size(); ++i)
            b.store(value, std::vector{b.index(static_cast<std::int64_t>(i))}, all[i]);
        }}});
  const double values[] = {nan, infinity, -infinity, 0.0, 1.0, nan, -0.0, 2.0};
  expect_agreement(module, "f", {}, eight([&](int i) {
                     return Arrays{{"z", Array::vector({values[i], i == 5 ? nan : 1.5})},
                                   {"value", Array::vector(std::vector<double>(8))}};
                   }));
}

TEST(Kernels, ZeroAddsNothingInfinite) {
  // Products that are zero where their first factor is, added to memory and to a sum, or subtracted from it.
  const ir::Module module = module_of({{"f", [](Builder& b) {
                                          const ValueId z = b.parameter("z", real({fixed(3)}), Axis::particle);
                                          const ValueId d = b.parameter("d", reference({fixed(2)}), Axis::particle);
                                          const ValueId value = b.parameter("value", reference(), Axis::particle);
                                          const std::vector<Dim> two{fixed(2)};
                                          b.for_each(two, [&](Builder::Indices i) { b.store(d, i, b.constant(0.25)); });
                                          const ValueId adjoint = b.load(z, {b.index(2)});
                                          const ValueId sum = b.sum(two, [&](Builder::Indices i) {
                                            const ValueId product = b.strong_mul(adjoint, b.load(z, i));
                                            b.accumulate(d, i, product);
                                            b.accumulate(d, {{b.index(0)}}, b.neg(product));
                                            return product;
                                          });
                                          b.store(value, {}, sum);
                                        }}});
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double adjoints[] = {0.0, -0.0, 0.0, 2.0, nan, -1.5, infinity, 0.0};
  const double factors[] = {infinity, nan, -infinity, 3.0, 1.0, infinity, 0.0, 1.0};
  expect_agreement(module, "f", {}, eight([&](int i) {
                     return Arrays{{"z", Array::vector({factors[i], 0.5, adjoints[i]})},
                                   {"d", Array::vector({0, 0})},
                                   {"value", Array::scalar(0)}};
                   }));
}

ir::Module prepared_module() {
  return module_of({{"f",
                     [](Builder& b) {
                       const ValueId t = b.parameter("T", integer(), Axis::load);
                       const ValueId total = b.parameter("prepared.0", real(), Axis::load);
                       const ValueId squares = b.parameter("prepared.1", real({of(t)}), Axis::load);
                       const ValueId z = b.parameter("z", real({fixed(2)}), Axis::particle);
                       const ValueId value = b.parameter("value", reference(), Axis::particle);
                       const ValueId sum = b.sum(std::vector{of(t)}, [&](Builder::Indices i) {
                         return b.mul(b.load(squares, i), b.load(z, {b.index(0)}));
                       });
                       b.store(value, {}, b.add(sum, total));
                     }},
                    {"prepare", [](Builder& b) {
                       const ValueId t = b.parameter("T", integer(), Axis::load);
                       const ValueId k = b.parameter("k", integer(), Axis::load);
                       const ValueId y = b.parameter("y", real({of(t)}), Axis::load);
                       b.append([&] {
                         ir::Op op;
                         op.opcode = Opcode::require_;
                         op.operands = {b.compare(Opcode::lt, k, t), k, t};
                         op.symbol = "3";
                         return op;
                       }());
                       const ValueId chosen = b.load(y, {k});
                       const ValueId squares = b.build(std::vector{of(t)}, Element::f64, [&](Builder::Indices i) {
                         const ValueId part = b.build(std::vector{of(b.add(i[0], b.index(200)))}, Element::f64,
                                                      [&](Builder::Indices) { return b.load(y, i); });
                         return b.mul(b.load(part, {i[0]}), b.load(part, {b.index(199)}));
                       });
                       b.output("prepared.0", chosen);
                       b.output("prepared.1", squares);
                     }}});
}

TEST(Prepare, FillsSlots) {
  Compiled compiled(prepared_module());
  ASSERT_EQ(compiled.prepare({{"T", Array::index(7)}, {"k", Array::index(3)}, {"y", some_y}}), 0);
  EXPECT_TRUE(compiled.failures().empty());
  double expected = 3;
  for (const double y : some_y.numbers)
    expected += y * y * 0.5;
  const Arrays found = compiled.run("f", {{{"z", Array::vector({0.5, 0})}, {"value", Array::scalar(0)}}})[0];
  EXPECT_NEAR(found.at("value").numbers[0], expected, 1e-12);
}

TEST(Prepare, ReportsConditionsAndReadsNothingOutside) {
  Compiled compiled(prepared_module());
  ASSERT_EQ(compiled.prepare({{"T", Array::index(7)}, {"k", Array::index(1'000'000'000)}, {"y", some_y}}), 0);
  ASSERT_EQ(compiled.failures().size(), 1U);
  EXPECT_EQ(compiled.failures()[0].first, 3);
  EXPECT_EQ(compiled.failures()[0].second, (std::vector<double>{1e9, 7}));
}

TEST(Prepare, SaysThatMemoryRanOut) {
  for (int left = 0; left < 2; ++left) {
    Compiled compiled(prepared_module());
    compiled.allocations_left = left;
    EXPECT_EQ(compiled.prepare({{"T", Array::index(7)}, {"k", Array::index(3)}, {"y", some_y}}), 1);
  }
}

TEST(Random, PhiloxKnownAnswers) {
  // The known answers of the authors' library Random123 (kat_vectors, philox4x32 10).
  using runtime::philox;
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (runtime::PhiloxBlock{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox({~0U, ~0U, ~0U, ~0U}, {~0U, ~0U}),
            (runtime::PhiloxBlock{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (runtime::PhiloxBlock{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Random, PairsAreIndependentNormals) {
  // Moments of both numbers of a block, and products that vanish for independent normals; limits of six standard
  // errors, from the moments of the normal distribution.
  constexpr int count = 200'000;
  double moments[2][4] = {}, product = 0, of_squares = 0;
  for (std::uint32_t k = 0; k < count; ++k) {
    const double x[2] = {runtime::normal_at({7, 1, 3, 5, 2, 0, 2 * k}),
                         runtime::normal_at({7, 1, 3, 5, 2, 0, 2 * k + 1})};
    for (int side = 0; side < 2; ++side)
      for (int power = 1; power <= 4; ++power)
        moments[side][power - 1] += std::pow(x[side], power) / count;
    product += x[0] * x[1] / count;
    of_squares += (x[0] * x[0] - 1) * (x[1] * x[1] - 1) / count;
  }
  const double error = 6 / std::sqrt(static_cast<double>(count));
  const double expected[4] = {0, 1, 0, 3}, deviation[4] = {1, std::sqrt(2.0), std::sqrt(15.0), std::sqrt(96.0)};
  for (const auto& side : moments)
    for (int power = 0; power < 4; ++power)
      EXPECT_NEAR(side[power], expected[power], error * deviation[power]);
  EXPECT_NEAR(product, 0, error);
  EXPECT_NEAR(of_squares, 0, 2 * error);
}

// Loops of every kind: whose turns share blocks, with an odd number of them, with more than one number a turn.
TEST(Random, GeneratedCodeDrawsTheSameNumbers) {
  const ir::Module module =
      module_of({{"f", [](Builder& b) {
                    const ValueId pairs = b.parameter("p", reference({fixed(51)}), Axis::particle);
                    const ValueId words = b.parameter("w", reference({fixed(51)}), Axis::particle);
                    const ValueId uniforms = b.parameter("u", reference({fixed(50)}), Axis::particle);
                    const ValueId normals = b.parameter("n", reference({fixed(50)}), Axis::particle);
                    b.for_each(std::vector{fixed(51)},
                               [&](Builder::Indices i) { b.store(pairs, i, b.random("normal", 7, i[0], b.index(0))); });
                    b.for_each(std::vector{fixed(51)}, [&](Builder::Indices i) {
                      b.store(words, i, b.random("uniform", 8, i[0], b.index(3)));
                    });
                    b.for_each(std::vector{fixed(50)}, [&](Builder::Indices i) {
                      b.store(uniforms, i, b.random("uniform", 5, i[0], b.index(2)));
                      b.store(normals, i, b.random("normal", 6, i[0], b.index(0)));
                    });
                  }}});
  for (const std::string& march : codegen::target_names()) {
    if (!codegen::runs_here(codegen::find_target(march)))
      continue;
    SCOPED_TRACE(march);
    Compiled compiled(module, march);
    ASSERT_EQ(compiled.prepare({}), 0);
    const Array shape = Array::vector(std::vector<double>(50)), longer = Array::vector(std::vector<double>(51));
    const std::vector<Arrays> lanes(static_cast<std::size_t>(compiled.native_lanes()),
                                    {{"u", shape}, {"n", shape}, {"p", longer}, {"w", longer}});
    const vmodel_random state{0xABCD12345678, 3, 77, 1000};
    const std::vector<Arrays> found = compiled.run("f", lanes, state);
    for (std::size_t l = 0; l < lanes.size(); ++l) {
      vmodel_random alone = state;
      alone.first_particle += static_cast<std::uint32_t>(l);
      const Arrays single = compiled.run("f", {lanes[l]}, alone)[0];
      // One lane or many: the same bits, normal numbers too.
      EXPECT_EQ(single.at("u").numbers, found[l].at("u").numbers);
      EXPECT_EQ(single.at("n").numbers, found[l].at("n").numbers);
      EXPECT_EQ(single.at("p").numbers, found[l].at("p").numbers);
      for (std::uint32_t i = 0; i < 51; ++i) {
        const auto particle = static_cast<std::uint32_t>(1000 + l);
        EXPECT_EQ(found[l].at("w").numbers[i], runtime::uniform_at({state.seed, 3, 77, particle, 8, 3, i}));
        const double normal = runtime::normal_at({state.seed, 3, 77, particle, 7, 0, i});
        EXPECT_NEAR(found[l].at("p").numbers[i], normal, 4e-16 * std::fmax(1, std::fabs(normal)) * 2);
      }
      for (std::uint32_t i = 0; i < 50; ++i) {
        const auto particle = static_cast<std::uint32_t>(1000 + l);
        EXPECT_EQ(found[l].at("u").numbers[i], runtime::uniform_at({state.seed, 3, 77, particle, 5, 2, i}));
        const double normal = runtime::normal_at({state.seed, 3, 77, particle, 6, 0, i});
        EXPECT_NEAR(found[l].at("n").numbers[i], normal, 4e-16 * std::fmax(1, std::fabs(normal)) * 2);
      }
    }
  }
}

} // namespace

} // namespace vmodel::test
