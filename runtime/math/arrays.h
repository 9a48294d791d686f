// What every step does once for each learned number. The code exists for each width of vectors and the machine chooses;
// the order of operations, and with it every bit of a result, is the same for all of them. Arrays do not overlap unless
// they are the same.
#pragma once

#include <cstddef>

namespace vmodel::runtime {

// sums[i] += x[i]
void add(const double* x, double* sums, size_t size);

// y[i] = factor x[i]; whether all of these are finite.
bool scale(double factor, const double* x, double* y, size_t size);

// y[i] = factors[i] x[i]
void multiply(const double* factors, const double* x, double* y, size_t size);

// y[i] = start[i] + factors[i] x[i]
void multiply_add(const double* factors, const double* x, const double* start, double* y, size_t size);

// y[i] = exp(x[i]) to 3 ulp; below the normal numbers 0. NaN stays.
void exponentials(const double* x, double* y, size_t size);

double euclidean_norm(const double* x, size_t size);

// The numbers of a step of Adam; Adam::step says where they come from.
struct AdamUpdate {
  double beta1, beta2;
  double gradient_factor; // of clipping
  double rate;            // corrected for the first moment's bias
  double correction;      // of the second moment's bias
  double epsilon;
};

// first = beta1 first + (1 - beta1) g, second = beta2 second + (1 - beta2) g^2, to = from + rate first /
// (sqrt(correction second) + epsilon), where g is the gradient times its factor.
void adam_update(const AdamUpdate& update, const double* gradient, double* first, double* second, const double* from,
                 double* to, size_t size);

} // namespace vmodel::runtime
