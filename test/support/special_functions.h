// Reference versions of special functions for tests: simple and accurate, not fast.
#pragma once

namespace vmodel {

/// The derivative of order `order + 1` of lgamma, for order 0, 1, 2 (digamma, trigamma, tetragamma);
/// NaN at the poles 0, -1, -2, ...
double polygamma(int order, double x);
/// The inverse of the standard normal distribution function; infinities at 0 and 1, NaN outside.
double std_normal_quantile(double p);
double log_std_normal_cdf(double x);

} // namespace vmodel
