// Random numbers: those of compiled models (predictions, which are nothing but draws) and those of the runtime.

#include "bench/parts/part_model.h"
#include "runtime/random/philox.h"

#include <benchmark/benchmark.h>

namespace {

using namespace bench;
using namespace vmodel::runtime;

constexpr std::int64_t size = 512;

void compiled(benchmark::State& state, const std::string& distribution, bool native) {
  const PartModel model("model Draws {\n  data N: int<lower=1>;\n  data y: real<lower=0, upper=1>[N];\n  param x: real "
                        "~ flat();\n  observe y ~ " +
                            distribution + ";\n}\n",
                        made_up_data({{"N", size}}, {{"y", {size}}}));
  // `predict` may exist for the machine's lanes only.
  const int lanes = native ? model.native_lanes() : 1;
  if (model.prepared().compiled().find("predict", lanes) == nullptr) {
    state.SkipWithError("no kernel for one lane");
    return;
  }
  AlignedVector<double> z(static_cast<std::size_t>(lanes), 0.5), values(static_cast<std::size_t>(size * lanes));
  KernelCall call = model.prepared().call("predict", lanes, {{"z", z.data()}, {"values", values.data()}});
  std::uint32_t step = 0;
  for (auto _ : state)
    call(random_state(1, Stream::simulate, step++));
  benchmark::DoNotOptimize(values[0]);
  state.SetItemsProcessed(state.iterations() * size * lanes);
}

BENCHMARK_CAPTURE(compiled, uniform, "uniform(0, 1)", true);
BENCHMARK_CAPTURE(compiled, normal, "normal(0, 1)", true);

template <typename Draw>
void of_the_runtime(benchmark::State& state, Draw draw) {
  RandomAddress at;
  at.seed = 1;
  double sum = 0;
  for (auto _ : state) {
    ++at.element;
    sum += draw(at);
  }
  benchmark::DoNotOptimize(sum);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK_CAPTURE(of_the_runtime, uniform, uniform_at);
BENCHMARK_CAPTURE(of_the_runtime, normal, normal_at);

} // namespace
