// What the gradients written by hand share: they answer the commands of loop/worker.h, with their points in lanes.
//
// A compiled model is timed with its particles in lanes as well: neither side pays for turning points round.
#pragma once

#include "vector.h"
#include "worker.h"

#include <nlohmann/json.hpp>

#include <cstring>

namespace bench {

constexpr std::size_t particles = 8;

/// Points as blocks of eight: [block][coordinate][particle]. The last block repeats the last point.
inline std::vector<Eight> in_lanes(const Points& points) {
  const std::size_t blocks = (points.count + particles - 1) / particles, dimension = points.dimension;
  std::vector<Eight> result(blocks * dimension);
  for (std::size_t block = 0; block < blocks; ++block) {
    for (std::size_t i = 0; i < dimension; ++i) {
      double x[particles];
      for (std::size_t k = 0; k < particles; ++k)
        x[k] = points.values[std::min(block * particles + k, points.count - 1) * dimension + i];
      std::memcpy(&result[block * dimension + i], x, sizeof x);
    }
  }
  return result;
}

/// Number k of eight.
inline double lane(const Eight& x, std::size_t k) {
  double numbers[particles];
  std::memcpy(numbers, &x, sizeof numbers);
  return numbers[k];
}

/// Answers commands until the input ends. `model(at, value, gradient)` evaluates eight points: `at` and `gradient` are
/// arrays of `dimension`.
template <typename Model>
int serve_lanes(std::size_t dimension, Model model) {
  Points points;
  std::vector<Eight> at, values, gradients;
  const auto all_points = [&] {
    for (std::size_t block = 0; block < values.size(); ++block)
      model(&at[block * dimension], values[block], &gradients[block * dimension]);
  };
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
      at = in_lanes(points);
      values.assign(at.size() / dimension, eight(0));
      gradients.assign(at.size(), eight(0));
      std::cout << points.count << std::endl;
    } else if (command == "densities") {
      all_points();
      for (std::size_t k = 0; k < points.count; ++k) {
        const std::size_t block = k / particles;
        std::cout << (k ? ", [" : "[[") << json_number(lane(values[block], k % particles));
        for (std::size_t i = 0; i < dimension; ++i)
          std::cout << ", " << json_number(lane(gradients[block * dimension + i], k % particles));
        std::cout << "]";
      }
      std::cout << "]" << std::endl;
    } else if (command == "time" && points.count != 0) {
      std::cout << json_number(least_time(values.size() * particles, all_points)) << std::endl;
    } else {
      std::cerr << "cannot answer " << command << "\n";
      return 1;
    }
  }
  return 0;
}

/// The main function of a program MODEL DATA.json; `Model` is made of the data.
template <typename Model>
int serve_data(int argc, char** argv, std::size_t dimension) {
  if (argc != 2) {
    std::cerr << "usage: " << argv[0] << " DATA.json\n";
    return 1;
  }
  std::ifstream file(argv[1]);
  return serve_lanes(dimension, Model(nlohmann::json::parse(file)));
}

inline std::vector<double> column(const nlohmann::json& data, const char* name) {
  return data[name].get<std::vector<double>>();
}

/// 1 / (1 + exp(-x)) for |x| <= 700.
inline Eight inv_logit(Eight x) {
  return eight(1) / (eight(1) + exponential(eight(0) - x));
}

} // namespace bench
