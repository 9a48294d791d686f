// What the gradients written by hand share: they answer the commands of loop/worker.h, with their points in lanes.
//
// A compiled model is timed with its particles in lanes as well: neither side pays for turning points round.
#pragma once

#include "vector.h"
#include "worker.h"

#include <nlohmann/json.hpp>

#include <cstring>
#include <utility>

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

/// Evaluates eight points at a time: `model(at, value, gradient)`, where `at` and `gradient` have a number a
/// coordinate.
template <typename Model>
class InLanes {
public:
  explicit InLanes(Model model) : model_(std::move(model)) {}

  void take(const Points& points) {
    dimension_ = points.dimension;
    at_ = in_lanes(points);
    values_.assign(at_.size() / dimension_, eight(0));
    gradients_.assign(at_.size(), eight(0));
  }
  void evaluate() {
    for (std::size_t block = 0; block < values_.size(); ++block)
      model_(&at_[block * dimension_], values_[block], &gradients_[block * dimension_]);
  }
  std::size_t evaluations() const { return values_.size() * particles; }
  double value(std::size_t point) const { return lane(values_[point / particles], point % particles); }
  double gradient(std::size_t point, std::size_t coordinate) const {
    return lane(gradients_[point / particles * dimension_ + coordinate], point % particles);
  }

private:
  Model model_;
  std::size_t dimension_ = 0;
  std::vector<Eight> at_, values_, gradients_; // [block][coordinate], [block], [block][coordinate]
};

/// The main function of a program MODEL DATA.json; `Model` is made of the data.
template <typename Model>
int serve_data(int argc, char** argv, std::size_t dimension) {
  if (argc != 2) {
    std::cerr << "usage: " << argv[0] << " DATA.json\n";
    return 1;
  }
  std::ifstream file(argv[1]);
  return serve(dimension, InLanes(Model(nlohmann::json::parse(file))));
}

inline std::vector<double> column(const nlohmann::json& data, const char* name) {
  return data[name].get<std::vector<double>>();
}

/// 1 / (1 + exp(-x)) for |x| <= 700.
inline Eight inv_logit(Eight x) {
  return eight(1) / (eight(1) + exponential(eight(0) - x));
}

} // namespace bench
