// The objectives of a fit: what each needs of the family, and what a fit of it does where nothing else is said. One
// table for the checker, the driver and the runtime; docs/extending.md says how to add a row. The settings of
// objectives stand in fit_settings.h.
#pragma once

#include <array>
#include <string_view>

namespace vmodel {

// Kernels of a family beyond FAMILY.draw, as bits.
enum ObjectiveNeed : unsigned {
  // FAMILY.pathwise, and the gradient of the model: draws are differentiable functions of what is learned.
  need_pathwise = 1,
  // FAMILY.score: log q at given points and its derivative by what is learned. Of the model values are enough.
  need_score = 2,
  // FAMILY.log_density_gradient: the derivative of log q by the point.
  need_density_gradient = 4,
  // log q of draws: a family without `mix`, whose density is no integral.
  need_density = 8,
  // A family with `mix`, and the kernels of its proposal.
  need_mixture = 16,
  // The distribution of what it mixes over does not depend on what is learned.
  need_fixed_mix = 32,
  // The derivative of the density of a point and of what is mixed over, together, by the latter.
  need_mix_gradient = 64,
  // The derivative of the proposal's density by the point.
  need_proposal_gradient = 128,
};

// What computes it (runtime/objectives).
enum class ObjectiveMethod { elbo, softcvi, snis_forward_kl, renyi, semi_implicit, surrogate_bound, posterior_score };

struct ObjectivePreset {
  std::string_view setting, value; // as --set has them; no setting: none
};

struct ObjectiveRow {
  std::string_view name;
  ObjectiveMethod method;
  unsigned needs;
  std::string_view summary;
  // What makes this objective of its method; not to be set otherwise.
  std::array<ObjectivePreset, 2> fixed = {};
};

inline constexpr ObjectiveRow objective_rows[] = {
    {"elbo", ObjectiveMethod::elbo, need_pathwise | need_density, "the evidence lower bound"},
    {"softcvi", ObjectiveMethod::softcvi, need_score | need_density, "soft contrastive variational inference"},
    {"snis_forward_kl", ObjectiveMethod::snis_forward_kl, need_score | need_density,
     "forward KL divergence by self-normalised importance sampling"},
    {"reweighted_wake",
     ObjectiveMethod::snis_forward_kl,
     need_score | need_density,
     "the wake phase of reweighted wake-sleep: snis_forward_kl by another name",
     {{{"low_variance", "false"}, {}}}},
    {"iwae",
     ObjectiveMethod::renyi,
     need_pathwise | need_density,
     "the importance weighted bound: renyi(alpha = 0)",
     {{{"alpha", "0"}, {}}}},
    {"dreg",
     ObjectiveMethod::renyi,
     need_pathwise | need_density_gradient | need_density,
     "iwae with doubly reparameterised gradients",
     {{{"alpha", "0"}, {"estimator", "dreg"}}}},
    {"renyi", ObjectiveMethod::renyi, need_pathwise | need_density, "the variational Renyi bound"},
    {"chi2",
     ObjectiveMethod::renyi,
     need_pathwise | need_density,
     "the chi-square upper bound: renyi(alpha = -1)",
     {{{"alpha", "-1"}, {}}}},
    {"aisivi",
     ObjectiveMethod::semi_implicit,
     need_pathwise | need_mixture,
     "semi-implicit inference, the score by importance sampling through a learned proposal",
     {{{"proposal", "learned"}, {}}}},
    {"bsivi",
     ObjectiveMethod::semi_implicit,
     need_pathwise | need_mixture,
     "semi-implicit inference, the score by samples of what is mixed over",
     {{{"proposal", "prior"}, {}}}},
    {"sivi",
     ObjectiveMethod::surrogate_bound,
     need_pathwise | need_score | need_mixture | need_fixed_mix,
     "semi-implicit inference, the surrogate bound by samples of what is mixed over",
     {{{"proposal", "prior"}, {}}}},
    {"iwhvi",
     ObjectiveMethod::surrogate_bound,
     need_pathwise | need_score | need_mixture | need_fixed_mix | need_proposal_gradient,
     "semi-implicit inference, the surrogate bound by samples of a learned proposal",
     {{{"proposal", "learned"}, {}}}},
    {"uivi", ObjectiveMethod::posterior_score, need_pathwise | need_mixture | need_mix_gradient,
     "semi-implicit inference, the score by Hamiltonian Monte Carlo of what is mixed over"},
};

// The objective of a fit that names none: by whether its family has `mix`.
inline constexpr std::string_view default_objective = "elbo", default_mixture_objective = "aisivi";

// The row of that name, or nullptr.
constexpr const ObjectiveRow* find_objective(std::string_view name) {
  for (const ObjectiveRow& row : objective_rows) {
    if (row.name == name)
      return &row;
  }
  return nullptr;
}

// What a fit needs with that estimator (a word of fit_settings; empty: none given).
constexpr unsigned objective_needs(const ObjectiveRow& row, std::string_view estimator) {
  const bool by_point = estimator == "stl" || estimator == "sticking_the_landing" || estimator == "dreg";
  return row.needs | (by_point ? unsigned{need_density_gradient} : 0U);
}

// What a fit does where neither the file nor a flag says otherwise; objectives of methods that are not listed, and
// settings that are not, have the defaults of FitSettings. docs/objectives.md says how these were chosen.
struct ObjectiveDefault {
  ObjectiveMethod method;
  std::string_view setting, value;
  // Only of the objective of that name; such rows stand below those of the method. Empty: of all of the method.
  std::string_view objective = {};

  constexpr bool belongs_to(const ObjectiveRow& row) const {
    return method == row.method && (objective.empty() || objective == row.name);
  }
};

inline constexpr ObjectiveDefault objective_defaults[] = {
    {ObjectiveMethod::softcvi, "particles", "8"},
    {ObjectiveMethod::softcvi, "steps", "20000"},
    {ObjectiveMethod::softcvi, "settle", "0"},
    {ObjectiveMethod::softcvi, "warm_up", "off"},
    {ObjectiveMethod::softcvi, "optimizer.clip", "10"},
    {ObjectiveMethod::snis_forward_kl, "particles", "8"},
    {ObjectiveMethod::snis_forward_kl, "steps", "20000"},
    {ObjectiveMethod::snis_forward_kl, "settle", "0"},
    {ObjectiveMethod::snis_forward_kl, "warm_up", "off"},
    {ObjectiveMethod::snis_forward_kl, "optimizer.clip", "10"},
    {ObjectiveMethod::renyi, "alpha", "0.5"},
    {ObjectiveMethod::renyi, "estimator", "total"},
    {ObjectiveMethod::renyi, "particles", "16"},
    {ObjectiveMethod::renyi, "steps", "20000"},
    {ObjectiveMethod::renyi, "settle", "0"},
    {ObjectiveMethod::renyi, "optimizer.clip", "10"},
    {ObjectiveMethod::semi_implicit, "outer", "128"},
    {ObjectiveMethod::semi_implicit, "inner", "128"},
    {ObjectiveMethod::semi_implicit, "steps", "4000"},
    {ObjectiveMethod::semi_implicit, "settle", "0"},
    {ObjectiveMethod::semi_implicit, "warm_up", "off"},
    {ObjectiveMethod::semi_implicit, "temper", "0.1"},
    {ObjectiveMethod::semi_implicit, "temper_share", "0.6"},
    {ObjectiveMethod::semi_implicit, "optimizer.rate", "0.006"},
    {ObjectiveMethod::semi_implicit, "optimizer.clip", "10"},
    {ObjectiveMethod::semi_implicit, "average", "0.1"},
    // The proposal makes a few samples enough, and their score is as good with more particles and steps in their place.
    {ObjectiveMethod::semi_implicit, "outer", "256", "aisivi"},
    {ObjectiveMethod::semi_implicit, "inner", "32", "aisivi"},
    {ObjectiveMethod::semi_implicit, "steps", "8000", "aisivi"},
    {ObjectiveMethod::surrogate_bound, "outer", "128"},
    {ObjectiveMethod::surrogate_bound, "inner", "128"},
    {ObjectiveMethod::surrogate_bound, "steps", "4000"},
    {ObjectiveMethod::surrogate_bound, "settle", "0"},
    {ObjectiveMethod::surrogate_bound, "warm_up", "off"},
    {ObjectiveMethod::surrogate_bound, "temper", "0.1"},
    {ObjectiveMethod::surrogate_bound, "temper_share", "0.6"},
    {ObjectiveMethod::surrogate_bound, "optimizer.rate", "0.006"},
    {ObjectiveMethod::surrogate_bound, "optimizer.clip", "10"},
    {ObjectiveMethod::surrogate_bound, "average", "0.1"},
    {ObjectiveMethod::surrogate_bound, "inner", "32", "iwhvi"},
    {ObjectiveMethod::posterior_score, "outer", "128"},
    {ObjectiveMethod::posterior_score, "inner", "5"},
    {ObjectiveMethod::posterior_score, "steps", "4000"},
    {ObjectiveMethod::posterior_score, "settle", "0"},
    {ObjectiveMethod::posterior_score, "warm_up", "off"},
    {ObjectiveMethod::posterior_score, "temper", "0.1"},
    {ObjectiveMethod::posterior_score, "temper_share", "0.6"},
    {ObjectiveMethod::posterior_score, "optimizer.rate", "0.006"},
    {ObjectiveMethod::posterior_score, "optimizer.clip", "10"},
    {ObjectiveMethod::posterior_score, "average", "0.1"},
};

} // namespace vmodel
