// An autoregression of order five by hand: a regression on lagged values.

#include "regression.h"

using namespace bench;

namespace {

constexpr std::size_t lags = 5;

struct Model {
  std::vector<double> rows;

  explicit Model(const nlohmann::json& data) {
    if (data["K"] != lags)
      throw std::runtime_error("written for five lags");
    const std::vector<double> y = column(data, "y");
    for (std::size_t t = lags; t < y.size(); ++t) {
      for (std::size_t k = 0; k <= lags; ++k)
        rows.push_back(y[t - k]);
    }
  }

  void operator()(const Eight* at, Eight& value, Eight* gradient) const {
    pass(at, &Eight::a, value, gradient);
    pass(at, &Eight::b, value, gradient);
  }

  void pass(const Eight* at, Half Eight::* part, Eight& value, Eight* gradient) const {
    const Half alpha = at[0].*part, z = at[1 + lags].*part, sigma = exponential(z);
    std::array<Half, lags> beta;
    for (std::size_t k = 0; k < lags; ++k)
      beta[k] = at[1 + k].*part;
    const std::size_t count = rows.size() / (lags + 1);
    const Sums<lags> sums = residual_sums<lags>(rows, alpha, beta);
    const Half size = half(static_cast<double>(count)), precision = 1 / (sigma * sigma);
    // Priors up to constants: alpha, beta ~ N(0, 10), sigma half Cauchy with scale 2.5. The Jacobian adds z.
    const Half square = half(0.16) * sigma * sigma, scaled = sums.squares * precision;
    Half squares = alpha * alpha;
    gradient[0].*part = sums.residuals * precision - 0.01 * alpha;
    for (std::size_t k = 0; k < lags; ++k) {
      squares += beta[k] * beta[k];
      gradient[1 + k].*part = sums.by_column[k] * precision - 0.01 * beta[k];
    }
    value.*part = z - size * z - 0.5 * (scaled + 0.01 * squares) - logarithm(1 + square);
    gradient[1 + lags].*part = scaled - size + 1 - 2 * square / (1 + square);
  }
};

} // namespace

int main(int argc, char** argv) {
  return serve_data<Model>(argc, argv, 2 + lags);
}
