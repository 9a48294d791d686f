// Where a fit begins.

#include "runtime/fit/context.h"
#include "runtime/io/error.h"
#include "runtime/io/files.h"
#include "runtime/start/ascent.h"
#include "runtime/start/family_start.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace vmodel::runtime {
namespace {

// Draws of the comparison with the plain start; more where they do not tell.
constexpr int64_t few_draws = 256, many_draws = 4096;
constexpr double mode_share = 0.5, way_share = 0.25;
// Why a semi-implicit family of another form than the library's does not start at a density.
constexpr const char* no_density = "its density is an integral, and it has no last map by location and factor "
                                   "(triangular_affine) that could be set to the moments of draws";

Comparison of_independent(const std::vector<double>& first, const std::vector<double>& second) {
  const auto moments = [](const std::vector<double>& x, double& mean, double& variance) {
    const double count = static_cast<double>(x.size());
    mean = 0;
    for (double e : x)
      mean += e / count;
    variance = 0;
    for (double e : x)
      variance += (e - mean) * (e - mean) / (count - 1) / count;
  };
  Comparison result;
  double a = 0, b = 0;
  moments(first, result.first, a);
  moments(second, result.second, b);
  result.difference = result.second - result.first;
  result.error = std::isfinite(result.difference) ? std::sqrt(a + b) : INFINITY;
  return result;
}

class Start {
public:
  explicit Start(FitContext& fit) : fit_(fit), only_laplace_(fit.settings.family == "laplace") {}

  void run() {
    fit_.state.phi = plain_start(fit_.model, fit_.family, fit_.settings.seed);
    if (fit_.settings.start == StartChoice::plain && !only_laplace_) {
      fit_.state.start = "plain";
      return;
    }
    if (fit_.settings.start == StartChoice::other_fit && fit_.settings.from && !only_laplace_) {
      fit_.begin("start by another fit");
      const std::string name = "the fit " + fit_.settings.from->run;
      const std::string refused = from_fit(*fit_.settings.from);
      fit_.state.start = refused.empty() ? name : "plain (" + name + " refused: " + refused + ")";
      return;
    }
    if (only_laplace_ && fit_.model.dimension() > largest_dense_dimension) {
      throw InputError("family laplace: it needs dense Hessians, which are computed up to dimension " +
                       std::to_string(largest_dense_dimension) + "; this posterior has dimension " +
                       std::to_string(fit_.model.dimension()) + ": fit another family, e.g. --family mean_field");
    }
    if (!only_laplace_)
      fit_.power = fit_.settings.power_at(0);
    choose();
    fit_.power = 1;
  }

private:
  void choose() {
    // Nothing that comes from a density could set such a family.
    const bool settable = !fit_.family.mixture || !fit_.family.gaussian.location.empty();
    std::string refused = settable ? from_mode() : no_density;
    if (refused.empty()) {
      // A tempered density with several modes is wider than any of them.
      if (fit_.power < 1 && fit_.settings.start == StartChoice::automatic && from_wider_mean_field()) {
        fit_.state.start = "mean field of the tempered density";
        fit_.started_at_mode = false;
      }
      return;
    }
    if (only_laplace_) {
      throw NoFit("family laplace: the posterior has no proper mode on the unconstrained scale: " + refused +
                  "; fit another family, e.g. --family mean_field");
    }
    if (fit_.settings.start == StartChoice::laplace)
      fit_.state.notes.push_back("the Laplace start was not possible: " + refused);
    fit_.state.start = "plain (Laplace refused: " + refused + ")";
    if (!settable)
      return;
    fit_.begin("start on the way up");
    const IndependentNormals normals = best_on_the_way(fit_.density, fit_.settings.seed, fit_.power,
                                                       way_share * fit_.work.steps(), [this] { fit_.alive(); });
    if (from(normals))
      fit_.state.start = "independent normals on the way up (Laplace refused: " + refused + ")";
    fit_.begin("start by mean_field");
    if (from_mean_field(normals))
      fit_.state.start = "mean field with its mean curvature (Laplace refused: " + refused + ")";
  }

  bool from(const IndependentNormals& normals) {
    std::vector<double> phi = fit_.state.phi;
    if (normals.location.empty() || !independent_start(fit_.model, fit_.family, normals.location, normals.scale, phi) ||
        !fit_.compare(fit_.state.phi, phi, few_draws, 0).second_is_sound())
      return false;
    fit_.state.phi = phi;
    return true;
  }

  // Empty, or why not.
  std::string from_mode() {
    fit_.begin("Laplace start");
    // Asked for, it may take what it takes.
    const bool wanted = only_laplace_ || fit_.settings.start == StartChoice::laplace;
    const double most = wanted ? std::numeric_limits<double>::max() : mode_share * fit_.work.steps();
    Laplace laplace =
        find_laplace(fit_.density, fit_.settings.seed, most, fit_.work.factorisation(), [this] { fit_.alive(); });
    if (!laplace.proper)
      return laplace.reason;
    laplace.temper(fit_.power);
    std::vector<double> phi = fit_.state.phi;
    const bool gaussian = gaussian_start(fit_.model, fit_.family, laplace, phi);
    if (!wanted) {
      const std::string worse = worse_than_plain(laplace, gaussian ? &phi : nullptr);
      if (!worse.empty())
        return worse;
    }
    if (gaussian) {
      fit_.state.start = "laplace";
      fit_.started_at_mode = true;
    } else if (fit_.family.mixture) {
      return no_density; // of another form, or over a part of the parameters
    } else if (by_likelihood(laplace, phi)) {
      fit_.state.start = "maximum likelihood of Laplace draws";
    } else {
      return "the family's likelihood has no optimum";
    }
    fit_.state.phi = phi;
    return "";
  }

  bool by_likelihood(const Laplace& laplace, std::vector<double>& phi) {
    const PointBlocks points = draws_of(fit_.model, laplace, fit_.settings.seed, points_for(fit_.size));
    return likelihood_start(fit_.model, fit_.family, points, phi);
  }

  // The result of another fit block: its learnables where the family is the same, else those that
  // make its draws likely. Empty, or why not.
  std::string from_fit(const OtherFit& other) {
    const Family& family = family_of(fit_.model.metadata(), other.family);
    std::vector<double> phi = fit_.state.phi;
    if (family.name == fit_.family.name) {
      phi = other.phi;
    } else {
      const PointBlocks points = draws_of(fit_.model, family, other.phi, fit_.settings.seed, points_for(fit_.size));
      if (fit_.family.mixture) {
        if (!moment_start(fit_.model, fit_.family, points, phi))
          return no_density;
      } else if (!likelihood_start(fit_.model, fit_.family, points, phi))
        return "the family's likelihood has no optimum for its draws";
    }
    const Comparison c = fit_.compare(fit_.state.phi, phi, fit_.evaluation_draws(few_draws), 0);
    if (!c.second_is_sound())
      return "its ELBO " + brief(c.second) + " is below the plain start's " + brief(c.first);
    fit_.state.phi = phi;
    return "";
  }

  // The family's own form of the Laplace approximation where it has one, else that approximation
  // itself, against the plain start.
  std::string worse_than_plain(const Laplace& laplace, const std::vector<double>* phi) {
    Comparison c;
    for (const int64_t wanted : {few_draws, many_draws}) {
      const int64_t draws = fit_.evaluation_draws(wanted);
      if (phi != nullptr) {
        c = fit_.compare(fit_.state.phi, *phi, draws, 0);
      } else {
        std::vector<double> plain;
        fit_.elbo_terms(fit_.state.phi, draws, 0, plain);
        c = of_independent(plain, laplace.log_ratios(fit_.density, fit_.settings.seed, draws, fit_.power));
      }
      if (!std::isfinite(c.second))
        return "draws around the mode have no finite density";
      if (!std::isfinite(c.first) || std::fabs(c.difference) > 4 * c.error)
        break;
    }
    if (c.second_is_sound())
      return "";
    return "its ELBO " + brief(c.second) + " is below the plain start's " + brief(c.first);
  }

  // The family mean_field where a fit of it can be a start of this one, or nullptr.
  const Family* other_mean_field() const {
    const Family* found = fit_.model.metadata().find_family("mean_field");
    const bool usable = found != nullptr && fit_.family.name != "mean_field" && !found->gaussian.location.empty();
    return usable ? found : nullptr;
  }

  // A short fit of the family mean_field to the density that the first step has, from these normals if there are any.
  FitState fit_mean_field(const IndependentNormals& normals = {}) {
    FitSettings settings = fit_.settings;
    settings.family = "mean_field";
    settings.objective = {};
    settings.objective.estimator = EstimatorChoice::total;
    settings.objective.particles = 16;
    settings.adam.clip = 0;
    settings.start = StartChoice::plain;
    const Family& mean_field = *other_mean_field();
    OtherFit first{"", mean_field.name, plain_start(fit_.model, mean_field, settings.seed)};
    if (!normals.location.empty() &&
        independent_start(fit_.model, mean_field, normals.location, normals.scale, first.phi)) {
      settings.start = StartChoice::other_fit;
      settings.from = std::move(first);
    }
    settings.steps = std::min<int64_t>(500, std::max<int64_t>(fit_.settings.steps / 4, 1));
    settings.settle = 0;
    settings.temper = fit_.power;
    settings.temper_share = std::numeric_limits<double>::infinity();
    // A warm-up knows of no power, and the rate of a family of nets is another one.
    if (fit_.power < 1) {
      settings.warm_up = false;
      settings.schedule = RateSchedule{};
    }
    const FitObserver heartbeat = [this](const FitProgress&) { fit_.alive(); };
    return run_fit(fit_.model, settings, heartbeat).state;
  }

  // A Gaussian with the moments of that, where its ELBO is clearly better than the present start's.
  bool from_wider_mean_field() {
    const Family* mean_field = other_mean_field();
    if (mean_field == nullptr)
      return false;
    fit_.begin("start by mean_field");
    const FitState wide = fit_mean_field();
    const PointBlocks points = draws_of(fit_.model, *mean_field, wide.phi, fit_.settings.seed, points_for(fit_.size));
    std::vector<double> phi = fit_.state.phi;
    if (!moment_start(fit_.model, fit_.family, points, phi))
      return false;
    const Comparison c = fit_.compare(fit_.state.phi, phi, fit_.evaluation_draws(few_draws), 0);
    if (!c.second_is_sound() || !(c.difference > 4 * c.error))
      return false;
    fit_.state.phi = phi;
    return true;
  }

  // Where there is no mode: a short fit of mean_field, whose mean and mean curvature make a Gaussian
  // that stands in for Laplace's. Kept only where its ELBO is better than the plain start's.
  bool from_mean_field(const IndependentNormals& normals) {
    const Family* mean_field = other_mean_field();
    const PreconditionerEffort effort = fit_.preconditioner_effort();
    if (mean_field == nullptr || effort.hessians == 0)
      return false;
    const FitState first = fit_mean_field(normals);
    Laplace gaussian;
    if (!mean_precision(fit_.model, *mean_field, fit_.density, first.phi, fit_.settings.seed, 99, effort,
                        gaussian.precision, gaussian.factor)) {
      return false;
    }
    for (const LearnableValue& l : fit_.model.learnables(*mean_field)) {
      if (l.name != mean_field->gaussian.location)
        continue;
      const auto at = first.phi.begin() + static_cast<long>(l.phi_offset);
      gaussian.mode.assign(at, at + static_cast<long>(l.phi_size));
    }
    if (static_cast<int64_t>(gaussian.mode.size()) != fit_.model.dimension())
      return false;
    gaussian.temper(fit_.power);
    std::vector<double> phi = fit_.state.phi;
    if (!gaussian_start(fit_.model, fit_.family, gaussian, phi) &&
        (fit_.family.mixture || !by_likelihood(gaussian, phi))) {
      return false;
    }
    if (!fit_.compare(fit_.state.phi, phi, few_draws, 0).second_is_sound())
      return false;
    fit_.state.phi = phi;
    return true;
  }

  FitContext& fit_;
  const bool only_laplace_;
};

} // namespace

void start(FitContext& fit) {
  Start(fit).run();
}

void compare_with_plain_start(FitContext& fit) {
  const Comparison c = fit.compare(plain_start(fit.model, fit.family, fit.settings.seed), fit.state.phi, many_draws, 0);
  if (std::isfinite(c.first) && !c.second_is_sound()) {
    fit.state.problems.push_back("the curvature at the mode does not describe the posterior: the ELBO " +
                                 brief(c.second) + " is below " + brief(c.first) +
                                 ", that of a standard normal distribution; fit another family, e.g. "
                                 "--family full_rank");
  }
}

} // namespace vmodel::runtime
