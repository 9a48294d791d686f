#include "runtime/objectives/particle_blocks.h"

#include <algorithm>
#include <string>

namespace vmodel::runtime {

ParticleBlocks::ParticleBlocks(const PreparedModel& model, const Family& family, int64_t particles, Gradient gradient,
                               ThreadPool& pool)
    : size_(model.size(family.phi)), dimension_(model.dimension()), in_lanes_{particles, model.lanes()},
      lanes_(in_lanes_.lanes), blocks_(in_lanes_.count()), gradient_(gradient), pool_(pool),
      phi_(static_cast<size_t>(size_ + 1)), log_p_(static_cast<size_t>(blocks_ * lanes_)), log_q_(log_p_) {
  const size_t w = static_cast<size_t>(lanes_), d = static_cast<size_t>(dimension_) * w;
  const int lanes = model.lanes();
  for (int i = 0; i < pool.threads(); ++i) {
    auto worker = std::make_unique<Worker>();
    Worker& k = *worker;
    k.z.resize(d + w);
    for (auto* array : {&k.log_q, &k.entropy, &k.value, &k.jacobian})
      array->resize(w);
    k.draw = FamilyDraw(model, family, phi_.data(), k.z.data(), k.log_q.data(), k.entropy.data());
    if (gradient == Gradient::none) {
      k.density = model.call("log_density", lanes,
                             {{"z", k.z.data()}, {"value", k.value.data()}, {"jacobian", k.jacobian.data()}});
    } else {
      k.gradient.resize(d + w);
      k.density = model.call("log_density_gradient", lanes,
                             {{"z", k.z.data()},
                              {"value", k.value.data()},
                              {"jacobian", k.jacobian.data()},
                              {"gradient", k.gradient.data()}});
    }
    if (gradient == Gradient::model_and_family) {
      k.q_gradient.resize(d + w);
      // The draw's own log q stays: this kernel computes it again from the point.
      k.family_gradient = model.call(
          family.name + ".log_density_gradient", lanes,
          {{"phi", phi_.data()}, {"z", k.z.data()}, {"log_q", k.entropy.data()}, {"gradient", k.q_gradient.data()}});
    }
    workers_.push_back(std::move(worker));
  }
  if (blocks_ > 1) {
    kept_z_.resize(static_cast<size_t>(blocks_ * dimension_ * lanes_ + 1));
    if (gradient != Gradient::none)
      kept_gradient_.resize(kept_z_.size());
  }
}

void ParticleBlocks::draw(const double* phi, const vmodel_random& random) {
  std::copy(phi, phi + size_, phi_.begin());
  random_ = random;
  pool_.run(blocks_, [&](int64_t block, int number) { draw_block(worker(number), block); });
}

void ParticleBlocks::draw_block(Worker& k, int64_t block) {
  const vmodel_random numbers = random(block);
  k.draw(numbers);
  k.density(numbers);
  const int64_t first = block * lanes_;
  for (int64_t l = 0; l < lanes_; ++l) {
    const size_t lane = static_cast<size_t>(l);
    log_p_[static_cast<size_t>(first + l)] = power_ * (k.value[lane] + k.jacobian[lane]);
    log_q_[static_cast<size_t>(first + l)] = k.log_q[lane];
  }
  const int64_t count = dimension_ * lanes_;
  if (power_ != 1 && gradient_ != Gradient::none) {
    for (int64_t i = 0; i < count; ++i)
      k.gradient[static_cast<size_t>(i)] *= power_;
  }
  if (gradient_ == Gradient::model_and_family) {
    k.family_gradient(numbers);
    const double* of_family = k.q_gradient.data();
    double* gradient = k.gradient.data();
    for (int64_t i = 0; i < count; ++i)
      gradient[i] -= of_family[i];
  }
  if (blocks_ == 1)
    return;
  std::copy_n(k.z.begin(), count, kept_z_.begin() + block * count);
  if (gradient_ != Gradient::none)
    std::copy_n(k.gradient.begin(), count, kept_gradient_.begin() + block * count);
}

void ParticleBlocks::bring_back(Worker& k, int64_t block, bool noise) {
  if (blocks_ == 1)
    return;
  const int64_t count = dimension_ * lanes_;
  std::copy_n(kept_z_.begin() + block * count, count, k.z.begin());
  if (gradient_ != Gradient::none)
    std::copy_n(kept_gradient_.begin() + block * count, count, k.gradient.begin());
  if (noise)
    k.draw.make_noise(random(block));
}

ParticleRecord ParticleBlocks::record() const {
  ParticleRecord result;
  result.count = particles();
  result.log_p = log_p();
  result.log_q = log_q();
  result.z = blocks_ > 1 ? kept_z_.data() : workers_.front()->z.data();
  result.dimension = dimension_;
  result.lanes = lanes_;
  return result;
}

} // namespace vmodel::runtime
