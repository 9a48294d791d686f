// A logistic regression on one column by hand. Of an observation's log density y d - log(1 + exp(d)) the first part is
// linear in the coefficients: its sums are taken at load.

#include "lanes.h"
#include "odds.h"

using namespace bench;

namespace {

struct Model {
  std::vector<double> x;
  double successes = 0, by_x = 0;

  explicit Model(const nlohmann::json& data) : x(column(data, "dist")) {
    const std::vector<double> y = column(data, "switched");
    for (std::size_t n = 0; n < x.size(); ++n) {
      successes += y[n];
      by_x += y[n] * x[n];
    }
  }

  void operator()(const Eight* at, Eight& value, Eight* gradient) const {
    const Eight intercept = at[0], slope = at[1];
    LogOnePlusOdds terms;
    Eight shares = eight(0), shares_x = eight(0);
    const auto odds = [&](std::size_t n) { return terms.odds(fma(slope, eight(x[n]), intercept)); };
    const auto collect = [&](std::size_t n, Eight share) {
      shares = shares + share;
      shares_x = fma(share, eight(x[n]), shares_x);
    };
    std::size_t n = 0;
    for (; n + 4 <= x.size(); n += 4)
      terms.four(n, odds(n), odds(n + 1), odds(n + 2), odds(n + 3), collect);
    for (; n < x.size(); ++n)
      terms.one(n, odds(n), collect);
    value = fma(intercept, eight(successes), slope * eight(by_x)) - terms.sum();
    gradient[0] = eight(successes) - shares;
    gradient[1] = eight(by_x) - shares_x;
  }
};

} // namespace

int main(int argc, char** argv) {
  return serve_data<Model>(argc, argv, 2);
}
