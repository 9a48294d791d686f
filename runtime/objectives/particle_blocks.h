// The particles of objectives in which particles compete: all are drawn and valued before any has a weight.
#pragma once

#include "runtime/model/family_draw.h"
#include "runtime/model/prepared_model.h"
#include "runtime/objectives/lane_blocks.h"
#include "runtime/objectives/objective.h"
#include "runtime/objectives/thread_pool.h"

#include <memory>
#include <vector>

namespace vmodel::runtime {

// K particles in blocks of the model's lanes: a draw and a value for each block, whose points (and gradients) are kept
// where there is more than one. Lanes beyond the last particle run along.
class ParticleBlocks {
public:
  // What is computed at each point beside log p and log q.
  enum class Gradient { none, model, model_and_family };

  ParticleBlocks(const PreparedModel& model, const Family& family, int64_t particles, Gradient gradient,
                 ThreadPool& pool);
  ParticleBlocks(const ParticleBlocks&) = delete;
  ParticleBlocks& operator=(const ParticleBlocks&) = delete;

  // The memory that a thread's kernels read and write, for one block.
  struct Worker {
    AlignedVector<double> z, log_q, entropy, value, jacobian;
    // By z: of log p with its Jacobian, less that of log q where it is asked for.
    AlignedVector<double> gradient, q_gradient;
    FamilyDraw draw;

  private:
    friend ParticleBlocks;
    KernelCall density, family_gradient;
  };

  // log p and its gradient count so many times: the model's density to this power.
  void temper(double power) { power_ = power; }
  // Draws all particles and fills log_p() and log_q().
  void draw(const double* phi, const vmodel_random& random);
  // Makes a block of the last draws the one that the worker holds, with its random numbers if `noise` is wanted.
  void bring_back(Worker& worker, int64_t block, bool noise);

  int64_t particles() const { return in_lanes_.particles; }
  int64_t blocks() const { return blocks_; }
  int64_t lanes() const { return lanes_; }
  int64_t active(int64_t block) const { return in_lanes_.active(block); }
  Worker& worker(int number) { return *workers_[static_cast<size_t>(number)]; }
  int workers() const { return static_cast<int>(workers_.size()); }
  // Of a block of the last draws.
  vmodel_random random(int64_t block) const { return in_lanes_.random(random_, block); }
  // What kernels read as phi: one place, so that a call needs no new binding.
  double* phi() { return phi_.data(); }
  // Of each particle; those beyond the last are not to be read.
  const double* log_p() const { return log_p_.data(); }
  const double* log_q() const { return log_q_.data(); }
  ParticleRecord record() const;

private:
  void draw_block(Worker& worker, int64_t block);

  int64_t size_, dimension_;
  LaneBlocks in_lanes_;
  int64_t lanes_, blocks_;
  Gradient gradient_;
  double power_ = 1;
  ThreadPool& pool_;
  vmodel_random random_{};
  AlignedVector<double> phi_, log_p_, log_q_;
  std::vector<std::unique_ptr<Worker>> workers_;
  // Of every block, where there is more than one.
  AlignedVector<double> kept_z_, kept_gradient_;
};

} // namespace vmodel::runtime
