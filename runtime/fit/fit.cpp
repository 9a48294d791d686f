#include "runtime/fit/fit.h"

#include "runtime/fit/curvature.h"
#include "runtime/io/error.h"
#include "runtime/io/files.h"
#include "runtime/objectives/elbo.h"
#include "runtime/optimizers/lbfgs.h"
#include "runtime/start/family_start.h"
#include "runtime/start/preconditioner.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>

namespace vmodel::runtime {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double negligible_shift = 0.05; // in units of the coordinates
constexpr double most_halves_apart = 4;
constexpr double most_skipped = 0.01;
// Particles are chosen within these limits so that the Monte-Carlo error of the result is about
// this share of a unit.
constexpr int64_t least_particles = 16;
constexpr int64_t most_particles = 256;
constexpr double wanted_error = 0.004;
// The last phase: most particles, and the share of a Newton step that its steps go.
constexpr int64_t most_settling = 4096;
constexpr double first_settling_rate = 0.3, last_settling_rate = 0.05;
constexpr int64_t trace_rows = 10000;
// Steps of the random streams that are not steps of the optimiser.
constexpr uint32_t step_of_estimator_trial = 0x20000000;
constexpr uint32_t step_of_evaluation = 0x40000000;
constexpr uint32_t step_of_curvature = 0x50000000;
constexpr uint32_t step_of_warm_up = 0x60000000;

class Fit {
public:
  Fit(const PreparedModel& model, const FitSettings& settings, const FitObserver& observer)
      : model_(model), settings_(settings), observer_(observer), family_(family_of(model.metadata(), settings.family)),
        density_(model), pool_(settings.threads), size_(model.size(family_.phi)),
        preconditioner_(model.size(family_.phi)), begin_(Clock::now()) {
    state_.seed = settings.seed;
  }

  FitResult run() {
    start();
    if (settings_.family == "laplace") {
      state_.estimator = "none";
      state_.last = state_.phi;
      compare_with_plain_start();
    } else {
      choose_preconditioner(0);
      if (settings_.warm_up)
        warm_up();
      measure_curvature();
      choose_estimator();
      optimise();
    }
    finish();
    return {std::move(state_), std::move(trace_)};
  }

private:
  // --- the start ---
  void start() {
    state_.phi = plain_start(model_, family_);
    const bool only_laplace = settings_.family == "laplace";
    if (settings_.start == StartChoice::plain && !only_laplace) {
      state_.start = "plain";
      return;
    }
    const Laplace laplace = find_laplace(density_, settings_.seed);
    std::string refused = laplace.proper ? "" : laplace.reason;
    if (laplace.proper && !only_laplace && settings_.start == StartChoice::automatic) {
      const double ours = laplace.elbo(density_, settings_.seed);
      const double plain = elbo(state_.phi, 256).value;
      if (!std::isfinite(ours)) {
        refused = "draws around the mode have no finite density";
      } else if (ours < plain) {
        refused = "its ELBO " + brief(ours) + " is below the plain start's " + brief(plain);
      }
    }
    if (refused.empty()) {
      std::vector<double> phi = state_.phi;
      if (gaussian_start(model_, family_, laplace, phi)) {
        state_.phi = phi;
        state_.start = "laplace";
        started_at_mode_ = true;
        return;
      }
      if (likelihood_start(model_, family_, laplace, settings_.seed, phi)) {
        state_.phi = phi;
        state_.start = "maximum likelihood of Laplace draws";
        return;
      }
      refused = "the family's likelihood has no optimum";
    }
    if (only_laplace) {
      throw NoFit("family laplace: the posterior has no proper mode on the unconstrained scale: " + refused +
                  "; fit another family, e.g. --family mean_field");
    }
    if (settings_.start == StartChoice::laplace) {
      state_.notes.push_back("the Laplace start was not possible: " + refused);
    }
    state_.start = "plain (Laplace refused: " + refused + ")";
    if (start_by_mean_field()) {
      state_.start = "mean field with its mean curvature (Laplace refused: " + refused + ")";
    }
  }

  // Where there is no mode: a short fit of mean_field, whose mean and mean curvature make a Gaussian
  // that stands in for Laplace's. Kept only where its ELBO is better than the plain start's.
  bool start_by_mean_field() {
    const Family* mean_field = model_.metadata().find_family("mean_field");
    if (mean_field == nullptr || family_.name == "mean_field" || mean_field->gaussian_location.empty() ||
        model_.dimension() > largest_dense_dimension) {
      return false;
    }
    FitSettings settings = settings_;
    settings.family = "mean_field";
    settings.start = StartChoice::plain;
    settings.steps = 500;
    settings.settle = 0;
    settings.estimator = EstimatorChoice::total;
    settings.particles = 16;
    const FitObserver silent;
    const FitState first = Fit(model_, settings, silent).run().state;
    Laplace gaussian;
    if (!mean_precision(model_, *mean_field, density_, first.phi, settings_.seed, 99, gaussian.precision,
                        gaussian.factor)) {
      return false;
    }
    for (const LearnableValue& l : model_.learnables(*mean_field)) {
      if (l.name != mean_field->gaussian_location)
        continue;
      const auto at = first.phi.begin() + static_cast<long>(l.phi_offset);
      gaussian.mode.assign(at, at + static_cast<long>(l.phi_size));
    }
    if (static_cast<int64_t>(gaussian.mode.size()) != model_.dimension())
      return false;
    std::vector<double> phi = state_.phi;
    if (!gaussian_start(model_, family_, gaussian, phi) &&
        !likelihood_start(model_, family_, gaussian, settings_.seed, phi)) {
      return false;
    }
    const double plain = elbo(state_.phi, 256).value, ours = elbo(phi, 256).value;
    if (!std::isfinite(ours) || ours < plain)
      return false;
    state_.phi = phi;
    return true;
  }

  // The curvature at a mode may say little about the posterior around it.
  void compare_with_plain_start() {
    const double ours = elbo(state_.phi, 4096).value;
    const double plain = elbo(plain_start(model_, family_), 4096).value;
    if (std::isfinite(plain) && !(ours >= plain)) {
      state_.problems.push_back("the curvature at the mode does not describe the posterior: the ELBO " + brief(ours) +
                                " is below " + brief(plain) +
                                ", that of a standard normal distribution; fit another family, e.g. "
                                "--family full_rank");
    }
  }

  void choose_preconditioner(uint32_t number) {
    if (!settings_.precondition)
      return;
    preconditioner_ = precondition(model_, family_, density_, state_.phi, settings_.seed, 100 + number);
  }

  Evaluation elbo(const std::vector<double>& phi, int64_t particles, uint32_t number = 0) {
    Elbo objective(model_, family_, particles, Estimator::total, pool_);
    std::vector<double> gradient(static_cast<size_t>(size_ + 1));
    return objective.evaluate(phi.data(), random_state(settings_.seed, Stream::fit, step_of_evaluation + number),
                              gradient.data());
  }

  // Maximises the ELBO of fixed draws by L-BFGS: brings the learnables near the optimum at little
  // cost whatever the scales are. Kept only where other draws confirm it.
  void warm_up() {
    if (size_ == 0)
      return;
    const int64_t d = model_.dimension();
    for (uint32_t round = 0; round < 3; ++round) {
      const int64_t draws = std::min<int64_t>(8192, std::max<int64_t>(256 << (2 * round), 8 * d));
      Elbo objective(model_, family_, draws, Estimator::total, pool_);
      const vmodel_random random = random_state(settings_.seed, Stream::fit, step_of_warm_up + round);
      std::vector<double> phi(static_cast<size_t>(size_)), g(phi), psi(phi.size(), 0.0);
      const std::vector<double> origin = state_.phi;
      const Differentiable function = [&](const double* at, double* gradient) {
        phi = origin;
        preconditioner_.add_to(at, phi.data());
        const Evaluation e = objective.evaluate(phi.data(), random, g.data());
        preconditioner_.pull_back(g.data(), gradient);
        for (int64_t i = 0; i < size_; ++i)
          gradient[i] = -gradient[i];
        return -e.value;
      };
      LbfgsSettings lbfgs;
      lbfgs.iterations = round == 2 ? 30 : 60;
      lbfgs.decrease = 1e-5;
      const LbfgsResult result = minimise_lbfgs(function, psi, lbfgs);
      if (!std::isfinite(result.value))
        continue;
      std::vector<double> better = origin;
      preconditioner_.add_to(psi.data(), better.data());
      const int64_t trial = 1024;
      const Evaluation before = elbo(origin, trial, 1 + round);
      const Evaluation after = elbo(better, trial, 1 + round);
      const double error =
          std::isfinite(before.spread) ? std::min(before.spread, after.spread) / std::sqrt(1.0 * trial) : 0;
      if (std::isfinite(after.value) && (!std::isfinite(before.value) || after.value > before.value - 2 * error)) {
        state_.phi = better;
      }
      choose_preconditioner(1 + round);
    }
  }

  // What the preconditioner does not know: it takes the posterior for nearly Gaussian.
  void measure_curvature() {
    // Used by the choice of estimator and particles, and by the last phase.
    const bool chosen = settings_.particles > 0 && settings_.estimator != EstimatorChoice::automatic;
    if (size_ == 0 || preconditioner_.is_identity() || (chosen && !settles()))
      return;
    const auto gradient_of = [&](Elbo& objective) {
      return [this, &objective, phi = state_.phi, g = std::vector<double>(size_ + 1)](const double* psi,
                                                                                      double* gradient) mutable {
        phi = state_.phi;
        preconditioner_.add_to(psi, phi.data());
        const Evaluation e =
            objective.evaluate(phi.data(), random_state(settings_.seed, Stream::fit, step_of_curvature), g.data());
        preconditioner_.pull_back(g.data(), gradient);
        return std::isfinite(e.value);
      };
    };
    Elbo coarse(model_, family_, 2048, Estimator::total, pool_), fine(model_, family_, 8192, Estimator::total, pool_);
    curvature_ = find_curvature(size_, gradient_of(coarse), gradient_of(fine));
  }

  // The estimator whose gradients would leave the smaller error in the result (both have the same
  // mean), and so many particles that this error is small in every coordinate.
  void choose_estimator() {
    const bool has_stl = model_.compiled().find(family_.name + ".log_density_gradient", model_.lanes()) != nullptr;
    if (settings_.estimator == EstimatorChoice::stl && !has_stl) {
      throw InputError("estimator stl: the family " + family_.name + " has no density at a given point");
    }
    estimator_ = settings_.estimator == EstimatorChoice::stl ? Estimator::stl : Estimator::total;
    particles_ = settings_.particles > 0 ? settings_.particles : least_particles;
    settling_ = particles_;
    const bool choose = settings_.estimator == EstimatorChoice::automatic && has_stl;
    if (choose || settings_.particles == 0) {
      const ErrorEstimate first = error_of(estimator_);
      double worst = first.worst;
      if (choose) {
        const ErrorEstimate stl = error_of(Estimator::stl);
        if (stl.worst < first.worst) {
          estimator_ = Estimator::stl;
          worst = stl.worst;
        }
      }
      particle_error_ = worst;
      if (settings_.particles == 0 && std::isfinite(worst)) {
        const double iterates =
            static_cast<double>(std::max<int64_t>(1, settles() ? settings_.settle * 3 / 5 : averaged_steps()));
        const double wanted = worst * worst / iterates / (wanted_error * wanted_error);
        const double most = static_cast<double>(settles() ? most_settling : most_particles);
        const int64_t lanes = model_.lanes();
        const auto whole_blocks = [&](double particles) {
          return (static_cast<int64_t>(std::ceil(particles)) + lanes - 1) / lanes * lanes;
        };
        settling_ = whole_blocks(std::clamp(wanted, 1.0 * least_particles, most));
        particles_ =
            settles() ? whole_blocks(std::max(1.0 * least_particles, static_cast<double>(settling_) / 16)) : settling_;
      }
    }
    state_.estimator = estimator_ == Estimator::stl ? "stl" : "total";
    state_.particles = settles() ? settling_ : particles_;
  }

  int64_t averaged_steps() const {
    return static_cast<int64_t>(settings_.average * static_cast<double>(settings_.steps));
  }
  // Steps in the metric of the curvature need one.
  bool settles() const { return settings_.settle > 0 && !preconditioner_.is_identity(); }

  // Standard deviation of the error that the gradient of one particle makes in the result of a
  // Newton step, in units of the coordinates (Preconditioner::to_units). Directions that are flatter
  // than the preconditioner knows count as they are.
  struct ErrorEstimate {
    double worst = INFINITY;
  };

  ErrorEstimate error_of(Estimator estimator) {
    const int trials = 128;
    Elbo objective(model_, family_, model_.lanes(), estimator, pool_);
    const size_t n = static_cast<size_t>(size_);
    std::vector<double> g(n + 1), psi(n + 1), units(n + 1), sum(n, 0.0), squares(n, 0.0);
    int finite = 0;
    for (int t = 0; t < trials; ++t) {
      const Evaluation e = objective.evaluate(
          state_.phi.data(),
          random_state(settings_.seed, Stream::fit, step_of_estimator_trial + static_cast<uint32_t>(t)), g.data());
      if (!std::isfinite(e.value))
        continue;
      ++finite;
      psi.resize(n);
      preconditioner_.pull_back(g.data(), psi.data());
      curvature_.apply(psi);
      preconditioner_.to_units(psi.data(), units.data());
      for (size_t i = 0; i < n; ++i) {
        sum[i] += units[i];
        squares[i] += units[i] * units[i];
      }
    }
    ErrorEstimate result;
    if (finite < 2)
      return result;
    result.worst = 0;
    for (size_t i = 0; i < n; ++i) {
      const double variance = (squares[i] - sum[i] * sum[i] / finite) / (finite - 1);
      result.worst = std::max(result.worst, std::sqrt(std::max(variance, 0.0) * model_.lanes()));
    }
    return result;
  }

  // --- the optimiser ---
  void optimise() {
    state_.phase = "optimise";
    Elbo objective(model_, family_, particles_, estimator_, pool_);
    const size_t n = static_cast<size_t>(size_);
    const int64_t steps = settings_.steps;
    std::vector<double> origin = state_.phi, phi = state_.phi, psi(n, 0.0), g(n + 1), g_psi(n + 1);
    AdamSettings adam_settings = settings_.adam;
    Adam adam(n, adam_settings);
    const int64_t averaged = averaged_steps(), all_steps = steps + (settles() ? settings_.settle : 0);
    // One for the result, one in comparable units for the test of its halves.
    IterateAverage average(n, averaged), in_units(n, averaged);
    std::vector<double> units(n + 1);
    stride_ = std::max<int64_t>(1, all_steps / trace_rows);
    trace_.reserve(static_cast<size_t>(all_steps / stride_ + 2));
    double slower = 1;
    int64_t skipped_in_a_row = 0;
    std::vector<double> sound = psi; // the last iterate with a finite objective
    for (int64_t step = 0; step < steps; ++step) {
      if (step > 0 && step == steps / 4 && settings_.precondition && !settings_.warm_up && !started_at_mode_) {
        // What the start could not know of the curvature is known by now.
        state_.phi = phi;
        choose_preconditioner(50);
        origin = phi;
        std::fill(psi.begin(), psi.end(), 0.0);
        adam.restart();
      }
      const Evaluation e = objective.evaluate(
          phi.data(), random_state(settings_.seed, Stream::fit, static_cast<uint32_t>(step)), g.data());
      const double rate = slower * settings_.schedule.at(step, steps);
      double norm = NAN;
      if (std::isfinite(e.value)) {
        skipped_in_a_row = 0;
        std::copy(psi.begin(), psi.end(), sound.begin());
        preconditioner_.pull_back(g.data(), g_psi.data());
        norm = euclidean_norm(g_psi.data(), n);
        adam.step(psi.data(), g_psi.data(), rate);
        std::copy(origin.begin(), origin.end(), phi.begin());
        preconditioner_.add_to(psi.data(), phi.data());
      } else {
        ++state_.skipped;
        state_.particles_not_finite += e.not_finite;
        // A step into a place without density is taken back, and later ones are shorter.
        if (++skipped_in_a_row == 3) {
          skipped_in_a_row = 0;
          slower *= 0.5;
          std::copy(sound.begin(), sound.end(), psi.begin());
          std::copy(origin.begin(), origin.end(), phi.begin());
          preconditioner_.add_to(psi.data(), phi.data());
          adam.restart();
        }
      }
      if (step >= steps - averaged) {
        average.add(psi.data());
        preconditioner_.to_units(psi.data(), units.data());
        in_units.add(units.data());
      }
      done_step(step + 1, all_steps, e.value, norm, rate);
    }
    state_.last = phi;
    state_.first_moment = adam.first_moment();
    state_.second_moment = adam.second_moment();
    if (averaged > 0) {
      state_.averaged = averaged;
      psi = average.mean();
      phi = origin;
      preconditioner_.add_to(psi.data(), phi.data());
      state_.halves_apart = in_units.halves_apart(negligible_shift);
    }
    state_.phi = phi;
    if (settles())
      settle(origin, psi, all_steps);
  }

  // What every step leaves behind.
  void done_step(int64_t step, int64_t steps, double value, double norm, double rate) {
    if (std::isfinite(value)) {
      const double weight = std::max(0.02, 1.0 / static_cast<double>(++smoothed_));
      smooth_ += weight * (value - smooth_);
    }
    if ((step - 1) % stride_ == 0 || step == steps) {
      trace_.push_back({step, seconds(), value, norm, rate, state_.skipped});
    }
    state_.step = step;
    if (observer_)
      observer_({step, steps, smooth_, rate});
  }

  // Steps along the gradient in the metric of the curvature, with many particles; the result is their
  // mean (Polyak and Juditsky 1992). Every direction forgets where it came from after 1 / rate steps,
  // and the mean has neither Adam's bias for skewed noise nor, at so little noise, that of the
  // objective's third derivatives.
  void settle(const std::vector<double>& origin, std::vector<double> psi, int64_t all_steps) {
    Elbo objective(model_, family_, settling_, estimator_, pool_);
    const size_t n = static_cast<size_t>(size_);
    std::vector<double> phi = state_.phi, g(n + 1), step_by(n), units(n + 1);
    const int64_t first = settings_.settle * 2 / 5, averaged = settings_.settle - first;
    IterateAverage average(n, averaged), in_units(n, averaged);
    for (int64_t i = 0; i < settings_.settle; ++i) {
      const int64_t number = settings_.steps + i;
      const Evaluation e = objective.evaluate(
          phi.data(), random_state(settings_.seed, Stream::fit, static_cast<uint32_t>(number)), g.data());
      double norm = NAN, wanted = 0;
      if (std::isfinite(e.value)) {
        preconditioner_.pull_back(g.data(), step_by.data());
        norm = euclidean_norm(step_by.data(), n);
        curvature_.apply(step_by);
        const double share = std::min(1.0, static_cast<double>(i) / static_cast<double>(first + 1));
        wanted = first_settling_rate * std::pow(last_settling_rate / first_settling_rate, share);
        // Where the metric is wrong by far a step must not lead away.
        const double length = wanted * euclidean_norm(step_by.data(), n);
        const double longest = 0.5 * std::sqrt(static_cast<double>(n));
        const double rate = wanted * (length > longest ? longest / length : 1);
        for (size_t k = 0; k < n; ++k)
          psi[k] += rate * step_by[k];
        std::copy(origin.begin(), origin.end(), phi.begin());
        preconditioner_.add_to(psi.data(), phi.data());
      } else {
        ++state_.skipped;
        state_.particles_not_finite += e.not_finite;
      }
      if (i >= first) {
        average.add(psi.data());
        preconditioner_.to_units(psi.data(), units.data());
        in_units.add(units.data());
      }
      done_step(number + 1, all_steps, e.value, norm, wanted);
    }
    const std::vector<double> mean = average.mean();
    std::copy(origin.begin(), origin.end(), phi.begin());
    preconditioner_.add_to(mean.data(), phi.data());
    // Kept unless draws that both share say that it went astray.
    const Evaluation before = elbo(state_.phi, 4096, 32), after = elbo(phi, 4096, 32);
    const double error = std::min(before.spread, after.spread) / 64;
    if (!std::isfinite(after.value) || after.value < before.value - error) {
      state_.notes.push_back("the last phase (settle) made the objective worse and was left out");
      return;
    }
    state_.averaged = averaged;
    state_.halves_apart = in_units.halves_apart(negligible_shift);
    state_.phi = phi;
  }

  double seconds() const { return std::chrono::duration<double>(Clock::now() - begin_).count(); }

  void finish() {
    state_.phase = "done";
    const int64_t draws = 4096;
    const Evaluation e = elbo(state_.phi, draws, 64);
    state_.elbo = e.value;
    state_.elbo_error = e.spread / std::sqrt(static_cast<double>(draws));
    if (std::any_of(state_.phi.begin(), state_.phi.end(), [](double x) { return !std::isfinite(x); })) {
      state_.problems.push_back("a learned value is not finite");
    }
    // A posterior may end at a wall: single draws beyond it are reported by `sample`.
    if (!std::isfinite(e.value) && static_cast<double>(e.not_finite) > most_skipped * draws) {
      state_.problems.push_back("the objective at the result is not finite (" + std::to_string(e.not_finite) + " of " +
                                std::to_string(draws) + " draws)");
    }
    if (static_cast<double>(state_.skipped) > most_skipped * static_cast<double>(state_.step)) {
      state_.problems.push_back(std::to_string(state_.skipped) + " of " + counted(state_.step, "step") +
                                " were skipped, since a particle's density or gradient was not finite (limit 1 %)");
    }
    if (state_.halves_apart > most_halves_apart) {
      state_.problems.push_back("the optimiser had not settled: the halves of the averaged iterates are " +
                                brief(state_.halves_apart, 3) +
                                " Monte-Carlo errors apart (limit 4); use more --steps");
    }
  }

  const PreparedModel& model_;
  const FitSettings& settings_;
  const FitObserver& observer_;
  const Family& family_;
  UnconstrainedDensity density_;
  ThreadPool pool_;
  int64_t size_;
  Preconditioner preconditioner_;
  Clock::time_point begin_;
  Estimator estimator_ = Estimator::total;
  int64_t particles_ = 1, settling_ = 1;
  int64_t stride_ = 1, smoothed_ = 0;
  double smooth_ = 0;
  // The curvature of the objective in the coordinates of the preconditioner.
  Curvature curvature_;
  double particle_error_ = NAN;
  bool started_at_mode_ = false;
  FitState state_;
  std::vector<TraceRow> trace_;
};

} // namespace

const Family& family_of(const Metadata& metadata, const std::string& name) {
  const std::string kernels = name == "laplace" ? "full_rank" : name;
  const Family* family = metadata.find_family(kernels);
  if (family == nullptr) {
    throw InputError("family " + name + ": this executable does not hold it; build it with vmodelc " + metadata.source +
                     " --families=" + name);
  }
  return *family;
}

FitResult run_fit(const PreparedModel& model, const FitSettings& settings, const FitObserver& observer) {
  return Fit(model, settings, observer).run();
}

} // namespace vmodel::runtime
