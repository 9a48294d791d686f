// The shapes of code that models are made of: a recurrence, a map with a sum, a matrix product. Each as value and
// gradient for one lane and for the machine's lanes; the time of an item is that of one element for one particle.

#include "bench/parts/part_model.h"

#include <benchmark/benchmark.h>

namespace {

using namespace bench;

/// Registers a model's density and gradient; `elements` are those of one particle.
void add(const std::string& name, const std::string& source, const std::string& data, std::int64_t elements) {
  for (const char* kernel : {"log_density", "log_density_gradient"})
    for (const bool native : {false, true})
      benchmark::RegisterBenchmark((name + "/" + kernel + (native ? "/native" : "/1")).c_str(),
                                   [=](benchmark::State& state) {
                                     static std::map<std::string, std::unique_ptr<PartModel>> models;
                                     auto& model = models[name];
                                     if (!model)
                                       model = std::make_unique<PartModel>(source, data);
                                     const int lanes = native ? model->native_lanes() : 1;
                                     DensityCall call(*model, kernel, lanes);
                                     for (auto _ : state)
                                       call();
                                     state.SetItemsProcessed(state.iterations() * elements * lanes);
                                     state.counters["lanes"] = lanes;
                                   });
}

const char* recurrence = R"(
model Recurrence {
  data T: int<lower=1>;
  data y: real[T];
  param a: real ~ normal(0, 1);
  param b: real ~ normal(0, 1);
  var state: real[T];
  state[1] = y[1];
  for t in 2:T { state[t] = a * y[t-1] + b * state[t-1]; }
  observe y ~ normal(state, 1);
}
)";

const char* map = R"(
model Map {
  data N: int<lower=1>;
  data x: real[N];
  data y: real[N];
  param a: real ~ normal(0, 1);
  param b: real ~ normal(0, 1);
  observe y ~ normal(a + b * x, 1);
}
)";

const char* matrix = R"(
model Matrix {
  data N: int<lower=1>;
  data K: int<lower=1>;
  data X: real[N, K];
  data y: real[N];
  param beta: real[K] ~ normal(0, 1);
  observe y ~ normal(X @ beta, 1);
}
)";

const bool registered = [] {
  add("recurrence", recurrence, made_up_data({{"T", 500}}, {{"y", {500}}}), 500);
  add("map", map, made_up_data({{"N", 1000}}, {{"x", {1000}}, {"y", {1000}}}), 1000);
  add("matrix_product", matrix, made_up_data({{"N", 500}, {"K", 24}}, {{"X", {500, 24}}, {"y", {500}}}), 500 * 24);
  return true;
}();

} // namespace
