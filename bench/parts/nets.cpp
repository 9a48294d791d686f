// A net of a semi-implicit family beside a matrix product of the same sizes. `net`: the kernel that an inner sample
// runs, the density of a point and a mixed value together with its gradient by the point, of which the net is all but
// the last part. `net_products`: what its layers multiply, and nothing else, by code written for it. The time of an
// item is that of one product of two numbers; `net` should take at most 1 / 0.6 of the other's.

#include "bench/parts/part_model.h"
#include "runtime/model/staged_kernel.h"

#include <benchmark/benchmark.h>

#include <cstddef>
#include <immintrin.h>
#include <memory>
#include <string>
#include <vector>

namespace {

using namespace bench;
using namespace vmodel::runtime;

// Products of numbers a sample: D mixed variables, two hidden layers of H, D outputs.
constexpr std::int64_t products(std::int64_t d, std::int64_t h) {
  return d * h + h * h + h * d;
}

// The layers' sums over eight samples, W x: rows of weights in groups of as many as registers hold sums, so that each
// load of x serves all rows of one, and each weight is an operand in memory.
constexpr std::size_t lanes = 8;

template <std::size_t Rows>
__attribute__((target("avx512f"))) void rows_512(const double* weights, const double* x, double* y,
                                                 std::size_t columns) {
  __m512d sums[Rows];
#pragma GCC unroll 16
  for (std::size_t r = 0; r < Rows; ++r)
    sums[r] = _mm512_setzero_pd();
  for (std::size_t k = 0; k < columns; ++k) {
    const __m512d in = _mm512_load_pd(x + k * lanes);
#pragma GCC unroll 16
    for (std::size_t r = 0; r < Rows; ++r)
      sums[r] = _mm512_fmadd_pd(_mm512_set1_pd(weights[r * columns + k]), in, sums[r]);
  }
#pragma GCC unroll 16
  for (std::size_t r = 0; r < Rows; ++r)
    _mm512_store_pd(y + r * lanes, sums[r]);
}

template <std::size_t Rows>
__attribute__((target("avx2,fma"))) void rows_256(const double* weights, const double* x, double* y,
                                                  std::size_t columns) {
  for (std::size_t half = 0; half < lanes; half += 4) {
    __m256d sums[Rows];
#pragma GCC unroll 16
    for (std::size_t r = 0; r < Rows; ++r)
      sums[r] = _mm256_setzero_pd();
    for (std::size_t k = 0; k < columns; ++k) {
      const __m256d in = _mm256_load_pd(x + k * lanes + half);
#pragma GCC unroll 16
      for (std::size_t r = 0; r < Rows; ++r)
        sums[r] = _mm256_fmadd_pd(_mm256_set1_pd(weights[r * columns + k]), in, sums[r]);
    }
#pragma GCC unroll 16
    for (std::size_t r = 0; r < Rows; ++r)
      _mm256_store_pd(y + r * lanes + half, sums[r]);
  }
}

void multiply(const double* weights, const double* x, double* y, std::size_t rows, std::size_t columns) {
  static const bool wide = __builtin_cpu_supports("avx512f") != 0;
  std::size_t row = 0;
  const auto take = [&](std::size_t group, auto by_512, auto by_256) {
    for (; row + group <= rows; row += group)
      (wide ? by_512 : by_256)(weights + row * columns, x, y + row * lanes, columns);
  };
  if (wide)
    take(16, rows_512<16>, rows_256<12>);
  take(12, rows_512<12>, rows_256<12>);
  take(4, rows_512<4>, rows_256<4>);
  take(1, rows_512<1>, rows_256<1>);
}

void layers(benchmark::State& state, std::size_t d, std::size_t h) {
  const std::vector<double> first(h * d, 0.1), second(h * h, 0.01), last(d * h, 0.1);
  AlignedVector<double> x(d * lanes, 0.5), one(h * lanes), two(h * lanes), y(d * lanes);
  while (state.KeepRunning()) {
    multiply(first.data(), x.data(), one.data(), h, d);
    multiply(second.data(), one.data(), two.data(), h, h);
    multiply(last.data(), two.data(), y.data(), d, h);
    benchmark::DoNotOptimize(y.data());
    benchmark::ClobberMemory();
  }
  const std::int64_t all = products(static_cast<std::int64_t>(d), static_cast<std::int64_t>(h));
  state.SetItemsProcessed(state.iterations() * all * static_cast<std::int64_t>(lanes));
}

void net(benchmark::State& state, std::int64_t d, std::int64_t h) {
  const std::string size = std::to_string(d), units = std::to_string(h);
  const PartModel part("model Normal { param z: real[" + size +
                           "] ~ normal(0, 1); }\nfamily Bent for Normal = "
                           "semi_implicit(mix = " +
                           size + ", hidden = [" + units + ", " + units + "], skip = false);\nfit { family = Bent; }\n",
                       "{}", "Bent");
  const PreparedModel& model = part.prepared();
  const Family& family = *model.metadata().find_family("Bent");
  const auto width = static_cast<std::size_t>(model.lanes()), n = static_cast<std::size_t>(d);
  AlignedVector<double> phi(static_cast<std::size_t>(model.size(family.phi) + 1)), z(n * width, 0.5), mix(n * width),
      log_q(width), log_mix(width), gradient(n * width),
      by_point((static_cast<std::size_t>(StagedKernel::point_size(model, "Bent.log_density_gradient")) + 1) * width);
  model.call("Bent.initial", 0, {{"phi", phi.data()}})(random_state(1, Stream::init));
  for (std::size_t i = 0; i < mix.size(); ++i)
    mix[i] = 0.05 * static_cast<double>(i % 40) - 1;
  StagedKernel kernel(model, "Bent.log_density_gradient",
                      {{"phi", phi.data()},
                       {"z", z.data()},
                       {"mix", mix.data()},
                       {"log_q", log_q.data()},
                       {"log_mix", log_mix.data()},
                       {"gradient", gradient.data()},
                       {"d_point", by_point.data()}});
  kernel.step();
  kernel.point();
  while (state.KeepRunning())
    kernel();
  state.SetItemsProcessed(state.iterations() * products(d, h) * model.lanes());
}

const bool registered = [] {
  for (const auto& [d, h] : {std::pair{2, 64}, {22, 64}, {100, 128}}) {
    const std::string sizes = "/" + std::to_string(d) + "x" + std::to_string(h);
    benchmark::RegisterBenchmark(("net" + sizes).c_str(), [d, h](benchmark::State& s) { net(s, d, h); });
    benchmark::RegisterBenchmark(("net_products" + sizes).c_str(), [d, h](benchmark::State& s) {
      layers(s, static_cast<std::size_t>(d), static_cast<std::size_t>(h));
    });
  }
  return true;
}();

} // namespace
