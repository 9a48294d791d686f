#include "runtime/objectives/weights.h"

#include <cmath>
#include <limits>

namespace vmodel::runtime {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

// Overwrites logarithms by probabilities and returns the logarithm of the sum; NaN where they have none (all -inf, or
// one that is NaN or +inf). -inf gives exactly 0.
double softmax(double* a, int64_t count) {
  double largest = -infinity, sum = 0;
  for (int64_t k = 0; k < count; ++k)
    largest = a[k] > largest ? a[k] : largest;
  if (!std::isfinite(largest))
    return NAN;
  for (int64_t k = 0; k < count; ++k) {
    a[k] = std::exp(a[k] - largest);
    sum += a[k];
  }
  for (int64_t k = 0; k < count; ++k)
    a[k] /= sum;
  return largest + std::log(sum);
}

double effective_size(const double* w, int64_t count) {
  double squares = 0;
  for (int64_t k = 0; k < count; ++k)
    squares += w[k] * w[k];
  return 1 / squares;
}

Weighing look(const double* log_p, const double* log_q, int64_t count) {
  Weighing result;
  for (int64_t k = 0; k < count; ++k) {
    if (log_p[k] == -infinity && std::isfinite(log_q[k]))
      ++result.impossible;
    else if (!std::isfinite(log_p[k]) || !std::isfinite(log_q[k]))
      ++result.not_finite;
  }
  result.defined = result.not_finite == 0 && result.impossible < count;
  return result;
}

Weighing undefined(Weighing result) {
  result.defined = false;
  result.value = result.label_size = result.guide_size = NAN;
  return result;
}

} // namespace

Weighing weigh_softcvi(const double* log_p, const double* log_q, int64_t count, double alpha, Negative negative,
                       double* label, double* guide) {
  Weighing result = look(log_p, log_q, count);
  if (!result.defined)
    return undefined(result);
  const bool proposal = negative == Negative::proposal;
  // With alpha = 0 the negative distribution is flat, whatever p is.
  const bool all_to_impossible = !proposal && alpha > 0 && result.impossible > 0;
  for (int64_t k = 0; k < count; ++k) {
    const bool possible = log_p[k] > -infinity;
    label[k] = !possible ? -infinity : proposal ? log_p[k] - alpha * log_q[k] : (1 - alpha) * log_p[k];
    guide[k] = proposal            ? (1 - alpha) * log_q[k]
               : all_to_impossible ? (possible ? -infinity : log_q[k])
               : alpha > 0         ? log_q[k] - alpha * log_p[k]
                                   : log_q[k];
  }
  // sum_k y_k (lse - b_k) with b the classifier's logits, which softmax overwrites.
  double cross = 0;
  const double of_labels = softmax(label, count);
  for (int64_t k = 0; k < count; ++k) {
    if (label[k] > 0)
      cross += label[k] * guide[k];
  }
  const double of_guide = softmax(guide, count);
  if (std::isnan(of_labels) || std::isnan(of_guide))
    return undefined(result);
  result.value = of_guide - cross;
  result.label_size = effective_size(label, count);
  result.guide_size = effective_size(guide, count);
  return result;
}

Weighing weigh_forward_kl(const double* log_p, const double* log_q, int64_t count, bool low_variance, double* label,
                          double* guide) {
  Weighing result = look(log_p, log_q, count);
  if (!result.defined)
    return undefined(result);
  const double mean = low_variance ? 1 / static_cast<double>(count) : 0;
  for (int64_t k = 0; k < count; ++k) {
    label[k] = log_p[k] - log_q[k];
    guide[k] = mean;
  }
  if (std::isnan(softmax(label, count)))
    return undefined(result);
  for (int64_t k = 0; k < count; ++k) {
    if (label[k] > 0)
      result.value += label[k] * (log_p[k] - log_q[k]);
  }
  result.label_size = effective_size(label, count);
  result.guide_size = low_variance ? static_cast<double>(count) : NAN;
  return result;
}

Weighing weigh_renyi(const double* log_p, const double* log_q, int64_t count, double alpha, double* label) {
  Weighing result = look(log_p, log_q, count);
  const double n = 1 - alpha;
  if (!result.defined || (result.impossible > 0 && n <= 0))
    return undefined(result);
  result.guide_size = NAN;
  if (n == 0) {
    for (int64_t k = 0; k < count; ++k) {
      label[k] = 1 / static_cast<double>(count);
      result.value += (log_p[k] - log_q[k]) / static_cast<double>(count);
    }
  } else {
    for (int64_t k = 0; k < count; ++k)
      label[k] = n * (log_p[k] - log_q[k]);
    const double lse = softmax(label, count);
    if (std::isnan(lse))
      return undefined(result);
    result.value = (lse - std::log(static_cast<double>(count))) / n;
  }
  result.label_size = effective_size(label, count);
  return result;
}

} // namespace vmodel::runtime
