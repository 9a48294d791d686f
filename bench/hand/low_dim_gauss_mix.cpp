// A mixture of two normals by hand. With d the logarithm of the odds of the second component, an observation's density
// is that of the first one times 1 + exp(d): one exponential an observation, a logarithm and a division shared by many.

#include "vector.h"

#include <array>
#include <numeric>

using namespace bench;

namespace {

// exp(d) for -700 <= d <= 170: d = n log 2 + r, a polynomial in r, n added to the exponent.
Half exponential(Half d) {
  const Half magic = half(0x1.8p52); // its last bits hold an integer after an addition
  const Half shifted = _mm256_fmadd_pd(d, half(1.4426950408889634074), magic);
  const Half n = shifted - magic;
  Half r = _mm256_fnmadd_pd(n, half(0x1.62e42fefa3800p-1), d);
  r = _mm256_fnmadd_pd(n, half(0x1.ef35793c76730p-45), r);
  // Taylor's coefficients 1/k!: at |r| < 0.35 the first one left out is below 1e-14 of the result.
  double factorials[12] = {1, 1};
  for (int k = 2; k < 12; ++k)
    factorials[k] = factorials[k - 1] * k;
  Half p = half(1 / factorials[11]);
#pragma GCC unroll 11
  for (int k = 10; k >= 0; --k)
    p = _mm256_fmadd_pd(p, r, half(1 / factorials[k]));
  return std::bit_cast<Half>(std::bit_cast<Bits>(p) + (std::bit_cast<Bits>(shifted) << 52));
}
Eight exponential(Eight d) {
  return {exponential(d.a), exponential(d.b)};
}
Eight least(Eight x, double bound) {
  return {_mm256_min_pd(x.a, half(bound)), _mm256_min_pd(x.b, half(bound))};
}
Eight greatest(Eight x, double bound) {
  return {_mm256_max_pd(x.a, half(bound)), _mm256_max_pd(x.b, half(bound))};
}

struct Model {
  std::vector<double> y, y_squared;
  double sum, sum_squared;

  explicit Model(const nlohmann::json& data) : y(data["y"].get<std::vector<double>>()), y_squared(y) {
    for (double& v : y_squared)
      v *= v;
    sum = std::accumulate(y.begin(), y.end(), 0.0);
    sum_squared = std::accumulate(y_squared.begin(), y_squared.end(), 0.0);
  }

  void operator()(std::size_t first_point, std::size_t count, const Points& points, double* values,
                  double* gradients) const {
    const auto coordinate = [&](std::size_t i) { return gather(points, first_point, count, i); };
    const auto exp = [](double x) { return std::exp(x); };
    const auto log = [](double x) { return std::log(x); };
    const Eight one = eight(1), minus_half = eight(-0.5);
    const Eight step = each(coordinate(1), exp);
    const std::array<Eight, 2> mu = {coordinate(0), coordinate(0) + step};
    const std::array<Eight, 2> log_sigma = {coordinate(2), coordinate(3)};
    const std::array<Eight, 2> sigma = {each(log_sigma[0], exp), each(log_sigma[1], exp)};
    const std::array<Eight, 2> precision = {one / (sigma[0] * sigma[0]), one / (sigma[1] * sigma[1])};
    const Eight theta = each(coordinate(4), [](double x) { return 1 / (1 + std::exp(-x)); });
    const std::array<Eight, 2> log_weight = {each(theta, log), each(one - theta, log)};

    // d = constant + linear y + square y^2.
    const auto offset = [&](std::size_t k) {
      return log_weight[k] - log_sigma[k] + minus_half * precision[k] * mu[k] * mu[k];
    };
    const Eight constant = offset(1) - offset(0), linear = precision[1] * mu[1] - precision[0] * mu[0];
    const Eight square = minus_half * (precision[1] - precision[0]);

    // Sums over the observations of the second component's share, times 1, y, y^2.
    Eight share = eight(0), share_y = eight(0), share_y_squared = eight(0), beyond = eight(0);
    Product factors;
    const auto odds = [&](std::size_t n) {
      const Eight d = fma(square, eight(y_squared[n]), fma(linear, eight(y[n]), constant));
      const Eight bounded = least(d, 170); // four factors stay finite; the rest of the logarithm is d itself
      beyond = beyond + (d - bounded);
      return exponential(greatest(bounded, -700));
    };
    const auto collect = [&](std::size_t n, Eight of_second) {
      share = share + of_second;
      share_y = fma(of_second, eight(y[n]), share_y);
      share_y_squared = fma(of_second, eight(y_squared[n]), share_y_squared);
    };
    std::size_t n = 0;
    for (; n + 4 <= y.size(); n += 4) {
      const Eight e0 = odds(n), e1 = odds(n + 1), e2 = odds(n + 2), e3 = odds(n + 3);
      const Eight f0 = one + e0, f1 = one + e1, f2 = one + e2, f3 = one + e3;
      const Eight left = f0 * f1, right = f2 * f3, all = left * right, reciprocal = one / all;
      const Eight of_left = reciprocal * right, of_right = reciprocal * left;
      factors.multiply(all);
      collect(n, e0 * (of_left * f1));
      collect(n + 1, e1 * (of_left * f0));
      collect(n + 2, e2 * (of_right * f3));
      collect(n + 3, e3 * (of_right * f2));
    }
    for (; n < y.size(); ++n) {
      const Eight e = odds(n), f = one + e;
      factors.multiply(f);
      collect(n, e / f);
    }

    // The same sums for both components: the first one has what the second has not.
    const Eight size = eight(static_cast<double>(y.size())), total = eight(sum), total_squared = eight(sum_squared);
    const std::array<Eight, 2> shares = {size - share, share}, by_y = {total - share_y, share_y};
    const std::array<Eight, 2> by_square = {total_squared - share_y_squared, share_y_squared};
    const Eight squares = total_squared - eight(2) * mu[0] * total + size * mu[0] * mu[0];
    Eight value = size * (log_weight[0] - log_sigma[0] - eight(0.91893853320467274178)) +
                  minus_half * precision[0] * squares + beyond + factors.log();
    // Priors up to constants: mu ~ N(0, 2), sigma ~ N(0, 2), theta ~ Beta(5, 5); Jacobians of the maps.
    value = value + eight(5) * (log_weight[0] + log_weight[1]) + coordinate(1) + log_sigma[0] + log_sigma[1];
    std::array<Eight, 2> d_mu, d_log_sigma;
    for (std::size_t k = 0; k < 2; ++k) {
      value = value - eight(0.125) * (mu[k] * mu[k] + sigma[k] * sigma[k]);
      d_mu[k] = precision[k] * (by_y[k] - mu[k] * shares[k]) - eight(0.25) * mu[k];
      const Eight spread = by_square[k] - eight(2) * mu[k] * by_y[k] + mu[k] * mu[k] * shares[k];
      d_log_sigma[k] = precision[k] * spread - shares[k] - eight(0.25) * sigma[k] * sigma[k] + one;
    }
    scatter(value, values, count, 1);
    scatter(d_mu[0] + d_mu[1], gradients, count, 5);
    scatter(fma(d_mu[1], step, one), gradients + 1, count, 5);
    scatter(d_log_sigma[0], gradients + 2, count, 5);
    scatter(d_log_sigma[1], gradients + 3, count, 5);
    scatter((shares[0] + eight(5)) * (one - theta) - (shares[1] + eight(5)) * theta, gradients + 4, count, 5);
  }
};

} // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: low_dim_gauss_mix DATA.json\n";
    return 1;
  }
  const Model model(read_json(argv[1]));
  return serve(5, particles, model);
}
