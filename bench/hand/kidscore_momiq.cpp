// A regression line by hand: three sums over the observations, nothing known of sufficient statistics.

#include "regression.h"

using namespace bench;

namespace {

struct Model {
  Line line;

  explicit Model(const nlohmann::json& data) : line(column(data, "mom_iq"), column(data, "kid_score")) {}

  void operator()(const Eight* at, Eight& value, Eight* gradient) const {
    const Eight z = at[2], sigma = exponential(z);
    Eight residuals, by_x, squares;
    line(at[0], at[1], residuals, by_x, squares);
    const Eight size = eight(line.observations()), precision = eight(1) / (sigma * sigma);
    const Eight scaled = squares * precision;
    // The prior: a half Cauchy with scale 2.5, up to its constant. The Jacobian of sigma = exp(z) adds z.
    const Eight ratio = sigma * eight(1 / 2.5), prior = fma(ratio, ratio, eight(1));
    value = z - size * z - eight(0.5) * scaled - logarithm(prior);
    gradient[0] = residuals * precision;
    gradient[1] = by_x * precision;
    gradient[2] = scaled - size + eight(1) - eight(2) * ratio * ratio / prior;
  }
};

} // namespace

int main(int argc, char** argv) {
  return serve_data<Model>(argc, argv, 3);
}
