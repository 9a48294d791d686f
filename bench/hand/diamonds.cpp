// A regression on 24 columns by hand: two products with a matrix of 5000 rows, nothing known of sufficient statistics.
//
// A block of rows stays in the first cache for both products: its residuals go to a buffer, then the gradient reads
// them. Tiles of six rows (or columns) by eight particles keep twelve sums in registers, which two vectors of
// coefficients (or residuals) and one broadcast number feed: 12 products for 8 loads.

#include "lanes.h"

#include <array>

using namespace bench;

namespace {

constexpr std::size_t columns = 24, tile = 6, block = 60;
static_assert(columns % tile == 0 && block % tile == 0);

struct Model {
  std::vector<double> y, z; // z: [row][column], centred

  explicit Model(const nlohmann::json& data) : y(column(data, "Y")) {
    if (data["K"] != columns + 1)
      throw std::runtime_error("written for 24 columns");
    std::array<double, columns> mean{};
    for (const auto& row : data["X"]) {
      for (std::size_t k = 0; k < columns; ++k) {
        z.push_back(row[k + 1].get<double>());
        mean[k] += z.back() / static_cast<double>(y.size());
      }
    }
    for (std::size_t i = 0; i < z.size(); ++i)
      z[i] -= mean[i % columns];
  }

  // Residuals of `rows` rows from n on.
  template <std::size_t rows>
  [[gnu::always_inline]] void residual_tile(std::size_t n, const Eight* b, Eight intercept, Eight* to,
                                            Eight& squares) const {
    std::array<Eight, rows> sum;
    for (std::size_t i = 0; i < rows; ++i)
      sum[i] = eight(y[n + i]) - intercept;
    const double* from = &z[n * columns];
    for (std::size_t k = 0; k < columns; ++k) {
      const Eight coefficient = b[k];
#pragma GCC unroll 8
      for (std::size_t i = 0; i < rows; ++i)
        sum[i] = fnma(eight(from[i * columns + k]), coefficient, sum[i]);
    }
    for (std::size_t i = 0; i < rows; ++i) {
      squares = fma(sum[i], sum[i], squares);
      to[i] = sum[i];
    }
  }

  // Adds products of residuals with columns k to k + tile - 1.
  [[gnu::noinline]] void gradient_tile(std::size_t n, std::size_t rows, std::size_t k, const Eight* residuals,
                                       Eight* gradient) const {
    std::array<Eight, tile> sum;
    for (std::size_t j = 0; j < tile; ++j)
      sum[j] = gradient[k + j];
    const double* from = &z[n * columns + k];
    for (std::size_t i = 0; i < rows; ++i, from += columns) {
      const Eight residual = residuals[i];
#pragma GCC unroll 8
      for (std::size_t j = 0; j < tile; ++j)
        sum[j] = fma(eight(from[j]), residual, sum[j]);
    }
    for (std::size_t j = 0; j < tile; ++j)
      gradient[k + j] = sum[j];
  }

  [[gnu::noinline]] void residual_block(std::size_t n, std::size_t rows, const Eight* b, Eight intercept, Eight* to,
                                        Eight& squares) const {
    Eight sum = squares; // a register, not memory
    std::size_t i = 0;
    for (; i + tile <= rows; i += tile)
      residual_tile<tile>(n + i, b, intercept, to + i, sum);
    for (; i < rows; ++i)
      residual_tile<1>(n + i, b, intercept, to + i, sum);
    squares = sum;
  }

  void operator()(const Eight* at, Eight& value, Eight* gradient) const {
    const Eight intercept = at[columns], log_sigma = at[columns + 1], sigma = exponential(log_sigma);
    std::array<Eight, columns> d_b;
    d_b.fill(eight(0));
    std::array<Eight, block> residuals;
    Eight squares = eight(0), d_intercept = eight(0);
    for (std::size_t n = 0; n < y.size(); n += block) {
      const std::size_t rows = std::min(block, y.size() - n);
      residual_block(n, rows, at, intercept, residuals.data(), squares);
      for (std::size_t i = 0; i < rows; ++i)
        d_intercept = d_intercept + residuals[i];
      for (std::size_t k = 0; k < columns; k += tile)
        gradient_tile(n, rows, k, residuals.data(), d_b.data());
    }
    // Priors up to constants: b ~ N(0, 1), the intercept t(3, 8, 10), sigma half t(3, 0, 10). The Jacobian of sigma
    // adds z.
    const Eight size = eight(static_cast<double>(y.size())), precision = eight(1) / (sigma * sigma);
    const Eight from_eight = intercept - eight(8), third = eight(1.0 / 300);
    const Eight of_intercept = fma(from_eight * from_eight, third, eight(1)),
                of_sigma = fma(sigma * sigma, third, eight(1));
    Eight of_b = eight(0);
    for (std::size_t k = 0; k < columns; ++k) {
      of_b = fma(at[k], at[k], of_b);
      gradient[k] = fma(d_b[k], precision, eight(0) - at[k]);
    }
    const Eight scaled = squares * precision;
    value = log_sigma - size * log_sigma - eight(0.5) * (scaled + of_b) - eight(2) * logarithm(of_intercept * of_sigma);
    gradient[columns] = d_intercept * precision - eight(4) * third * from_eight / of_intercept;
    gradient[columns + 1] = scaled - size + eight(1) - eight(4) * third * sigma * sigma / of_sigma;
  }
};

} // namespace

int main(int argc, char** argv) {
  return serve_data<Model>(argc, argv, columns + 2);
}
