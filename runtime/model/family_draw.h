// Draws of a family: the kernels FAMILY.noise and FAMILY.draw, and the random numbers between them.
#pragma once

#include "runtime/model/prepared_model.h"

namespace vmodel::runtime {

// One thread at a time. The memory given is that of docs/architecture.md's arguments, for the native number of lanes.
class FamilyDraw {
public:
  FamilyDraw() = default;
  FamilyDraw(const PreparedModel& model, const Family& family, double* phi, double* z, double* log_q, double* entropy) {
    if (family.noise) {
      const int64_t numbers = model.size(*family.noise) * model.lanes();
      noise_.resize(static_cast<size_t>(numbers + 1));
      make_noise_ = model.call(family.name + ".noise", model.lanes(), {{"noise", noise_.data()}});
      has_noise_ = true;
    }
    draw_ = model.call(family.name + ".draw", model.lanes(),
                       {{"phi", phi}, {"noise", noise_.data()}, {"z", z}, {"log_q", log_q}, {"entropy", entropy}});
  }
  FamilyDraw(FamilyDraw&&) = default;
  FamilyDraw& operator=(FamilyDraw&&) = default;

  void operator()(const vmodel_random& random) {
    make_noise(random);
    draw_(random);
  }
  // The random numbers alone: FAMILY.pathwise needs no more of a draw.
  void make_noise(const vmodel_random& random) {
    if (has_noise_)
      make_noise_(random);
  }
  // Those of the last draw, the argument `noise` of FAMILY.pathwise.
  double* noise() { return noise_.data(); }

private:
  bool has_noise_ = false;
  AlignedVector<double> noise_;
  KernelCall make_noise_, draw_;
};

} // namespace vmodel::runtime
