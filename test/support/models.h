// Hand-written models for the tests of the runtime, with the data fields of test/posteriordb.
#pragma once

#include "test/support/fake_model.h"

namespace vmodel::test {

inline const double* reals(const vmodel_slot& slot) {
  return static_cast<const double*>(slot.array);
}

// y ~ normal(beta1 + beta2 x, sigma), flat on all but a half-Cauchy(2.5) on sigma where asked.
template <typename Tag>
struct Regression : FakeDefaults {
  static constexpr const char* name = "Regression";
  static constexpr const char* source = "regression.vmodel";
  static constexpr int data_count = 3, extra_sizes = 2;
  static std::vector<std::string> data_names() { return {"N", "x", "y"}; }
  static std::string data() {
    return std::string(
               R"([{"name":"N","element":"int","shape":[],"support":"bounded","lower":"0","bounds":true,"needed_by_sample":true,"line":2,"column":8},
      {"name":"x","field":")") +
           Tag::x + R"(","element":"real","shape":["N"],"line":3,"column":8},
      {"name":"y","field":")" +
           Tag::y + R"(","element":"real","shape":["N"],"line":4,"column":8}])";
  }
  static std::string size_texts() { return R"("N","2")"; }
  static void sizes(Slots s, int64_t* out) { out[0] = s[0].integer, out[1] = 2; }
  static std::string parameters() {
    return R"([{"name":"beta","element":"real","shape":[12],"support":"all","map":"identity","offset":4,"size":12,"unconstrained_offset":4,"unconstrained_size":12,"line":6,"column":9},
      {"name":"sigma","element":"real","shape":[],"support":"bounded","lower":"0","map":"lower_bound","offset":12,"size":5,"unconstrained_offset":12,"unconstrained_size":5,"line":7,"column":9}])";
  }
  static std::string observations() {
    return R"([{"name":"y","data":"y","distribution":"normal","shape":[11],"offset":4,"size":11,"line":8,"column":3}])";
  }
  static int64_t dimension(Slots) { return 3; }
  static int64_t reported_parameters(Slots) { return 3; }
  static int64_t reported(Slots) { return 3; }
  static int64_t observed(Slots s) { return s[0].integer; }
  static void data_shape(int, Slots s, int64_t* shape) { shape[0] = s[0].integer; }
  static void data_bounds(int field, Slots s, double* lower, double* upper) {
    const int64_t n = field == 0 ? 1 : s[0].integer;
    for (int64_t i = 0; i < n; ++i) {
      lower[i] = field == 0 ? 0 : -INFINITY;
      upper[i] = INFINITY;
    }
  }
  template <typename T>
  static void density(Slots s, const T* z, T& value, T& jacobian) {
    const int64_t n = s[0].integer;
    const double *x = reals(s[1]), *y = reals(s[2]);
    const T sigma = exp(z[2]);
    T squares = T(0.0);
    for (int64_t i = 0; i < n; ++i) {
      const T r = T(y[i]) - z[0] - z[1] * x[i];
      squares = squares + r * r;
    }
    value = T(-0.9189385332046727 * static_cast<double>(n)) - z[2] * static_cast<double>(n) -
            squares / (sigma * sigma) * 0.5;
    if (Tag::cauchy)
      value = value - log1p(sigma * sigma / 6.25) - T(std::log(3.141592653589793 * 2.5));
    jacobian = z[2];
  }
  static void constrain(Slots, const double* z, double* x) { x[0] = z[0], x[1] = z[1], x[2] = std::exp(z[2]); }
  static void unconstrain(Slots, const double* x, double* z) { z[0] = x[0], z[1] = x[1], z[2] = std::log(x[2]); }
  static void likelihood(Slots s, const double* z, double* values) {
    for (int64_t i = 0; i < s[0].integer; ++i) {
      const double r = (reals(s[2])[i] - z[0] - z[1] * reals(s[1])[i]) / std::exp(z[2]);
      values[i] = -0.9189385332046727 - z[2] - 0.5 * r * r;
    }
  }
};

struct Kidscore {
  static constexpr const char *x = "mom_iq", *y = "kid_score";
  static constexpr bool cauchy = true;
};
struct Earnings {
  static constexpr const char *x = "height", *y = "earn";
  static constexpr bool cauchy = false;
};
struct Years {
  static constexpr const char *x = "x", *y = "y";
  static constexpr bool cauchy = false;
};

// Eight schools; a quantity counts theta[1] > 0 and so on are not needed: one real quantity.
template <bool Centred>
struct EightSchools : FakeDefaults {
  static constexpr const char* name = "EightSchools";
  static constexpr const char* source = "eight_schools.vmodel";
  static constexpr int data_count = 3, extra_sizes = 3;
  static std::vector<std::string> data_names() { return {"J", "y", "sigma"}; }
  static std::string data() {
    return R"([{"name":"J","element":"int","shape":[],"support":"bounded","lower":"1","bounds":true,"needed_by_sample":true,"line":2,"column":8},
      {"name":"y","element":"real","shape":["J"],"line":3,"column":8},
      {"name":"sigma","element":"real","shape":["J"],"support":"bounded","lower":"0","bounds":true,"line":4,"column":8}])";
  }
  static std::string size_texts() { return R"("J","2","J + 2")"; }
  static void sizes(Slots s, int64_t* out) { out[0] = s[0].integer, out[1] = 2, out[2] = s[0].integer + 2; }
  static std::string parameters() {
    return R"([{"name":"mu","element":"real","shape":[],"support":"all","map":"identity","offset":4,"size":5,"unconstrained_offset":4,"unconstrained_size":5,"line":6,"column":9},
      {"name":"tau","element":"real","shape":[],"support":"bounded","lower":"0","map":"lower_bound","offset":5,"size":5,"unconstrained_offset":5,"unconstrained_size":5,"line":7,"column":9},
      {"name":"theta","element":"real","shape":[11],"support":"all","map":"identity","noncentered":true,"offset":12,"size":11,"unconstrained_offset":12,"unconstrained_size":11,"line":8,"column":21}])";
  }
  static std::string quantities() {
    return R"([{"name":"spread, of theta","element":"real","shape":[],"offset":13,"size":5,"random":false}])";
  }
  static std::string observations() {
    return R"([{"name":"y","data":"y","distribution":"normal","shape":[11],"offset":4,"size":11,"line":9,"column":3}])";
  }
  static int64_t dimension(Slots s) { return s[0].integer + 2; }
  static int64_t reported_parameters(Slots s) { return s[0].integer + 2; }
  static int64_t reported(Slots s) { return s[0].integer + 3; }
  static int64_t observed(Slots s) { return s[0].integer; }
  static void data_shape(int, Slots s, int64_t* shape) { shape[0] = s[0].integer; }
  static void data_bounds(int field, Slots s, double* lower, double* upper) {
    const int64_t n = field == 0 ? 1 : s[0].integer;
    for (int64_t i = 0; i < n; ++i) {
      lower[i] = field == 0 ? 1 : field == 1 ? -INFINITY : 0;
      upper[i] = INFINITY;
    }
  }
  template <typename T>
  static void density(Slots s, const T* z, T& value, T& jacobian) {
    const double *y = reals(s[1]), *sd = reals(s[2]);
    const T mu = z[0], tau = exp(z[1]);
    const double j = static_cast<double>(s[0].integer);
    value = mu * mu * (-0.02) - log1p(tau * tau / 25.0) - T(0.9189385332046727 + std::log(5.0)) -
            T(std::log(3.141592653589793 * 5));
    for (int64_t i = 0; i < s[0].integer; ++i) {
      const T e = Centred ? (z[2 + i] - mu) / tau : z[2 + i];
      const T theta = Centred ? z[2 + i] : mu + tau * e;
      const T r = (T(y[i]) - theta) / sd[i];
      value = value - e * e * 0.5 - r * r * 0.5 - z[1] - T(2 * 0.9189385332046727 + std::log(sd[i]));
    }
    jacobian = Centred ? z[1] : z[1] + z[1] * j;
  }
  static void constrain(Slots s, const double* z, double* x) {
    x[0] = z[0], x[1] = std::exp(z[1]);
    double least = INFINITY, most = -INFINITY;
    for (int64_t i = 0; i < s[0].integer; ++i) {
      x[2 + i] = Centred ? z[2 + i] : z[0] + x[1] * z[2 + i];
      least = std::min(least, x[2 + i]), most = std::max(most, x[2 + i]);
    }
    x[2 + s[0].integer] = most - least;
  }
  static void unconstrain(Slots s, const double* x, double* z) {
    z[0] = x[0], z[1] = std::log(x[1]);
    for (int64_t i = 0; i < s[0].integer; ++i)
      z[2 + i] = Centred ? x[2 + i] : (x[2 + i] - x[0]) / x[1];
  }
  static void likelihood(Slots s, const double* z, double* values) {
    for (int64_t i = 0; i < s[0].integer; ++i) {
      const double theta = Centred ? z[2 + i] : z[0] + std::exp(z[1]) * z[2 + i];
      const double sd = reals(s[2])[i], r = (reals(s[1])[i] - theta) / sd;
      values[i] = -0.9189385332046727 - std::log(sd) - 0.5 * r * r;
    }
  }
};

// GARCH(1, 1).
struct Garch11 : FakeDefaults {
  static constexpr const char* name = "Garch11";
  static constexpr const char* source = "garch11.vmodel";
  static constexpr int data_count = 3, extra_sizes = 3;
  static std::vector<std::string> data_names() { return {"T", "y", "sigma1"}; }
  static std::string data() {
    return R"([{"name":"T","element":"int","shape":[],"support":"bounded","lower":"1","bounds":true,"needed_by_sample":true,"line":3,"column":8},
      {"name":"y","element":"real","shape":["T"],"line":4,"column":8},
      {"name":"sigma1","element":"real","shape":[],"support":"bounded","lower":"0","bounds":true,"line":5,"column":8}])";
  }
  static std::string size_texts() { return R"("T","2","3")"; }
  static void sizes(Slots s, int64_t* out) { out[0] = s[0].integer, out[1] = 2, out[2] = 3; }
  static std::string parameters() {
    std::string result = "[";
    const char* names[] = {"mu", "alpha0", "alpha1", "beta1"};
    const char* maps[] = {"identity", "lower_bound", "interval", "interval"};
    const char* offsets[] = {"4", "5", "12", "13"};
    for (int i = 0; i < 4; ++i) {
      result += std::string(i ? "," : "") + R"({"name":")" + names[i] +
                R"(","element":"real","shape":[],"support":"bounded","map":")" + maps[i] + R"(","offset":)" +
                offsets[i] + R"(,"size":5,"unconstrained_offset":)" + offsets[i] +
                R"(,"unconstrained_size":5,"line":7,"column":9})";
    }
    return result + "]";
  }
  static int64_t dimension(Slots) { return 4; }
  static int64_t reported_parameters(Slots) { return 4; }
  static int64_t reported(Slots) { return 4; }
  static void data_shape(int, Slots s, int64_t* shape) { shape[0] = s[0].integer; }
  static void data_bounds(int field, Slots s, double* lower, double* upper) {
    const int64_t n = field == 1 ? s[0].integer : 1;
    for (int64_t i = 0; i < n; ++i) {
      lower[i] = field == 1 ? -INFINITY : field == 0 ? 1 : 0;
      upper[i] = INFINITY;
    }
  }
  template <typename T>
  static void density(Slots s, const T* z, T& value, T& jacobian) {
    const double* y = reals(s[1]);
    const T alpha0 = exp(z[1]), alpha1 = T(1.0) / (T(1.0) + exp(-z[2]));
    const T share = T(1.0) / (T(1.0) + exp(-z[3])), beta1 = (T(1.0) - alpha1) * share;
    T variance = T(s[2].real * s[2].real);
    value = T(0.0);
    for (int64_t t = 0; t < s[0].integer; ++t) {
      const T r = T(y[t]) - z[0];
      value = value - log(variance) * 0.5 - r * r / variance * 0.5 - T(0.9189385332046727);
      variance = alpha0 + alpha1 * r * r + beta1 * variance;
    }
    jacobian = z[1] + log(alpha1) + log(T(1.0) - alpha1) + log(T(1.0) - alpha1) + log(share) + log(T(1.0) - share);
  }
  static void constrain(Slots, const double* z, double* x) {
    x[0] = z[0], x[1] = std::exp(z[1]), x[2] = 1 / (1 + std::exp(-z[2]));
    x[3] = (1 - x[2]) / (1 + std::exp(-z[3]));
  }
  static void unconstrain(Slots, const double* x, double* z) {
    z[0] = x[0], z[1] = std::log(x[1]), z[2] = std::log(x[2] / (1 - x[2]));
    z[3] = std::log(x[3] / (1 - x[2] - x[3]));
  }
};

} // namespace vmodel::test
