// What every program of this folder's loops shares: it evaluates a log density and its gradient at given points when it
// is told to on standard input, and answers on standard output, a JSON value a line.
//
//   points FILE    reads points: a number of points and of coordinates, then the coordinates, point by point
//   densities      a list, for each point [log density, gradient...]
//   time           nanoseconds an evaluation: the least of `repeats` batches of at least `shortest` seconds each, all
//                  points in turn (the rule of the command `benchmark` of a compiled model)
//   memory         peak resident memory in KiB
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <sys/resource.h>
#include <vector>

namespace bench {

constexpr int repeats = 7;
constexpr double shortest = 0.05;

/// A number as JSON; non-finite ones are strings.
inline std::string json_number(double x) {
  if (std::isnan(x))
    return "\"nan\"";
  if (std::isinf(x))
    return x > 0 ? "\"inf\"" : "\"-inf\"";
  char text[40];
  std::snprintf(text, sizeof text, "%.17g", x);
  return text;
}

/// The least time of an evaluation in nanoseconds, where `pass` makes `evaluations` of them.
template <typename Pass>
double least_time(std::size_t evaluations, Pass pass) {
  using Clock = std::chrono::steady_clock;
  const auto seconds = [&](std::int64_t passes) {
    const auto begin = Clock::now();
    for (std::int64_t i = 0; i < passes; ++i)
      pass();
    return std::chrono::duration<double>(Clock::now() - begin).count();
  };
  seconds(1);
  std::int64_t passes = 1;
  for (double once = seconds(passes); once < shortest; once = seconds(passes)) {
    const double wanted = 1.3 * shortest / std::max(once, 1e-7) * static_cast<double>(passes);
    passes = std::max(passes + 1, static_cast<std::int64_t>(wanted));
  }
  double least = INFINITY;
  for (int i = 0; i < repeats; ++i)
    least = std::min(least, seconds(passes) / static_cast<double>(passes));
  return 1e9 * least / static_cast<double>(evaluations);
}

struct Points {
  std::size_t count = 0, dimension = 0;
  std::vector<double> values; // [point][coordinate]
};

inline bool read_points(const std::string& path, Points& points) {
  std::ifstream file(path);
  if (!(file >> points.count >> points.dimension) || points.count == 0)
    return false;
  points.values.resize(points.count * points.dimension);
  for (double& x : points.values) {
    if (!(file >> x))
      return false;
  }
  return true;
}

/// Answers commands until the input ends. An `Evaluator` has
///   void take(const Points& points)      the points to evaluate from now on
///   void evaluate()                      evaluates all of them
///   std::size_t evaluations()            how many evaluations these are
///   double value(std::size_t point), gradient(std::size_t point, std::size_t coordinate)
template <typename Evaluator>
int serve(std::size_t dimension, Evaluator evaluator) {
  Points points;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string command, path;
    words >> command;
    if (command == "points") {
      std::getline(words >> std::ws, path);
      if (!read_points(path, points) || points.dimension != dimension) {
        std::cerr << path << ": points with " << dimension << " coordinates are expected\n";
        return 1;
      }
      evaluator.take(points);
      std::cout << points.count << std::endl;
    } else if (command == "densities") {
      if (points.count != 0)
        evaluator.evaluate();
      std::cout << "[";
      for (std::size_t k = 0; k < points.count; ++k) {
        std::cout << (k ? ", [" : "[") << json_number(evaluator.value(k));
        for (std::size_t i = 0; i < dimension; ++i)
          std::cout << ", " << json_number(evaluator.gradient(k, i));
        std::cout << "]";
      }
      std::cout << "]" << std::endl;
    } else if (command == "time") {
      const auto evaluate = [&] { evaluator.evaluate(); };
      std::cout << json_number(points.count == 0 ? NAN : least_time(evaluator.evaluations(), evaluate)) << std::endl;
    } else if (command == "memory") {
      rusage usage{};
      getrusage(RUSAGE_SELF, &usage);
      std::cout << usage.ru_maxrss << std::endl;
    } else {
      std::cerr << "unknown command " << command << "\n";
      return 1;
    }
  }
  return 0;
}

/// Evaluates one point after the other: `density(point, value, gradient)`, where `point` and `gradient` have a number a
/// coordinate.
template <typename Density>
class OneByOne {
public:
  explicit OneByOne(Density density) : density_(density) {}

  void take(const Points& points) {
    points_ = &points;
    values_.assign(points.count, 0);
    gradients_.assign(points.count * points.dimension, 0);
  }
  void evaluate() {
    for (std::size_t k = 0; k < points_->count; ++k) {
      const std::size_t at = k * points_->dimension;
      density_(&points_->values[at], values_[k], &gradients_[at]);
    }
  }
  std::size_t evaluations() const { return points_->count; }
  double value(std::size_t point) const { return values_[point]; }
  double gradient(std::size_t point, std::size_t coordinate) const {
    return gradients_[point * points_->dimension + coordinate];
  }

private:
  Density density_;
  const Points* points_ = nullptr;
  std::vector<double> values_, gradients_; // [point], [point][coordinate]
};

} // namespace bench
