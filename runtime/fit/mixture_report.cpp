#include "runtime/fit/mixture_report.h"

#include "runtime/diagnostics/pareto.h"
#include "runtime/fit/context.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace vmodel::runtime {
namespace {

constexpr int64_t most_draws = 2048;
constexpr int64_t shape_draws = 64, shape_samples = 1024;
constexpr double heavy = 0.7;

void mean_and_error(const std::vector<double>& terms, double& mean, double& error) {
  const double count = static_cast<double>(terms.size());
  double sum = 0, squares = 0;
  for (const double t : terms)
    sum += t;
  mean = sum / count;
  for (const double t : terms)
    squares += (t - mean) * (t - mean);
  error = std::sqrt(squares / (count - 1) / count);
}

void evidence(const std::vector<double>& log_weights, MixtureReport& report) {
  const double greatest = *std::max_element(log_weights.begin(), log_weights.end());
  if (!std::isfinite(greatest))
    return;
  double sum = 0, squares = 0;
  for (const double w : log_weights) {
    sum += std::exp(w - greatest);
    squares += std::exp(2 * (w - greatest));
  }
  const double count = static_cast<double>(log_weights.size());
  report.log_evidence = greatest + std::log(sum / count);
  report.evidence_size = sum * sum / squares;
  report.log_evidence_error = std::sqrt(std::max(count / report.evidence_size - 1, 0.0) / (count - 1));
  report.evidence_shape = pareto_shape(log_weights);
}

// The tails of the weights of inner samples at a few draws.
void inner_shapes(FitContext& fit, MixtureReport& report) {
  const int64_t lanes = fit.model.lanes();
  AlignedVector<double> phi(fit.state.phi.begin(), fit.state.phi.end()),
      z(static_cast<size_t>((fit.model.dimension() + 1) * lanes)), log_q(static_cast<size_t>(lanes)), entropy(log_q);
  phi.resize(phi.size() + 1);
  FamilyDraw draw(fit.model, fit.family, phi.data(), z.data(), log_q.data(), entropy.data());
  MixtureDensity density(fit.model, fit.family, phi.data(), z.data());
  density.step();
  InnerSampling sampling = fit.evaluation_sampling();
  sampling.samples = shape_samples;
  std::vector<double> shapes, terms, of_lane(static_cast<size_t>(shape_samples));
  for (int64_t first = 0; first < shape_draws; first += lanes) {
    fit.alive();
    vmodel_random random = fit.random(step_of_evaluation + 80);
    random.first_particle = static_cast<uint32_t>(first);
    draw(random);
    terms.clear();
    density.estimate(sampling, random, shape_draws + lanes, nullptr, &terms);
    for (int64_t l = 0; l < lanes; ++l) {
      for (int64_t j = 0; j < shape_samples; ++j)
        of_lane[static_cast<size_t>(j)] = terms[static_cast<size_t>(j * lanes + l)];
      shapes.push_back(pareto_shape(of_lane));
    }
  }
  std::erase_if(shapes, [](double k) { return std::isnan(k); });
  if (shapes.empty())
    return;
  const auto above = std::count_if(shapes.begin(), shapes.end(), [](double k) { return k > heavy; });
  report.inner_heavy = static_cast<double>(above) / static_cast<double>(shapes.size());
  std::nth_element(shapes.begin(), shapes.begin() + static_cast<long>(shapes.size() / 2), shapes.end());
  report.inner_shape = shapes[shapes.size() / 2];
}

} // namespace

MixtureReport report_mixture(FitContext& fit) {
  MixtureReport report;
  report.draws = fit.evaluation_draws(most_draws);
  InnerSampling sampling = fit.evaluation_sampling();
  report.inner = sampling.samples;
  std::vector<double> terms;
  {
    SemiImplicit objective(fit.model, fit.family, report.draws, sampling, fit.pool);
    objective.value(fit.state.phi.data(), fit.random(step_of_evaluation + 64), &terms);
    mean_and_error(terms, report.elbo_upper, report.elbo_upper_error);
    const ParticleRecord record = objective.last();
    report.inner_size_least = *std::min_element(record.inner_size, record.inner_size + record.count);
    double sum = 0;
    for (int64_t k = 0; k < record.count; ++k)
      sum += record.inner_size[k];
    report.inner_size = sum / static_cast<double>(record.count);
  }
  // Exchangeable samples: no strata.
  sampling.own = true;
  sampling.prior_share = 0;
  SemiImplicit objective(fit.model, fit.family, report.draws, sampling, fit.pool);
  objective.value(fit.state.phi.data(), fit.random(step_of_evaluation + 65), &terms);
  mean_and_error(terms, report.elbo_lower, report.elbo_lower_error);
  evidence(terms, report);
  inner_shapes(fit, report);
  return report;
}

} // namespace vmodel::runtime
