// GARCH(1, 1) by hand. Forward: the variance h[t] = alpha0 + alpha1 e[t-1]^2 + beta1 h[t-1], one division and no
// logarithm for four of them. Backward: one recurrence for the adjoint of h, and four sums.

#include "vector.h"

using namespace bench;

namespace {

struct Model {
  std::vector<double> y;
  double first; // variance of the first time
  std::vector<Eight> h, adjoint;

  explicit Model(const nlohmann::json& data)
      : y(data["y"].get<std::vector<double>>()), first(data["sigma1"].get<double>() * data["sigma1"].get<double>()),
        h(y.size() + 3), adjoint(y.size() + 3) {}

  void operator()(std::size_t first_point, std::size_t count, const Points& points, double* values, double* gradients) {
    const std::size_t times = y.size();
    const auto inv_logit = [](double x) { return 1 / (1 + std::exp(-x)); };
    const Eight mu = gather(points, first_point, count, 0), z0 = gather(points, first_point, count, 1);
    const Eight alpha0 = each(z0, [](double x) { return std::exp(x); });
    const Eight alpha1 = each(gather(points, first_point, count, 2), inv_logit);
    const Eight share = each(gather(points, first_point, count, 3), inv_logit);
    const Eight beta1 = share * (eight(1) - alpha1);

    // Forward.
    Product variances;
    Eight squares = eight(0), d_mu = eight(0);
    Eight variance = eight(first), e_squared = eight(0);
    const auto advance = [&](std::size_t t) {
      if (t > 0)
        variance = fma(beta1, variance, fma(alpha1, e_squared, alpha0));
      const Eight e = eight(y[t]) - mu;
      e_squared = e * e;
      h[t] = variance;
    };
    const auto collect = [&](std::size_t t, Eight reciprocal) {
      const Eight e = eight(y[t]) - mu, scaled = e * reciprocal;
      squares = fma(e, scaled, squares);
      d_mu = d_mu + scaled;
      adjoint[t] = eight(0.5) * fma(scaled, scaled, eight(0) - reciprocal);
    };
    std::size_t t = 0;
    for (; t + 4 <= times; t += 4) {
      for (std::size_t i = 0; i < 4; ++i)
        advance(t + i);
      const Eight left = h[t] * h[t + 1], right = h[t + 2] * h[t + 3], all = left * right;
      const Eight reciprocal = eight(1) / all;
      const Eight of_left = reciprocal * right, of_right = reciprocal * left;
      variances.multiply(all);
      collect(t, of_left * h[t + 1]);
      collect(t + 1, of_left * h[t]);
      collect(t + 2, of_right * h[t + 3]);
      collect(t + 3, of_right * h[t + 2]);
    }
    for (; t < times; ++t) {
      advance(t);
      variances.multiply(h[t]);
      collect(t, eight(1) / h[t]);
    }

    // Backward: after[t] = d/dh[t] of all that follows, h[t] itself included.
    Eight after = eight(0), d_alpha0 = eight(0), d_alpha1 = eight(0), d_beta1 = eight(0), through_mu = eight(0);
    for (t = times - 1; t > 0; --t) {
      after = fma(beta1, after, adjoint[t]);
      const Eight e = eight(y[t - 1]) - mu, by_e = after * e;
      d_alpha0 = d_alpha0 + after;
      d_alpha1 = fma(by_e, e, d_alpha1);
      d_beta1 = fma(after, h[t - 1], d_beta1);
      through_mu = through_mu + by_e;
    }
    d_mu = fnma(eight(2) * alpha1, through_mu, d_mu);

    // The maps from unconstrained coordinates and their Jacobians.
    const auto log = [](double x) { return std::log(x); };
    const Eight one = eight(1), rest = one - alpha1;
    const Eight log_two_pi = eight(1.8378770664093454836);
    const Eight jacobian = z0 + each(alpha1 * rest, log) + each(rest, log) + each(share * (one - share), log);
    const Eight likelihood = eight(-0.5) * (eight(static_cast<double>(times)) * log_two_pi + variances.log() + squares);
    scatter(likelihood + jacobian, values, count, 1);
    const Eight d_z2 = (d_alpha1 - share * d_beta1) * alpha1 * rest + (one - eight(2) * alpha1) - alpha1;
    const Eight d_z3 = d_beta1 * beta1 * (one - share) + (one - eight(2) * share);
    scatter(d_mu, gradients, count, 4);
    scatter(fma(d_alpha0, alpha0, one), gradients + 1, count, 4);
    scatter(d_z2, gradients + 2, count, 4);
    scatter(d_z3, gradients + 3, count, 4);
  }
};

} // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: garch11 DATA.json\n";
    return 1;
  }
  Model model(read_json(argv[1]));
  return serve(4, particles, model);
}
