// What the builder folds, and what it refuses.
#include "compiler/ir/builder.h"
#include "compiler/ir/print.h"
#include "compiler/ir/typing.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>

namespace {

using vmodel::ir::Axis;
using vmodel::ir::Builder;
using vmodel::ir::Element;
using vmodel::ir::Function;
using vmodel::ir::Opcode;
using vmodel::ir::ValueId;

class BuilderTest : public testing::Test {
protected:
  Function function_;
  Builder b_{function_};
  ValueId x_ = b_.parameter("x", {Element::f64, false, {}}, Axis::particle);
  ValueId n_ = b_.parameter("n", {Element::index, false, {}}, Axis::load);
};

TEST_F(BuilderTest, Identities) {
  EXPECT_EQ(b_.add(x_, b_.constant(0)), x_);
  EXPECT_EQ(b_.mul(b_.constant(1), x_), x_);
  EXPECT_EQ(b_.div(x_, b_.constant(1)), x_);
  EXPECT_EQ(b_.select(b_.boolean(true), x_, b_.constant(3)), x_);
  EXPECT_EQ(b_.strong_mul(x_, b_.constant(1)), x_);
}

TEST_F(BuilderTest, ProductsWithZeroStay) {
  // 0 * x is NaN for an infinite x.
  EXPECT_FALSE(b_.constant_value(b_.mul(x_, b_.constant(0))));
  EXPECT_EQ(b_.constant_value(b_.mul(n_, b_.index(0)))->integer, 0);
}

TEST_F(BuilderTest, Constants) {
  EXPECT_EQ(b_.constant(2), b_.constant(2));
  EXPECT_EQ(b_.constant_value(b_.add(b_.constant(2), b_.constant(3)))->number, 5);
  EXPECT_EQ(b_.constant_value(b_.binary(Opcode::idiv, b_.index(-7), b_.index(2)))->integer, -4);
  EXPECT_EQ(b_.constant_value(b_.binary(Opcode::imod, b_.index(-7), b_.index(2)))->integer, 1);
  EXPECT_FALSE(b_.constant_value(b_.binary(Opcode::idiv, b_.index(1), b_.index(0))));
}

TEST_F(BuilderTest, ConstantsOfARegionAreNotUsedOutside) {
  b_.for_each(std::vector<vmodel::ir::Dim>{{0, n_}}, [&](Builder::Indices) { b_.constant(7); });
  const ValueId outside = b_.constant(7);
  EXPECT_EQ(function_.values[outside.id].type.element, Element::f64);
  b_.yield({outside});
  EXPECT_EQ(function_.body.ops.back().results[0], outside);
}

TEST_F(BuilderTest, RefusesWrongTypes) {
  EXPECT_THROW(b_.unary(Opcode::exp, n_), vmodel::ir::InternalError);
  EXPECT_THROW(b_.add(x_, n_), vmodel::ir::InternalError);
  EXPECT_THROW(b_.load(x_, {n_}), vmodel::ir::InternalError);
}

TEST_F(BuilderTest, RefusesParametersAfterOperations) {
  b_.constant(1);
  EXPECT_THROW(b_.parameter("y", {}, Axis::load), vmodel::ir::InternalError);
}

TEST(Print, NumbersReadBack) {
  for (double value : {0.1, 1e300, -5e-324, 3.0, std::numeric_limits<double>::max()})
    EXPECT_EQ(std::strtod(vmodel::ir::print_number(value).c_str(), nullptr), value);
}

} // namespace
