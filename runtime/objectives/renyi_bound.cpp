#include "runtime/objectives/renyi_bound.h"

namespace vmodel::runtime {

RenyiBound::RenyiBound(const PreparedModel& model, const Family& family, int64_t particles, double alpha,
                       bool doubly_reparameterised, ThreadPool& pool)
    : CompetingObjective(
          model, family, particles,
          doubly_reparameterised ? ParticleBlocks::Gradient::model_and_family : ParticleBlocks::Gradient::model, pool),
      dimension_(model.dimension()), alpha_(alpha), doubly_(doubly_reparameterised),
      weight_(static_cast<size_t>(particles)) {
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
  return collect(w, sign * w.value, sign, gradient,
                 [&](int64_t block, int number) -> const AlignedVector<double>& { return backward(block, number); });
}

const AlignedVector<double>& RenyiBound::backward(int64_t block, int number) {
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
  return reverse.d_phi;
}

ParticleRecord RenyiBound::last() const {
  ParticleRecord result = blocks_.record();
  result.label = weight_.data();
  return result;
}

} // namespace vmodel::runtime
