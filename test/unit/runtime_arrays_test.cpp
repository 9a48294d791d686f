// A step of Adam has the bits of its formula, whatever the width of vectors and however roots are computed;
// exponentials are as accurate as they are said to be.
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
  // The root alone decides: its share of the sum is all, but of the smallest numbers.
  compare({0.9, 1, 1, 1, 1, 0x1p-390}, numbers(600000));
  compare({0.9, 1, 1, 1, 1, 0}, numbers(60000));
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

std::vector<double> exponentials_of(const std::vector<double>& x) {
  std::vector<double> y(x.size());
  exponentials(x.data(), y.data(), x.size());
  return y;
}

TEST(Arrays, ExponentialsAreRightToThreeUnits) {
  std::mt19937_64 random(7);
  std::uniform_real_distribution<double> all(-708, 709.7), near(-1, 1), tiny(-60, 0);
  std::vector<double> x;
  for (int i = 0; i < 200000; ++i) {
    x.push_back(all(random));
    x.push_back(near(random));
    x.push_back(std::ldexp(i % 2 == 0 ? 1.0 : -1.0, static_cast<int>(tiny(random))));
    // Next to where the power of two changes: r is largest there.
    x.push_back((i % 2001 - 1000 + 0.5) * 0.69314718055994531);
  }
  const std::vector<double> y = exponentials_of(x);
  for (size_t i = 0; i < x.size(); ++i) {
    const long double exact = std::exp(static_cast<long double>(x[i]));
    const double unit = std::nextafter(static_cast<double>(exact), INFINITY) - static_cast<double>(exact);
    ASSERT_LE(std::fabs(static_cast<double>(y[i] - exact)), 3 * unit) << x[i];
  }
}

TEST(Arrays, ExponentialsOfWhatIsSpecial) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const std::vector<double> y = exponentials_of(
      {0, -0.0, -infinity, infinity, std::numeric_limits<double>::quiet_NaN(), -709, -1e300, 710, 1e300, 709.7});
  EXPECT_EQ(y[0], 1);
  EXPECT_EQ(y[1], 1);
  EXPECT_EQ(y[2], 0);
  EXPECT_EQ(y[3], infinity);
  EXPECT_TRUE(std::isnan(y[4]));
  EXPECT_EQ(y[5], 0); // below the normal numbers
  EXPECT_EQ(y[6], 0);
  EXPECT_EQ(y[7], infinity);
  EXPECT_EQ(y[8], infinity);
  EXPECT_TRUE(std::isfinite(y[9]));
}

// Ends of arrays and single elements go another way through the code than whole vectors do.
TEST(Arrays, ExponentialsDoNotDependOnPlaceOrLength) {
  std::mt19937_64 random(8);
  std::normal_distribution<double> normal(-20, 15);
  std::vector<double> x(40);
  for (double& e : x)
    e = normal(random);
  const std::vector<double> whole = exponentials_of(x);
  for (size_t size = 0; size < x.size(); ++size) {
    for (size_t first = 0; first + size <= x.size() && first < 9; ++first) {
      std::vector<double> part(x.begin() + static_cast<long>(first), x.begin() + static_cast<long>(first + size));
      exponentials(part.data(), part.data(), size); // in place
      for (size_t i = 0; i < size; ++i)
        ASSERT_EQ(bits(part[i]), bits(whole[first + i])) << size << " from " << first;
    }
  }
}

} // namespace
} // namespace vmodel::runtime
