// A mixture of two normals by hand. With d the logarithm of the odds of the second component, an observation's density
// is that of the first one times 1 + exp(d): one exponential an observation, a logarithm and a division shared by many.

#include "lanes.h"
#include "odds.h"

#include <array>
#include <numeric>

using namespace bench;

namespace {

struct Model {
  std::vector<double> y, y_squared;
  double sum, sum_squared;

  explicit Model(const nlohmann::json& data) : y(column(data, "y")), y_squared(y) {
    for (double& v : y_squared)
      v *= v;
    sum = std::accumulate(y.begin(), y.end(), 0.0);
    sum_squared = std::accumulate(y_squared.begin(), y_squared.end(), 0.0);
  }

  void operator()(const Eight* at, Eight& result, Eight* gradient) const {
    const Eight one = eight(1), minus_half = eight(-0.5);
    const Eight step = exponential(at[1]);
    const std::array<Eight, 2> mu = {at[0], at[0] + step}, log_sigma = {at[2], at[3]};
    const std::array<Eight, 2> sigma = {exponential(log_sigma[0]), exponential(log_sigma[1])};
    const std::array<Eight, 2> precision = {one / (sigma[0] * sigma[0]), one / (sigma[1] * sigma[1])};
    const Eight theta = inv_logit(at[4]);
    const std::array<Eight, 2> log_weight = {logarithm(theta), logarithm(one - theta)};

    // d = constant + linear y + square y^2.
    const auto offset = [&](std::size_t k) {
      return log_weight[k] - log_sigma[k] + minus_half * precision[k] * mu[k] * mu[k];
    };
    const Eight constant = offset(1) - offset(0), linear = precision[1] * mu[1] - precision[0] * mu[0];
    const Eight square = minus_half * (precision[1] - precision[0]);

    // Sums over the observations of the second component's share, times 1, y, y^2.
    Eight share = eight(0), share_y = eight(0), share_y_squared = eight(0);
    LogOnePlusOdds terms;
    const auto odds = [&](std::size_t n) {
      return terms.odds(fma(square, eight(y_squared[n]), fma(linear, eight(y[n]), constant)));
    };
    const auto collect = [&](std::size_t n, Eight of_second) {
      share = share + of_second;
      share_y = fma(of_second, eight(y[n]), share_y);
      share_y_squared = fma(of_second, eight(y_squared[n]), share_y_squared);
    };
    std::size_t n = 0;
    for (; n + 4 <= y.size(); n += 4)
      terms.four(n, odds(n), odds(n + 1), odds(n + 2), odds(n + 3), collect);
    for (; n < y.size(); ++n)
      terms.one(n, odds(n), collect);

    // The same sums for both components: the first one has what the second has not.
    const Eight size = eight(static_cast<double>(y.size())), total = eight(sum), total_squared = eight(sum_squared);
    const std::array<Eight, 2> shares = {size - share, share}, by_y = {total - share_y, share_y};
    const std::array<Eight, 2> by_square = {total_squared - share_y_squared, share_y_squared};
    const Eight squares = total_squared - eight(2) * mu[0] * total + size * mu[0] * mu[0];
    Eight value = size * (log_weight[0] - log_sigma[0] - eight(0.91893853320467274178)) +
                  minus_half * precision[0] * squares + terms.sum();
    // Priors up to constants: mu ~ N(0, 2), sigma ~ N(0, 2), theta ~ Beta(5, 5); Jacobians of the maps.
    value = value + eight(5) * (log_weight[0] + log_weight[1]) + at[1] + log_sigma[0] + log_sigma[1];
    std::array<Eight, 2> d_mu, d_log_sigma;
    for (std::size_t k = 0; k < 2; ++k) {
      value = value - eight(0.125) * (mu[k] * mu[k] + sigma[k] * sigma[k]);
      d_mu[k] = precision[k] * (by_y[k] - mu[k] * shares[k]) - eight(0.25) * mu[k];
      const Eight spread = by_square[k] - eight(2) * mu[k] * by_y[k] + mu[k] * mu[k] * shares[k];
      d_log_sigma[k] = precision[k] * spread - shares[k] - eight(0.25) * sigma[k] * sigma[k] + one;
    }
    result = value;
    gradient[0] = d_mu[0] + d_mu[1];
    gradient[1] = fma(d_mu[1], step, one);
    gradient[2] = d_log_sigma[0];
    gradient[3] = d_log_sigma[1];
    gradient[4] = (shares[0] + eight(5)) * (one - theta) - (shares[1] + eight(5)) * theta;
  }
};

} // namespace

int main(int argc, char** argv) {
  return serve_data<Model>(argc, argv, 5);
}
