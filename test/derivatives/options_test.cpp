// Names, dropped outputs and errors of the entry points.
#include "compiler/ir/print.h"
#include "test/derivatives/derivative_check.h"

#include <gtest/gtest.h>

namespace vmodel::passes {
namespace {

using ir::Array;

const char* two_outputs = R"(
func @f(%D: index load, %phi: f64[%D] step, %s: f64 step, %z: &f64[%D] particle, %log_q: &f64 particle) {
  %l = reduce add (%i < %D) -> f64 {
    %m = load %phi[%i] : f64
    %x = mul %m, %s : f64
    store %z[%i], %x
    %q = square %m : f64
    yield %q
  }
  store %log_q[], %l
  yield
}
)";

std::vector<std::string> names(const ir::Function& function) {
  std::vector<std::string> list;
  for (const ir::Parameter& parameter : function.parameters)
    list.push_back(parameter.name);
  return list;
}

TEST(Options, ParametersOfAGradient) {
  const ir::Module module = module_of(two_outputs);
  std::vector<DerivativeError> errors;
  const GradientOptions options{.of = {{"z", "d_z"}, {"log_q", "d_log_q"}},
                                .wrt = {{"phi", ""}, {"s", "ds"}},
                                .keep = {"log_q"},
                                .keep_all = false};
  ir::Module result;
  result.functions.push_back(gradient(module, module.functions[0], options, errors));
  EXPECT_TRUE(errors.empty());
  EXPECT_EQ(names(result.functions[0]),
            (std::vector<std::string>{"D", "phi", "s", "log_q", "d_z", "d_log_q", "d_phi", "ds"}));
  EXPECT_EQ(result.functions[0].parameters[4].axis, ir::Axis::particle);
  EXPECT_EQ(result.functions[0].parameters[6].axis, ir::Axis::step);
  const ir::Arrays values = evaluate(result, "f",
                                     {{"D", Array::index(2)},
                                      {"phi", Array::vector({3, 4})},
                                      {"s", Array::scalar(2)},
                                      {"d_z", Array::vector({1, 10})},
                                      {"d_log_q", Array::scalar(100)},
                                      {"d_phi", Array::vector({-1, -1})}});
  EXPECT_EQ(values.at("log_q").numbers[0], 25);
  EXPECT_EQ(values.at("d_phi").numbers, (std::vector<double>{602, 820}));
  EXPECT_EQ(values.at("ds").numbers[0], 43);
}

TEST(Options, ConstantCotangentsAddUp) {
  const ir::Module module = module_of(two_outputs);
  std::vector<DerivativeError> errors;
  ir::Module result;
  result.functions.push_back(
      gradient(module, module.functions[0],
               {.of = {{"z", ""}, {"log_q", ""}}, .wrt = {{"phi", "g"}}, .keep = {}, .keep_all = false}, errors));
  const ir::Arrays values =
      evaluate(result, "f", {{"D", Array::index(2)}, {"phi", Array::vector({3, 4})}, {"s", Array::scalar(2)}});
  EXPECT_EQ(values.at("g").numbers, (std::vector<double>{8, 10}));
}

TEST(Options, InputThatNothingDependsOn) {
  const ir::Module module = module_of(two_outputs);
  std::vector<DerivativeError> errors;
  ir::Module result;
  result.functions.push_back(gradient(module, module.functions[0],
                                      {.of = {{"log_q", ""}}, .wrt = {{"s", "g"}}, .keep = {}, .keep_all = false},
                                      errors));
  const ir::Arrays values = evaluate(
      result, "f",
      {{"D", Array::index(2)}, {"phi", Array::vector({3, 4})}, {"s", Array::scalar(2)}, {"g", Array::scalar(7)}});
  EXPECT_EQ(values.at("g").numbers[0], 0);
  EXPECT_EQ(print(result).find("reduce"), std::string::npos) << "nothing is left to compute";
}

TEST(Options, TangentsOfALinearisedFunction) {
  const ir::Module module = module_of(two_outputs);
  std::vector<DerivativeError> errors;
  ir::Module result;
  result.functions.push_back(linearise(module, module.functions[0], {.inputs = {{"s", ""}}, .outputs = {}}, errors));
  EXPECT_EQ(names(result.functions[0]),
            (std::vector<std::string>{"D", "phi", "s", "s.t", "z", "z.t", "log_q", "log_q.t"}));
  const ir::Arrays values = evaluate(result, "f",
                                     {{"D", Array::index(2)},
                                      {"phi", Array::vector({3, 4})},
                                      {"s", Array::scalar(2)},
                                      {"s.t", Array::scalar(10)},
                                      {"log_q.t", Array::scalar(9)}});
  EXPECT_EQ(values.at("z.t").numbers, (std::vector<double>{30, 40}));
  EXPECT_EQ(values.at("log_q.t").numbers[0], 0);
}

TEST(Options, UnknownNames) {
  const ir::Module module = module_of(two_outputs);
  std::vector<DerivativeError> errors;
  gradient(module, module.functions[0], {.of = {{"log_p", ""}}, .wrt = {{"phi", ""}}, .keep = {}}, errors);
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_EQ(errors[0].message, "'log_p' is not a real output of 'f'");
  errors.clear();
  linearise(module, module.functions[0], {.inputs = {{"D", ""}}, .outputs = {}}, errors);
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_EQ(errors[0].message, "'D' is not a real input of 'f'");
}

const char* sampler = R"(
func @f(%a: f64 particle, %b: f64 particle, %value: &f64 particle, %other: &f64 particle) {
  %r = while (%x = %a) -> f64 {
    %go = lt %x, %b : boolean
    yield %go
  } do (%x.2) {
    %twice = add %x.2, %x.2 : f64
    yield %twice
  }
  store %value[], %r
  %s = stop %r : f64
  %t = mul %s, %b : f64
  store %other[], %t
  yield
}
)";

TEST(Options, WhileHasNoDerivativeUnlessStopped) {
  const ir::Module module = module_of(sampler);
  std::vector<DerivativeError> errors;
  gradient(module, module.functions[0], {.of = {{"value", ""}}, .wrt = {{"b", ""}}, .keep = {}}, errors);
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_EQ(errors[0].message, "the derivative of a while loop is needed and does not exist");
  errors.clear();
  ir::Module result;
  result.functions.push_back(
      gradient(module, module.functions[0], {.of = {{"other", ""}}, .wrt = {{"b", "g"}}, .keep = {}}, errors));
  EXPECT_TRUE(errors.empty());
  EXPECT_EQ(evaluate(result, "f", {{"a", Array::scalar(1)}, {"b", Array::scalar(5)}}).at("g").numbers[0], 8);
}

TEST(Options, ParticlesAndStepTogether) {
  const ir::Module module = module_of(R"(
func @f(%a: f64 step, %x: &f64 step, %y: &f64 particle) {
  store %x[], %a
  store %y[], %a
  yield
}
)");
  std::vector<DerivativeError> errors;
  gradient(module, module.functions[0], {.of = {{"x", ""}, {"y", ""}}, .wrt = {{"a", ""}}, .keep = {}}, errors);
  EXPECT_EQ(errors.size(), 1u);
}

TEST(Options, Text) {
  GradientOptions options;
  EXPECT_TRUE(parse_gradient_options("of:value,z=d_z;wrt:phi=g;keep:value", options));
  EXPECT_EQ(options.of[1].derivative, "d_z");
  EXPECT_EQ(options.wrt[0].parameter, "phi");
  EXPECT_FALSE(options.keep_all);
  for (const char* wrong : {"", "of:value", "wrt:z", "of:value;wrt:z;other", "of:a=b=c;wrt:z"}) {
    GradientOptions ignored;
    EXPECT_FALSE(parse_gradient_options(wrong, ignored)) << wrong;
  }
}

} // namespace
} // namespace vmodel::passes
