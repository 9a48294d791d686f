// Evaluates a Stan program with Stan Math: `stan_math DATA.json`. Compiled with the C++ that stanc makes of the
// program, named by the macro VMODEL_BENCH_MODEL.

#include <stan/model/model_header.hpp>

#include VMODEL_BENCH_MODEL

#include "worker.h"

#include <stan/io/json/json_data.hpp>
#include <stan/model/log_prob_grad.hpp>

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: stan_math DATA.json\n";
    return 1;
  }
  std::ifstream file(argv[1]);
  stan::json::json_data data(file);
  stan_model model(data, 1, &std::cerr);
  const std::size_t dimension = model.num_params_r();
  std::vector<double> at(dimension), gradient;
  std::vector<int> no_integers;
  return bench::serve(dimension, bench::OneByOne([&](const double* point, double& value, double* result) {
                        at.assign(point, point + dimension);
                        // Constants dropped, Jacobians kept: what Stan's samplers evaluate.
                        value = stan::model::log_prob_grad<true, true>(model, at, no_integers, gradient, nullptr);
                        std::copy(gradient.begin(), gradient.end(), result);
                      }));
}
