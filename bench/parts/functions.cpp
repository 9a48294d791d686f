// Every function of one variable that generated code evaluates in vectors: the sum over 512 numbers in (0.05, 0.95),
// and its gradient. The time of an item is that of one number of one particle.

#include "bench/parts/part_model.h"

#include <benchmark/benchmark.h>

namespace {

using namespace bench;

constexpr std::int64_t size = 512;

const char* functions[] = {"exp",
                           "log",
                           "log1p",
                           "expm1",
                           "tanh",
                           "sqrt",
                           "inv_logit",
                           "logit",
                           "log1p_exp",
                           "log1m",
                           "sin",
                           "cos",
                           "tan",
                           "asin",
                           "acos",
                           "atan",
                           "sinh",
                           "cosh",
                           "asinh",
                           "atanh",
                           "erf",
                           "erfc",
                           "lgamma",
                           "digamma",
                           "std_normal_cdf",
                           "log_std_normal_cdf",
                           "std_normal_quantile"};

const bool registered = [] {
  for (const std::string name : functions)
    for (const char* kernel : {"log_density", "log_density_gradient"})
      for (const bool native : {false, true})
        benchmark::RegisterBenchmark(
            ("function/" + name + (std::string(kernel) == "log_density" ? "/value" : "/gradient") +
             (native ? "/native" : "/1"))
                .c_str(),
            [=](benchmark::State& state) {
              const std::string source =
                  "model Function {\n  data N: int<lower=1>;\n  param x: real[N] ~ flat();\n  factor sum(" + name +
                  "(x));\n}\n";
              static std::map<std::string, std::unique_ptr<PartModel>> models;
              auto& model = models[name];
              if (!model)
                model = std::make_unique<PartModel>(source, made_up_data({{"N", size}}, {}));
              const int lanes = native ? model->native_lanes() : 1;
              DensityCall call(*model, kernel, lanes);
              for (auto _ : state)
                call();
              state.SetItemsProcessed(state.iterations() * size * lanes);
            });
  return true;
}();

} // namespace
