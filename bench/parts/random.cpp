// Random numbers: those of compiled models (predictions, which are nothing but draws) and those of the runtime.

#include "bench/parts/part_model.h"
#include "runtime/random/philox.h"

#include <benchmark/benchmark.h>

#include <cstring>

namespace {

using namespace bench;
using namespace vmodel::runtime;

constexpr std::int64_t size = 512;

void compiled(benchmark::State& state, const std::string& distribution) {
  std::string source = R"(
model Draws {
  data N: int<lower=1>;
  data y: real<lower=0, upper=1>[N];
  param x: real ~ flat();
  factor -x * x;
  observe y ~ DISTRIBUTION;
}
)";
  source.replace(source.find("DISTRIBUTION"), std::strlen("DISTRIBUTION"), distribution);
  const PartModel model(source, made_up_data({{"N", size}}, {{"y", {size}}}));
  const int lanes = model.native_lanes(); // `predict` is compiled for these only
  AlignedVector<double> z(static_cast<std::size_t>(lanes), 0.5), values(static_cast<std::size_t>(size * lanes));
  KernelCall call = model.prepared().call("predict", lanes, {{"z", z.data()}, {"values", values.data()}});
  std::uint32_t step = 0;
  while (state.KeepRunning())
    call(random_state(1, Stream::simulate, step++));
  benchmark::DoNotOptimize(values[0]);
  state.SetItemsProcessed(state.iterations() * size * lanes);
}

BENCHMARK_CAPTURE(compiled, uniform, "uniform(0, 1)");
BENCHMARK_CAPTURE(compiled, normal, "normal(0, 1)");

template <typename Draw>
void of_the_runtime(benchmark::State& state, Draw draw) {
  RandomAddress at;
  at.seed = 1;
  double sum = 0;
  while (state.KeepRunning()) {
    ++at.element;
    sum += draw(at);
  }
  benchmark::DoNotOptimize(sum);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK_CAPTURE(of_the_runtime, uniform, uniform_at);
BENCHMARK_CAPTURE(of_the_runtime, normal, normal_at);

} // namespace
