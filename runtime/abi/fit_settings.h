// The settings of a fit: what the checker accepts in a `fit` block and the runtime with --set. One
// table for both, so that they cannot part.
#pragma once

#include <array>
#include <string_view>

namespace vmodel {

struct FitSetting {
  // Where it stands in a `fit` block: by itself, or among the arguments of the objective or of the
  // optimiser.
  enum class Place { block, objective, optimizer };
  enum class Kind { whole, real, word };

  std::string_view name; // as --set has it: `optimizer.` stands before those of the optimiser
  Place place = Place::block;
  Kind kind = Kind::real;
  double least = 0, most = 0;
  bool above_least = false; // the least value itself is not allowed
  // Words, instead of numbers or beside them; the rest are empty.
  std::array<std::string_view, 6> words = {};
  // At Place::objective: the objectives (runtime/abi/objectives.h) that have it; the rest are empty.
  std::array<std::string_view, 6> objectives = {};

  constexpr bool belongs_to(std::string_view objective) const {
    if (place != Place::objective)
      return true;
    for (const std::string_view name : objectives) {
      if (!name.empty() && name == objective)
        return true;
    }
    return false;
  }

  // The name within its place.
  constexpr std::string_view short_name() const {
    const auto dot = name.find('.');
    return dot == std::string_view::npos ? name : name.substr(dot + 1);
  }
};

// `start` takes the name of another fit block of the file as well.
inline constexpr FitSetting fit_settings[] = {
    {"steps", FitSetting::Place::block, FitSetting::Kind::whole, 0, 1e9},
    {"seed", FitSetting::Place::block, FitSetting::Kind::whole, 0, 281474976710655.0}, // 2^48 - 1
    {"threads", FitSetting::Place::block, FitSetting::Kind::whole, 1, 1024},
    {"average", FitSetting::Place::block, FitSetting::Kind::real, 0, 1},
    {"settle", FitSetting::Place::block, FitSetting::Kind::whole, 0, 1e6, false, {"auto"}},
    {"start", FitSetting::Place::block, FitSetting::Kind::word, 0, 0, false, {"auto", "laplace", "plain"}},
    {"precondition", FitSetting::Place::block, FitSetting::Kind::word, 0, 0, false, {"on", "off"}},
    {"warm_up", FitSetting::Place::block, FitSetting::Kind::word, 0, 0, false, {"on", "off"}},
    {"temper", FitSetting::Place::block, FitSetting::Kind::real, 0, 1, true},
    {"temper_share", FitSetting::Place::block, FitSetting::Kind::real, 0, 1},
    {"particles", FitSetting::Place::objective, FitSetting::Kind::whole, 1, 16777216, false, {"auto"}, {"elbo"}},
    // One problem of so many classes, whose points are kept. One particle alone says nothing.
    {"particles",
     FitSetting::Place::objective,
     FitSetting::Kind::whole,
     2,
     1048576,
     false,
     {},
     {"softcvi", "snis_forward_kl", "reweighted_wake"}},
    {"particles",
     FitSetting::Place::objective,
     FitSetting::Kind::whole,
     1,
     1048576,
     false,
     {},
     {"iwae", "dreg", "renyi", "chi2"}},
    {"estimator",
     FitSetting::Place::objective,
     FitSetting::Kind::word,
     0,
     0,
     false,
     {"auto", "total", "stl", "pathwise", "sticking_the_landing"},
     {"elbo"}},
    {"estimator",
     FitSetting::Place::objective,
     FitSetting::Kind::word,
     0,
     0,
     false,
     {"total", "dreg"},
     {"iwae", "renyi", "chi2"}},
    {"alpha", FitSetting::Place::objective, FitSetting::Kind::real, 0, 1, false, {}, {"softcvi"}},
    {"alpha", FitSetting::Place::objective, FitSetting::Kind::real, -100, 100, false, {}, {"renyi"}},
    {"negative",
     FitSetting::Place::objective,
     FitSetting::Kind::word,
     0,
     0,
     false,
     {"proposal", "posterior"},
     {"softcvi"}},
    {"low_variance",
     FitSetting::Place::objective,
     FitSetting::Kind::word,
     0,
     0,
     false,
     {"true", "false"},
     {"snis_forward_kl"}},
    {"outer",
     FitSetting::Place::objective,
     FitSetting::Kind::whole,
     1,
     1048576,
     false,
     {},
     {"aisivi", "bsivi", "sivi", "iwhvi", "uivi"}},
    {"inner", FitSetting::Place::objective, FitSetting::Kind::whole, 2, 1048576, false, {}, {"aisivi", "bsivi"}},
    {"inner", FitSetting::Place::objective, FitSetting::Kind::whole, 1, 1048576, false, {}, {"sivi", "iwhvi", "uivi"}},
    {"burn_in", FitSetting::Place::objective, FitSetting::Kind::whole, 0, 1048576, false, {}, {"uivi"}},
    {"leapfrogs", FitSetting::Place::objective, FitSetting::Kind::whole, 1, 1024, false, {}, {"uivi"}},
    {"batches", FitSetting::Place::objective, FitSetting::Kind::whole, 1, 4096, false, {}, {"aisivi", "bsivi"}},
    {"prior_share", FitSetting::Place::objective, FitSetting::Kind::real, 0, 1, false, {}, {"aisivi"}},
    {"pretrain", FitSetting::Place::objective, FitSetting::Kind::whole, 0, 1e9, false, {}, {"aisivi", "iwhvi"}},
    {"proposal_steps", FitSetting::Place::objective, FitSetting::Kind::whole, 0, 1000, false, {}, {"aisivi", "iwhvi"}},
    {"proposal_rate", FitSetting::Place::objective, FitSetting::Kind::real, 0, 1e6, true, {}, {"aisivi", "iwhvi"}},
    {"optimizer.rate", FitSetting::Place::optimizer, FitSetting::Kind::real, 0, 1e6, true},
    {"optimizer.schedule", FitSetting::Place::optimizer, FitSetting::Kind::word, 0, 0, false, {"cosine", "constant"}},
    {"optimizer.last_rate", FitSetting::Place::optimizer, FitSetting::Kind::real, 0, 1},
    {"optimizer.clip", FitSetting::Place::optimizer, FitSetting::Kind::real, 0, 1e300},
    {"optimizer.epsilon", FitSetting::Place::optimizer, FitSetting::Kind::real, 0, 1e6, true},
    {"optimizer.beta1", FitSetting::Place::optimizer, FitSetting::Kind::real, 0, 0.999999},
    {"optimizer.beta2", FitSetting::Place::optimizer, FitSetting::Kind::real, 0, 0.9999999},
};

// The setting of that name in a fit of that objective, or nullptr.
constexpr const FitSetting* find_fit_setting(std::string_view name, std::string_view objective = "elbo") {
  for (const FitSetting& setting : fit_settings) {
    if (setting.name == name && setting.belongs_to(objective))
      return &setting;
  }
  return nullptr;
}

} // namespace vmodel
