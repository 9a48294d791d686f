#include "runtime/objectives/renyi_bound.h"

#include "runtime/objectives/weights.h"

#include <cmath>

namespace vmodel::runtime {

RenyiBound::RenyiBound(const PreparedModel& model, const Family& family, int64_t particles, double alpha,
                       bool doubly_reparameterised, ThreadPool& pool)
    : size_(model.size(family.phi)), dimension_(model.dimension()), alpha_(alpha), doubly_(doubly_reparameterised),
      pool_(pool),
      blocks_(model, family, particles,
              doubly_ ? ParticleBlocks::Gradient::model_and_family : ParticleBlocks::Gradient::model, pool),
      sums_(blocks_.blocks(), size_), weight_(static_cast<size_t>(particles)) {
  for (int i = 0; i < blocks_.workers(); ++i) {
    ParticleBlocks::Worker& worker = blocks_.worker(i);
    auto reverse = std::make_unique<Reverse>();
    reverse->d_log_q.resize(static_cast<size_t>(blocks_.lanes()));
    reverse->d_entropy.resize(reverse->d_log_q.size());
    reverse->d_phi.resize(static_cast<size_t>(size_ + 1));
    reverse->pathwise = model.call(family.name + ".pathwise", model.lanes(),
                                   {{"phi", blocks_.phi()},
                                    {"noise", worker.draw.noise()},
                                    {"d_z", worker.gradient.data()},
                                    {"d_log_q", reverse->d_log_q.data()},
                                    {"d_entropy", reverse->d_entropy.data()},
                                    {"d_phi", reverse->d_phi.data()}});
    reverse_.push_back(std::move(reverse));
  }
}

Evaluation RenyiBound::evaluate(const double* phi, const vmodel_random& random, double* gradient) {
  blocks_.draw(phi, random);
  const Weighing w = weigh_renyi(blocks_.log_p(), blocks_.log_q(), blocks_.particles(), alpha_, weight_.data());
  const double sign = minimised() ? -1 : 1;
  Evaluation result;
  result.value = sign * w.value;
  result.not_finite = w.not_finite;
  result.impossible = w.impossible;
  result.usable = w.defined;
  result.label_size = w.label_size;
  if (!w.defined) {
    std::fill(gradient, gradient + size_, NAN);
    return result;
  }
  const double* sums =
      sums_.run(pool_, [&](int64_t block, int number, double* into) { add_block(block, number, into); });
  for (int64_t i = 0; i < size_; ++i) {
    gradient[i] = sign * sums[i];
    result.usable = result.usable && std::isfinite(gradient[i]);
  }
  return result;
}

void RenyiBound::add_block(int64_t block, int number, double* sums) {
  ParticleBlocks::Worker& worker = blocks_.worker(number);
  Reverse& reverse = *reverse_[static_cast<size_t>(number)];
  blocks_.bring_back(worker, block, true);
  const double n = 1 - alpha_;
  const int64_t lanes = blocks_.lanes(), first = block * lanes, active = blocks_.active(block);
  for (int64_t l = 0; l < lanes; ++l) {
    const double v = l < active ? weight_[static_cast<size_t>(first + l)] : 0.0;
    const double of_path = doubly_ ? (1 - n) * v + n * v * v : v;
    reverse.d_log_q[static_cast<size_t>(l)] = doubly_ ? 0.0 : -v;
    double* gradient = worker.gradient.data() + l;
    // Where the density is zero its derivative may be anything.
    for (int64_t i = 0; i < dimension_; ++i)
      gradient[i * lanes] = of_path == 0 ? 0.0 : of_path * gradient[i * lanes];
  }
  reverse.pathwise(blocks_.random(block));
  const double* d_phi = reverse.d_phi.data();
  for (int64_t i = 0; i < size_; ++i)
    sums[i] += d_phi[i];
}

ParticleRecord RenyiBound::last() const {
  ParticleRecord result = blocks_.record();
  result.label = weight_.data();
  return result;
}

} // namespace vmodel::runtime
