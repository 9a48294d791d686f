// What particles are worth, from the logarithms of the model's and of the family's density at them. Everything stays in
// the logarithm until probabilities are written.
#pragma once

#include <cstdint>

namespace vmodel::runtime {

struct Weighing {
  // What is minimised (softcvi, forward KL) or the bound (renyi).
  double value = 0;
  // Whether the weights are defined. Without them there is no gradient.
  bool defined = true;
  int64_t impossible = 0; // particles with log p = -inf
  int64_t not_finite = 0; // particles with another log p or log q that is no finite number
  double label_size = 0;  // 1 / sum label^2
  double guide_size = 0;  // 1 / sum guide^2; NaN without a classifier
};

// The negative distribution of SoftCVI, to the power alpha.
enum class Negative { proposal, posterior };

// Soft contrastive variational inference (Ward, Beaumont and Fasiolo, ICLR 2025): the K particles are classes, the
// labels y = softmax(log p - log p-), the family's classifier yhat = softmax(log q - log p-), with log p- = alpha log q
// or alpha log p. The value is the cross-entropy -sum_k y_k log yhat_k, whose gradient is sum_k (yhat_k - y_k) grad log
// q_k.
//   log p = -inf: the label is 0. Where p- is a power of p, it is 0 there as well and the classifier gives all its mass
//   to such particles (by log q among them), which is the limit; the value is then infinite.
//   NaN, +inf, and log q = -inf: no label is defined.
Weighing weigh_softcvi(const double* log_p, const double* log_q, int64_t count, double alpha, Negative negative,
                       double* label, double* guide);

// The forward KL divergence by self-normalised importance weights w = softmax(log p - log q): the value is
// sum_k w_k (log p_k - log q_k), its gradient -sum_k w_k grad log q_k. `guide` is 0, or with low_variance 1 / K: the
// mean score, whose expectation is 0, is taken away.
Weighing weigh_forward_kl(const double* log_p, const double* log_q, int64_t count, bool low_variance, double* label,
                          double* guide);

// The variational Renyi bound (Li and Turner, NeurIPS 2016, equation 9) with n = 1 - alpha: log mean exp(n r) / n of
// r = log p - log q, with weights softmax(n r); n = 0 is its limit, the mean of r.
//   log p = -inf: the weight is 0 for n > 0, else no weight is defined.
Weighing weigh_renyi(const double* log_p, const double* log_q, int64_t count, double alpha, double* label);

} // namespace vmodel::runtime
