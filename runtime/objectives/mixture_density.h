// The density of a semi-implicit family and its score, by importance sampling of what the family mixes over.
#pragma once

#include "runtime/model/family_draw.h"
#include "runtime/model/prepared_model.h"

#include <cstdint>
#include <functional>
#include <vector>

namespace vmodel::runtime {

// log of a mean of exp(terms), and the mean of vectors with the weights softmax(terms), of one term after the other:
// what is kept does not grow with their number. For several lanes at once.
class StreamedMean {
public:
  StreamedMean(int64_t size, int64_t lanes);

  void clear();
  // A term and a vector of each lane, [element][lane]. A term of -inf adds nothing but to the count. `factor`, where
  // given, is one more of exp(term), between 0 and 1 and not too small.
  void add(const double* term, const double* vector, const double* factor = nullptr);

  int64_t count() const { return count_; }
  // log(sum exp(term) / count)
  double log_mean(int64_t lane) const;
  // (sum exp(term))^2 / sum exp(2 term): so many of the terms count.
  double effective(int64_t lane) const;
  // sum softmax(term) vector
  double mean(int64_t element, int64_t lane) const {
    return vector_[static_cast<size_t>(element * lanes_ + lane)] / sum_[static_cast<size_t>(lane)];
  }
  // The standard error of log_mean by the delta method, terms taken as independent.
  double log_mean_error(int64_t lane) const;

private:
  int64_t size_, lanes_, count_ = 0;
  // Relative to exp(greatest).
  // weight_: of the term, then by what sums shrink.
  std::vector<double> greatest_, sum_, squares_, vector_, weight_;
};

// An estimate of a log density with its standard error.
struct PooledDensity {
  double log_density = 0, error = 0;
  double effective = 0; // so many samples count
};

// From all lanes, where they are at the same point.
PooledDensity pool_lanes(const StreamedMean& mean, int64_t lanes);

// How the integral over what is mixed over is estimated.
struct InnerSampling {
  enum class Proposal { prior, learned };
  Proposal proposal = Proposal::learned;
  int64_t samples = 128;
  // Of the learned proposal: the share of samples that come from the prior instead, which bounds the weights by its
  // inverse (a defensive mixture: weights are those of the mixture).
  double prior_share = 0.1;
  // Whether the value by which the point was drawn is one of the samples.
  bool own = false;
};

// q(z) = integral of q(z, e) over e, at as many points z as there are lanes, by samples e_j of a proposal t(e | z):
// log q(z) = log mean_j w_j, w_j = q(z, e_j) / t(e_j | z), and its gradient by z is the mean of grad_z log q(z, e_j)
// with weights w_j / sum w. Neither z in t nor what is learned in w is differentiated (Pielok, Bischl and Rügamer 2025,
// algorithm 2). With the prior as proposal and the own value among the samples, the mean of the score over draws z is
// that of grad log q (BSIVI). One thread at a time.
class MixtureDensity {
public:
  // `phi`, `z`: what kernels read, for the native number of lanes.
  MixtureDensity(const PreparedModel& model, const Family& family, double* phi, double* z);

  // phi is another one.
  void step();
  // Estimates by samples that are numbered from `random.first_particle` in steps of `stride`. `own`: with
  // InnerSampling::own, what the points were drawn by, [coordinate][lane]. `terms`, where given, gets log w of each
  // sample appended, [sample][lane], the own first.
  void estimate(const InnerSampling& sampling, const vmodel_random& random, int64_t stride, const double* own,
                std::vector<double>* terms = nullptr);
  // The samples of `estimate` once more, one after the other in sample(); all of them are of one kind: of the
  // distribution of what is mixed over, or of the proposal with a prior_share of 0.
  void replay(const InnerSampling& sampling, const vmodel_random& random, int64_t stride, const double* own,
              const std::function<void(int64_t)>& each);
  double* sample() { return mix_.data(); }
  // The score by samples of q(e | z) themselves: `begin` at new points, `add` one after the other, [coordinate][lane],
  // then `finish`.
  void begin();
  void add(const double* mix);
  void finish() { find_score(); }
  const StreamedMean& result() const { return mean_; }
  // The estimate of grad log q(z).
  double score(int64_t element, int64_t lane) const { return score_[static_cast<size_t>(element * lanes_ + lane)]; }

private:
  void add(bool learned, double log_prior_share, double log_learned_share, std::vector<double>* terms);
  void find_score();

  int64_t lanes_, size_, dimension_, point_size_;
  // gradient_: by z, then by what the joint density reads of it from its stage of points.
  AlignedVector<double> mix_, log_joint_, log_mix_, log_proposal_, gradient_, unused_, term_, factor_, by_point_,
      score_;
  NoisyDraw from_prior_, from_proposal_;
  StagedKernel joint_, proposal_density_;
  KernelCall chain_;
  StreamedMean mean_;
};

} // namespace vmodel::runtime
