// Eight schools by hand: a pass over the schools. Twenty coordinates and results are read and written for a few dozen
// operations; one exponential, one logarithm and one division serve eight particles.

#include "lanes.h"

using namespace bench;

namespace {

struct Model {
  std::vector<double> y, precision;

  explicit Model(const nlohmann::json& data) : y(column(data, "y")) {
    for (const double sigma : column(data, "sigma"))
      precision.push_back(1 / (sigma * sigma));
  }

  void operator()(const Eight* at, Eight& value, Eight* gradient) const {
    const Eight mu = at[0], tau = exponential(at[1]);
    const Eight* theta = at + 2;
    Eight squares = eight(0), d_mu = eight(0), d_tau = eight(0);
    for (std::size_t j = 0; j < y.size(); ++j) {
      const Eight residual = fnma(tau, theta[j], eight(y[j]) - mu), scaled = eight(precision[j]) * residual;
      squares = fma(scaled, residual, fma(theta[j], theta[j], squares));
      d_mu = d_mu + scaled;
      d_tau = fma(scaled, theta[j], d_tau);
      gradient[2 + j] = fma(tau, scaled, eight(0) - theta[j]);
    }
    // Priors up to constants: mu ~ N(0, 5), tau half Cauchy with scale 5. The Jacobian of tau = exp(z) adds z.
    const Eight square = tau * tau, prior = fma(square, eight(0.04), eight(1));
    value = fma(eight(-0.5), fma(mu * mu, eight(0.04), squares), at[1] - logarithm(prior));
    gradient[0] = fma(eight(-0.04), mu, d_mu);
    gradient[1] = fma(tau, d_tau, eight(1)) - eight(0.08) * square / prior;
  }
};

} // namespace

int main(int argc, char** argv) {
  return serve_data<Model>(argc, argv, 10);
}
