// Every elementwise operation: first derivatives in both modes and second ones, at several points.
#include "compiler/ir/builder.h"
#include "test/derivatives/derivative_check.h"

#include <gtest/gtest.h>

#include <map>

namespace vmodel::passes {
namespace {

using ir::Array;
using ir::Axis;
using ir::Builder;
using ir::Module;
using ir::Opcode;
using ir::Type;
using ir::ValueId;

const Type real{};
const Type output{ir::Element::f64, true, {}};

// value = operation(x, y) squared plus the operation, so that adjoints are not constant.
Module program(Opcode opcode) {
  Module module;
  module.functions.emplace_back();
  ir::Function& function = module.functions[0];
  function.name = "f";
  Builder b(function);
  const ValueId x = b.parameter("x", real, Axis::particle);
  const ValueId y = b.parameter("y", real, Axis::particle);
  const ValueId value = b.parameter("value", output, Axis::particle);
  const ValueId r = ir::is_unary(opcode)            ? b.unary(opcode, x)
                    : opcode == Opcode::strong_mul_ ? b.strong_mul(x, y)
                                                    : b.binary(opcode, x, y);
  b.store(value, {}, b.add(b.mul(r, r), b.mul(r, y)));
  b.yield({});
  return module;
}

struct Points {
  std::vector<double> x{-1.3, 0.4, 2.1};
  std::vector<double> y{0.7, -1.9};
  bool second = true;
};

Points points(Opcode opcode) {
  const std::vector<double> positive{0.3, 1.2, 3.4}, unit{0.2, 0.5, 0.81}, inside{-0.7, 0.1, 0.6}, negative{-2.2, -0.4};
  switch (opcode) {
  case Opcode::div: return {{-1.3, 0.4}, {0.7, -1.9}};
  case Opcode::pow: return {positive, {0.7, -1.9, 2.5}};
  case Opcode::sqrt:
  case Opcode::log:
  case Opcode::log_expm1: return {positive};
  case Opcode::log1p: return {{-0.6, 0.4, 2.0}};
  case Opcode::log1m_exp: return {negative};
  case Opcode::logit:
  case Opcode::std_normal_quantile: return {unit};
  case Opcode::asin:
  case Opcode::acos:
  case Opcode::atanh: return {inside};
  case Opcode::acosh: return {{1.3, 2.4}};
  case Opcode::lgamma:
  case Opcode::digamma: return {{0.6, 1.7, 4.2}};
  // The second derivative needs one that does not exist.
  case Opcode::trigamma: return {{0.6, 1.7, 4.2}, {0.7, -1.9}, false};
  default: return {};
  }
}

struct Named {
  Opcode opcode;
  const char* name;
};

void PrintTo(const Named& named, std::ostream* stream) {
  *stream << named.name;
}

class Operation : public testing::TestWithParam<Named> {};

TEST_P(Operation, DerivativesAgreeWithDifferences) {
  const Module module = program(GetParam().opcode);
  const Points at = points(GetParam().opcode);
  for (double x : at.x)
    for (double y : at.y) {
      CheckOptions options;
      options.second = at.second;
      EXPECT_EQ(check_derivatives(module, {{"x", Array::scalar(x)}, {"y", Array::scalar(y)}}, options), "")
          << GetParam().name << " at " << x << ", " << y;
    }
}

const Named operations[] = {
#define VIR_UNARY(name, derivative) {Opcode::name, #name},
#define VIR_BINARY(name, d_dx, d_dy) {Opcode::name, #name},
#include "compiler/ir/opcode.def"
    {Opcode::strong_mul_, "strong_mul"},
};

std::vector<Named> differentiable() {
  std::vector<Named> list;
  for (const Named& named : operations)
    if (named.opcode != Opcode::tetragamma)
      list.push_back(named);
  return list;
}

INSTANTIATE_TEST_SUITE_P(All, Operation, testing::ValuesIn(differentiable()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(Operation, TetragammaHasNoDerivative) {
  const Module module = program(Opcode::tetragamma);
  std::vector<DerivativeError> errors;
  linearise(module, module.functions[0], {.inputs = {{"x", ""}}, .outputs = {}}, errors);
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_EQ(errors[0].message, "the derivative of tetragamma is needed and does not exist");
  errors.clear();
  gradient(module, module.functions[0], {.of = {{"value", ""}}, .wrt = {{"x", ""}}, .keep = {}}, errors);
  EXPECT_EQ(errors.size(), 1u);
  errors.clear();
  gradient(module, module.functions[0], {.of = {{"value", ""}}, .wrt = {{"y", ""}}, .keep = {}}, errors);
  EXPECT_TRUE(errors.empty()) << "it is not needed for y";
}

TEST(Operation, PowerAtZeroBase) {
  // x^2 and x^1 at 0: the derivative by x exists.
  const char* text = R"(
func @f(%x.1: f64 particle, %value.2: &f64 particle) {
  %3 = constant 2 : f64
  %4 = pow %x.1, %3 : f64
  %5 = constant 1 : f64
  %6 = pow %x.1, %5 : f64
  %7 = add %4, %6 : f64
  store %value.2[], %7
  yield
}
)";
  EXPECT_EQ(check_derivatives(text, {{"x", Array::scalar(0)}}), "");
}

} // namespace
} // namespace vmodel::passes
