#include "runtime/fit/round_trip.h"

#include "runtime/io/files.h"
#include "runtime/model/staged_kernel.h"

#include <Eigen/Core>
#include <Eigen/SVD>

#include <algorithm>
#include <limits>

namespace vmodel::runtime {
namespace {

constexpr int64_t wanted_draws = 512;
// Derivatives take a call a coordinate of the largest event: so many columns of all draws together.
constexpr int64_t most_columns = 4096;
// Steps of the random stream of draws that are no other's.
constexpr uint32_t step_of_round_trip = 0x49000000;
// Roundings that the layers of a flow may add up to, in units of the condition number.
constexpr double most_roundings = 1e4;

double larger(double a, double b) {
  return std::isnan(a) || std::isnan(b) ? NAN : std::max(a, b);
}

class Trips {
public:
  Trips(const PreparedModel& model, const Family& family, const std::vector<double>& phi, uint64_t seed)
      : model_(model), sizes_(*family.round_trip), seed_(seed), w_(static_cast<size_t>(model.lanes())),
        phi_(phi.begin(), phi.end()), shift_(room(sizes_.base)), direction_(room(sizes_.base)),
        base_(room(sizes_.base)), back_(room(sizes_.base)), image_(room(sizes_.image)), tangent_(room(sizes_.image)) {
    phi_.resize(phi.size() + 1);
    call_ = StagedKernel(model, family.name + ".round_trip",
                         {{"phi", phi_.data()},
                          {"shift", shift_.data()},
                          {"direction", direction_.data()},
                          {"base", base_.data()},
                          {"image", image_.data()},
                          {"tangent", tangent_.data()},
                          {"back", back_.data()}});
    call_.step();
  }

  RoundTrip run() {
    int64_t largest = 0;
    for (const RoundTripDraw& d : sizes_.draws)
      largest = std::max(largest, model_.size(d.events) > 0 ? model_.size(d.base) : 0);
    const bool derivatives = largest <= RoundTrip::most_coordinates;
    const int64_t calls = std::max<int64_t>(1, most_columns / (std::max<int64_t>(1, largest) * model_.lanes()));
    if (derivatives)
      result_.condition = 1;
    for (int64_t draw = 0, call = 0; draw < wanted_draws; draw += model_.lanes(), ++call) {
      // What no draw reaches (in a branch that is not taken) stays zero.
      std::fill(base_.begin(), base_.end(), 0.0);
      std::fill(back_.begin(), back_.end(), 0.0);
      const vmodel_random random = random_state(seed_, Stream::fit, step_of_round_trip, static_cast<uint32_t>(draw));
      std::fill(direction_.begin(), direction_.end(), 0.0);
      call_(random);
      add_residuals();
      if (derivatives && call < calls)
        add_conditions(random, largest);
    }
    return result_;
  }

private:
  size_t room(SizeNumber size) const { return (static_cast<size_t>(model_.size(size)) + 1) * w_; }
  // Where a number of an event stands, of the first lane.
  size_t place(SizeNumber offset, SizeNumber size, int64_t event, int64_t i) const {
    return static_cast<size_t>(model_.size(offset) + event * model_.size(size) + i) * w_;
  }

  void add_residuals() {
    for (const RoundTripDraw& d : sizes_.draws) {
      const size_t first = place(d.base_offset, d.base, 0, 0),
                   end = place(d.base_offset, d.base, model_.size(d.events), 0);
      for (size_t i = first; i < end; ++i) {
        const double error = std::abs(back_[i] - base_[i]) / std::max(1.0, std::abs(base_[i]));
        if (std::isnan(error) || error > result_.residual)
          result_.worst = d.name;
        result_.residual = larger(result_.residual, error);
      }
    }
  }

  // All events move along their coordinate k at once, since none depends on how another one moves.
  void add_conditions(const vmodel_random& random, int64_t largest) {
    std::vector<AlignedVector<double>> columns;
    for (int64_t k = 0; k < largest; ++k) {
      std::fill(direction_.begin(), direction_.end(), 0.0);
      std::fill(tangent_.begin(), tangent_.end(), 0.0);
      std::fill(image_.begin(), image_.end(), 0.0);
      for (const RoundTripDraw& d : sizes_.draws) {
        for (int64_t e = 0; k < model_.size(d.base) && e < model_.size(d.events); ++e)
          std::fill_n(direction_.begin() + static_cast<std::ptrdiff_t>(place(d.base_offset, d.base, e, k)), w_, 1.0);
      }
      call_(random);
      columns.push_back(tangent_);
    }
    for (const RoundTripDraw& d : sizes_.draws) {
      for (int64_t e = 0; e < model_.size(d.events); ++e) {
        for (size_t lane = 0; lane < w_; ++lane)
          add_condition(d, e, lane, columns);
      }
    }
  }

  void add_condition(const RoundTripDraw& d, int64_t event, size_t lane,
                     const std::vector<AlignedVector<double>>& columns) {
    const int64_t n = model_.size(d.base), m = model_.size(d.image);
    if (n == 0 || m < n)
      return;
    Eigen::MatrixXd jacobian(m, n);
    Eigen::VectorXd x(n), y(m);
    for (int64_t i = 0; i < m; ++i) {
      y[i] = image_[place(d.image_offset, d.image, event, i) + lane];
      for (int64_t k = 0; k < n; ++k)
        jacobian(i, k) = columns[static_cast<size_t>(k)][place(d.image_offset, d.image, event, i) + lane];
    }
    for (int64_t k = 0; k < n; ++k)
      x[k] = base_[place(d.base_offset, d.base, event, k) + lane];
    if (jacobian.isZero(0) && x.isZero(0))
      return; // not drawn
    const double least =
        jacobian.allFinite() ? Eigen::JacobiSVD<Eigen::MatrixXd>(jacobian).singularValues()[n - 1] : NAN;
    result_.condition = larger(result_.condition, y.norm() / least / std::max(1.0, x.norm()));
  }

  const PreparedModel& model_;
  const RoundTripSizes& sizes_;
  const uint64_t seed_;
  const size_t w_;
  AlignedVector<double> phi_, shift_, direction_, base_, back_, image_, tangent_;
  StagedKernel call_;
  RoundTrip result_;
};

} // namespace

bool RoundTrip::is_wrong() const {
  if (is_exact())
    return false;
  const double enlarged = std::isnan(condition) ? 1 : condition;
  return !(residual <= most_roundings * std::numeric_limits<double>::epsilon() * enlarged);
}

std::string RoundTrip::text() const {
  return "residual " + brief(residual, 2) + ", condition number " +
         (std::isnan(condition) ? "not known" : brief(condition, 3));
}

RoundTrip round_trip(const PreparedModel& model, const Family& family, const std::vector<double>& phi, uint64_t seed) {
  return Trips(model, family, phi, seed).run();
}

} // namespace vmodel::runtime
