// A regression on eight columns by hand. Three of them say which of four age groups an observation is in: the rows are
// sorted by group at load, and a group's coefficient becomes part of the intercept. Five columns remain.

#include "regression.h"

using namespace bench;

namespace {

constexpr std::size_t groups = 4, columns = 5, dimension = 10;
// The coordinates of the columns' coefficients; of group g > 0 it is 2 + g, of the intercept 0, of sigma 9.
constexpr std::array<std::size_t, columns> coordinates = {1, 2, 6, 7, 8};

struct Model {
  std::array<std::vector<double>, groups> rows;
  double observations = 0;

  explicit Model(const nlohmann::json& data) {
    const char* names[] = {"partyid7", "real_ideo", "race_adj", "educ1", "gender", "income"};
    std::vector<std::vector<double>> all;
    for (const char* name : names)
      all.push_back(column(data, name));
    const auto age = data["age_discrete"].get<std::vector<std::size_t>>();
    for (std::size_t n = 0; n < age.size(); ++n) {
      for (const std::vector<double>& one : all)
        rows.at(age[n] - 1).push_back(one[n]);
    }
    observations = static_cast<double>(age.size());
  }

  void operator()(const Eight* at, Eight& value, Eight* gradient) const {
    pass(at, &Eight::a, value, gradient);
    pass(at, &Eight::b, value, gradient);
  }

  void pass(const Eight* at, Half Eight::* part, Eight& value, Eight* gradient) const {
    std::array<Half, columns> beta, by_column{};
    for (std::size_t k = 0; k < columns; ++k)
      beta[k] = at[coordinates[k]].*part;
    const Half z = at[dimension - 1].*part, sigma = exponential(z), precision = 1 / (sigma * sigma);
    Half squares = half(0), residuals = half(0);
    for (std::size_t g = 0; g < groups; ++g) {
      const Half intercept = g == 0 ? at[0].*part : at[0].*part + at[2 + g].*part;
      const Sums<columns> sums = residual_sums<columns>(rows[g], intercept, beta);
      squares += sums.squares;
      residuals += sums.residuals;
      for (std::size_t k = 0; k < columns; ++k)
        by_column[k] += sums.by_column[k];
      if (g > 0)
        gradient[2 + g].*part = sums.residuals * precision;
    }
    // All priors are flat; the Jacobian of sigma = exp(z) adds z.
    const Half scaled = squares * precision;
    value.*part = z - observations * z - 0.5 * scaled;
    gradient[0].*part = residuals * precision;
    for (std::size_t k = 0; k < columns; ++k)
      gradient[coordinates[k]].*part = by_column[k] * precision;
    gradient[dimension - 1].*part = scaled - observations + 1;
  }
};

} // namespace

int main(int argc, char** argv) {
  return serve_data<Model>(argc, argv, dimension);
}
