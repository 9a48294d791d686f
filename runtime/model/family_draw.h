// Draws of a family: the kernels that make random numbers and those that read them.
#pragma once

#include "runtime/model/prepared_model.h"
#include "runtime/model/staged_kernel.h"

#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace vmodel::runtime {

// The kernels PART.noise and PART.draw, and the random numbers between them. One thread at a time.
class NoisyDraw {
public:
  NoisyDraw() = default;
  // `noise`: the size of a draw's random numbers, where the kernel PART.noise exists. `arguments`: of PART.draw without
  // `noise`, for the native number of lanes.
  NoisyDraw(const PreparedModel& model, const std::string& part, std::optional<SizeNumber> noise,
            std::initializer_list<Argument> arguments) {
    if (noise) {
      const int64_t numbers = model.size(*noise) * model.lanes();
      noise_.resize(static_cast<size_t>(numbers + 1));
      make_noise_ = model.call(part + ".noise", model.lanes(), {{"noise", noise_.data()}});
      has_noise_ = true;
    }
    std::vector<Argument> all(arguments);
    all.push_back({"noise", noise_.data()});
    draw_ = StagedKernel(model, part + ".draw", std::move(all));
  }
  NoisyDraw(NoisyDraw&&) = default;
  NoisyDraw& operator=(NoisyDraw&&) = default;

  void operator()(const vmodel_random& random) {
    make_noise(random);
    draw_(random);
  }
  StagedKernel& kernel() { return draw_; }
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
  KernelCall make_noise_;
  StagedKernel draw_;
};

// Draws of a family. The memory given is that of docs/architecture.md's arguments, for the native number of lanes.
class FamilyDraw : public NoisyDraw {
public:
  FamilyDraw() = default;
  // `mix`: where what the family mixes over goes; null: nowhere. Of such a family log q is that of what is drawn given
  // what is mixed over, not of the family.
  FamilyDraw(const PreparedModel& model, const Family& family, double* phi, double* z, double* log_q, double* entropy,
             double* mix = nullptr)
      : FamilyDraw(model, family, phi, z, log_q, entropy, mix, own_mix(model, family, mix)) {}
  FamilyDraw(FamilyDraw&&) = default;
  FamilyDraw& operator=(FamilyDraw&&) = default;

private:
  FamilyDraw(const PreparedModel& model, const Family& family, double* phi, double* z, double* log_q, double* entropy,
             double* mix, AlignedVector<double> own)
      : NoisyDraw(model, family.name, family.noise,
                  {{"phi", phi},
                   {"z", z},
                   {"log_q", log_q},
                   {"entropy", entropy},
                   {"mix", mix == nullptr ? own.data() : mix}}),
        own_mix_(std::move(own)) {}

  static AlignedVector<double> own_mix(const PreparedModel& model, const Family& family, const double* mix) {
    const bool own = family.mixture && mix == nullptr;
    return AlignedVector<double>(own ? static_cast<size_t>(model.size(family.mixture->size) * model.lanes() + 1) : 0);
  }

  AlignedVector<double> own_mix_;
};

} // namespace vmodel::runtime
