// A step of Adam: the time of an item is that of one learned number.

#include "runtime/optimizers/adam.h"

#include <benchmark/benchmark.h>

namespace {

using namespace vmodel::runtime;

void adam_step(benchmark::State& state) {
  const auto size = static_cast<std::size_t>(state.range(0));
  Adam adam(size, {});
  std::vector<double> x(size, 0.0), gradient(size, 1.0);
  while (state.KeepRunning())
    adam.step(x.data(), gradient.data(), 1e-6, x.data());
  benchmark::DoNotOptimize(x.data());
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(adam_step)->Arg(6)->Arg(20)->Arg(130)->Arg(1000)->Arg(20000);

} // namespace
