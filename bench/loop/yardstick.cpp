// The yardstick of figures that were set on another machine: nanoseconds an exponential by FMA in AVX2, eight at a
// time, over an array that stays in the first cache. Prints one number.
#include "hand/vector.h"
#include "loop/worker.h"

#include <array>
#include <cstdio>

int main() {
  using namespace bench;
  constexpr std::size_t count = 1024;
  static std::array<Eight, count / 8> x, y;
  for (std::size_t i = 0; i < x.size(); ++i)
    x[i] = eight(-4.0 + 8.0 * static_cast<double>(i) / static_cast<double>(x.size()));
  const double nanoseconds = least_time(count, [&] {
    for (std::size_t i = 0; i < x.size(); ++i)
      y[i] = exponential(x[i]);
    asm volatile("" : : "r"(y.data()) : "memory"); // all of them are wanted
  });
  std::printf("%.5f\n", nanoseconds);
  return 0;
}
