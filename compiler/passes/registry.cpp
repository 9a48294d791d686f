// The passes by name.
#include "compiler/passes/expand.h"
#include "compiler/passes/invariant_addends.h"
#include "compiler/passes/log_recurrences.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/sites.h"
#include "compiler/passes/stages.h"
#include "compiler/passes/sufficient_statistics.h"

#include <sstream>

namespace vmodel::passes {

namespace {

Pass plain(const std::string& name, const std::string& summary, ir::Module (*run)(ir::Module)) {
  return {name, summary, [name, run](ir::Module module, const std::string& argument, std::vector<std::string>& errors) {
            if (!argument.empty())
              errors.push_back("the pass '" + name + "' has no argument");
            return run(std::move(module));
          }};
}

// Lowers the sites of every function by one policy.
ir::Module sites(ir::Module module, const std::string& argument, std::vector<std::string>& errors) {
  const auto policy = parse_site_policy(argument);
  if (!policy) {
    errors.push_back("the argument is not a policy of sites");
    return module;
  }
  for (ir::Function& function : module.functions)
    function = lower_sites(function, *policy);
  return module;
}

// Of every function, not of log_density alone, and without the kernel as it was.
ir::Module all_statistics(ir::Module module) {
  int rewritten = 0;
  for (ir::Function& function : module.functions)
    function = sufficient_statistics(function, rewritten);
  return module;
}

// Of every function, without the version for irregular weights.
ir::Module all_log_recurrences(ir::Module module) {
  for (ir::Function& function : module.functions) {
    std::size_t rewritten = 0;
    bool is_guarded = false;
    function = log_recurrences(function, rewritten, is_guarded);
  }
  return module;
}

// The whole pipeline; the argument names the kernels.
ir::Module pipeline(ir::Module module, const std::string& argument, std::vector<std::string>& errors) {
  PipelineOptions options;
  std::istringstream names(argument);
  for (std::string name; std::getline(names, name, ',');)
    options.kernels.push_back(name);
  std::vector<DerivativeError> derivative_errors;
  module = run_pipeline(std::move(module), options, derivative_errors);
  // A kernel that nobody asked for may be left out, but for the gradient of the model.
  for (const DerivativeError& error : derivative_errors)
    if (!options.kernels.empty() || error.kernel == "log_density_gradient")
      errors.push_back(error.message);
  return module;
}

} // namespace

const std::vector<Pass>& all_passes() {
  // `simplify` and `remove_dead_code` have forms for one function too.
  using Whole = ir::Module (*)(ir::Module);
  static const std::vector<Pass> passes = {
      plain("inline", "calls become bodies", inline_calls),
      plain("dead-code", "remove what nothing needs", static_cast<Whole>(remove_dead_code)),
      plain("reductions", "loops that only accumulate become reduces", reductions),
      plain("fuse", "builds into their uses; reduces over the same extents into one", fuse),
      plain("data-branches", "loops leave conditions on data, with no iteration where they fail", data_branches),
      plain("unroll", "loops of a few iterations become those", static_cast<Whole>(unroll)),
      plain("inverses", "roots and logarithms that squares, logarithms, exponentials take back",
            static_cast<Whole>(inverses)),
      plain("carry", "what an earlier iteration stored becomes a carried value", static_cast<Whole>(carry)),
      plain("log-recurrences", "recurrences of logarithms as scaled recurrences of numbers", all_log_recurrences),
      plain("join-irregular", "densities run their irregular version where they need it", join_irregular),
      plain("exponential-pairs", "of two exponentials of numbers less the larger one, one is 1", exponential_pairs),
      plain("shared-loops", "what several loops compute is kept by the first of them",
            static_cast<Whole>(shared_loops)),
      plain("shared-branches", "what several branches on data compute is computed before them",
            static_cast<Whole>(shared_branches)),
      plain("only-derivatives", "terms that are zero but for their derivative are left out", only_derivatives),
      plain("dead-stores", "what is stored and never loaded again is not stored", dead_stores),
      plain("accumulations", "memory that only passes on what it is given does so at once", accumulations),
      plain("first-writes", "memory that one map fills alone is stored to and not zeroed", first_writes),
      plain("output-adjoints", "memory of adjoints that is copied to an output is that output", output_adjoints),
      plain("bounded-data", "comparisons that the declared bounds of data decide", bounded_data),
      plain("data-conditions", "what data alone make -inf is decided at load", static_cast<Whole>(data_conditions)),
      plain("invariant-branches", "terms that are the same wherever a condition on data holds are counted",
            static_cast<Whole>(invariant_branches)),
      plain("combined-products", "products with one vector that are combined linearly become one",
            static_cast<Whole>(combined_products)),
      plain("picks", "costly functions of picked elements once for each element", static_cast<Whole>(picks)),
      plain("sufficient-statistics", "sums over data from statistics computed at load", all_statistics),
      plain("noise", "random numbers of draws as arrays",
            [](ir::Module module) {
              std::vector<FamilyNoise> made;
              return split_noise(std::move(module), made);
            }),
      plain("stages", "what kernels compute again and again from arguments that stay, as kernels of its own",
            [](ir::Module module) {
              std::vector<FamilyNoise> made;
              return split_stages(std::move(module), made);
            }),
      plain("hoist-loops", "loop-invariant code out of loops", [](ir::Module m) { return hoist_loops(std::move(m)); }),
      plain("invariant-addends", "invariant addends are added up before a loop",
            [](ir::Module m) { return invariant_addends(std::move(m)); }),
      plain("reciprocals", "divisors that are used again are inverted once", reciprocals),
      plain("logarithms", "summed logarithms of sums of exponentials as log1p", logarithms),
      plain("sums", "invariant addends and factors out of sums", sums),
      plain("subtractions", "sums are subtracted term by term", subtractions),
      plain("step-expressions", "costly expressions of what a family learns as arrays", step_expressions),
      plain("hoist-to-load", "what depends on data only moves to `prepare`", hoist_to_load),
      {"sites", "lower sites and outputs by a policy, such as `sum prior value;outputs x`", sites},
      {"linearise", "forward mode: wrt:INPUT=TANGENT;of:OUTPUT=TANGENT;drop", linearise_pass},
      {"gradient", "reverse mode: of:OUTPUT=COTANGENT;wrt:INPUT=ADJOINT;keep:OUTPUT or drop", gradient_pass},
      {"pipeline", "all passes from master functions to kernels; the argument lists kernels", pipeline},
      {"expand", "special functions become sequences of simpler operations",
       plain("expand", "", static_cast<Whole>(expand)).run},
      plain("simplify", "folding, algebra, common subexpressions, dead code", static_cast<Whole>(simplify)),
  };
  return passes;
}

const Pass* find_pass(const std::string& name) {
  for (const Pass& pass : all_passes())
    if (pass.name == name)
      return &pass;
  return nullptr;
}

} // namespace vmodel::passes
