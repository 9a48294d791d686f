// A model with one data field of every kind, for the tests of the data reader.
#include "test/support/fake_model.h"
#include "test/support/models.h"

namespace vmodel::test {

namespace {

// data N: int<lower=1, upper=5>; real x[N], int<lower=1, upper=N> k[N], real m[N, 2], simplex<3> s,
// ordered<3> o, positive_ordered<2> p, real<lower=0> r, cov_cholesky<2> c, unit_vector<2> u,
// int counts[N] observed ~ poisson; require N != 4; x is not needed by sample.
struct Kitchen : FakeDefaults {
  static constexpr const char* name = "Kitchen";
  static constexpr const char* source = "kitchen.vmodel";
  static constexpr int data_count = 11, extra_sizes = 1;
  static std::vector<std::string> data_names() { return {"N", "x", "k", "m", "s", "o", "p", "r", "c", "u", "counts"}; }
  static std::string field(const char* name, const char* element, const char* shape, const char* support,
                           const char* more, int line) {
    return std::string(R"({"name":")") + name + R"(","field":")" + name + R"(","element":")" + element +
           R"(","shape":)" + shape + R"(,"support":")" + support + R"(",)" + more + R"("line":)" +
           std::to_string(line) + R"(,"column":8})";
  }
  static std::string data() {
    return "[" +
           field("N", "int", "[]", "bounded", R"("lower":"1","upper":"5","bounds":true,"needed_by_sample":true,)", 2) +
           "," + field("x", "real", R"(["N"])", "all", "", 3) + "," +
           field("k", "int", R"(["N"])", "bounded", R"("lower":"1","upper":"N","bounds":true,)", 4) + "," +
           field("m", "real", R"(["N","2"])", "all", "", 5) + "," + field("s", "real", R"(["3"])", "simplex", "", 6) +
           "," + field("o", "real", R"(["3"])", "ordered", "", 7) + "," +
           field("p", "real", R"(["2"])", "positive_ordered", "", 8) + "," +
           field("r", "real", "[]", "bounded", R"("lower":"0","bounds":true,)", 9) + "," +
           field("c", "real", R"(["2","2"])", "cov_cholesky", "", 10) + "," +
           field("u", "real", R"(["2"])", "unit_vector", "", 11) + "," +
           field("counts", "int", R"(["N"])", "all", "", 12) + "]";
  }
  static std::string size_texts() { return R"("N")"; }
  static void sizes(Slots s, int64_t* out) { out[0] = s[0].integer; }
  static std::string parameters() {
    return R"([{"name":"a","element":"real","shape":[],"support":"all","map":"identity","offset":4,"size":5,"unconstrained_offset":4,"unconstrained_size":5,"line":14,"column":9}])";
  }
  static std::string observations() {
    return R"([{"name":"counts","data":"counts","distribution":"poisson","shape":[11],"offset":4,"size":11,"line":16,"column":11}])";
  }
  static std::string requires_() {
    return R"([{"text":"require N != 4 does not hold: N is {0}","line":13,"column":3}])";
  }
  static void prepare(vmodel_slot* slots, const vmodel_host* host) {
    const double n = static_cast<double>(slots[0].integer);
    if (n == 4)
      host->fail(host->context, 0, &n, 1);
  }
  static int64_t dimension(Slots) { return 1; }
  static int64_t reported_parameters(Slots) { return 1; }
  static int64_t reported(Slots) { return 1; }
  static int64_t observed(Slots s) { return s[0].integer; }
  static bool in_support(Slots s, int64_t i) { return static_cast<const int64_t*>(s[10].array)[i] >= 0; }
  static void data_shape(int field, Slots s, int64_t* shape) {
    const int64_t n = s[0].integer;
    if (field == 1 || field == 2 || field == 3 || field == 10)
      shape[0] = n;
    if (field == 3)
      shape[1] = 2;
    if (field == 4 || field == 5)
      shape[0] = 3;
    if (field == 6 || field == 9)
      shape[0] = 2;
    if (field == 8)
      shape[0] = shape[1] = 2;
  }
  static void data_bounds(int field, Slots s, double* lower, double* upper) {
    if (field == 0)
      lower[0] = 1, upper[0] = 5;
    if (field == 7)
      lower[0] = 0, upper[0] = INFINITY;
    for (int64_t i = 0; field == 2 && i < s[0].integer; ++i) {
      lower[i] = 1, upper[i] = static_cast<double>(s[0].integer);
    }
  }
  template <typename T>
  static void density(Slots, const T* z, T& value, T& jacobian) {
    value = z[0] * z[0] * (-0.5);
    jacobian = T(0.0);
  }
  static void constrain(Slots, const double* z, double* x) { x[0] = z[0]; }
  static void unconstrain(Slots, const double* x, double* z) { z[0] = x[0]; }
};

} // namespace

const vmodel_model& kitchen() {
  return FakeModel<Kitchen>::get();
}

} // namespace vmodel::test
