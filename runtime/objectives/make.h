// From the settings of an objective to the objective.
#pragma once

#include "runtime/abi/objectives.h"
#include "runtime/model/prepared_model.h"
#include "runtime/objectives/mixture_density.h"
#include "runtime/objectives/objective.h"
#include "runtime/objectives/thread_pool.h"
#include "runtime/objectives/weights.h"

#include <cstdint>
#include <memory>
#include <string>

namespace vmodel::runtime {

// `dreg` belongs to the Renyi bounds, `automatic` and `stl` to the ELBO.
enum class EstimatorChoice { automatic, total, stl, dreg };

// A row of objective_rows with the values of its settings. A setting that the row does not have keeps its default.
struct ObjectiveSettings {
  std::string name = "elbo";
  // 0: from the variance of the gradient at the start (elbo).
  int64_t particles = 0;
  EstimatorChoice estimator = EstimatorChoice::automatic;
  double alpha = 0.75;
  Negative negative = Negative::proposal;
  bool low_variance = false;
  // Of semi-implicit inference: inner samples of each particle, in so many batches.
  InnerSampling::Proposal proposal = InnerSampling::Proposal::learned;
  int64_t inner = 128, batches = 1;
  double prior_share = 0.1;
  // Steps by which the proposal is learned: before all others, and before each of them; and their rate.
  int64_t pretrain = 300, proposal_steps = 1;
  double proposal_rate = 0.003;
  // Of chains for what is mixed over, whose states after `burn_in` transitions are the inner samples.
  int64_t burn_in = 5, leapfrogs = 5;

  const ObjectiveRow& row() const { return *find_objective(name); }
  ObjectiveMethod method() const { return row().method; }
  // With the estimator counted in.
  unsigned needs() const;
  InnerSampling inner_sampling() const;
  // Densities of a point and what is mixed over that a particle takes.
  int64_t inner_evaluations() const;
  bool learns_proposal() const {
    return (method() == ObjectiveMethod::semi_implicit || method() == ObjectiveMethod::surrogate_bound) &&
           proposal == InnerSampling::Proposal::learned;
  }
};

// Which of `needs` the compiled family does not have; 0: none.
unsigned missing_needs(const PreparedModel& model, const Family& family, unsigned needs);

// `automatic` counts as total, particles 0 as one block of lanes. The family must have what the objective needs.
std::unique_ptr<Objective> make_objective(const PreparedModel& model, const Family& family,
                                          const ObjectiveSettings& settings, ThreadPool& pool);

} // namespace vmodel::runtime
