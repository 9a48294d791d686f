// What can be said of the density of a fitted semi-implicit family.
#pragma once

#include <cstdint>
#include <limits>

namespace vmodel::runtime {

struct FitContext;

// With log q of each draw z estimated by importance sampling of what is mixed over, from the proposal.
struct MixtureReport {
  static constexpr double none = std::numeric_limits<double>::quiet_NaN();

  int64_t draws = 0, inner = 0;
  // Bounds of the ELBO, in expectation, with standard errors: log q estimated too high by the value that z was drawn by
  // among the samples (Sobolev and Vetrov 2019, equation 8), and too low without it (Jensen's inequality).
  double elbo_lower = none, elbo_lower_error = none, elbo_upper = none, elbo_upper_error = none;
  // log of the mean of p / q, with the former estimates, whose reciprocals have no bias; its standard error by the
  // delta method, the shape of the weights' tail, and how many of the draws count.
  double log_evidence = none, log_evidence_error = none, evidence_shape = none, evidence_size = none;
  // Of inner samples: how many count, at a mean and at the worst draw, and the shapes of the weights' tails: the median
  // over draws, and the share of draws where it is above 0.7.
  double inner_size = none, inner_size_least = none, inner_shape = none, inner_heavy = none;
};

// At state.phi.
MixtureReport report_mixture(FitContext& fit);

} // namespace vmodel::runtime
