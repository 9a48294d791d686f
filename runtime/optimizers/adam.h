// Adam, the rates of its steps, and the average of its last iterates.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace vmodel::runtime {

// The rate of a step as a function of the share of the steps done.
struct RateSchedule {
  enum class Kind { constant, cosine };
  Kind kind = Kind::cosine;
  double rate = 0.02;
  // Cosine: the last rate as a share of the first.
  double last = 0.02;
  // Steps over which the rate rises linearly from 0.
  int64_t warm_up = 0;

  double at(int64_t step, int64_t steps) const;
};

struct AdamSettings {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  // Gradients of a greater Euclidean norm are scaled down to this; 0: never.
  double clip = 0;
};

// Kingma and Ba, "Adam: a method for stochastic optimization" (ICLR 2015), algorithm 1, for
// maximisation.
class Adam {
public:
  Adam() = default;
  Adam(size_t size, AdamSettings settings) : settings_(settings), first_(size, 0.0), second_(size, 0.0) {}

  // The point `to` that lies upwards of `from` along `gradient`; `to` may be `from`. Returns the gradient's Euclidean
  // norm, before it is clipped.
  double step(const double* from, const double* gradient, double rate, double* to);

  // Forgets the moments.
  void restart();

  const std::vector<double>& first_moment() const { return first_; }
  const std::vector<double>& second_moment() const { return second_; }
  int64_t steps() const { return steps_; }

private:
  AdamSettings settings_;
  std::vector<double> first_, second_;
  int64_t steps_ = 0;
};

// The mean of the last iterates, by halves and batches, so that it tells how far it can be trusted.
class IterateAverage {
public:
  IterateAverage() = default;
  // Batches: an even number; iterates beyond the last whole batch are left out.
  IterateAverage(size_t size, int64_t iterates, int64_t batches = 32);

  void add(const double* x);
  std::vector<double> mean() const;
  // The greatest distance between the means of the two halves, in Monte-Carlo errors of that
  // difference (batch means), over coordinates whose halves differ by more than `negligible`.
  double halves_apart(double negligible) const;
  // Monte-Carlo error of the mean of each coordinate.
  std::vector<double> errors() const;
  bool complete() const { return batch_length_ > 0 && filled_ == batches_; }

private:
  size_t size_ = 0;
  int64_t batches_ = 0, batch_length_ = 0, filled_ = 0, in_batch_ = 0, skip_ = 0;
  std::vector<double> sums_; // [batch][coordinate]
};

} // namespace vmodel::runtime
