// Every function of one variable that generated code evaluates in vectors: the sum over 512 numbers in (0.05, 0.95),
// and its gradient.

#include "bench/parts/part_model.h"

namespace {

using namespace bench;

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
  constexpr std::int64_t size = 512;
  for (const std::string name : functions) {
    const std::string source =
        "model Function {\n  data N: int<lower=1>;\n  param x: real[N] ~ flat();\n  factor sum(" + name + "(x));\n}\n";
    add_density("function/" + name, source, made_up_data({{"N", size}}, {}), size);
  }
  return true;
}();

} // namespace
