// Compiled models by hand: fills the ABI from a C++ description, with exact derivatives by dual
// numbers and the families mean_field, full_rank and Plain (mean_field whose metadata do not say
// that it is a Gaussian).
//
// A description M has
//   static constexpr int data_count, extra_sizes;
//   static std::string data();                 JSON list of data; shapes are texts
//   static std::string size_texts();           of extra sizes: `"J", "N"`
//   static void sizes(slots, int64_t*);        their values
//   static int64_t dimension(slots), observed(slots);
//   static std::string parameters(), quantities(), observations(), requires_();  JSON lists; sizes
//       by number: 0 D, 1 P, 2 L, 3 Q, 4 zero, 5 one, 6 ... extra sizes
//   static int64_t reported_parameters(slots), reported(slots);
//   static void data_shape(int field, slots, int64_t* shape);
//   static void data_bounds(int field, slots, double* lower, double* upper);
//   template <T> static void density(slots, const T* z, T& value, T& jacobian);
//   static void constrain(slots, const double* z, double* x), unconstrain(slots, x, z);
//   static bool in_support(slots, int64_t i);
//   static void likelihood(slots, const double* z, double* values);
//   static void prepare(slots, const vmodel_host*);
#pragma once

#include "runtime/abi/vmodel_abi.h"
#include "runtime/model/philox.h"
#include "test/support/dual.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

namespace vmodel::test {

using Slots = const vmodel_slot*;

inline double softplus(double x) {
  return x > 30 ? x : std::log1p(std::exp(x));
}
inline double slope_of_softplus(double x) {
  return 1 / (1 + std::exp(-x));
}

// Defaults for what a description does not need.
struct FakeDefaults {
  static std::string quantities() { return "[]"; }
  static std::string observations() { return "[]"; }
  static std::string requires_() { return "[]"; }
  static std::string fits() { return "[]"; }
  static int64_t observed(Slots) { return 0; }
  static void data_bounds(int, Slots, double*, double*) {}
  static bool in_support(Slots, int64_t) { return true; }
  static void likelihood(Slots, const double*, double*) {}
  static void prepare(vmodel_slot*, const vmodel_host*) {}
};

// The rest of a description without data, whose coordinates are reported as they are: what is left is a density.
template <int size>
struct WithoutData : FakeDefaults {
  static constexpr int data_count = 0, extra_sizes = 0;
  static std::vector<std::string> data_names() { return {}; }
  static std::string data() { return "[]"; }
  static std::string size_texts() { return ""; }
  static void sizes(Slots, int64_t*) {}
  static std::string parameters() { return "[]"; }
  static int64_t dimension(Slots) { return size; }
  static int64_t reported_parameters(Slots) { return size; }
  static int64_t reported(Slots) { return size; }
  static void data_shape(int, Slots, int64_t*) {}
  static void constrain(Slots, const double* z, double* x) { std::copy(z, z + size, x); }
  static void unconstrain(Slots, const double* x, double* z) { std::copy(x, x + size, z); }
};

template <typename M>
class FakeModel {
public:
  static constexpr int wide = 8;

  static const vmodel_model& get() {
    static const FakeModel model;
    return model.model_;
  }

private:
  using Arguments = void* const*;

  static double* real(Arguments a, int i) { return static_cast<double*>(a[i]); }

  template <int W>
  static void log_density(Slots s, Arguments a, void*, const vmodel_random*) {
    const int64_t d = M::dimension(s);
    std::vector<double> z(static_cast<size_t>(d));
    for (int l = 0; l < W; ++l) {
      for (int64_t i = 0; i < d; ++i)
        z[static_cast<size_t>(i)] = real(a, 0)[i * W + l];
      M::density(s, z.data(), real(a, 1)[l], real(a, 2)[l]);
    }
  }

  template <int W>
  static void log_density_gradient(Slots s, Arguments a, void*, const vmodel_random*) {
    const int64_t d = M::dimension(s);
    std::vector<First> z(static_cast<size_t>(d));
    for (int l = 0; l < W; ++l) {
      for (int64_t i = 0; i < d; ++i)
        z[static_cast<size_t>(i)] = First(real(a, 0)[i * W + l]);
      for (int64_t i = 0; i < d; ++i) {
        First value, jacobian;
        z[static_cast<size_t>(i)].slope = 1;
        M::density(s, z.data(), value, jacobian);
        z[static_cast<size_t>(i)].slope = 0;
        real(a, 1)[l] = value.value;
        real(a, 2)[l] = jacobian.value;
        real(a, 3)[i * W + l] = value.slope + jacobian.slope;
      }
    }
  }

  template <int W>
  static void hessian_vector(Slots s, Arguments a, void*, const vmodel_random*) {
    const int64_t d = M::dimension(s);
    std::vector<Second> z(static_cast<size_t>(d));
    for (int l = 0; l < W; ++l) {
      for (int64_t i = 0; i < d; ++i) {
        z[static_cast<size_t>(i)] = Second(First(real(a, 0)[i * W + l]), First(real(a, 1)[i * W + l]));
      }
      for (int64_t i = 0; i < d; ++i) {
        Second value, jacobian;
        z[static_cast<size_t>(i)].value.slope = 1;
        M::density(s, z.data(), value, jacobian);
        z[static_cast<size_t>(i)].value.slope = 0;
        real(a, 2)[i * W + l] = value.value.slope + jacobian.value.slope;
        real(a, 3)[i * W + l] = value.slope.slope + jacobian.slope.slope;
      }
    }
  }

  template <int W>
  static void map(Slots s, const double* from, int64_t m, double* to, int64_t n,
                  void (*function)(Slots, const double*, double*)) {
    std::vector<double> x(static_cast<size_t>(m + 1)), y(static_cast<size_t>(n + 1));
    for (int l = 0; l < W; ++l) {
      for (int64_t i = 0; i < m; ++i)
        x[static_cast<size_t>(i)] = from[i * W + l];
      function(s, x.data(), y.data());
      for (int64_t i = 0; i < n; ++i)
        to[i * W + l] = y[static_cast<size_t>(i)];
    }
  }
  template <int W>
  static void constrain(Slots s, Arguments a, void*, const vmodel_random*) {
    map<W>(s, real(a, 0), M::dimension(s), real(a, 1), M::reported(s), &M::constrain);
  }
  template <int W>
  static void unconstrain(Slots s, Arguments a, void*, const vmodel_random*) {
    map<W>(s, real(a, 0), M::reported_parameters(s), real(a, 1), M::dimension(s), &M::unconstrain);
  }
  template <int W>
  static void log_likelihood(Slots s, Arguments a, void*, const vmodel_random*) {
    map<W>(s, real(a, 0), M::dimension(s), real(a, 1), M::observed(s), &M::likelihood);
  }

  static void sizes(Slots s, Arguments a, void*, const vmodel_random*) {
    auto* out = static_cast<int64_t*>(a[0]);
    const int64_t d = M::dimension(s);
    const int64_t fixed[] = {d,     M::reported_parameters(s), M::observed(s),  M::reported(s), 0,    1,
                             2 * d, d + d * (d + 1) / 2,       d * (d + 1) / 2, d + d * d,      d * d};
    for (int64_t value : fixed)
      *out++ = value;
    M::sizes(s, out);
  }
  static void observed_support(Slots s, Arguments a, void*, const vmodel_random*) {
    for (int64_t i = 0; i < M::observed(s); ++i)
      real(a, 0)[i] = M::in_support(s, i) ? 1 : 0;
  }
  template <int F>
  static void data_shape(Slots s, Arguments a, void*, const vmodel_random*) {
    M::data_shape(F, s, static_cast<int64_t*>(a[0]));
  }
  template <int F>
  static void data_bounds(Slots s, Arguments a, void*, const vmodel_random*) {
    M::data_bounds(F, s, real(a, 0), real(a, 1));
  }

  // --- families: z = m + A eps ---
  template <bool Full>
  struct Gaussian {
    static int64_t size(int64_t d) { return Full ? d + d * (d + 1) / 2 : 2 * d; }
    // Lower triangle of A, row by row.
    static std::vector<double> factor(const double* phi, int64_t d) {
      std::vector<double> a(static_cast<size_t>(d * d), 0.0);
      const double* r = phi + d;
      for (int64_t i = 0; i < d; ++i) {
        if (!Full) {
          a[static_cast<size_t>(i * d + i)] = softplus(*r++);
          continue;
        }
        for (int64_t j = 0; j < i; ++j)
          a[static_cast<size_t>(i * d + j)] = *r++;
        a[static_cast<size_t>(i * d + i)] = std::exp(*r++);
      }
      return a;
    }
    static double noise(const vmodel_random* r, int lane, int64_t i) {
      return runtime::runtime_normal(r->seed, r->stream, r->step, r->first_particle + static_cast<uint32_t>(lane),
                                     static_cast<uint32_t>(i));
    }
    static void initial(Slots s, Arguments a, void*, const vmodel_random*) {
      const int64_t d = M::dimension(s);
      double* phi = real(a, 0);
      for (int64_t i = 0; i < size(d); ++i)
        phi[i] = 0;
      if (!Full) {
        for (int64_t i = 0; i < d; ++i)
          phi[d + i] = std::log(std::expm1(1.0));
      }
    }
    static void learned(Slots s, Arguments a, void*, const vmodel_random*) {
      const int64_t d = M::dimension(s);
      const auto factor_ = factor(real(a, 0), d);
      for (int64_t i = 0; i < d; ++i)
        real(a, 1)[i] = real(a, 0)[i];
      for (int64_t i = 0; i < (Full ? d * d : d); ++i) {
        real(a, 1)[d + i] = factor_[static_cast<size_t>(Full ? i : i * d + i)];
      }
    }
    template <int W>
    static void draw(Slots s, Arguments a, void*, const vmodel_random* r) {
      const int64_t d = M::dimension(s);
      const double* phi = real(a, 0);
      const auto f = factor(phi, d);
      for (int l = 0; l < W; ++l) {
        double log_q = 0, entropy = 0;
        for (int64_t i = 0; i < d; ++i) {
          double z = phi[i];
          for (int64_t j = 0; j <= i; ++j)
            z += f[static_cast<size_t>(i * d + j)] * noise(r, l, j);
          real(a, 1)[i * W + l] = z;
          const double e = noise(r, l, i), scale = std::log(f[static_cast<size_t>(i * d + i)]);
          log_q += -0.5 * e * e - scale - 0.9189385332046727;
          entropy += 0.5 + scale + 0.9189385332046727;
        }
        real(a, 2)[l] = log_q;
        real(a, 3)[l] = entropy;
      }
    }
    template <int W>
    static void pathwise(Slots s, Arguments a, void*, const vmodel_random* r) {
      const int64_t d = M::dimension(s);
      const double* phi = real(a, 0);
      const auto f = factor(phi, d);
      double* out = real(a, 4);
      for (int64_t i = 0; i < size(d); ++i)
        out[i] = 0;
      for (int l = 0; l < W; ++l) {
        const double by_scale = real(a, 3)[l] - real(a, 2)[l];
        double* at = out + d;
        for (int64_t i = 0; i < d; ++i) {
          const double dz = real(a, 1)[i * W + l], diagonal = f[static_cast<size_t>(i * d + i)];
          out[i] += dz;
          if (!Full) {
            at[i] += slope_of_softplus(phi[d + i]) * (dz * noise(r, l, i) + by_scale / diagonal);
            continue;
          }
          for (int64_t j = 0; j < i; ++j)
            *at++ += dz * noise(r, l, j);
          *at++ += dz * noise(r, l, i) * diagonal + by_scale;
        }
      }
    }
    // eps of a point, and its log density.
    static double standardise(const double* phi, const std::vector<double>& f, int64_t d, const double* z, int stride,
                              std::vector<double>& e) {
      double log_q = 0;
      e.resize(static_cast<size_t>(d));
      for (int64_t i = 0; i < d; ++i) {
        double x = z[i * stride] - phi[i];
        for (int64_t j = 0; j < i; ++j)
          x -= f[static_cast<size_t>(i * d + j)] * e[static_cast<size_t>(j)];
        const double diagonal = f[static_cast<size_t>(i * d + i)];
        e[static_cast<size_t>(i)] = x / diagonal;
        log_q += -0.5 * (x / diagonal) * (x / diagonal) - std::log(diagonal) - 0.9189385332046727;
      }
      return log_q;
    }
    // inverse(A)' e
    static std::vector<double> solve_transposed(const std::vector<double>& f, int64_t d, std::vector<double> e) {
      for (int64_t i = d; i-- > 0;) {
        for (int64_t j = i + 1; j < d; ++j) {
          e[static_cast<size_t>(i)] -= f[static_cast<size_t>(j * d + i)] * e[static_cast<size_t>(j)];
        }
        e[static_cast<size_t>(i)] /= f[static_cast<size_t>(i * d + i)];
      }
      return e;
    }
    template <int W, bool Gradient>
    static void density(Slots s, Arguments a, void*, const vmodel_random*) {
      const int64_t d = M::dimension(s);
      const auto f = factor(real(a, 0), d);
      std::vector<double> e;
      for (int l = 0; l < W; ++l) {
        real(a, 2)[l] = standardise(real(a, 0), f, d, real(a, 1) + l, W, e);
        if (!Gradient)
          continue;
        const auto g = solve_transposed(f, d, e);
        for (int64_t i = 0; i < d; ++i)
          real(a, 3)[i * W + l] = -g[static_cast<size_t>(i)];
      }
    }
    template <int W>
    static void score(Slots s, Arguments a, void*, const vmodel_random*) {
      const int64_t d = M::dimension(s);
      const double* phi = real(a, 0);
      const auto f = factor(phi, d);
      double* out = real(a, 4);
      for (int64_t i = 0; i < size(d); ++i)
        out[i] = 0;
      std::vector<double> e;
      for (int l = 0; l < W; ++l) {
        const double w = real(a, 2)[l];
        real(a, 3)[l] = standardise(phi, f, d, real(a, 1) + l, W, e);
        const auto g = solve_transposed(f, d, e);
        double* at = out + d;
        for (int64_t i = 0; i < d; ++i) {
          const double gi = g[static_cast<size_t>(i)], ei = e[static_cast<size_t>(i)];
          const double diagonal = f[static_cast<size_t>(i * d + i)];
          out[i] += w * gi;
          if (!Full) {
            at[i] += w * slope_of_softplus(phi[d + i]) * (ei * ei - 1) / diagonal;
            continue;
          }
          for (int64_t j = 0; j < i; ++j)
            *at++ += w * gi * e[static_cast<size_t>(j)];
          *at++ += w * (gi * ei * diagonal - 1);
        }
      }
    }
  };

  static int64_t no_workspace(Slots) { return 0; }

  const char* keep(const std::string& name) { return names_.emplace_back(name).c_str(); }

  using Run = void (*)(Slots, Arguments, void*, const vmodel_random*);
  // Arguments are given as "name axis io", e.g. "z p", "value p&", "shape s&i".
  void add(const std::string& name, int lanes, Run run, const std::vector<std::string>& arguments) {
    std::vector<vmodel_argument>& list = arguments_.emplace_back();
    for (const std::string& text : arguments) {
      const size_t space = text.find(' ');
      const std::string rest = text.substr(space + 1);
      list.push_back({keep(text.substr(0, space)), rest[0] == 's' ? VMODEL_STEP : VMODEL_PARTICLE,
                      rest.find('&') != std::string::npos, rest.find('i') != std::string::npos, 0});
    }
    kernels_.push_back({keep(name), lanes, static_cast<int32_t>(list.size()), list.data(), &no_workspace, run});
  }

  template <int W>
  void add_lanes() {
    add("log_density", W, &log_density<W>, {"z p", "value p&", "jacobian p&"});
    add("log_density_gradient", W, &log_density_gradient<W>, {"z p", "value p&", "jacobian p&", "gradient p&"});
    add("hessian_vector", W, &hessian_vector<W>, {"z p", "v p", "gradient p&", "product p&"});
    add("unconstrain", W, &unconstrain<W>, {"x p", "z p&"});
    add("constrain", W, &constrain<W>, {"z p", "x p&"});
    add("log_likelihood", W, &log_likelihood<W>, {"z p", "values p&"});
    add_family<W, false>("mean_field");
    add_family<W, false>("Plain");
    add_family<W, true>("full_rank");
  }

  template <int W, bool Full>
  void add_family(const std::string& name) {
    using G = Gaussian<Full>;
    add(name + ".initial", W, &G::initial, {"phi s&"});
    add(name + ".learned", W, &G::learned, {"phi s", "values s&"});
    add(name + ".draw", W, &G::template draw<W>, {"phi s", "z p&", "log_q p&", "entropy p&"});
    add(name + ".pathwise", W, &G::template pathwise<W>, {"phi s", "d_z p", "d_log_q p", "d_entropy p", "d_phi s&"});
    add(name + ".log_density", W, &G::template density<W, false>, {"phi s", "z p", "log_q p&"});
    add(name + ".log_density_gradient", W, &G::template density<W, true>, {"phi s", "z p", "log_q p&", "gradient p&"});
    add(name + ".score", W, &G::template score<W>, {"phi s", "z p", "weight p", "log_q p&", "d_phi s&"});
  }

  template <int F>
  void add_data() {
    if constexpr (F < M::data_count) {
      static const std::vector<std::string> names = M::data_names();
      add("data_shape." + names[F], 1, &data_shape<F>, {"shape s&i"});
      add("data_bounds." + names[F], 1, &data_bounds<F>, {"lower s&", "upper s&"});
      add_data<F + 1>();
    }
  }

  static std::string family(const std::string& name, const std::string& kind, bool full, const std::string& more) {
    const std::string second =
        full
            ? R"({"name":"L","shape":[0,0],"support":"cov_cholesky","map":"cov_cholesky","offset":0,"size":10,"phi_offset":0,"phi_size":8})"
            : R"({"name":"s","shape":[0],"support":"bounded","map":"softplus","offset":0,"size":0,"phi_offset":0,"phi_size":0})";
    return R"({"name":")" + name + R"(","kind":")" + kind +
           R"(","learnables":[{"name":"m","shape":[0],"support":"all","map":"identity","offset":4,"size":0,"phi_offset":4,"phi_size":0},)" +
           second + R"(],"phi":)" + (full ? "7" : "6") + R"(,"values":)" + (full ? "9" : "6") +
           R"(,"capabilities":["density","pathwise","entropy"])" + more + "}";
  }

  FakeModel() {
    metadata_ =
        R"({"abi":1,"compiler":"0.1.0","march":"native","cpu_features":[],"model":")" + std::string(M::name) +
        R"(","source":")" + M::source + R"(","source_hash":"00ff","lanes":8,"data":)" + M::data() +
        R"(,"sizes":["D","P","L","Q","0","1","2 * D","n","D * (D + 1) / 2","v","D * D")" +
        (M::extra_sizes > 0 ? "," : "") + M::size_texts() +
        R"(],"dimension":0,"reported_parameters":1,"observed":2,"reported":3,"parameters":)" + M::parameters() +
        R"(,"quantities":)" + M::quantities() + R"(,"observations":)" + M::observations() + R"(,"requires":)" +
        M::requires_() + R"(,"families":[)" + family("Plain", "family", false, "") + "," +
        family("mean_field", "mean_field", false, R"(,"gaussian":{"location":"m","scale":"s"})") + "," +
        family("full_rank", "full_rank", true, R"(,"gaussian":{"location":"m","scale_cholesky":"L"})") +
        R"(],"fits":)" + M::fits() +
        R"(,"objectives":["elbo","softcvi","snis_forward_kl","reweighted_wake","iwae","dreg","renyi","chi2","aisivi","bsivi","sivi","iwhvi","uivi"]})";
    add_lanes<1>();
    add_lanes<wide>();
    add("sizes", 1, &sizes, {"sizes s&i"});
    add("observed_support", 1, &observed_support, {"ok s&"});
    add_data<0>();
    model_ = {VMODEL_ABI_VERSION,
              sizeof(vmodel_model),
              metadata_.c_str(),
              M::data_count,
              M::data_count,
              [](vmodel_slot* slots, const vmodel_host* host) -> int32_t {
                M::prepare(slots, host);
                return 0;
              },
              static_cast<int32_t>(kernels_.size()),
              11 + M::extra_sizes,
              kernels_.data()};
  }

  // The model points to these; a deque does not move what it holds.
  std::string metadata_;
  std::deque<std::string> names_;
  std::deque<std::vector<vmodel_argument>> arguments_;
  std::vector<vmodel_kernel> kernels_;
  vmodel_model model_;
};

} // namespace vmodel::test
