// GARCH(1, 1) by hand. Forward: the variance h[t] = alpha0 + alpha1 e[t-1]^2 + beta1 h[t-1], one division and no
// logarithm for four of them. Backward: one recurrence for the adjoint of h, and four sums.

#include "lanes.h"

using namespace bench;

namespace {

struct Model {
  std::vector<double> y;
  double first; // variance of the first time
  std::vector<Eight> h, adjoint;

  explicit Model(const nlohmann::json& data)
      : y(column(data, "y")), first(data["sigma1"].get<double>() * data["sigma1"].get<double>()), h(y.size() + 3),
        adjoint(y.size() + 3) {}

  void operator()(const Eight* at, Eight& value, Eight* gradient) {
    const std::size_t times = y.size();
    const Eight mu = at[0], alpha0 = exponential(at[1]), alpha1 = inv_logit(at[2]), share = inv_logit(at[3]);
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
    const Eight one = eight(1), rest = one - alpha1;
    const Eight log_two_pi = eight(1.8378770664093454836);
    const Eight jacobian = at[1] + logarithm(alpha1 * rest * rest * share * (one - share));
    const Eight likelihood = eight(-0.5) * (eight(static_cast<double>(times)) * log_two_pi + variances.log() + squares);
    value = likelihood + jacobian;
    gradient[0] = d_mu;
    gradient[1] = fma(d_alpha0, alpha0, one);
    gradient[2] = (d_alpha1 - share * d_beta1) * alpha1 * rest + (one - eight(2) * alpha1) - alpha1;
    gradient[3] = d_beta1 * beta1 * (one - share) + (one - eight(2) * share);
  }
};

} // namespace

int main(int argc, char** argv) {
  return serve_data<Model>(argc, argv, 4);
}
