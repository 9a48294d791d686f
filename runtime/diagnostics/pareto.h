// How heavy the tail of importance weights is.
#pragma once

#include <vector>

namespace vmodel::runtime {

// The shape k of a generalised Pareto distribution fitted to the largest weights, given their logarithms (Vehtari,
// Simpson, Gelman, Yao and Gabry 2024, "Pareto smoothed importance sampling"; the fit is that of Zhang and Stephens
// 2009). Means of weights have an error that can be relied on for k below 0.7; moments of order 1 / k and more do not
// exist. NaN with fewer than 25 weights, or where one is no number; -inf where the largest are all equal.
double pareto_shape(std::vector<double> log_weights);

} // namespace vmodel::runtime
