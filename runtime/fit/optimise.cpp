// The steps of a fit: Adam, then the last phase in the metric of the curvature.

#include "runtime/fit/context.h"
#include "runtime/fit/proposal.h"
#include "runtime/io/files.h"
#include "runtime/math/arrays.h"

#include <algorithm>
#include <cmath>
#include <optional>

namespace vmodel::runtime {
namespace {

constexpr double negligible_shift = 0.05; // in units of the coordinates
// Of the last phase: the share of a Newton step that its steps go, at its beginning and later.
constexpr double first_settling_rate = 0.3, last_settling_rate = 0.05;
constexpr double negligible_loss = 0.01; // in nats
constexpr int64_t settled_draws = 4096;
constexpr int64_t divergence_draws = 1024;
constexpr int64_t trace_rows = 10000;
// So many steps in a row that cannot be taken end a fit.
constexpr int64_t most_skipped_in_a_row = 100;
// So many say, where particles compete, that an iterate has no density around it.
constexpr int64_t competing_skipped_in_a_row = 20;
// Steps of the proposal in the place of one of the family while inner samples have collapsed; and for how long.
constexpr uint32_t held_proposal_steps = 10;
constexpr int64_t most_held_in_a_row = 50;
// So many of the inner samples count then at most, or this share of them.
constexpr double collapsed_inner_size = 4, collapsed_inner_share = 0.1;

class Optimiser {
public:
  Optimiser(FitContext& fit, const Estimation& estimation)
      : fit_(fit), estimation_(estimation), n_(static_cast<size_t>(fit.size)), origin_(fit.state.phi),
        phi_(fit.state.phi), psi_(n_, 0.0), gradient_(n_ + 1), g_psi_(n_), units_(n_ + 1),
        direct_(fit.preconditioner.is_identity() && !fit.settings.precondition &&
                !fit.settings.objective.learns_proposal()),
        settling_(fit.settles() ? fit.settings.settling_steps() : 0), all_steps_(fit.settings.steps + settling_),
        stride_(std::max<int64_t>(1, all_steps_ / trace_rows)),
        left_(static_cast<double>(fit.settings.steps * estimation.particles + settling_ * estimation.settling)) {
    fit.trace.reserve(static_cast<size_t>(all_steps_ / stride_ + 2));
    if (fit.settings.objective.learns_proposal())
      proposal_.emplace(fit);
    if (direct_)
      origin_.swap(psi_);
  }

  void run() {
    fit_.state.phase = "optimise";
    adam();
    if (settling_ > 0)
      settle();
  }

private:
  void adam() {
    const FitSettings& settings = fit_.settings;
    const int64_t steps = settings.steps, averaged = fit_.averaged_steps();
    const auto objective = objective_of(estimation_.particles);
    Adam adam(n_, settings.adam);
    // One for the result, one in comparable units for the test of its halves.
    IterateAverage average(n_, averaged), in_units(n_, averaged), first_half(n_, averaged / 2);
    double slower = 1;
    int64_t skipped_in_a_row = 0;
    std::vector<double> sound = psi_; // the last iterate with a finite objective
    if (proposal_)
      learn_proposal(settings.objective.pretrain, step_of_proposal);
    for (int64_t step = 0; step < steps; ++step) {
      if (step > 0 && step == steps / 4 && settings.precondition && !settings.warm_up && !fit_.started_at_mode) {
        // What the start could not know of the curvature is known by now.
        fit_.state.phi = phi_;
        fit_.choose_preconditioner(50);
        origin_ = phi_;
        std::fill(psi_.begin(), psi_.end(), 0.0);
        sound = psi_;
        adam.restart();
      }
      const double rate = slower * settings.schedule.at(step, steps);
      if (proposal_)
        learn_proposal(settings.objective.proposal_steps, static_cast<uint32_t>(step), rate / settings.schedule.rate);
      objective->temper(settings.power_at(step));
      const Evaluation e = objective->evaluate(direct_ ? psi_.data() : phi_.data(),
                                               fit_.random(static_cast<uint32_t>(step)), gradient_.data());
      double norm = NAN;
      if (proposal_ && e.label_size < collapsed_size() && held_in_a_row_ < most_held_in_a_row) {
        // The score is none: the proposal has to find the family again before it moves on.
        ++fit_.state.held;
        ++held_in_a_row_;
        learn_proposal(held_proposal_steps,
                       step_of_proposal + 0x1000000 + static_cast<uint32_t>(step) * held_proposal_steps);
      } else if (e.usable) {
        held_in_a_row_ = 0;
        skipped_in_a_row = 0;
        std::swap(psi_, sound);
        norm = adam.step(sound.data(), pull_back(), rate, psi_.data());
        if (!direct_)
          move();
      } else {
        skip(e);
        ++skipped_in_a_row;
        // A step into a place without density is taken back, and later ones are shorter. Where particles compete, a
        // step that is skipped tells of its particles more than of the place: only many in a row do.
        if (skipped_in_a_row % (fit_.is_elbo() ? 3 : competing_skipped_in_a_row) == 0) {
          if (fit_.is_elbo())
            skipped_in_a_row = 0;
          slower *= 0.5;
          std::copy(sound.begin(), sound.end(), psi_.begin());
          move();
          adam.restart();
        }
      }
      count(e, step >= steps - (averaged > 0 ? averaged : steps / 2));
      if (step >= steps - averaged)
        add(average, in_units);
      if (step >= steps - averaged && step < steps - averaged + averaged / 2)
        first_half.add(psi_.data());
      done_step(step + 1, estimation_.particles, objective->minimised() ? -e.value : e.value, norm, rate);
      if (skipped_in_a_row == most_skipped_in_a_row) {
        fit_.state.problems.push_back(counted(most_skipped_in_a_row, "step") +
                                      " in a row could not be taken, since particles had no finite density or "
                                      "derivative; the fit ended at step " +
                                      std::to_string(step + 1));
        break;
      }
    }
    FitState& state = fit_.state;
    move();
    state.last = phi_;
    state.first_moment = adam.first_moment();
    state.second_moment = adam.second_moment();
    if (averaged > 0 && average.complete()) {
      state.averaged = averaged;
      const std::vector<double> first = first_half.mean(), mean = average.mean();
      psi_ = first;
      move();
      const std::vector<double> phi_first = phi_;
      for (size_t i = 0; i < n_; ++i)
        psi_[i] = 2 * mean[i] - first[i];
      move();
      state.halves_apart = in_units.halves_apart(negligible_shift);
      // Learned numbers may wander where hardly a draw tells: halves that are nearly the same distribution have
      // settled.
      const double negligible = 0.5 * negligible_shift * negligible_shift * static_cast<double>(fit_.model.dimension());
      if (state.halves_apart > 0 &&
          fit_.divergence(phi_first, phi_, fit_.evaluation_draws(divergence_draws)) < negligible)
        state.halves_apart = 0;
      psi_ = mean;
      move();
    }
    state.phi = phi_;
  }

  // Steps along the gradient in the metric of the curvature, with many particles; the result is their
  // mean (Polyak and Juditsky 1992). Every direction forgets where it came from after 1 / rate steps,
  // and the mean has neither Adam's bias for skewed noise nor, at so little noise, that of the
  // objective's third derivatives.
  void settle() {
    const auto objective = objective_of(estimation_.settling);
    const int64_t first = settling_ * 2 / 5, averaged = settling_ - first;
    IterateAverage average(n_, averaged), in_units(n_, averaged);
    for (int64_t i = 0; i < settling_; ++i) {
      const int64_t number = fit_.settings.steps + i;
      const Evaluation e =
          objective->evaluate(phi_.data(), fit_.random(static_cast<uint32_t>(number)), gradient_.data());
      double norm = NAN, wanted = 0;
      if (e.usable) {
        fit_.preconditioner.pull_back(gradient_.data(), g_psi_.data());
        norm = euclidean_norm(g_psi_.data(), n_);
        fit_.curvature.apply(g_psi_);
        const double share = std::min(1.0, static_cast<double>(i) / static_cast<double>(first + 1));
        wanted = first_settling_rate * std::pow(last_settling_rate / first_settling_rate, share);
        // Where the metric is wrong by far a step must not lead away.
        const double length = wanted * euclidean_norm(g_psi_.data(), n_);
        const double longest = 0.5 * std::sqrt(static_cast<double>(n_));
        const double rate = wanted * (length > longest ? longest / length : 1);
        for (size_t k = 0; k < n_; ++k)
          psi_[k] += rate * g_psi_[k];
        move();
      } else {
        skip(e);
      }
      if (i >= first)
        add(average, in_units);
      done_step(number + 1, estimation_.settling, e.value, norm, wanted);
    }
    psi_ = average.mean();
    move();
    FitState& state = fit_.state;
    // Kept unless draws that both share say that it went astray.
    const Comparison c = fit_.compare(state.phi, phi_, fit_.evaluation_draws(settled_draws), 32);
    if (!c.second_is_sound()) {
      if (!(c.difference > -negligible_loss)) {
        state.notes.push_back("the last phase (settle) made the objective worse (" + brief(c.second) + " after " +
                              brief(c.first) + ") and was left out");
      }
      return;
    }
    state.averaged = averaged;
    state.halves_apart = in_units.halves_apart(negligible_shift);
    state.phi = phi_;
  }

  // Steps of the proposal, at the family's iterate. It stands in phi outside of the coordinates of the optimiser.
  void learn_proposal(int64_t steps, uint32_t first_number, double rate = 1) {
    for (int64_t i = 0; i < steps; ++i) {
      fit_.alive();
      proposal_->step(phi_, fit_.random(first_number + static_cast<uint32_t>(i)), rate);
    }
    proposal_->copy(phi_, origin_);
  }

  double collapsed_size() const {
    const double samples = static_cast<double>(fit_.settings.objective.inner_sampling().samples);
    return std::min(collapsed_inner_size, collapsed_inner_share * samples);
  }

  // The gradient by psi.
  const double* pull_back() {
    if (direct_)
      return gradient_.data();
    fit_.preconditioner.pull_back(gradient_.data(), g_psi_.data());
    return g_psi_.data();
  }

  // phi = origin + P psi
  void move() { fit_.preconditioner.place(origin_.data(), psi_.data(), phi_.data()); }

  std::unique_ptr<Objective> objective_of(int64_t particles) const {
    ObjectiveSettings settings = fit_.settings.objective;
    settings.particles = particles;
    settings.estimator = estimation_.estimator;
    return make_objective(fit_.model, fit_.family, settings, fit_.pool);
  }

  void skip(const Evaluation& e) {
    ++fit_.state.skipped;
    fit_.state.particles_not_finite += e.not_finite;
  }

  void count(const Evaluation& e, bool late) {
    fit_.state.particles_impossible += e.impossible;
    fit_.state.labels.add(e);
    if (late)
      fit_.state.last_labels.add(e);
  }

  void add(IterateAverage& average, IterateAverage& in_units) {
    average.add(psi_.data());
    fit_.preconditioner.to_units(psi_.data(), units_.data());
    in_units.add(units_.data());
  }

  // What every step leaves behind.
  void done_step(int64_t step, int64_t particles, double value, double norm, double rate) {
    if (std::isfinite(value)) {
      const double weight = std::max(0.02, 1.0 / static_cast<double>(++smoothed_));
      smooth_ += weight * (value - smooth_);
    }
    if ((step - 1) % stride_ == 0 || step == all_steps_)
      fit_.trace.push_back({step, fit_.seconds(), value, norm, rate, fit_.state.skipped});
    fit_.state.step = step;
    const double work = static_cast<double>(particles);
    left_ -= work;
    if (fit_.observer)
      fit_.observer({"", step, all_steps_, smooth_, rate, left_ / work});
  }

  FitContext& fit_;
  const Estimation& estimation_;
  const size_t n_;
  std::vector<double> origin_, phi_, psi_, gradient_, g_psi_, units_;
  // Whether psi is phi, and the origin zero: then Adam moves phi itself. Of families with many learned numbers the
  // arrays of a step are as large as the cache.
  const bool direct_;
  const int64_t settling_, all_steps_, stride_;
  double left_; // evaluations of single particles
  int64_t smoothed_ = 0;
  double smooth_ = 0;
  std::optional<ProposalLearner> proposal_;
  int64_t held_in_a_row_ = 0;
};

} // namespace

void optimise(FitContext& fit, const Estimation& estimation) {
  Optimiser(fit, estimation).run();
}

} // namespace vmodel::runtime
