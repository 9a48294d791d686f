// A step of Adam has the bits of its formula, whatever the width of vectors and however roots are computed.
#include "runtime/math/arrays.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

namespace vmodel::runtime {
namespace {

struct Numbers {
  std::vector<double> gradient, first, second, from;
};

// With second moments of all sizes: zero, subnormal, beyond the squares' range, and next to squares of numbers that
// end in an odd bit, whose roots lie as near to the middle between two numbers as they can.
Numbers numbers(size_t size) {
  std::mt19937_64 random(3);
  std::uniform_real_distribution<double> mantissa(1, 2);
  std::normal_distribution<double> normal;
  Numbers n;
  for (size_t i = 0; i < size; ++i) {
    n.gradient.push_back(normal(random));
    n.first.push_back(normal(random));
    n.from.push_back(normal(random));
    const double m = mantissa(random);
    switch (i % 6) {
    case 0: n.second.push_back(0); break;
    case 1: n.second.push_back(std::ldexp(m, -1070 + static_cast<int>(i % 60))); break;
    case 2: n.second.push_back(std::ldexp(m, 960 + static_cast<int>(i % 60))); break;
    case 3: {
      const double root = std::floor(std::ldexp(m, 26));
      n.second.push_back(root * root + (i % 4 == 1 ? 1.0 : -1.0));
      break;
    }
    default: n.second.push_back(std::ldexp(m, static_cast<int>(i % 200) - 100));
    }
    if (i % 3 == 0)
      n.gradient.back() = 0;
  }
  return n;
}

uint64_t bits(double x) {
  return std::isnan(x) ? ~uint64_t{0} : std::bit_cast<uint64_t>(x);
}

void compare(const AdamUpdate& u, Numbers n) {
  const Numbers start = n;
  adam_update(u, n.gradient.data(), n.first.data(), n.second.data(), n.from.data(), n.from.data(), n.from.size());
  for (size_t i = 0; i < n.from.size(); ++i) {
    const double g = u.gradient_factor * start.gradient[i];
    const double first = u.beta1 * start.first[i] + (1 - u.beta1) * g;
    const double second = u.beta2 * start.second[i] + (1 - u.beta2) * g * g;
    const double to = start.from[i] + u.rate * first / (std::sqrt(u.correction * second) + u.epsilon);
    ASSERT_EQ(bits(n.first[i]), bits(first)) << i;
    ASSERT_EQ(bits(n.second[i]), bits(second)) << i << " " << start.second[i];
    ASSERT_EQ(bits(n.from[i]), bits(to)) << i << " " << start.second[i];
  }
}

TEST(Arrays, AdamHasTheBitsOfItsFormula) {
  // The root alone decides: its share of the sum is all.
  compare({0.9, 1, 1, 1, 1, 0}, numbers(600000));
  compare({0.9, 0.999, 0.25, 0.01, 1.7, 1e-8}, numbers(60000));
}

TEST(Arrays, AdamTakesAnyLength) {
  for (size_t size = 0; size < 20; ++size)
    compare({0.9, 0.999, 1, 0.01, 1.7, 1e-8}, numbers(size));
}

TEST(Arrays, AdamPassesOnWhatIsNotFinite) {
  Numbers n = numbers(16);
  n.second[3] = std::numeric_limits<double>::infinity();
  n.second[4] = std::numeric_limits<double>::quiet_NaN();
  n.first[5] = std::numeric_limits<double>::infinity();
  compare({0.9, 0.999, 1, 0.01, 1.7, 1e-8}, n);
}

} // namespace
} // namespace vmodel::runtime
