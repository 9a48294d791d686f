// What commands that evaluate a fit's objective share.
#pragma once

#include "runtime/cli/results.h"
#include "runtime/fit/settings.h"

namespace vmodel::runtime {

// The objective of the fit, or that of --objective, with what --particles and --estimator say.
ObjectiveSettings chosen_objective(const Options& options, const StoredFit& fit);

// `benchmark --fit`: the parts of a step.
int benchmark_step(const Session& session, const Options& options, const std::string& data);

} // namespace vmodel::runtime
