// A hidden Markov model with two states by hand, in probability space. With odds[t] the second state's emission density
// over the first one's, an exponential a time is needed and no logarithm:
//
//   first[t] = first[t-1] a + second[t-1] b,  second[t] = odds[t] (first[t-1] (1-a) + second[t-1] (1-b))
//
// The first state's emissions are common factors. Every few times both are scaled by a power of two; its exponent is
// added up. Odds are bounded, so that the products between two scalings stay finite.

#include "lanes.h"

using namespace bench;

namespace {

constexpr std::size_t between = 4; // times from one scaling to the next: exp(4 * 170) is finite
constexpr double bound = 170;

// 2^-n for positive x = 2^n m, 1 <= m < 2.
Half power_below(Half x) {
  const Bits exponent = std::bit_cast<Bits>(x) >> 52;
  return std::bit_cast<Half>((2046 - exponent) << 52);
}

struct Model {
  struct Time {
    Eight first, second, odds;
  };
  std::vector<double> y;
  std::vector<Time> times;
  std::vector<Eight> scales;

  explicit Model(const nlohmann::json& data) : y(column(data, "y")), times(y.size()), scales(y.size() / between + 1) {}

  void operator()(const Eight* at, Eight& value, Eight* gradient) {
    const Eight one = eight(1), a = inv_logit(at[0]), b = inv_logit(at[1]), not_a = one - a, not_b = one - b;
    const Eight low = exponential(at[2]), step = exponential(at[3]), high = low + step;
    const std::size_t last = y.size() - 1;

    // Forward. log(odds) = step (y - middle).
    const Eight offset = eight(0) - step * (low + eight(0.5) * step);
    const auto odds = [&](double here) {
      return exponential(greatest(least(fma(step, eight(here), offset), bound), -bound));
    };
    Eight first = one, second = odds(y[0]), squares = (eight(y[0]) - low) * (eight(y[0]) - low);
    times[0] = {first, second, second};
    Product scaling;
    for (std::size_t t = 1; t <= last; ++t) {
      const Eight ratio = odds(y[t]), from_low = eight(y[t]) - low;
      squares = fma(from_low, from_low, squares);
      Eight next = fma(second, b, first * a);
      second = ratio * fma(second, not_b, first * not_a);
      first = next;
      if (t % between == 0) {
        const Eight total = first + second, scale = {power_below(total.a), power_below(total.b)};
        first = first * scale;
        second = second * scale;
        scaling.multiply(scale);
        scales[t / between] = scale;
      }
      times[t] = {first, second, ratio};
    }

    // Backward: what follows time t, given its state; the two states' shares are first from_first and second
    // from_second.
    const Eight total = first + second;
    Eight from_first = one / total, from_second = from_first;
    Eight d_a = eight(0), d_b = eight(0), shares = eight(0), shares_y = eight(0), sum_y = eight(0);
    const auto collect = [&](std::size_t t) {
      const Eight share = times[t].second * from_second;
      shares = shares + share;
      shares_y = fma(share, eight(y[t]), shares_y);
      sum_y = sum_y + eight(y[t]);
    };
    for (std::size_t t = last; t > 0; --t) {
      collect(t);
      if (t % between == 0) {
        from_first = from_first * scales[t / between];
        from_second = from_second * scales[t / between];
      }
      const Eight weighted = times[t].odds * from_second, difference = from_first - weighted;
      d_a = fma(times[t - 1].first, difference, d_a);
      d_b = fma(times[t - 1].second, difference, d_b);
      const Eight before = fma(not_a, weighted, a * from_first);
      from_second = fma(not_b, weighted, b * from_first);
      from_first = before;
    }
    collect(0);

    // Priors up to constants: low ~ N(3, 1), high ~ N(10, 1); Jacobians of the maps.
    const Eight of_low = low - eight(3), of_high = high - eight(10), size = eight(static_cast<double>(y.size()));
    const Eight prior = fma(of_low, of_low, of_high * of_high);
    value = logarithm(total * a * not_a * b * not_b) - scaling.log() - eight(0.5) * (squares + prior) + at[2] + at[3];
    const Eight d_high = shares_y - high * shares - of_high;
    const Eight d_low = (sum_y - shares_y) - low * (size - shares) - of_low;
    gradient[0] = d_a * a * not_a + one - eight(2) * a;
    gradient[1] = d_b * b * not_b + one - eight(2) * b;
    gradient[2] = fma(d_low + d_high, low, one);
    gradient[3] = fma(d_high, step, one);
  }
};

} // namespace

int main(int argc, char** argv) {
  return serve_data<Model>(argc, argv, 4);
}
