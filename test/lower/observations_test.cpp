// Where observed values stand in the kernels that give one number for each, and their predictive draws.
#include "compiler/check/check.h"
#include "compiler/diagnostics/render.h"
#include "compiler/lower/lower.h"
#include "compiler/passes/passes.h"
#include "compiler/syntax/parser.h"
#include "test/support/vir_evaluate.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <set>

namespace vmodel {
namespace {

using ir::Array;
using ir::Arrays;

constexpr double log_two_pi = 1.8378770664093454836;

double normal(double x, double m, double s) {
  const double u = (x - m) / s;
  return -0.5 * u * u - std::log(s) - 0.5 * log_two_pi;
}

/// A model from its text, with its data; kernels are run by the evaluator.
class Compiled {
public:
  Compiled(const std::string& text, Arrays data) : inputs_(std::move(data)) {
    SourceManager sources;
    DiagnosticEngine diagnostics;
    const check::Library library(sources);
    const FileId file = sources.add("test.vmodel", text);
    const ast::File tree = parse_file(sources.file(file), diagnostics);
    const auto program = check::check(tree, library, diagnostics);
    if (diagnostics.has_errors())
      throw std::runtime_error(render_text(diagnostics, sources));
    lower::Lowered lowered = lower::lower(*program, sources);
    metadata = nlohmann::json::parse(lowered.metadata);
    const auto size = [&](const char* field) { return size_name(metadata[field].get<std::size_t>()); };
    module_ =
        passes::entry_points(passes::inline_calls(std::move(lowered.module)), {size("observed"), size("reported")},
                             {"sizes", "log_density", "log_likelihood", "predict", "constrain"});
    Arrays sizes_inputs = inputs_;
    sizes_inputs["sizes"] = Array::indices(std::vector<std::int64_t>(metadata["sizes"].size()));
    const Arrays sizes = evaluate(module_, "sizes", sizes_inputs);
    for (std::size_t k = 0; k < metadata["sizes"].size(); ++k)
      inputs_[size_name(k)] = Array::index(sizes.at("sizes").integers.at(k));
  }

  std::int64_t size(const char* field) const {
    return inputs_.at(size_name(metadata[field].get<std::size_t>())).integers.at(0);
  }

  std::vector<double> run(const std::string& kernel, std::vector<double> z, std::uint64_t seed = 1) {
    Arrays inputs = inputs_;
    inputs["z"] = Array::vector(std::move(z));
    const char* output = kernel == "constrain" ? "x" : "values";
    inputs[output] = Array::vector(
        std::vector<double>(static_cast<std::size_t>(size(kernel == "constrain" ? "reported" : "observed"))));
    return evaluate(module_, kernel, inputs, seed).at(output).numbers;
  }

  nlohmann::json metadata;

private:
  static std::string size_name(std::size_t number) {
    std::string name = "size.";
    name += std::to_string(number);
    return name;
  }

  ir::Module module_;
  Arrays inputs_;
};

void expect_near(const std::vector<double>& ours, const std::vector<double>& reference) {
  ASSERT_EQ(ours.size(), reference.size());
  for (std::size_t k = 0; k < ours.size(); ++k)
    EXPECT_NEAR(ours[k], reference[k], 1e-12) << "position " << k;
}

void expect_all_different(const std::vector<double>& values) {
  EXPECT_EQ(std::set<double>(values.begin(), values.end()).size(), values.size());
  for (const double x : values)
    EXPECT_TRUE(std::isfinite(x)) << x;
}

TEST(Observations, OfValuesInLoopsHaveAPositionForEachTurn) {
  Compiled model(
      R"(model M {
    data N: int<lower=1>;
    data K: int<lower=1>;
    data y: real[N, K];
    param mu: real ~ normal(0, 1);
    for n in 1:N {
      let r = 2 * y[n, 1];
      observe r ~ normal(mu, 1);
      let row = y[n] + 1;
      observe row ~ normal(mu, 2);
      for k in 2:K { observe exp(y[n, k]) ~ normal(mu, 3); }
    }
    observe y ~ cauchy(mu, 1);
  })",
      {{"data.N", Array::index(2)}, {"data.K", Array::index(3)}, {"data.y", {{2, 3}, {1, 2, 3, 4, 5, 6}, {}}}});
  ASSERT_EQ(model.metadata["observations"].size(), 4U);
  EXPECT_EQ(model.size("observed"), 2 + 6 + 4 + 6);
  const double mu = 0.5;
  std::vector<double> reference;
  for (const double y : {1, 4})
    reference.push_back(normal(2 * y, mu, 1));
  for (const double y : {1, 2, 3, 4, 5, 6})
    reference.push_back(normal(y + 1, mu, 2));
  for (const double y : {2, 3, 5, 6})
    reference.push_back(normal(std::exp(y), mu, 3));
  for (const double y : {1, 2, 3, 4, 5, 6})
    reference.push_back(-std::log(std::acos(-1)) - std::log1p((y - mu) * (y - mu)));
  expect_near(model.run("log_likelihood", {mu}), reference);
  expect_all_different(model.run("predict", {mu}));
}

TEST(Observations, OfRaggedValuesFollowEachOther) {
  Compiled model(
      R"(model M {
    data N: int<lower=1>;
    data m: int<lower=0>[N];
    data Z: int;
    data z: real[Z];
    param mu: real ~ normal(0, 1);
    var first = 1;
    for n in 1:N {
      let v = z[first : first + m[n] - 1];
      observe v ~ normal(mu, 1);
      first += m[n];
      for k in n:N { observe exp(z[k]) ~ normal(mu, 2); }
      observe exp(z[n + 2 : N]) ~ normal(mu, 4);
    }
    observe z ~ normal(mu, 3);
  })",
      {{"data.N", Array::index(3)},
       {"data.m", Array::indices({2, 0, 1})},
       {"data.Z", Array::index(3)},
       {"data.z", Array::vector({1, 2, 3})}});
  EXPECT_EQ(model.size("observed"), 3 + 6 + 1 + 3);
  std::vector<double> reference;
  for (const double z : {1, 2, 3})
    reference.push_back(normal(z, 0.25, 1));
  for (const double z : {1, 2, 3, 2, 3, 3})
    reference.push_back(normal(std::exp(z), 0.25, 2));
  reference.push_back(normal(std::exp(3), 0.25, 4)); // the other slices are empty
  for (const double z : {1, 2, 3})
    reference.push_back(normal(z, 0.25, 3));
  expect_near(model.run("log_likelihood", {0.25}), reference);
  expect_all_different(model.run("predict", {0.25}));
}

TEST(Observations, OfColumnsAreDrawnIntoTheColumn) {
  // Each column is one event whose elements are not neighbours; the scales tell the places apart.
  Compiled model(R"(model M {
    data Y: real[2, 3];
    data L: real[2, 2];
    param mu: real ~ normal(0, 1);
    for t in 1:3 { observe Y[:, t] ~ multi_normal_cholesky([10 * t + mu, -10 * t + mu], L); }
  })",
                 {{"data.Y", {{2, 3}, {1, 2, 3, 4, 5, 6}, {}}}, {"data.L", {{2, 2}, {1e-3, 0, 0, 1e-3}, {}}}});
  const std::vector<double> drawn = model.run("predict", {0});
  const std::vector<double> centres{10, 20, 30, -10, -20, -30};
  ASSERT_EQ(drawn.size(), centres.size());
  for (std::size_t k = 0; k < centres.size(); ++k)
    EXPECT_NEAR(drawn[k], centres[k], 0.1) << "position " << k;
}

TEST(Draws, InTrianglesAreDifferent) {
  Compiled model(R"(model M {
    data N: int<lower=1>;
    data y: real;
    param mu: real ~ normal(0, 1);
    observe y ~ normal(mu, 1);
    var shrinking: real[N, N] = 0;
    var slices: real[N, N] = 0;
    for i in 1:N {
      for j in i:N { shrinking[i, j] = normal(mu, 1).sample(); }
      slices[i, i:N] = [normal(mu, 1).sample() for j in i:N];
    }
    quantity shrinking;
    quantity slices;
  })",
                 {{"data.N", Array::index(6)}, {"data.y", Array::scalar(0)}});
  const std::vector<double> x = model.run("constrain", {0});
  for (const std::size_t first : {1U, 37U}) {
    std::set<double> values;
    for (std::size_t i = 0; i < 6; ++i)
      for (std::size_t j = i; j < 6; ++j)
        values.insert(x.at(first + 6 * i + j));
    EXPECT_EQ(values.size(), 21U);
  }
}

/// Share of draws below a value, for one observed value drawn with many seeds.
double share_below(Compiled& model, double value, double least, double most) {
  int below = 0;
  constexpr int draws = 800;
  for (std::uint64_t seed = 1; seed <= draws; ++seed) {
    const double x = model.run("predict", {0}, seed).at(0);
    EXPECT_GE(x, least);
    EXPECT_LE(x, most);
    below += x <= value ? 1 : 0;
  }
  return static_cast<double>(below) / draws;
}

double phi(double x) {
  return 0.5 * std::erfc(-x / std::sqrt(2.0));
}

// Binomial shares of 800 draws: five standard errors are at most 0.089.
constexpr double share_error = 0.089;

TEST(Draws, OfTruncatedMixturesAreBetweenTheLimits) {
  const std::string head = "model M { data y: real; param mu: real ~ normal(0, 1); observe y ~ truncated(";
  const Arrays data{{"data.y", Array::scalar(1)}};
  // Reference: the share below 1 of 0.3 N(0, 1) + 0.7 N(2, 1) between 0.5 and 2.
  const auto mass = [](double low, double high) {
    return 0.3 * (phi(high) - phi(low)) + 0.7 * (phi(high - 2) - phi(low - 2));
  };
  const double reference = mass(0.5, 1) / mass(0.5, 2);
  Compiled alike(head + "mixture([0.3, 0.7], normal([mu, mu + 2], 1)), lower = 0.5, upper = 2); }", data);
  EXPECT_NEAR(share_below(alike, 1, 0.5, 2), reference, share_error);
  Compiled unlike(head + "mixture([0.3, 0.7], [normal(mu, 1), normal(2, 1)]), lower = 0.5, upper = 2); }", data);
  EXPECT_NEAR(share_below(unlike, 1, 0.5, 2), reference, share_error);
}

TEST(Draws, OfTruncatedDistributionsWithoutQuantileInvertTheCdf) {
  Compiled student("model M { data y: real; param mu: real ~ normal(0, 1); observe y ~ truncated(student_t(1, mu, 1), "
                   "lower = -1); }",
                   {{"data.y", Array::scalar(1)}});
  // A Cauchy above -1 has a quarter of its mass below it; half of what is left lies below tan(pi / 8).
  EXPECT_NEAR(share_below(student, std::tan(std::acos(-1) / 8), -1, INFINITY), 0.5, share_error);
  Compiled gamma(
      "model M { data y: real; param mu: real ~ normal(0, 1); observe y ~ truncated(gamma(1, exp(mu)), upper = 2); }",
      {{"data.y", Array::scalar(1)}});
  EXPECT_NEAR(share_below(gamma, 0.5, 0, 2), (1 - std::exp(-0.5)) / (1 - std::exp(-2)), share_error);
  Compiled counts(
      "model M { data y: int; param mu: real ~ normal(0, 1); observe y ~ truncated(poisson(3 * exp(mu)), lower = 1); }",
      {{"data.y", Array::index(1)}});
  const auto poisson = [](int k) { return std::exp(k * std::log(3.0) - 3 - std::lgamma(k + 1.0)); };
  EXPECT_NEAR(share_below(counts, 2, 1, INFINITY), (poisson(1) + poisson(2)) / (1 - poisson(0)), share_error);
}

} // namespace
} // namespace vmodel
