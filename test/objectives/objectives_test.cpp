// Objectives on hand-written models: gradients against formulas and differences, exact posteriors, particles without a
// density, blocks and threads.

#include "runtime/objectives/elbo.h"
#include "runtime/objectives/gradient_moments.h"
#include "runtime/objectives/make.h"
#include "test/support/fake_model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace vmodel::runtime {
namespace {

using test::FakeModel;
using test::Slots;

constexpr int dimension = 3;
constexpr double half_log_2_pi = 0.91893853320467274;

// A Gaussian with this location and lower factor, up to a constant; `Hole` puts places without density into it.
constexpr double location[dimension] = {0.5, -1, 2};
constexpr double factor[dimension][dimension] = {{0.7, 0, 0}, {-0.4, 1.3, 0}, {0.2, 0.9, 0.5}};

template <typename T>
T gaussian(const T* z) {
  T e[dimension], value = T(-17.25);
  for (int i = 0; i < dimension; ++i) {
    T x = z[i] - T(location[i]);
    for (int j = 0; j < i; ++j)
      x = x - e[j] * factor[i][j];
    e[i] = x / factor[i][i];
    value = value - e[i] * e[i] * 0.5;
  }
  return value;
}

struct Plain {
  template <typename T>
  static T density(const T* z) {
    return gaussian(z);
  }
};
double value_of(double x) {
  return x;
}
template <typename T>
double value_of(const test::Dual<T>& x) {
  return value_of(x.value);
}
// -inf below, NaN above.
struct Holes {
  template <typename T>
  static T density(const T* z) {
    const double x = value_of(z[0]);
    if (x < 0)
      return T(-std::numeric_limits<double>::infinity());
    return x > 2 ? T(NAN) : gaussian(z);
  }
};

template <typename Shape>
struct Gauss : test::WithoutData<dimension> {
  static constexpr const char *name = "Gauss", *source = "gauss.vmodel";
  template <typename T>
  static void density(Slots, const T* z, T& value, T& jacobian) {
    value = Shape::density(z);
    jacobian = T(1.5);
  }
};

template <typename Shape = Plain>
struct Fixture {
  Fixture() : compiled(FakeModel<Gauss<Shape>>::get()), model(compiled, no_data(), {"d.json", false, false}, notes) {}
  static json::Value no_data() {
    json::Value value;
    json::ParseError error;
    EXPECT_TRUE(json::parse("{}", value, error));
    return value;
  }
  const Family& family(const char* name) const { return *model.metadata().find_family(name); }
  std::vector<std::string> notes;
  CompiledModel compiled;
  PreparedModel model;
};

// phi of full_rank at the posterior, moved by `shift`.
std::vector<double> near_posterior(double shift) {
  std::vector<double> phi(location, location + dimension);
  for (int i = 0; i < dimension; ++i) {
    for (int j = 0; j < i; ++j)
      phi.push_back(factor[i][j]);
    phi.push_back(std::log(factor[i][i]));
  }
  for (size_t i = 0; i < phi.size(); ++i)
    phi[i] += shift * (i % 2 == 0 ? 1 : -0.5);
  return phi;
}

// log q of full_rank and its derivatives by phi, written down once more.
double log_q(const std::vector<double>& phi, const double* z, std::vector<double>& score) {
  double a[dimension][dimension] = {}, e[dimension], value = 0;
  size_t next = dimension;
  for (int i = 0; i < dimension; ++i) {
    for (int j = 0; j < i; ++j)
      a[i][j] = phi[next++];
    a[i][i] = std::exp(phi[next++]);
    e[i] = z[i] - phi[static_cast<size_t>(i)];
    for (int j = 0; j < i; ++j)
      e[i] -= a[i][j] * e[j];
    e[i] /= a[i][i];
    value += -0.5 * e[i] * e[i] - std::log(a[i][i]) - half_log_2_pi;
  }
  // u = A^-T e; d log q / dm = u, d log q / dA = u e' less the diagonal's 1 / a.
  double u[dimension];
  for (int i = dimension - 1; i >= 0; --i) {
    u[i] = e[i];
    for (int j = i + 1; j < dimension; ++j)
      u[i] -= a[j][i] * u[j];
    u[i] /= a[i][i];
  }
  score.assign(u, u + dimension);
  for (int i = 0; i < dimension; ++i) {
    for (int j = 0; j < i; ++j)
      score.push_back(u[i] * e[j]);
    score.push_back(u[i] * e[i] * a[i][i] - 1);
  }
  return value;
}

ObjectiveSettings settings_of(const char* name, int64_t particles) {
  ObjectiveSettings settings;
  settings.name = name;
  settings.particles = particles;
  return settings;
}

ObjectiveSettings contrast(int64_t particles, double alpha, Negative negative) {
  ObjectiveSettings settings = settings_of("softcvi", particles);
  settings.alpha = alpha;
  settings.negative = negative;
  return settings;
}

ObjectiveSettings forward_kl(int64_t particles, bool low_variance) {
  ObjectiveSettings settings = settings_of("snis_forward_kl", particles);
  settings.low_variance = low_variance;
  return settings;
}

ObjectiveSettings renyi(int64_t particles, double alpha, EstimatorChoice estimator) {
  ObjectiveSettings settings = settings_of("renyi", particles);
  settings.alpha = alpha;
  settings.estimator = estimator;
  return settings;
}

ObjectiveSettings elbo(int64_t particles, EstimatorChoice estimator) {
  ObjectiveSettings settings = settings_of("elbo", particles);
  settings.estimator = estimator;
  return settings;
}

vmodel_random numbers(uint32_t step = 0) {
  return random_state(11, Stream::fit, step);
}

class Scores : public testing::TestWithParam<int64_t> {};
// Fewer particles than lanes, as many, no multiple of them, several blocks.
INSTANTIATE_TEST_SUITE_P(Particles, Scores, testing::Values(2, 5, 8, 19, 64, 1003));

TEST_P(Scores, AreWeightedByLabelsAndClassifier) {
  const Fixture f;
  ThreadPool pool(1);
  const auto phi = near_posterior(0.2);
  std::vector<ObjectiveSettings> all = {forward_kl(GetParam(), false), forward_kl(GetParam(), true)};
  for (const double alpha : {0.0, 0.75, 1.0}) {
    all.push_back(contrast(GetParam(), alpha, Negative::proposal));
    all.push_back(contrast(GetParam(), alpha, Negative::posterior));
  }
  for (const ObjectiveSettings& settings : all) {
    const auto objective = make_objective(f.model, f.family("full_rank"), settings, pool);
    std::vector<double> gradient(phi.size() + 1), score, expected(phi.size(), 0.0), size(phi.size(), 0.0);
    const Evaluation e = objective->evaluate(phi.data(), numbers(), gradient.data());
    ASSERT_TRUE(e.usable);
    EXPECT_TRUE(objective->minimised());
    const ParticleRecord r = objective->last();
    ASSERT_EQ(r.count, GetParam());
    double labels = 0;
    for (int64_t k = 0; k < r.count; ++k) {
      double z[dimension];
      for (int i = 0; i < dimension; ++i)
        z[i] = r.coordinate(k, i);
      EXPECT_NEAR(r.log_q[k], log_q(phi, z, score), 1e-12);
      EXPECT_NEAR(r.log_p[k], gaussian(z) + 1.5, 1e-12);
      labels += r.label[k];
      for (size_t i = 0; i < phi.size(); ++i) {
        expected[i] += (r.label[k] - r.guide[k]) * score[i];
        size[i] += std::fabs((r.label[k] - r.guide[k]) * score[i]);
      }
    }
    EXPECT_NEAR(labels, 1, 1e-13);
    for (size_t i = 0; i < phi.size(); ++i)
      EXPECT_NEAR(gradient[i], expected[i], 1e-13 * size[i]) << settings.name << " " << i;
  }
}

TEST_P(Scores, OfAnExactPosteriorCancel) {
  const Fixture f;
  ThreadPool pool(1);
  const auto phi = near_posterior(0);
  for (const Negative negative : {Negative::proposal, Negative::posterior}) {
    for (const double alpha : {0.0, 0.25, 0.75, 1.0}) {
      const auto objective =
          make_objective(f.model, f.family("full_rank"), contrast(GetParam(), alpha, negative), pool);
      std::vector<double> gradient(phi.size() + 1), score;
      objective->evaluate(phi.data(), numbers(), gradient.data());
      const ParticleRecord r = objective->last();
      double norm = 0, scores = 0, largest = 0;
      for (size_t i = 0; i < phi.size(); ++i)
        norm += gradient[i] * gradient[i];
      for (int64_t k = 0; k < r.count; ++k) {
        double z[dimension], squares = 0;
        for (int i = 0; i < dimension; ++i)
          z[i] = r.coordinate(k, i);
        log_q(phi, z, score);
        for (const double s : score)
          squares += s * s;
        scores += std::sqrt(squares);
        largest = std::max(largest, std::fabs(r.log_p[k]) + std::fabs(r.log_q[k]));
      }
      EXPECT_LE(std::sqrt(norm), 64 * 2.2e-16 * largest * scores) << alpha;
    }
  }
}

// What is stopped stays as it is: points, labels and the negative distribution.
TEST_P(Scores, AreDifferencesOfTheLossWithStoppedTerms) {
  const Fixture f;
  ThreadPool pool(1);
  const auto phi = near_posterior(0.2);
  for (const Negative negative : {Negative::proposal, Negative::posterior}) {
    const double alpha = 0.6;
    const auto objective = make_objective(f.model, f.family("full_rank"), contrast(GetParam(), alpha, negative), pool);
    std::vector<double> gradient(phi.size() + 1), ignored;
    const Evaluation e = objective->evaluate(phi.data(), numbers(), gradient.data());
    const ParticleRecord r = objective->last();
    const auto loss = [&](const std::vector<double>& at) {
      double cross = 0, largest = -INFINITY, sum = 0;
      std::vector<double> logit;
      for (int64_t k = 0; k < r.count; ++k) {
        double z[dimension];
        for (int i = 0; i < dimension; ++i)
          z[i] = r.coordinate(k, i);
        const double stopped = alpha * (negative == Negative::proposal ? r.log_q[k] : r.log_p[k]);
        logit.push_back(log_q(at, z, ignored) - stopped);
        cross -= r.label[k] * logit.back();
        largest = std::max(largest, logit.back());
      }
      for (const double l : logit)
        sum += std::exp(l - largest);
      return cross + largest + std::log(sum);
    };
    EXPECT_NEAR(-e.value, loss(phi), 1e-11);
    const double h = 1e-3;
    for (size_t i = 0; i < phi.size(); ++i) {
      const auto moved = [&](double times) {
        auto at = phi;
        at[i] += times * h;
        return loss(at);
      };
      // Five points: of order h^4, and rounding / h.
      const double difference = (8 * (moved(1) - moved(-1)) - (moved(2) - moved(-2))) / (12 * h);
      EXPECT_NEAR(-gradient[i], difference, 1e-8 * (1 + std::fabs(difference))) << i;
    }
  }
}

TEST_P(Scores, OfAllOfTheProposalAreForwardKlAndTheMeanScore) {
  const Fixture f;
  ThreadPool pool(1);
  const auto phi = near_posterior(0.2);
  const auto evaluate = [&](const ObjectiveSettings& settings) {
    std::vector<double> gradient(phi.size() + 1);
    make_objective(f.model, f.family("full_rank"), settings, pool)->evaluate(phi.data(), numbers(), gradient.data());
    return gradient;
  };
  const auto all = evaluate(contrast(GetParam(), 1, Negative::proposal)), low = evaluate(forward_kl(GetParam(), true)),
             plain = evaluate(forward_kl(GetParam(), false));
  const auto objective = make_objective(f.model, f.family("full_rank"), forward_kl(GetParam(), false), pool);
  std::vector<double> gradient(phi.size() + 1), score, mean(phi.size(), 0.0), size(phi.size(), 1.0);
  objective->evaluate(phi.data(), numbers(), gradient.data());
  const ParticleRecord r = objective->last();
  for (int64_t k = 0; k < r.count; ++k) {
    double z[dimension];
    for (int i = 0; i < dimension; ++i)
      z[i] = r.coordinate(k, i);
    log_q(phi, z, score);
    for (size_t i = 0; i < phi.size(); ++i) {
      mean[i] += score[i] / static_cast<double>(r.count);
      size[i] += std::fabs(score[i]);
    }
  }
  for (size_t i = 0; i < phi.size(); ++i) {
    EXPECT_NEAR(all[i], plain[i] - mean[i], 1e-14 * size[i]);
    EXPECT_NEAR(low[i], all[i], 1e-14 * size[i]);
  }
}

TEST_P(Scores, AreTheSameBitsForAnyThreads) {
  const Fixture f;
  const auto phi = near_posterior(0.2);
  for (const ObjectiveSettings& settings :
       {contrast(GetParam(), 0.75, Negative::proposal), renyi(GetParam(), 0, EstimatorChoice::total),
        renyi(GetParam(), 0, EstimatorChoice::dreg), elbo(GetParam(), EstimatorChoice::stl)}) {
    std::vector<double> first;
    for (const int threads : {1, 2, 4, 1}) {
      ThreadPool pool(threads);
      const auto objective = make_objective(f.model, f.family("full_rank"), settings, pool);
      std::vector<double> gradient(phi.size());
      gradient.push_back(0);
      // Twice: nothing may be left over.
      objective->evaluate(phi.data(), numbers(5), gradient.data());
      gradient.back() = objective->evaluate(phi.data(), numbers(), gradient.data()).value;
      if (first.empty())
        first = gradient;
      EXPECT_EQ(gradient, first) << settings.name << ", " << threads << " threads";
    }
  }
}

TEST_P(Scores, OfRenyiBoundsAreTheirDerivatives) {
  const Fixture f;
  ThreadPool pool(1);
  const auto phi = near_posterior(0.2);
  for (const double alpha : {-1.0, 0.0, 0.5, 1.0, 2.0}) {
    const auto objective =
        make_objective(f.model, f.family("full_rank"), renyi(GetParam(), alpha, EstimatorChoice::total), pool);
    EXPECT_EQ(objective->minimised(), alpha < 0);
    std::vector<double> gradient(phi.size() + 1), ignored(phi.size() + 1);
    objective->evaluate(phi.data(), numbers(), gradient.data());
    const double h = 1e-3;
    for (size_t i = 0; i < phi.size(); ++i) {
      const auto moved = [&](double times) {
        auto at = phi;
        at[i] += times * h;
        return objective->evaluate(at.data(), numbers(), ignored.data()).value;
      };
      const double difference = (8 * (moved(1) - moved(-1)) - (moved(2) - moved(-2))) / (12 * h);
      EXPECT_NEAR(gradient[i], difference, 1e-8 * (1 + std::fabs(difference))) << alpha << " " << i;
    }
  }
}

TEST(Renyi, OfOneParticleIsTheElbo) {
  const Fixture f;
  ThreadPool pool(1);
  const auto phi = near_posterior(0.2);
  const auto evaluate = [&](const ObjectiveSettings& settings) {
    std::vector<double> gradient(phi.size() + 1);
    const auto objective = make_objective(f.model, f.family("full_rank"), settings, pool);
    gradient.back() = objective->evaluate(phi.data(), numbers(), gradient.data()).value;
    return gradient;
  };
  const auto stl = evaluate(elbo(1, EstimatorChoice::stl));
  for (const double alpha : {0.0, 0.5, 1.0}) {
    const auto dreg = evaluate(renyi(1, alpha, EstimatorChoice::dreg));
    for (size_t i = 0; i < stl.size(); ++i)
      EXPECT_NEAR(dreg[i], stl[i], 1e-12 * (1 + std::fabs(stl[i]))) << alpha << " " << i;
  }
  // Of many particles the bound of order 1 is.
  const auto many = evaluate(renyi(24, 1, EstimatorChoice::dreg)), mean = evaluate(elbo(24, EstimatorChoice::stl));
  for (size_t i = 0; i < many.size(); ++i)
    EXPECT_NEAR(many[i], mean[i], 1e-12 * (1 + std::fabs(mean[i])));
}

TEST(Renyi, DoublyReparameterisedHasTheSameMeanAndVanishesAtThePosterior) {
  const Fixture f;
  ThreadPool pool(1);
  const auto phi = near_posterior(0.2);
  constexpr int64_t repeats = 40000;
  for (const double alpha : {-1.0, 0.0, 0.5}) {
    const auto total = make_objective(f.model, f.family("full_rank"), renyi(4, alpha, EstimatorChoice::total), pool);
    const auto doubly = make_objective(f.model, f.family("full_rank"), renyi(4, alpha, EstimatorChoice::dreg), pool);
    const int64_t n = static_cast<int64_t>(phi.size());
    GradientMoments difference(n), of_total(n);
    std::vector<double> a(phi.size() + 1), b(a);
    for (uint32_t step = 0; step < repeats; ++step) {
      const Evaluation e = total->evaluate(phi.data(), numbers(step), a.data());
      doubly->evaluate(phi.data(), numbers(step), b.data());
      of_total.add(e, a.data());
      for (size_t i = 0; i < phi.size(); ++i)
        b[i] -= a[i];
      difference.add(e, b.data());
    }
    const auto spread = difference.deviation();
    double power = 0;
    for (size_t i = 0; i < phi.size(); ++i) {
      const double error = spread[i] / std::sqrt(static_cast<double>(repeats));
      EXPECT_LT(std::fabs(difference.mean()[i]), 5 * error) << alpha << " " << i;
      power = std::max(power, std::fabs(of_total.mean()[i]) / error);
    }
    // A wrong factor of the derivative would be seen.
    EXPECT_GT(power, 20);

    const auto exact = near_posterior(0);
    doubly->evaluate(exact.data(), numbers(), b.data());
    for (size_t i = 0; i < phi.size(); ++i)
      EXPECT_NEAR(b[i], 0, 1e-13) << alpha << " " << i;
  }
}

TEST(Holes, AreLabelledZeroOrEndTheStep) {
  const Fixture<Holes> f;
  ThreadPool pool(1);
  std::vector<double> phi = {0.3, 0, 0, 0.5, 0.5, 0.5}, gradient(phi.size() + 1);
  const Family& family = f.family("mean_field");
  int64_t usable = 0, ended = 0;
  for (const ObjectiveSettings& settings :
       {contrast(8, 0.75, Negative::proposal), contrast(8, 0.75, Negative::posterior), forward_kl(8, false)}) {
    const auto objective = make_objective(f.model, family, settings, pool);
    for (uint32_t step = 0; step < 200; ++step) {
      const Evaluation e = objective->evaluate(phi.data(), numbers(step), gradient.data());
      const ParticleRecord r = objective->last();
      int64_t impossible = 0, not_finite = 0;
      for (int64_t k = 0; k < r.count; ++k) {
        impossible += r.coordinate(k, 0) < 0;
        not_finite += r.coordinate(k, 0) > 2;
      }
      EXPECT_EQ(e.impossible, impossible);
      EXPECT_EQ(e.not_finite, not_finite);
      EXPECT_EQ(e.usable, not_finite == 0 && impossible < 8);
      (e.usable ? usable : ended) += 1;
      for (size_t i = 0; i < phi.size(); ++i)
        EXPECT_EQ(std::isfinite(gradient[i]), e.usable);
      for (int64_t k = 0; e.usable && k < r.count; ++k)
        EXPECT_EQ(r.label[k] == 0, r.coordinate(k, 0) < 0);
    }
  }
  EXPECT_GT(usable, 100);
  EXPECT_GT(ended, 20);
}

TEST(Holes, MoveTheForwardKlBackIntoTheSupport) {
  const Fixture<Holes> f;
  ThreadPool pool(1);
  const std::vector<double> phi = {-0.5, 0, 0, -1, 0.5, 0.5};
  const Family& family = f.family("mean_field");
  const auto objective = make_objective(f.model, family, contrast(8, 1, Negative::proposal), pool);
  GradientMoments moments(6);
  std::vector<double> gradient(7);
  for (uint32_t step = 0; step < 400; ++step)
    moments.add(objective->evaluate(phi.data(), numbers(step), gradient.data()), gradient.data());
  EXPECT_GT(moments.mean()[0], 5 * moments.deviation()[0] / std::sqrt(static_cast<double>(moments.count())));
}

TEST(Settings, OfAliasesAreThoseOfTheirMethod) {
  for (const ObjectiveRow& row : objective_rows) {
    EXPECT_EQ(find_objective(row.name), &row);
    EXPECT_FALSE(row.summary.empty());
  }
  EXPECT_EQ(find_objective("kl"), nullptr);
  ObjectiveSettings settings = elbo(1, EstimatorChoice::automatic);
  EXPECT_EQ(settings.needs(), unsigned{need_pathwise} | unsigned{need_density});
  settings.estimator = EstimatorChoice::stl;
  EXPECT_EQ(settings.needs(), unsigned{need_pathwise} | unsigned{need_density} | unsigned{need_density_gradient});
  EXPECT_EQ(contrast(2, 1, Negative::proposal).needs(), unsigned{need_score} | unsigned{need_density});
}

} // namespace
} // namespace vmodel::runtime
