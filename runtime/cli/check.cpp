// The command `check`.

#include "runtime/cli/results.h"
#include "runtime/fit/round_trip.h"
#include "runtime/io/error.h"
#include "runtime/io/files.h"
#include "runtime/model/philox.h"
#include "runtime/start/density.h"
#include "runtime/start/family_start.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>

namespace vmodel::runtime {
namespace {

struct Difference {
  double value = NAN;
  double error = INFINITY;
};

// The derivative of f at 0 by central differences with Richardson's extrapolation (Ridders 1982):
// the entry of the tableau with the smallest difference to its neighbours.
Difference richardson(const std::function<double(double)>& f, double first_step) {
  constexpr int rows = 10;
  constexpr double shrink = 1.6;
  double table[rows][rows];
  Difference best;
  double h = first_step;
  for (int i = 0; i < rows; ++i, h /= shrink) {
    const double up = f(h), down = f(-h);
    table[i][0] = (up - down) / (2 * h);
    double factor = shrink * shrink;
    for (int j = 1; j <= i; ++j, factor *= shrink * shrink) {
      table[i][j] = (table[i][j - 1] * factor - table[i - 1][j - 1]) / (factor - 1);
      // Rounding of f bounds the accuracy, whatever the tableau says.
      const double rounding = 4e-16 * (std::fabs(up) + std::fabs(down)) / h;
      const double error =
          std::max({std::fabs(table[i][j] - table[i][j - 1]), std::fabs(table[i][j] - table[i - 1][j - 1]), rounding});
      if (error < best.error)
        best = {table[i][j], error};
    }
  }
  return best;
}

double tolerance(double exact, const Difference& d, double scale) {
  return 10 * d.error + 1e-9 * std::max(std::fabs(exact), 1e-3 * scale);
}

// Whether differences tell anything at this point (not: far out, huge values, a kink).
bool is_clear(const Difference& d, double scale) {
  return d.error <= 1e-4 * std::max(std::fabs(d.value), scale);
}

// A kink (of abs, max, sort) within reach of the steps can give a tableau whose entries agree by chance. Differences
// speak against a derivative only where those of steps 100 times smaller say the same.
Difference confirmed(const std::function<double(double)>& f, double first_step, double exact, double scale) {
  const Difference d = richardson(f, first_step);
  if (std::fabs(exact - d.value) <= tolerance(exact, d, scale))
    return d;
  const Difference near = richardson(f, first_step / 100);
  const bool same = is_clear(near, scale) && std::fabs(near.value - d.value) <= 10 * (near.error + d.error);
  return same ? d : Difference{near.value, INFINITY};
}

// The worst of many comparisons, in units of what is tolerated.
struct Worst {
  double ratio = -1;
  std::string name;
  double exact = 0, difference = 0, error = 0;
  int64_t compared = 0, unclear = 0;

  void add(const std::string& where, double value, const Difference& d, double scale) {
    if (!is_clear(d, scale)) {
      ++unclear;
      return;
    }
    ++compared;
    const double found = std::fabs(value - d.value) / tolerance(value, d, scale);
    const double ratio_here = std::isnan(found) ? INFINITY : found;
    if (ratio_here > ratio) {
      ratio = ratio_here;
      name = where;
      exact = value;
      difference = d.value;
      error = d.error;
    }
  }
  bool good() const { return ratio <= 1; }
};

// The parameter that a coordinate belongs to: theta[3] where they are one to one.
std::string coordinate_name(const PreparedModel& model, int64_t coordinate) {
  for (const ReportedValue& p : model.parameters()) {
    const int64_t place = coordinate - p.unconstrained_offset;
    if (place < 0 || place >= p.unconstrained_size)
      continue;
    if (p.unconstrained_size == p.size)
      return flat_name(p.name, p.shape, place);
    return "coordinate " + std::to_string(place + 1) + " of " + p.name;
  }
  return "coordinate " + std::to_string(coordinate + 1);
}

// Which part of the log density is not finite at a point.
std::string culprit(const PreparedModel& model, const double* z) {
  const size_t w = static_cast<size_t>(model.lanes());
  AlignedVector<double> wide(static_cast<size_t>(model.dimension() + 1) * w),
      values(static_cast<size_t>(model.observed_values() + 1) * w), value(w), jacobian(w);
  fill_lanes(z, static_cast<size_t>(model.dimension()), w, wide.data());
  model.call("log_density", model.lanes(),
             {{"z", wide.data()}, {"value", value.data()}, {"jacobian", jacobian.data()}})();
  if (!std::isfinite(jacobian[0])) {
    return "the map from the unconstrained scale is not finite: are the bounds of a parameter empty or infinite "
           "there?";
  }
  if (model.observed_values() > 0) {
    model.call("log_likelihood", model.lanes(), {{"z", wide.data()}, {"values", values.data()}})();
    for (const Observation& o : model.metadata().observations) {
      for (int64_t i = 0; i < model.size(o.size); ++i) {
        const double term = values[static_cast<size_t>(model.size(o.offset) + i) * w];
        if (!std::isfinite(term)) {
          return "observed " + flat_name(o.name, model.shape(o.shape), i) + " has log density " + brief(term) + " (" +
                 o.distribution + " at " + model.metadata().at(o.position) + ")";
        }
      }
    }
  }
  return "a prior or a factor has log density " + brief(value[0]) + ", every observed value a finite one";
}

// What families make of their bases and back, at their starts or at a fit's result. False where maps are not the
// inverses of each other.
bool report_round_trips(const Session& session, const PreparedModel& model, const std::optional<StoredFit>& fit,
                        uint64_t seed) {
  bool good = true;
  for (const Family& family : session.model.metadata().families) {
    if (!family.round_trip || (fit && family.name != fit->family))
      continue;
    const RoundTrip trip = round_trip(model, family, fit ? fit->phi : plain_start(model, family, seed), seed);
    good = good && !trip.is_wrong();
    session.out << "maps of family " << family.name << " forward and back, "
                << (fit ? "at the fit: " : "at its start: ") << trip.text();
    if (!trip.is_exact()) {
      session.out << "; " << (trip.is_wrong() ? "WRONG" : "above") << " in " << trip.worst << ", the limit is "
                  << brief(RoundTrip::most_residual);
    }
    session.out << "\n";
  }
  return good;
}

void report(const Session& session, const char* what, const Worst& worst) {
  session.out << what << ": " << (worst.good() ? "ok" : "WRONG") << ", " << worst.compared << " compared";
  if (worst.unclear > 0) {
    session.out << ", " << worst.unclear << " where differences tell nothing";
  }
  if (worst.compared > 0) {
    session.out << "; worst: " << worst.name << " " << brief(worst.exact, 10) << ", differences "
                << brief(worst.difference, 10) << " +- " << brief(worst.error, 2);
  }
  session.out << "\n";
}

} // namespace

int command_check(const Session& session, const Arguments& arguments) {
  Options options("check");
  options.value("data", "FILE", "data as JSON");
  options.value("fit", "FILE", "fit.json, at whose result its family's maps are checked (default: starts of families)");
  options.value("points", "N", "number of random points (default 5)");
  options.value("seed", "S", "seed of the points (default 1)");
  options.flag("strict", "data fields that the model does not declare are errors");
  options.parse(arguments);
  const std::string path = options.get("fit"), data = path.empty() ? need_data(session, options) : options.get("data");
  const int64_t points = options.integer("points", 5, 1, 1000);
  const uint64_t seed = static_cast<uint64_t>(options.integer("seed", 1, 0, (int64_t{1} << 48) - 1));
  const std::optional<StoredFit> fit = path.empty() ? std::nullopt : std::optional(read_fit(session, path));
  const auto model = fit ? prepare_for_fit(session, *fit, data) : load_data(session, data, options.has("strict"));
  session.out << "data: ok, " << counted(static_cast<int64_t>(model->data().size()), "field") << ", "
              << counted(model->observed_values(), "observed value") << "\n";
  const int64_t d = model->dimension();
  if (d == 0)
    return done;

  UnconstrainedDensity density(*model);
  const size_t n = static_cast<size_t>(d);
  std::vector<double> z(n), at(n), gradient(n), direction(n), other(n);
  Worst first, second;
  const bool maps_are_good = report_round_trips(session, *model, fit, seed);
  int64_t not_finite = 0;
  std::string why;
  for (int64_t k = 0; k < points; ++k) {
    for (size_t i = 0; i < n; ++i) {
      z[i] = 0.5 * runtime_normal(seed, static_cast<uint32_t>(Stream::simulate), 1, static_cast<uint32_t>(k),
                                  static_cast<uint32_t>(i));
      direction[i] = runtime_normal(seed, static_cast<uint32_t>(Stream::simulate), 2, static_cast<uint32_t>(k),
                                    static_cast<uint32_t>(i));
    }
    const double value = density.gradient(z.data(), gradient.data());
    if (!std::isfinite(value)) {
      if (++not_finite == 1)
        why = culprit(*model, z.data());
      continue;
    }
    double scale = 0;
    for (double g : gradient)
      scale = std::max(scale, std::fabs(g));
    for (size_t i = 0; i < n; ++i) {
      at = z;
      const auto along = [&](double h) {
        at[i] = z[i] + h;
        return density.value(at.data());
      };
      first.add(coordinate_name(*model, static_cast<int64_t>(i)), gradient[i],
                confirmed(along, 0.1, gradient[i], scale), scale);
    }
    if (d > largest_dense_dimension)
      continue;
    const Eigen::MatrixXd hessian = density.hessian(z.data());
    const Eigen::VectorXd product = hessian * Eigen::Map<const Eigen::VectorXd>(direction.data(), d);
    const double second_scale = product.cwiseAbs().maxCoeff();
    for (size_t i = 0; i < n; ++i) {
      const auto along = [&](double h) {
        for (size_t j = 0; j < n; ++j)
          at[j] = z[j] + h * direction[j];
        density.gradient(at.data(), other.data());
        return other[i];
      };
      second.add(coordinate_name(*model, static_cast<int64_t>(i)), product[static_cast<int64_t>(i)],
                 confirmed(along, 0.05, product[static_cast<int64_t>(i)], second_scale), second_scale);
    }
  }
  if (not_finite > 0) {
    session.out << "log density not finite at " << not_finite << " of " << counted(points, "point") << ": " << why
                << "\n";
  }
  if (not_finite == points) {
    session.out.flush();
    session.err << "not to be relied on: nothing could be compared, since the log density is finite at none of the "
                   "points\n";
    return not_to_be_relied_on;
  }
  report(session, "gradient", first);
  if (d > largest_dense_dimension) {
    session.out << "second derivatives: not compared above dimension " << largest_dense_dimension << "\n";
    second.ratio = 0;
  } else {
    report(session, "second derivatives", second);
  }
  const bool derivatives_are_good = first.good() && second.good();
  if (derivatives_are_good && maps_are_good)
    return done;
  session.out.flush();
  if (!derivatives_are_good) {
    session.err << "error: derivatives differ from differences: please report this with the model\n";
    return internal_error;
  }
  session.err << "not to be relied on: maps and their inverses are further apart than rounding can be\n";
  return not_to_be_relied_on;
}

} // namespace vmodel::runtime
