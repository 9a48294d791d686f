// Whole kernels against the evaluator, for one lane and all lanes of each target that runs here.
#include <gtest/gtest.h>

#include <cmath>

#include "test/codegen/harness.h"

namespace vmodel::test {

namespace {

std::vector<Arrays> eight(const std::function<Arrays(int)>& make) {
  std::vector<Arrays> lanes;
  for (int i = 0; i < 8; ++i)
    lanes.push_back(make(i));
  return lanes;
}

TEST(Kernels, ReducesOverData) {
  expect_agreement(R"(
func @log_density(%T.1: index load, %y.2: f64[%T.1] load, %z.3: f64[2] particle, %value.4: &f64 particle) {
  %5 = constant 0 : index
  %6 = constant 1 : index
  %7 = load %z.3[%5]
  %8 = load %z.3[%6]
  %9 = exp %8
  %s.10 = reduce add (%n.11 < %T.1) -> f64 {
    %12 = load %y.2[%n.11]
    %13 = sub %12, %7
    %14 = div %13, %9
    %15 = square %14
    yield %15
  }
  store %value.4[], %s.10
  yield
}
)",
                   "log_density", {{"T", Array::index(5)}, {"y", Array::vector({1, -2, 0.5, 3, 7})}},
                   eight([](int i) { return Arrays{{"z", Array::vector({0.3 * i, 0.1 * i - 0.2})}, {"value", Array::scalar(0)}}; }));
}

}  // namespace

}  // namespace vmodel::test
