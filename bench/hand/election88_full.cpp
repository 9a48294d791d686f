// A logistic regression with effects of five groupings by hand. What is known of the tables at load is used: a cell of
// age and education has one age and one education, a state lies in one region, and black and female are 0 or 1. So a
// call makes one table of 64 entries (cell, black, female) and one of states, and an observation needs an entry of
// each; rows are sorted by state, whose entry stays in registers. The part of the log density that is linear in the
// coefficients is summed at load.

#include "lanes.h"
#include "odds.h"

#include <algorithm>
#include <array>
#include <numeric>

using namespace bench;

namespace {

constexpr std::size_t ages = 4, educations = 4, cells = 16, states = 51, regions = 5;
// Coordinates: beta, five standard deviations, then the effects.
constexpr std::size_t of_sigma = 5, of_age = 10, of_education = of_age + ages, of_cell = of_education + educations,
                      of_state = of_cell + cells, of_region = of_state + states, dimension = of_region + regions;
constexpr std::array<std::size_t, 6> groups = {of_age, of_education, of_cell, of_state, of_region, dimension};

struct Row {
  std::size_t entry; // of the table: 4 cell + 2 black + female
  double previous;
};

struct Model {
  std::vector<Row> rows;
  std::array<std::size_t, states + 1> begins{};
  std::array<std::size_t, cells> age_of{}, education_of{};
  std::array<std::size_t, states> region_of{};
  // Sums over the observations with y = 1.
  std::array<double, 4 * cells> successes{};
  std::array<double, states> successes_of_state{};
  double previous_of_successes = 0;

  explicit Model(const nlohmann::json& data) {
    const auto indices = [&](const char* name) { return data[name].get<std::vector<std::size_t>>(); };
    const auto age = indices("age"), education = indices("edu"), cell = indices("age_edu"), state = indices("state");
    const auto region = indices("region_full"), black = indices("black"), female = indices("female"), y = indices("y");
    const std::vector<double> previous = column(data, "v_prev_full");
    age_of.fill(0), education_of.fill(0), region_of.fill(0);
    const auto fixed = [](std::size_t& known, std::size_t now) {
      if (known != 0 && known != now)
        throw std::runtime_error("written for nested groupings");
      known = now;
    };
    std::vector<std::size_t> order(y.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](std::size_t i, std::size_t j) { return state[i] < state[j]; });
    for (const std::size_t n : order) {
      const std::size_t c = cell[n] - 1, s = state[n] - 1;
      fixed(age_of.at(c), age[n]);
      fixed(education_of.at(c), education[n]);
      fixed(region_of.at(s), region[n]);
      if (black[n] > 1 || female[n] > 1)
        throw std::runtime_error("written for indicators");
      rows.push_back({4 * c + 2 * black[n] + female[n], previous[n]});
      ++begins[s + 1];
      const auto success = static_cast<double>(y[n]);
      successes[rows.back().entry] += success;
      successes_of_state[s] += success;
      previous_of_successes += success * previous[n];
    }
    // Of a cell or a state without observations it does not matter.
    std::replace(age_of.begin(), age_of.end(), std::size_t{0}, std::size_t{1});
    std::replace(education_of.begin(), education_of.end(), std::size_t{0}, std::size_t{1});
    std::partial_sum(begins.begin(), begins.end(), begins.begin());
  }

  void operator()(const Eight* at, Eight& value, Eight* gradient) const {
    std::array<Eight, 4 * cells> table, shares;
    shares.fill(eight(0));
    for (std::size_t c = 0; c < cells; ++c) {
      const Eight cell = at[of_age + age_of[c] - 1] + at[of_education + education_of[c] - 1] + at[of_cell + c];
      table[4 * c] = cell;
      table[4 * c + 1] = cell + at[2];
      table[4 * c + 2] = cell + at[1];
      table[4 * c + 3] = cell + at[1] + at[2] + at[4];
    }
    std::fill(gradient, gradient + dimension, eight(0));
    const Eight slope = at[3];
    Eight shares_previous = eight(0), sum = eight(0), linear = slope * eight(previous_of_successes);
    for (std::size_t s = 0; s < states; ++s) {
      if (begins[s] == begins[s + 1])
        continue;
      const std::size_t region = of_region + region_of[s] - 1;
      const Eight here = at[0] + at[of_state + s] + at[region];
      LogOnePlusOdds terms;
      Eight of_this = eight(0);
      const auto odds = [&](std::size_t n) {
        return terms.odds(fma(slope, eight(rows[n].previous), here + table[rows[n].entry]));
      };
      const auto collect = [&](std::size_t n, Eight share) {
        of_this = of_this + share;
        shares_previous = fma(share, eight(rows[n].previous), shares_previous);
        shares[rows[n].entry] = shares[rows[n].entry] + share;
      };
      std::size_t n = begins[s];
      for (; n + 4 <= begins[s + 1]; n += 4)
        terms.four(n, odds(n), odds(n + 1), odds(n + 2), odds(n + 3), collect);
      for (; n < begins[s + 1]; ++n)
        terms.one(n, odds(n), collect);
      sum = sum + terms.sum();
      const Eight rest = eight(successes_of_state[s]) - of_this;
      linear = fma(here, eight(successes_of_state[s]), linear);
      gradient[of_state + s] = rest;
      gradient[region] = gradient[region] + rest;
      gradient[0] = gradient[0] + rest;
    }
    gradient[3] = eight(previous_of_successes) - shares_previous;
    for (std::size_t entry = 0; entry < 4 * cells; ++entry) {
      const std::size_t c = entry / 4;
      const Eight rest = eight(successes[entry]) - shares[entry];
      linear = fma(table[entry], eight(successes[entry]), linear);
      std::array<std::size_t, 3> to = {of_age + age_of[c] - 1, of_education + education_of[c] - 1, of_cell + c};
      for (const std::size_t i : to)
        gradient[i] = gradient[i] + rest;
      if (entry & 2)
        gradient[1] = gradient[1] + rest;
      if (entry & 1)
        gradient[2] = gradient[2] + rest;
      if ((entry & 3) == 3)
        gradient[4] = gradient[4] + rest;
    }
    value = linear - sum + priors(at, gradient);
  }

  // Up to constants: beta ~ N(0, 100), effects ~ N(0, sigma) with sigma = 100 share flat between 0 and 100.
  static Eight priors(const Eight* at, Eight* gradient) {
    Eight value = eight(0);
    for (std::size_t i = 0; i < of_sigma; ++i) {
      value = fma(eight(-0.5e-4) * at[i], at[i], value);
      gradient[i] = fma(eight(-1e-4), at[i], gradient[i]);
    }
    for (std::size_t g = 0; g + 1 < groups.size(); ++g) {
      const Eight one = eight(1), share = inv_logit(at[of_sigma + g]), rest = one - share, sigma = eight(100) * share;
      const Eight precision = one / (sigma * sigma), size = eight(static_cast<double>(groups[g + 1] - groups[g]));
      Eight squares = eight(0);
      for (std::size_t i = groups[g]; i < groups[g + 1]; ++i) {
        squares = fma(at[i], at[i], squares);
        gradient[i] = fnma(at[i], precision, gradient[i]);
      }
      const Eight scaled = squares * precision;
      value = value - eight(0.5) * scaled + (one - size) * logarithm(share) + logarithm(rest);
      gradient[of_sigma + g] = (scaled - size) * rest + one - eight(2) * share;
    }
    return value;
  }
};

} // namespace

int main(int argc, char** argv) {
  return serve_data<Model>(argc, argv, dimension);
}
