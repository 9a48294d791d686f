#include "runtime/start/family_start.h"

#include "runtime/model/family_draw.h"
#include "runtime/optimizers/lbfgs.h"

#include <Eigen/Cholesky>

#include <algorithm>
#include <cmath>
#include <optional>

namespace vmodel::runtime {
namespace {

const LearnableValue* find(const std::vector<LearnableValue>& values, const std::string& name) {
  const auto found =
      std::find_if(values.begin(), values.end(), [&](const LearnableValue& v) { return v.name == name; });
  return found == values.end() ? nullptr : &*found;
}

// A step of the random stream of starts that is no other's.
constexpr uint32_t step_of_draws = 300, step_of_initial = 301;
// A likelihood is as good as its largest where it is this share of its standard error below: a hundredth of what other
// points would change it by.
constexpr double negligible_share = 0.01;

// Of points: their mean and the factor of their covariance; none where there are too few of them.
std::optional<Laplace> normal_of(const PointBlocks& points, int64_t d, int64_t lanes) {
  const int64_t count = points.blocks * lanes;
  Eigen::MatrixXd x(d, count);
  for (int64_t k = 0; k < count; ++k) {
    for (int64_t i = 0; i < d; ++i)
      x(i, k) = points.z[static_cast<size_t>((k / lanes * d + i) * lanes + k % lanes)];
  }
  const Eigen::VectorXd mean = x.rowwise().mean();
  x.colwise() -= mean;
  const Eigen::MatrixXd covariance = x * x.transpose() / static_cast<double>(count);
  const Eigen::LLT<Eigen::MatrixXd> cholesky(covariance);
  if (cholesky.info() != Eigen::Success || !covariance.allFinite())
    return std::nullopt;
  Laplace normal;
  normal.mode.assign(mean.data(), mean.data() + d);
  normal.factor = cholesky.matrixL();
  normal.precision = cholesky.solve(Eigen::MatrixXd::Identity(d, d));
  return normal;
}

// Writes what plays these roles: a location, and independent scales or the factor with them on its diagonal.
bool set(const std::vector<LearnableValue>& learnables, const LocationScale& roles, const std::vector<double>& location,
         const std::vector<double>& scale, std::vector<double>& phi) {
  const auto d = static_cast<int64_t>(location.size());
  const LearnableValue* mean = find(learnables, roles.location);
  if (mean == nullptr || mean->map != "identity" || mean->phi_size != d)
    return false;
  if (const LearnableValue* scales = find(learnables, roles.scale)) {
    if (scales->phi_size != d)
      return false;
    for (int64_t i = 0; i < d; ++i)
      phi[static_cast<size_t>(scales->phi_offset + i)] =
          unconstrain_positive(scales->map, scale[static_cast<size_t>(i)]);
  } else if (const LearnableValue* factor = find(learnables, roles.scale_cholesky)) {
    if (factor->map != "cov_cholesky" || factor->phi_size != d * (d + 1) / 2)
      return false;
    size_t next = static_cast<size_t>(factor->phi_offset);
    for (int64_t i = 0; i < d; ++i) {
      std::fill_n(phi.begin() + static_cast<long>(next), i, 0.0);
      next += static_cast<size_t>(i);
      phi[next++] = std::log(scale[static_cast<size_t>(i)]);
    }
  } else {
    return false;
  }
  std::copy(location.begin(), location.end(), phi.begin() + static_cast<long>(mean->phi_offset));
  return true;
}

void set_factor(const LearnableValue& factor, const Eigen::MatrixXd& value, std::vector<double>& phi) {
  auto next = static_cast<size_t>(factor.phi_offset);
  for (Eigen::Index i = 0; i < value.rows(); ++i) {
    for (Eigen::Index j = 0; j < i; ++j)
      phi[next++] = value(i, j);
    phi[next++] = std::log(value(i, i));
  }
}

// Lets the family's last map take a base of standard normals to the mean and the spread of these points.
bool moments_by_last_map(const PreparedModel& model, const Family& family, const PointBlocks& points,
                         std::vector<double>& phi) {
  if (family.last_map.location.empty())
    return false;
  const std::optional<Laplace> normal = normal_of(points, model.dimension(), model.lanes());
  if (!normal)
    return false;
  const Eigen::VectorXd spread = normal->factor.rowwise().norm();
  const auto learnables = model.learnables(family);
  if (!set(learnables, family.last_map, normal->mode, {spread.data(), spread.data() + spread.size()}, phi))
    return false;
  if (const LearnableValue* factor = find(learnables, family.last_map.scale_cholesky))
    set_factor(*factor, normal->factor, phi);
  return true;
}

} // namespace

double unconstrain_positive(const std::string& map, double value) {
  if (map == "softplus")
    return value > 30 ? value : std::log(std::expm1(value));
  if (map == "lower_bound")
    return std::log(value);
  return value;
}

std::vector<double> plain_start(const PreparedModel& model, const Family& family, uint64_t seed) {
  AlignedVector<double> phi(static_cast<size_t>(model.size(family.phi) + 1));
  model.call(family.name + ".initial", 0, {{"phi", phi.data()}})(random_state(seed, Stream::init, step_of_initial, 0));
  return {phi.begin(), phi.end() - 1};
}

bool gaussian_start(const PreparedModel& model, const Family& family, const Laplace& laplace,
                    std::vector<double>& phi) {
  const auto learnables = model.learnables(family);
  const int64_t d = model.dimension();
  std::vector<double> scale(static_cast<size_t>(d));
  for (int64_t i = 0; i < d; ++i)
    scale[static_cast<size_t>(i)] = 1 / std::sqrt(laplace.precision(i, i));
  if (!independent_start(model, family, laplace.mode, scale, phi))
    return false;
  if (const LearnableValue* factor = find(learnables, family.gaussian.scale_cholesky))
    set_factor(*factor, laplace.factor, phi);
  return true;
}

bool independent_start(const PreparedModel& model, const Family& family, const std::vector<double>& location,
                       const std::vector<double>& scale, std::vector<double>& phi) {
  return set(model.learnables(family), family.gaussian, location, scale, phi);
}

int64_t points_for(int64_t learned) {
  return std::min<int64_t>(4096, std::max<int64_t>(512, 4 * learned));
}

PointBlocks draws_of(const PreparedModel& model, const Laplace& laplace, uint64_t seed, int64_t count) {
  const int64_t d = model.dimension(), lanes = model.lanes();
  PointBlocks result;
  result.blocks = (count + lanes - 1) / lanes;
  const int64_t block_size = d * lanes;
  result.z.resize(static_cast<size_t>(block_size * result.blocks + 1));
  std::vector<double> z(static_cast<size_t>(d + 1));
  for (int64_t k = 0; k < result.blocks * lanes; ++k) {
    laplace.draw(seed, static_cast<uint32_t>(k), z.data());
    for (int64_t i = 0; i < d; ++i)
      result.z[static_cast<size_t>(k / lanes * block_size + i * lanes + k % lanes)] = z[static_cast<size_t>(i)];
  }
  return result;
}

PointBlocks draws_of(const PreparedModel& model, const Family& family, const std::vector<double>& given, uint64_t seed,
                     int64_t count) {
  const int64_t lanes = model.lanes(), block_size = model.dimension() * lanes;
  PointBlocks result;
  result.blocks = (count + lanes - 1) / lanes;
  result.z.resize(static_cast<size_t>(block_size * result.blocks + 1));
  AlignedVector<double> phi(given.begin(), given.end()), z(static_cast<size_t>(block_size + 1)),
      log_q(static_cast<size_t>(lanes)), entropy(log_q);
  phi.resize(phi.size() + 1);
  FamilyDraw draw(model, family, phi.data(), z.data(), log_q.data(), entropy.data());
  for (int64_t b = 0; b < result.blocks; ++b) {
    draw(random_state(seed, Stream::init, step_of_draws, static_cast<uint32_t>(b * lanes)));
    std::copy_n(z.begin(), block_size, result.z.begin() + b * block_size);
  }
  return result;
}

bool likelihood_start(const PreparedModel& model, const Family& family, const PointBlocks& points,
                      std::vector<double>& phi) {
  const int lanes = model.lanes();
  if (model.compiled().find(family.name + ".score", lanes) == nullptr)
    return false;
  const int64_t d = model.dimension(), n = static_cast<int64_t>(phi.size()), blocks = points.blocks;
  const size_t block_size = static_cast<size_t>(d * lanes);
  const double count = static_cast<double>(blocks * lanes);
  AlignedVector<double> block_z(block_size + 1), weight(static_cast<size_t>(lanes), 1 / count),
      log_q(static_cast<size_t>(lanes)), d_phi(static_cast<size_t>(n + 1)), at(static_cast<size_t>(n + 1));
  KernelCall score = model.call(family.name + ".score", lanes,
                                {{"phi", at.data()},
                                 {"z", block_z.data()},
                                 {"weight", weight.data()},
                                 {"log_q", log_q.data()},
                                 {"d_phi", d_phi.data()}});
  double error = 0; // of the mean of log q over the points, at the last evaluation
  const Differentiable function = [&](const double* x, double* gradient) {
    std::copy(x, x + n, at.begin());
    std::fill(gradient, gradient + n, 0.0);
    double value = 0, squares = 0;
    for (int64_t b = 0; b < blocks; ++b) {
      std::copy_n(points.z.begin() + b * static_cast<int64_t>(block_size), block_size, block_z.begin());
      score();
      for (double v : log_q) {
        value -= v / count;
        squares += v * v / count;
      }
      for (int64_t i = 0; i < n; ++i)
        gradient[i] -= d_phi[static_cast<size_t>(i)];
    }
    error = std::sqrt(std::max(squares - value * value, 0.0) / count);
    return value;
  };
  std::vector<double> scratch(static_cast<size_t>(n + 1));
  const double before = function(phi.data(), scratch.data());
  std::vector<double> best = phi, moments = phi;
  // Far from the points, or as wide as they are not, splines would be bent to do what a scale is for.
  if (moments_by_last_map(model, family, points, moments)) {
    const double value = function(moments.data(), scratch.data());
    if (std::isfinite(value) && !(value >= before))
      best = moments;
  }
  LbfgsSettings settings;
  settings.iterations = 1000;
  settings.decrease = 1e-7;
  settings.negligible = [&] { return negligible_share * error; };
  const LbfgsResult result = minimise_lbfgs(function, best, settings);
  if (!std::isfinite(result.value) || !(result.value < before || !std::isfinite(before))) {
    return false;
  }
  phi = best;
  return true;
}

bool moment_start(const PreparedModel& model, const Family& family, const PointBlocks& points,
                  std::vector<double>& phi) {
  const std::optional<Laplace> normal = normal_of(points, model.dimension(), model.lanes());
  return normal && gaussian_start(model, family, *normal, phi);
}

} // namespace vmodel::runtime
