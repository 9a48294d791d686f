// A regression line by hand: three sums over the observations, nothing known of sufficient statistics.

#include "vector.h"

using namespace bench;

namespace {

struct Model {
  std::vector<double> x, y;

  explicit Model(const nlohmann::json& data)
      : x(data["mom_iq"].get<std::vector<double>>()), y(data["kid_score"].get<std::vector<double>>()) {}

  void operator()(std::size_t first_point, std::size_t count, const Points& points, double* values,
                  double* gradients) const {
    const Eight intercept = gather(points, first_point, count, 0), slope = gather(points, first_point, count, 1);
    const Eight z = gather(points, first_point, count, 2), sigma = each(z, [](double v) { return std::exp(v); });
    // Two observations an iteration: twelve chains of additions hide their latency.
    Eight squares[2] = {eight(0), eight(0)}, sum[2] = {eight(0), eight(0)}, by_x[2] = {eight(0), eight(0)};
    const auto observe = [&](std::size_t n, int i) {
      const Eight at = eight(x[n]), residual = fnma(slope, at, eight(y[n]) - intercept);
      squares[i] = fma(residual, residual, squares[i]);
      sum[i] = sum[i] + residual;
      by_x[i] = fma(residual, at, by_x[i]);
    };
    std::size_t n = 0;
    for (; n + 2 <= x.size(); n += 2) {
      observe(n, 0);
      observe(n + 1, 1);
    }
    for (; n < x.size(); ++n)
      observe(n, 0);
    const Eight size = eight(static_cast<double>(x.size())), precision = eight(1) / (sigma * sigma);
    const Eight scaled = (squares[0] + squares[1]) * precision;
    // The prior: a half Cauchy with scale 2.5, up to its constant. The Jacobian of sigma = exp(z) adds z.
    const Eight ratio = sigma * eight(1 / 2.5), prior = fma(ratio, ratio, eight(1));
    const Eight log_prior = each(prior, [](double v) { return -std::log(v); });
    const Eight constant =
        eight(-0.91893853320467274178 * static_cast<double>(x.size()) - std::log(2.5 * 3.14159265358979323846));
    scatter(constant - (size - eight(1)) * z - eight(0.5) * scaled + log_prior, values, count, 1);
    scatter((sum[0] + sum[1]) * precision, gradients, count, 3);
    scatter((by_x[0] + by_x[1]) * precision, gradients + 1, count, 3);
    scatter(scaled - size + eight(1) - eight(2) * ratio * ratio / prior, gradients + 2, count, 3);
  }
};

} // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: kidscore_momiq DATA.json\n";
    return 1;
  }
  const Model model(read_json(argv[1]));
  return serve(3, particles, model);
}
