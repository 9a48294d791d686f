// What a fit's steps cost: by the formula, and draws in proportion to it.

#include "runtime/fit/work.h"
#include "test/support/fake_model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace vmodel::runtime {
namespace {

using test::FakeModel;
using test::Slots;

constexpr int dimension = 5;

struct Standard : test::WithoutData<dimension> {
  static constexpr const char *name = "Standard", *source = "standard.vmodel";
  template <typename T>
  static void density(Slots, const T* z, T& value, T& jacobian) {
    value = T(0);
    for (int i = 0; i < runtime::dimension; ++i)
      value = value - z[i] * z[i] * 0.5;
    jacobian = T(0);
  }
};

class WorkOfFits : public testing::Test {
protected:
  WorkOfFits()
      : compiled(FakeModel<Standard>::get()), model(compiled, no_data(), {"d.json", false, false}, notes),
        family(*model.metadata().find_family("mean_field")) {
    settings.steps = 4'000'000;
    settings.settle = 0;
    settings.objective.particles = 32;
  }

  static json::Value no_data() {
    json::Value value;
    json::ParseError error;
    EXPECT_TRUE(json::parse("{}", value, error));
    return value;
  }

  Work work() const { return {model, family, settings}; }

  std::vector<std::string> notes;
  CompiledModel compiled;
  PreparedModel model;
  Family family;
  FitSettings settings;
};

// Operations of a gradient, as work.cpp estimates them: 16 for each of five coordinates and ten learned numbers.
constexpr double gradient = 16 * (dimension + 2 * dimension);

TEST_F(WorkOfFits, IsParticlesTimesSteps) {
  EXPECT_EQ(work().steps(), 32 * 4e6);
  settings.steps *= 2;
  EXPECT_EQ(work().steps(), 32 * 8e6);
  settings.settle = 100;
  EXPECT_EQ(work().steps(), 32 * (8e6 + 100));
}

TEST_F(WorkOfFits, TakesAUsualNumberWhereNoneIsGiven) {
  settings.objective.particles = 0;
  EXPECT_EQ(work().steps(), 16 * 4e6);
  settings.settle = 1000;
  EXPECT_EQ(work().steps(), 16 * 4e6 + 256 * 1000);
}

TEST_F(WorkOfFits, CountsInnerSamplesOfMixtures) {
  settings.objective.inner = 31;
  settings.objective.batches = 2;
  EXPECT_EQ(work().steps(), 32 * 4e6); // the family has none
  family.mixture.emplace();
  EXPECT_EQ(work().steps(), 63 * 32 * 4e6);
}

TEST_F(WorkOfFits, IsNotBelowAShortFits) {
  settings.steps = 1;
  EXPECT_DOUBLE_EQ(work().steps(), 1e9 / gradient);
}

TEST_F(WorkOfFits, CountsFactorisationsByTheirOperations) {
  EXPECT_DOUBLE_EQ(work().factorisation(), 1.5 * dimension * dimension * dimension / gradient);
}

TEST_F(WorkOfFits, DrawsAreWholeBlocksWithinTheLimits) {
  const Work w = work();
  const int64_t lanes = model.lanes();
  for (const double evaluations : {1.0, 33.0, 1e4, 1e6, 1e9}) {
    const int64_t draws = w.draws(0.1, evaluations, 64, 4096);
    EXPECT_EQ(draws % lanes, 0);
    EXPECT_GE(draws, 64);
    EXPECT_LT(draws, 4096 + lanes);
    const double affordable = 0.1 * w.steps() / evaluations;
    if (affordable > 64 && affordable < 4096) {
      EXPECT_GE(static_cast<double>(draws), std::floor(affordable));
      EXPECT_LT(static_cast<double>(draws), affordable + static_cast<double>(lanes));
    }
  }
  // A tenth of the steps at 1e4 evaluations each: between the limits, so that the loop above has judged it.
  EXPECT_EQ(w.draws(0.1, 1e4, 64, 4096), (1280 + lanes - 1) / lanes * lanes);
}

} // namespace
} // namespace vmodel::runtime
