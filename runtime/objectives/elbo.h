// The evidence lower bound with pathwise gradients.
#pragma once

#include "runtime/model/prepared_model.h"
#include "runtime/objectives/block_sums.h"
#include "runtime/objectives/lane_blocks.h"
#include "runtime/objectives/objective.h"
#include "runtime/objectives/thread_pool.h"

#include <memory>
#include <string>
#include <vector>

namespace vmodel::runtime {

enum class Estimator {
  // The gradient of log p plus the entropy, analytic where the family has it.
  total,
  // Sticking the landing (Roeder, Wu, Duvenaud 2017, equation 6): the path derivative of
  // log p - log q alone, which has no variance where q equals the posterior.
  stl,
};

// E_q[log p(z) + log |J|] + H(q) with K particles, in blocks of the model's lanes. Of a family without pathwise
// derivatives there are values only.
class Elbo final : public Objective {
public:
  Elbo(const PreparedModel& model, const Family& family, int64_t particles, Estimator estimator, ThreadPool& pool);
  ~Elbo() override;

  int64_t size() const override { return size_; }
  Evaluation evaluate(const double* phi, const vmodel_random& random, double* gradient) override;

  // The value alone, for a third of the cost. `form` says whether with the entropy (total) or with
  // log q in its place (stl), which leaves nothing to vary where q is the posterior. `terms`, where
  // given, gets each particle's contribution (`particles` numbers): with the same random numbers
  // those of two phi can be compared in pairs.
  Evaluation value(const double* phi, const vmodel_random& random, Estimator form = Estimator::total,
                   std::vector<double>* terms = nullptr);

private:
  struct Worker;

  // `work` adds one block to the sums; those of the gradient are left in `gradient` where it is given.
  template <typename Work>
  Evaluation run(const double* phi, double* gradient, const Work& work);
  void add_terms(const Worker& worker, int64_t block, Estimator form, double* sums, double* terms) const;
  void run_block(Worker& worker, int64_t block, const vmodel_random& random, double* sums);

  const PreparedModel& model_;
  const Family& family_;
  int64_t size_, dimension_;
  LaneBlocks blocks_;
  int64_t lanes_;
  Estimator estimator_;
  ThreadPool& pool_;
  // What kernels read as phi: one place, so that a call needs no new binding.
  AlignedVector<double> phi_;
  std::vector<std::unique_ptr<Worker>> workers_;
  // The gradient, then value, squares and number of particles that are not finite.
  BlockSums sums_;
};

} // namespace vmodel::runtime
