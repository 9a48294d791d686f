#include "runtime/optimizers/lbfgs.h"

#include <algorithm>
#include <cmath>
#include <deque>

namespace vmodel::runtime {
namespace {

using Vector = std::vector<double>;

double dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i)
    sum += a[i] * b[i];
  return sum;
}

bool finite(const Vector& x) {
  return std::all_of(x.begin(), x.end(), [](double e) { return std::isfinite(e); });
}

struct Pair {
  Vector s, y;
  double rho;
};

class Minimiser {
public:
  Minimiser(const Differentiable& function, const LbfgsSettings& settings, Vector& x)
      : function_(function), settings_(settings), x_(x), trial_(x.size()), trial_gradient_(x.size()) {}

  LbfgsResult run() {
    LbfgsResult& r = result_;
    r.gradient.resize(x_.size());
    r.value = evaluate(x_, r.gradient);
    if (!std::isfinite(r.value))
      return r;
    int small = 0;
    std::deque<double> values{r.value}; // the last ones
    for (r.iterations = 0; r.iterations < settings_.iterations && r.evaluations < settings_.evaluations;
         ++r.iterations) {
      Vector direction = search_direction();
      double slope = dot(direction, r.gradient);
      if (!(slope < 0) && !pairs_.empty()) {
        pairs_.clear();
        direction = search_direction();
        slope = dot(direction, r.gradient);
      }
      if (!pairs_.empty() && -slope / 2 < settings_.decrease) {
        r.end = LbfgsResult::End::converged;
        return r;
      }
      if (!(slope < 0)) { // the gradient is exactly zero
        r.end = slope == 0 ? LbfgsResult::End::converged : LbfgsResult::End::not_finite;
        return r;
      }
      const double norm = std::sqrt(dot(r.gradient, r.gradient));
      const double first = pairs_.empty() ? std::min(1.0, settings_.first_step / norm) : 1.0;
      const double before = r.value;
      if (!line_search(direction, slope, first)) {
        if (pairs_.empty()) {
          r.end = LbfgsResult::End::stalled;
          return r;
        }
        pairs_.clear(); // once more along the gradient
        continue;
      }
      values.push_back(r.value);
      if (values.size() > static_cast<size_t>(settings_.window) + 1)
        values.pop_front();
      if (settings_.negligible && values.size() > static_cast<size_t>(settings_.window) &&
          values.front() - r.value < settings_.negligible()) {
        r.end = LbfgsResult::End::converged;
        return r;
      }
      small = before - r.value <= settings_.relative * std::fabs(before) ? small + 1 : 0;
      if (small >= 3) {
        r.end = LbfgsResult::End::stalled;
        return r;
      }
    }
    r.end = LbfgsResult::End::iterations;
    return r;
  }

private:
  double evaluate(const Vector& x, Vector& gradient) {
    ++result_.evaluations;
    const double value = function_(x.data(), gradient.data());
    return std::isfinite(value) && finite(gradient) ? value : INFINITY;
  }

  // -H g by the two-loop recursion.
  Vector search_direction() const {
    Vector q = result_.gradient;
    Vector alpha(pairs_.size());
    for (size_t k = pairs_.size(); k-- > 0;) {
      alpha[k] = pairs_[k].rho * dot(pairs_[k].s, q);
      for (size_t i = 0; i < q.size(); ++i)
        q[i] -= alpha[k] * pairs_[k].y[i];
    }
    if (!pairs_.empty()) {
      const Pair& last = pairs_.back();
      const double scale = 1 / (last.rho * dot(last.y, last.y));
      for (double& e : q)
        e *= scale;
    }
    for (size_t k = 0; k < pairs_.size(); ++k) {
      const double beta = pairs_[k].rho * dot(pairs_[k].y, q);
      for (size_t i = 0; i < q.size(); ++i)
        q[i] += (alpha[k] - beta) * pairs_[k].s[i];
    }
    for (double& e : q)
      e = -e;
    return q;
  }

  double at(const Vector& direction, double step, double& slope) {
    for (size_t i = 0; i < x_.size(); ++i)
      trial_[i] = x_[i] + step * direction[i];
    const double value = evaluate(trial_, trial_gradient_);
    slope = std::isfinite(value) ? dot(trial_gradient_, direction) : INFINITY;
    return value;
  }

  // Strong Wolfe by bisection with cubic interpolation. Accepts the best decrease found when the
  // curvature condition cannot be met in the evaluations allowed.
  bool line_search(const Vector& direction, double slope0, double step) {
    const double c1 = 1e-4, c2 = 0.9;
    const double value0 = result_.value;
    // Values near the optimum cannot be told apart beyond rounding.
    const double rounding = 4e-16 * std::fabs(value0);
    double low = 0, low_value = value0, low_slope = slope0, high = INFINITY;
    double high_value = INFINITY, high_slope = 0;
    double best_value = value0;
    Vector best, best_gradient;
    for (int trial = 0; trial < 40; ++trial) {
      double slope;
      const double value = at(direction, step, slope);
      const bool decreases = value <= value0 + c1 * step * slope0 + rounding;
      if (decreases && (value < best_value || best.empty())) {
        best_value = value;
        best = trial_;
        best_gradient = trial_gradient_;
      }
      if (decreases && std::fabs(slope) <= -c2 * slope0) {
        best_value = value;
        best = trial_;
        best_gradient = trial_gradient_;
        break;
      }
      if (!decreases || value >= low_value + rounding || slope >= 0) {
        high = step;
        high_value = value;
        high_slope = slope;
      } else {
        low = step;
        low_value = value;
        low_slope = slope;
      }
      if (std::isinf(high)) {
        step *= 4;
        if (step > 1e20)
          break;
        continue;
      }
      if (high - low <= 1e-16 * high)
        break;
      const double width = high - low;
      double next = low + 0.5 * width;
      if (std::isfinite(high_value)) {
        const double d1 = low_slope + high_slope - 3 * (low_value - high_value) / (low - high);
        const double root = d1 * d1 - low_slope * high_slope;
        if (root >= 0) {
          const double d2 = std::sqrt(root);
          const double cubic = high - width * (high_slope + d2 - d1) / (high_slope - low_slope + 2 * d2);
          if (std::isfinite(cubic)) {
            next = std::clamp(cubic, low + 0.1 * width, low + 0.9 * width);
          }
        }
      } else {
        next = low + 0.1 * width;
      }
      step = next;
    }
    if (best.empty())
      return false;
    Pair pair{Vector(x_.size()), Vector(x_.size()), 0};
    for (size_t i = 0; i < x_.size(); ++i) {
      pair.s[i] = best[i] - x_[i];
      pair.y[i] = best_gradient[i] - result_.gradient[i];
    }
    const double sy = dot(pair.s, pair.y), yy = dot(pair.y, pair.y);
    if (sy > 1e-14 * std::sqrt(yy * dot(pair.s, pair.s)) && yy > 0) {
      pair.rho = 1 / sy;
      pairs_.push_back(std::move(pair));
      if (static_cast<int>(pairs_.size()) > settings_.memory)
        pairs_.pop_front();
    }
    x_ = best;
    result_.gradient = best_gradient;
    result_.value = best_value;
    return true;
  }

  const Differentiable& function_;
  const LbfgsSettings& settings_;
  Vector& x_;
  Vector trial_, trial_gradient_;
  std::deque<Pair> pairs_;
  LbfgsResult result_;
};

} // namespace

LbfgsResult minimise_lbfgs(const Differentiable& function, std::vector<double>& x, const LbfgsSettings& settings) {
  return Minimiser(function, settings, x).run();
}

} // namespace vmodel::runtime
