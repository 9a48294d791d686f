#include "runtime/start/ascent.h"

#include "runtime/model/philox.h"
#include "runtime/optimizers/lbfgs.h"

#include <algorithm>
#include <cmath>

namespace vmodel::runtime {
namespace {

constexpr double log_two_pi = 1.8378770664093453;
// Draws of an ELBO, the same ones for each point; enough to tell points whose ELBOs differ by nats, as they do.
constexpr int64_t draws = 64;
// So many points are tried, evenly along the way.
constexpr size_t most_points = 32;
// Random directions of a diagonal (Hutchinson 1990), unless there are fewer coordinates.
constexpr int64_t directions = 64;
// The share of the work that may go into the way itself.
constexpr double share_of_way = 0.5;

class Ascent {
public:
  Ascent(UnconstrainedDensity& density, uint64_t seed, double power, double most_work,
         const std::function<void()>& alive)
      : density_(density), seed_(seed), power_(power), limit_(density.work() + most_work),
        limit_of_way_(density.work() + share_of_way * most_work), alive_(alive),
        size_(static_cast<size_t>(density.dimension())) {}

  IndependentNormals run() {
    find_way();
    IndependentNormals best;
    for (const std::vector<double>& point : way_) {
      if (density_.work() > limit_)
        break;
      alive_();
      IndependentNormals normals{point, std::vector<double>(size_), 0};
      if (!find_scales(normals))
        continue;
      normals.elbo = elbo(normals);
      if (std::isfinite(normals.elbo) && (best.location.empty() || normals.elbo > best.elbo))
        best = std::move(normals);
    }
    return best;
  }

private:
  // Keeps what is better than everything before; every second of these where they become too many.
  void find_way() {
    double least = INFINITY;
    size_t better = 0, stride = 1;
    const Differentiable function = [&](const double* x, double* gradient) {
      alive_();
      const double value = -density_.gradient(x, gradient);
      for (size_t i = 0; i < size_; ++i)
        gradient[i] = -gradient[i];
      if (value < least) {
        least = value;
        if (better++ % stride == 0)
          way_.emplace_back(x, x + size_);
        if (way_.size() > most_points) {
          for (size_t i = 1; 2 * i < way_.size(); ++i)
            way_[i] = std::move(way_[2 * i]);
          way_.resize((way_.size() + 1) / 2);
          stride *= 2;
        }
      }
      return value;
    };
    std::vector<double> z(size_, 0.0);
    LbfgsSettings settings;
    settings.iterations = 1000;
    settings.evaluations = static_cast<int64_t>(std::clamp(limit_of_way_ - density_.work(), 100.0, 1e9));
    minimise_lbfgs(function, z, settings);
  }

  // Standard deviations from the curvature at the location. Where that is negative, one, as of a plain start.
  bool find_scales(IndependentNormals& normals) {
    const int64_t n = density_.dimension(), lanes = density_.lanes();
    const bool exact = n <= directions;
    const int64_t blocks = ((exact ? n : directions) + lanes - 1) / lanes;
    AlignedVector<double> z(size_ * static_cast<size_t>(lanes) + 1), v(z.size());
    const auto at = [&](int64_t i, int64_t lane) { return static_cast<size_t>(i * lanes + lane); };
    for (int64_t i = 0; i < n; ++i)
      std::fill_n(&z[at(i, 0)], lanes, normals.location[static_cast<size_t>(i)]);
    std::vector<double> sum(size_), squares(size_);
    for (int64_t b = 0; b < blocks; ++b) {
      for (int64_t i = 0; i < n; ++i)
        for (int64_t lane = 0; lane < lanes; ++lane)
          v[at(i, lane)] = exact ? (i == b * lanes + lane ? 1.0 : 0.0) : sign(b * lanes + lane, i);
      const double* product = density_.hessian_products(z.data(), v.data());
      for (int64_t i = 0; i < n; ++i)
        for (int64_t lane = 0; lane < lanes; ++lane) {
          const double h = v[at(i, lane)] == 0 ? 0 : -v[at(i, lane)] * product[at(i, lane)];
          sum[static_cast<size_t>(i)] += h;
          squares[static_cast<size_t>(i)] += h * h;
        }
    }
    const double count = exact ? 1 : static_cast<double>(blocks * lanes);
    for (size_t i = 0; i < size_; ++i) {
      const double mean = sum[i] / count;
      // What cannot be told from 0 counts with its error.
      const double error = exact ? 0 : std::sqrt(std::max(0.0, squares[i] / count - mean * mean) / count);
      const double curvature = mean < -error ? 1 : std::max(mean, error);
      if (!std::isfinite(curvature))
        return false;
      normals.scale[i] = curvature > 0 ? 1 / std::sqrt(curvature) : 1;
    }
    return true;
  }

  double elbo(const IndependentNormals& normals) {
    std::vector<double> z(size_ + 1);
    double sum = 0;
    for (int64_t k = 0; k < draws; ++k) {
      for (size_t i = 0; i < size_; ++i)
        z[i] = normals.location[i] + normals.scale[i] * normal(k, static_cast<int64_t>(i));
      sum += power_ * density_.value(z.data());
    }
    double result = sum / static_cast<double>(draws) + 0.5 * static_cast<double>(size_) * (1 + log_two_pi);
    for (const double scale : normals.scale)
      result += std::log(scale);
    return result;
  }

  double normal(int64_t particle, int64_t i) const {
    return runtime_normal(seed_, static_cast<uint32_t>(Stream::init), 0, static_cast<uint32_t>(particle),
                          static_cast<uint32_t>(i));
  }
  double sign(int64_t particle, int64_t i) const { return normal(draws + particle, i) < 0 ? -1 : 1; }

  UnconstrainedDensity& density_;
  uint64_t seed_;
  double power_, limit_, limit_of_way_;
  const std::function<void()>& alive_;
  size_t size_;
  std::vector<std::vector<double>> way_;
};

} // namespace

IndependentNormals best_on_the_way(UnconstrainedDensity& density, uint64_t seed, double power, double most_work,
                                   const std::function<void()>& alive) {
  if (density.dimension() == 0)
    return {};
  return Ascent(density, seed, power, most_work, alive).run();
}

} // namespace vmodel::runtime
