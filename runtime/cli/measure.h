// How long something takes, for the command `benchmark`.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <vector>

namespace vmodel::runtime {

inline constexpr int measure_repeats = 7;
inline constexpr double shortest_repeat = 0.05; // seconds

struct Times {
  double least = 0, median = 0;
};

// Nanoseconds of `pass`, divided by `particles`: the least and the median of some repeats of many passes.
template <typename Pass>
Times measure(int64_t particles, Pass pass) {
  const auto seconds = [&](int64_t passes) {
    const auto begin = std::chrono::steady_clock::now();
    for (int64_t i = 0; i < passes; ++i)
      pass();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  seconds(1);
  int64_t passes = 1;
  while (true) {
    const double once = seconds(passes);
    if (once >= shortest_repeat)
      break;
    passes = std::max(passes + 1,
                      static_cast<int64_t>(1.3 * shortest_repeat / std::max(once, 1e-7) * static_cast<double>(passes)));
  }
  std::vector<double> times;
  while (times.size() < measure_repeats) {
    const double time = seconds(passes);
    if (time < shortest_repeat) {
      passes = passes * 5 / 4 + 1;
      times.clear();
      continue;
    }
    times.push_back(1e9 * time / static_cast<double>(passes) / static_cast<double>(particles));
  }
  std::sort(times.begin(), times.end());
  return {times.front(), times[times.size() / 2]};
}

} // namespace vmodel::runtime
