#include "runtime/start/triangular.h"

#include <algorithm>

namespace vmodel::runtime {
namespace {

using Eigen::MatrixXd;

constexpr int64_t tile = TiledMatrix::tile;
constexpr int64_t rows_at_once = 4;
// Eight doubles, in as many registers as the processor needs for them.
typedef double Eight __attribute__((vector_size(64), aligned(64)));

// Rows i .. i + 3 and columns j .. j + 15 of A B, summed over k in [first, last).
[[gnu::always_inline]] inline void product_tile(const TiledMatrix& a, const TiledMatrix& b, TiledMatrix& product,
                                                int64_t i, int64_t j, int64_t first, int64_t last) {
  Eight sums[rows_at_once][2] = {};
  const double* from[rows_at_once];
  for (int64_t r = 0; r < rows_at_once; ++r)
    from[r] = a.row(i + r);
  for (int64_t k = first; k < last; ++k) {
    const auto* right = reinterpret_cast<const Eight*>(b.row(k) + j);
    for (int64_t r = 0; r < rows_at_once; ++r) {
      sums[r][0] += from[r][k] * right[0];
      sums[r][1] += from[r][k] * right[1];
    }
  }
  for (int64_t r = 0; r < rows_at_once; ++r) {
    auto* to = reinterpret_cast<Eight*>(product.row(i + r) + j);
    to[0] = sums[r][0];
    to[1] = sums[r][1];
  }
}

// Where k begins depends on the column for a lower A, on the row for an upper one.
template <bool upper>
[[gnu::always_inline]] inline void multiply(const TiledMatrix& a, const TiledMatrix& b, TiledMatrix& product) {
  const int64_t n = a.size();
  for (int64_t i = 0; i < n; i += rows_at_once) {
    for (int64_t j = 0; j < std::min(i + rows_at_once, n); j += tile) {
      const int64_t first = upper ? std::max(i, j) : j, last = upper ? n : std::min(i + rows_at_once, n);
      product_tile(a, b, product, i, j, first, last);
    }
  }
}

using Multiply = void (*)(const TiledMatrix&, const TiledMatrix&, TiledMatrix&);

template <bool upper>
void multiply_plain(const TiledMatrix& a, const TiledMatrix& b, TiledMatrix& product) {
  multiply<upper>(a, b, product);
}
template <bool upper>
__attribute__((target("avx2,fma"))) void multiply_avx2(const TiledMatrix& a, const TiledMatrix& b,
                                                       TiledMatrix& product) {
  multiply<upper>(a, b, product);
}
template <bool upper>
__attribute__((target("avx512f,fma"))) void multiply_avx512(const TiledMatrix& a, const TiledMatrix& b,
                                                            TiledMatrix& product) {
  multiply<upper>(a, b, product);
}

template <bool upper>
Multiply choose() {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f"))
    return &multiply_avx512<upper>;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return &multiply_avx2<upper>;
  return &multiply_plain<upper>;
}

} // namespace

void multiply_lower(const TiledMatrix& a, const TiledMatrix& b, TiledMatrix& product) {
  static const Multiply best = choose<false>();
  best(a, b, product);
}

void multiply_upper_lower(const TiledMatrix& u, const TiledMatrix& b, TiledMatrix& product) {
  static const Multiply best = choose<true>();
  best(u, b, product);
}

MatrixXd inverse_of_lower(const MatrixXd& lower) {
  const int64_t n = lower.rows();
  if (n <= 64) {
    MatrixXd result = MatrixXd::Identity(n, n);
    lower.triangularView<Eigen::Lower>().solveInPlace(result);
    return result;
  }
  const int64_t half = n / 2, rest = n - half;
  MatrixXd result = MatrixXd::Zero(n, n);
  result.topLeftCorner(half, half) = inverse_of_lower(lower.topLeftCorner(half, half));
  result.bottomRightCorner(rest, rest) = inverse_of_lower(lower.bottomRightCorner(rest, rest));
  const MatrixXd between =
      lower.bottomLeftCorner(rest, half) * result.topLeftCorner(half, half).triangularView<Eigen::Lower>();
  result.bottomLeftCorner(rest, half).noalias() =
      -(result.bottomRightCorner(rest, rest).triangularView<Eigen::Lower>() * between);
  return result;
}

} // namespace vmodel::runtime
