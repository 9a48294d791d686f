// Lowers sites and outputs of a function to sums and stores, as an entry point wants them.
#pragma once

#include "compiler/ir/module.h"

#include <optional>
#include <string>
#include <vector>

namespace vmodel::passes {

/// What becomes of the sites of a kind.
enum class SiteAction : std::uint8_t {
  sum,       // the density regions are summed and stored to the scalar output `target`
  entropy,   // likewise the entropy regions, or minus the density where there is none
  pointwise, // each density is stored to the array `target` at the event's position
  sample,    // each draw is stored to `target` at the event's position (all its elements from there on)
  support,   // 1 or 0 to `target` at the position, where the support depends on data only
};

struct SiteRule {
  ir::SiteKind kind;
  SiteAction action;
  std::string target;
};

/// An output array that sites or outputs are stored to.
struct ArrayOutput {
  std::string name;
  /// The index parameter of the function that is its extent; empty: the extent is the caller's
  /// business (0 in the type), and the array is not filled.
  std::string extent;
  ir::Axis axis = ir::Axis::particle;
  /// What stands where nothing is stored.
  std::optional<double> fill;
};

struct SitePolicy {
  /// Sites of kinds without a rule are dropped; a kind may have several rules.
  std::vector<SiteRule> rules;
  /// Arrays of rules and `outputs`. Targets of sums are scalars of particle axis and need no entry.
  std::vector<ArrayOutput> arrays;
  /// Where `output` operations are stored, row-major, one after the other; empty: they are dropped.
  std::string outputs;
  /// Parameters that are removed afterwards; an internal error if they are still needed.
  std::vector<std::string> without;
};

/// New parameters come last: targets in order of their first mention in the rules, then `outputs`.
/// Sums are formed as one expression, stored once at the end. Dead code is removed.
ir::Function lower_sites(const ir::Function& function, const SitePolicy& policy);

/// A policy as text for tests: statements separated by `;`, such as `sum prior value`,
/// `pointwise observe values`, `array values size.2 fill=0 step`, `outputs x`, `without z`. Nothing if it does
/// not have that form.
std::optional<SitePolicy> parse_site_policy(const std::string& text);

} // namespace vmodel::passes
