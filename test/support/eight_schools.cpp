// Eight schools, with data fields as in test/posteriordb.
#include "test/support/fake_model.h"
#include "test/support/models.h"

namespace vmodel::test {

namespace {

const double* reals(const vmodel_slot& slot) {
  return static_cast<const double*>(slot.array);
}

// With one quantity, the spread of theta.
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

} // namespace

const vmodel_model& eight_schools() {
  return FakeModel<EightSchools<false>>::get();
}

const vmodel_model& centred_eight_schools() {
  return FakeModel<EightSchools<true>>::get();
}

} // namespace vmodel::test
