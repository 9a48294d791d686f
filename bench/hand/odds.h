// Sums of log(1 + exp(d)) and what their derivatives need, for logistic regressions and mixtures.
//
// One exponential a term; a division and the logarithm are shared: four terms have one division, all of them one
// logarithm of the product of 1 + exp(d).
#pragma once

#include "vector.h"

#include <cstddef>

namespace bench {

class LogOnePlusOdds {
public:
  /// exp(d), with d bounded so that a product of four stays finite; of larger ones the rest is added to the sum.
  Eight odds(Eight d) {
    const Eight bounded = least(d, 170);
    beyond_ = beyond_ + (d - bounded);
    return exponential(greatest(bounded, -700));
  }

  /// Four terms from n on: collect(n + i, exp(d) / (1 + exp(d))) for each.
  template <typename Collect>
  void four(std::size_t n, Eight e0, Eight e1, Eight e2, Eight e3, Collect collect) {
    const Eight one = eight(1), f0 = one + e0, f1 = one + e1, f2 = one + e2, f3 = one + e3;
    const Eight left = f0 * f1, right = f2 * f3, all = left * right, reciprocal = one / all;
    const Eight of_left = reciprocal * right, of_right = reciprocal * left;
    factors_.multiply(all);
    collect(n, e0 * (of_left * f1));
    collect(n + 1, e1 * (of_left * f0));
    collect(n + 2, e2 * (of_right * f3));
    collect(n + 3, e3 * (of_right * f2));
  }

  /// One term.
  template <typename Collect>
  void one(std::size_t n, Eight e, Collect collect) {
    const Eight f = eight(1) + e;
    factors_.multiply(f);
    collect(n, e / f);
  }

  Eight sum() const { return beyond_ + factors_.log(); }

private:
  Eight beyond_ = eight(0);
  Product factors_;
};

} // namespace bench
