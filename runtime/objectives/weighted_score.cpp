#include "runtime/objectives/weighted_score.h"

namespace vmodel::runtime {

WeightedScore::WeightedScore(const PreparedModel& model, const Family& family, int64_t particles,
                             const Labelling& labelling, ThreadPool& pool)
    : CompetingObjective(model, family, particles, ParticleBlocks::Gradient::none, pool), labelling_(labelling),
      label_(static_cast<size_t>(particles)), guide_(label_) {
  for (int i = 0; i < blocks_.workers(); ++i) {
    auto reverse = std::make_unique<Reverse>();
    reverse->weight.resize(static_cast<size_t>(blocks_.lanes()));
    reverse->log_q.resize(reverse->weight.size());
    reverse->d_phi.resize(static_cast<size_t>(size_ + 1));
    reverse->score = model.call(family.name + ".score", model.lanes(),
                                {{"phi", blocks_.phi()},
                                 {"z", blocks_.worker(i).z.data()},
                                 {"weight", reverse->weight.data()},
                                 {"log_q", reverse->log_q.data()},
                                 {"d_phi", reverse->d_phi.data()}});
    reverse_.push_back(std::move(reverse));
  }
}

Evaluation WeightedScore::evaluate(const double* phi, const vmodel_random& random, double* gradient) {
  blocks_.draw(phi, random);
  const int64_t count = blocks_.particles();
  const Weighing w = labelling_.kind == Labelling::Kind::softcvi
                         ? weigh_softcvi(blocks_.log_p(), blocks_.log_q(), count, labelling_.alpha, labelling_.negative,
                                         label_.data(), guide_.data())
                         : weigh_forward_kl(blocks_.log_p(), blocks_.log_q(), count, labelling_.low_variance,
                                            label_.data(), guide_.data());
  return collect(w, -w.value, 1, gradient, [&](int64_t block, int number) -> const AlignedVector<double>& {
    Reverse& reverse = *reverse_[static_cast<size_t>(number)];
    blocks_.bring_back(blocks_.worker(number), block, false);
    const int64_t first = block * blocks_.lanes(), active = blocks_.active(block);
    for (int64_t l = 0; l < blocks_.lanes(); ++l) {
      const size_t k = static_cast<size_t>(first + l);
      reverse.weight[static_cast<size_t>(l)] = l < active ? label_[k] - guide_[k] : 0.0;
    }
    reverse.score(blocks_.random(block));
    return reverse.d_phi;
  });
}

ParticleRecord WeightedScore::last() const {
  ParticleRecord result = blocks_.record();
  result.label = label_.data();
  result.guide = guide_.data();
  return result;
}

} // namespace vmodel::runtime
