// The kernels that the pipeline makes of master functions mean what their master functions say.
#include "compiler/ir/parse.h"
#include "compiler/passes/passes.h"
#include "test/support/vir_evaluate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <iterator>
#include <numeric>

namespace {

using vmodel::ir::Array;
using vmodel::ir::Arrays;
using vmodel::ir::Module;

class KernelsTest : public testing::Test {
protected:
  void SetUp() override {
    std::ifstream input(VMODEL_SOURCE_DIR "/test/passes/pipeline.vir");
    const std::string text{std::istreambuf_iterator<char>(input), {}};
    vmodel::ir::ParseError error;
    const auto module = vmodel::ir::parse(text, &error);
    ASSERT_TRUE(module) << error.line << ": " << error.message;
    master_ = *module;
    std::vector<vmodel::passes::DerivativeError> errors;
    kernels_ = vmodel::passes::run_pipeline(master_, {}, errors);
    ASSERT_TRUE(errors.empty());
  }

  // Data, and what `prepare` makes of them.
  Arrays inputs(const Arrays& more) const {
    Arrays result = more;
    result["data.N"] = Array::index(3);
    result["data.y"] = Array::vector({0.5, 2.0, 3.5});
    for (const auto& [name, value] : vmodel::ir::evaluate(kernels_, "prepare", result))
      if (name.starts_with("output."))
        result.insert_or_assign(name.substr(7), value);
    return result;
  }
  Arrays run(const std::string& kernel, const Arrays& more) const {
    return vmodel::ir::evaluate(kernels_, kernel, inputs(more));
  }
  // value + jacobian at z.
  double total(double z0, double z1) const {
    const Arrays result = run("log_density", {{"z", Array::vector({z0, z1})}});
    return result.at("value").numbers[0] + result.at("jacobian").numbers[0];
  }

  Module master_, kernels_;
};

double sum(const Array& array) {
  return std::accumulate(array.numbers.begin(), array.numbers.end(), 0.0);
}

TEST_F(KernelsTest, LogDensityIsTheSumOfSites) {
  const Arrays z{{"z", Array::vector({0.3, -0.2})}};
  const Arrays sites = vmodel::ir::evaluate(master_, "model", inputs(z));
  const Arrays result = run("log_density", z);
  EXPECT_NEAR(result.at("value").numbers[0], sites.at("density.mu").numbers[0] + sum(sites.at("density.y")), 1e-12);
  EXPECT_NEAR(result.at("jacobian").numbers[0], -0.2, 1e-15);
}

TEST_F(KernelsTest, GradientIsThatOfFiniteDifferences) {
  const Arrays result = run("log_density_gradient", {{"z", Array::vector({0.3, -0.2})}});
  const double h = 1e-5;
  EXPECT_NEAR(result.at("gradient").numbers[0], (total(0.3 + h, -0.2) - total(0.3 - h, -0.2)) / (2 * h), 1e-7);
  EXPECT_NEAR(result.at("gradient").numbers[1], (total(0.3, -0.2 + h) - total(0.3, -0.2 - h)) / (2 * h), 1e-7);
}

TEST_F(KernelsTest, HessianIsThatOfFiniteDifferences) {
  const auto gradient = [&](double z0, double z1) {
    return run("log_density_gradient", {{"z", Array::vector({z0, z1})}}).at("gradient").numbers;
  };
  const Arrays result = run("hessian_vector", {{"z", Array::vector({0.3, -0.2})}, {"v", Array::vector({1, 2})}});
  const double h = 1e-5;
  const auto up = gradient(0.3 + h, -0.2 + 2 * h);
  const auto down = gradient(0.3 - h, -0.2 - 2 * h);
  for (int i = 0; i < 2; ++i)
    EXPECT_NEAR(result.at("product").numbers[i], (up[i] - down[i]) / (2 * h), 1e-6);
}

TEST_F(KernelsTest, PathwiseIsThatOfFiniteDifferences) {
  // The sum of all outputs of `draw`, with weights.
  const auto weighted = [&](double m, double w) {
    const Arrays draw = run("F.draw", {{"phi", Array::vector({m, w})}});
    return 0.7 * draw.at("z").numbers[0] - 0.4 * draw.at("z").numbers[1] + 1.3 * draw.at("log_q").numbers[0] +
           0.9 * draw.at("entropy").numbers[0];
  };
  const Arrays result = run("F.pathwise", {{"phi", Array::vector({0.1, -0.3})},
                                           {"d_z", Array::vector({0.7, -0.4})},
                                           {"d_log_q", Array::scalar(1.3)},
                                           {"d_entropy", Array::scalar(0.9)}});
  const double h = 1e-5;
  EXPECT_NEAR(result.at("d_phi").numbers[0], (weighted(0.1 + h, -0.3) - weighted(0.1 - h, -0.3)) / (2 * h), 1e-7);
  EXPECT_NEAR(result.at("d_phi").numbers[1], (weighted(0.1, -0.3 + h) - weighted(0.1, -0.3 - h)) / (2 * h), 1e-7);
}

TEST_F(KernelsTest, OnlyTheKernelsThatAreAskedFor) {
  vmodel::passes::PipelineOptions options;
  options.kernels = {"hessian_vector"};
  std::vector<vmodel::passes::DerivativeError> errors;
  const Module module = vmodel::passes::run_pipeline(master_, options, errors);
  std::vector<std::string> names;
  for (const auto& function : module.functions)
    names.push_back(function.name);
  EXPECT_EQ(names, (std::vector<std::string>{"hessian_vector", "prepare"}));
}

} // namespace
