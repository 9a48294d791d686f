// A regression line over many observations by hand: three sums, nothing known of sufficient statistics. Additions and
// subtractions run beside the three products of an observation where a machine has units for both.

#include "regression.h"

using namespace bench;

namespace {

struct Model {
  Line line;

  explicit Model(const nlohmann::json& data) : line(column(data, "floor_measure"), column(data, "log_radon")) {}

  void operator()(const Eight* at, Eight& value, Eight* gradient) const {
    const Eight alpha = at[0], beta = at[1], sigma = exponential(at[2]);
    Eight residuals, by_x, squares;
    line(alpha, beta, residuals, by_x, squares);
    const Eight size = eight(line.observations()), precision = eight(1) / (sigma * sigma);
    const Eight scaled = squares * precision;
    // Priors up to constants: alpha, beta ~ N(0, 10), sigma ~ N(0, 1). The Jacobian of sigma = exp(z) adds z.
    const Eight priors = fma(eight(0.01), alpha * alpha + beta * beta, sigma * sigma);
    value = at[2] - size * at[2] - eight(0.5) * (scaled + priors);
    gradient[0] = residuals * precision - eight(0.01) * alpha;
    gradient[1] = by_x * precision - eight(0.01) * beta;
    gradient[2] = scaled - size + eight(1) - sigma * sigma;
  }
};

} // namespace

int main(int argc, char** argv) {
  return serve_data<Model>(argc, argv, 3);
}
