// What a fit's steps cost, so that what comes before them stays in proportion.
#pragma once

#include "runtime/fit/settings.h"
#include "runtime/model/prepared_model.h"

#include <algorithm>

namespace vmodel::runtime {

// Work is counted, never timed: the same fit decides the same on every machine. The unit is one
// particle's gradient of the objective.
class Work {
public:
  Work(const PreparedModel& model, const Family& family, const FitSettings& settings);

  // Of all steps, with as many particles as a posterior of moderate noise needs; for very few steps
  // what a short fit may cost in any case.
  double steps() const { return steps_; }
  // The steps turn out to cost so much.
  void expect(double steps) { steps_ = std::max(steps_, steps); }
  // Of a dense factorisation in the dimension of the posterior.
  double factorisation() const { return factorisation_; }
  // The number of draws for which `evaluations` of the objective cost at most that share of the
  // steps, in whole blocks of lanes, between the limits.
  int64_t draws(double share, double evaluations, int64_t least, int64_t most) const;

private:
  double steps_, factorisation_;
  int64_t lanes_;
};

} // namespace vmodel::runtime
