// The shapes of code that models are made of: a recurrence, a map with a sum, a matrix product. Each as value and
// gradient for one lane and for the machine's lanes; the time of an item is that of one element for one particle.

#include "bench/parts/part_model.h"

#include <benchmark/benchmark.h>

#include <map>

namespace {

using namespace bench;

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
  add_density("recurrence", recurrence, made_up_data({{"T", 500}}, {{"y", {500}}}), 500);
  add_density("map", map, made_up_data({{"N", 1000}}, {{"x", {1000}}, {"y", {1000}}}), 1000);
  add_density("matrix_product", matrix, made_up_data({{"N", 500}, {"K", 24}}, {{"X", {500, 24}}, {"y", {500}}}),
              std::int64_t{500} * 24);
  return true;
}();

} // namespace
