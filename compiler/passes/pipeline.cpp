// The order of the passes.
#include "compiler/ir/typing.h"
#include "compiler/ir/verify.h"
#include "compiler/passes/entry_points.h"
#include "compiler/passes/expand.h"
#include "compiler/passes/invariant_addends.h"
#include "compiler/passes/log_recurrences.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/stages.h"

namespace vmodel::passes {

namespace {

class Pipeline {
public:
  Pipeline(ir::Module module, const PipelineOptions& options) : module_(std::move(module)), options_(options) {
    after("lower");
  }

  template <typename Step>
  void run(const std::string& name, Step&& step) {
    module_ = step(std::move(module_));
    after(name);
  }

  /// A step that is worth its time in the log density alone: it runs at every step for every observation, and the
  /// derivatives are made from it.
  template <typename Step>
  void run_on_density(const std::string& name, Step&& step) {
    if (ir::Function* density = module_.find("log_density"))
      *density = step(std::move(*density));
    after(name);
  }

  /// The same for densities with all that is made of them.
  template <typename Step>
  void run_on_densities(const std::string& name, Step&& step) {
    for (ir::Function& function : module_.functions)
      if (function.name.starts_with("log_density"))
        function = step(std::move(function));
    after(name);
  }

  /// The same for the kernels of a family that run at every step.
  template <typename Step>
  void run_on_steps(const std::string& name, Step&& step) {
    for (ir::Function& function : module_.functions)
      if (is_step_kernel(function.name))
        function = step(std::move(function));
    after(name);
  }

  void optimise() {
    run("reductions", reductions);
    run("fuse", fuse);
    run("simplify", [](ir::Module m) { return simplify(std::move(m)); });
  }

  const ir::Module& module() const { return module_; }
  ir::Module finish() { return std::move(module_); }

private:
  void after(const std::string& name) {
    if (options_.after)
      options_.after(name, module_);
    if (!options_.verify)
      return;
    const std::vector<std::string> errors = ir::verify(module_);
    if (!errors.empty())
      ir::internal_error("after the pass '" + name + "': " + errors.front());
  }

  ir::Module module_;
  const PipelineOptions& options_;
};

} // namespace

ir::Module run_pipeline(ir::Module module, const PipelineOptions& options, std::vector<DerivativeError>& errors,
                        std::vector<FamilyNoise>& noise) {
  Pipeline pipeline(std::move(module), options);
  pipeline.run("inline", inline_calls);
  pipeline.run("entry-points", [&](const ir::Module& m) { return entry_points(m, options.sizes, options.kernels); });
  pipeline.run("simplify", [](ir::Module m) { return simplify(std::move(m)); });
  // Before loops of different stages become one.
  pipeline.run("stages", [&](ir::Module m) { return split_stages(std::move(m), noise); });
  pipeline.optimise();
  // As early as loops are as long as they will be: every later pass finds more in them.
  pipeline.run("data-branches", data_branches);
  pipeline.run("bounded-data", bounded_data);
  pipeline.run_on_density("frozen-copies", [](ir::Function f) { return frozen_copies(std::move(f)); });
  pipeline.run_on_density("unroll", [](ir::Function f) { return simplify(unroll(std::move(f))); });
  // What has few elements is gone.
  pipeline.run_on_density("triangles", [](ir::Function f) { return triangles(std::move(f)); });
  pipeline.run_on_density(
      "inverses", [data = ir::data_ranges(pipeline.module())](ir::Function f) { return inverses(std::move(f), data); });
  pipeline.run_on_density("carry", [](ir::Function f) { return carry(std::move(f)); });
  pipeline.run("log-recurrences", [](ir::Module m) { return log_recurrences(std::move(m)); });
  pipeline.run_on_density("data-conditions", [](ir::Function f) { return data_conditions(std::move(f)); });
  pipeline.run_on_density("invariant-branches", [](ir::Function f) { return invariant_branches(std::move(f)); });
  pipeline.run_on_density("combined-products", [](ir::Function f) { return combined_products(std::move(f)); });
  pipeline.run_on_density("picks", [](ir::Function f) { return simplify(picks(std::move(f))); });
  if (options.statistics)
    pipeline.run("sufficient-statistics", sufficient_statistics);
  pipeline.run("noise", [&](ir::Module m) { return split_noise(std::move(m), noise); });
  pipeline.run("derivatives", [&](ir::Module m) { return derivative_kernels(std::move(m), options.kernels, options.without, errors); });
  pipeline.run("simplify", [](ir::Module m) { return simplify(std::move(m)); });
  pipeline.run_on_densities("dead-stores", [](ir::Function f) { return dead_stores(std::move(f)); });
  pipeline.run("join-irregular", join_irregular);
  pipeline.run("second-derivatives",
               [&](ir::Module m) { return second_derivative_kernels(std::move(m), options.kernels, errors); });
  pipeline.run("only-derivatives", only_derivatives);
  pipeline.optimise();
  // Zeros that nobody looks at would hide that memory only passes on what it is given.
  pipeline.run("dead-stores", [](ir::Module m) { return dead_stores(std::move(m)); });
  pipeline.run("accumulations", accumulations);
  pipeline.run("first-writes", first_writes);
  // What one map fills is stored to the output already.
  pipeline.run("output-adjoints", output_adjoints);
  pipeline.run("logarithms", logarithms);
  // While quotients are written alike in all loops.
  pipeline.run_on_densities("shared-loops", [](ir::Function f) { return shared_loops(std::move(f), false); });
  pipeline.run_on_steps("shared-loops", [](ir::Function f) { return shared_loops(std::move(f), true); });
  pipeline.run("reciprocals", reciprocals);
  pipeline.run("hoist-loops", [](ir::Module m) { return hoist_loops(std::move(m)); });
  // Before sums take an addend of theirs out of a loop: then it is one.
  pipeline.run_on_densities("invariant-addends", [](ir::Function f) { return invariant_addends(std::move(f)); });
  pipeline.run("sums", sums);
  pipeline.run("hoist-to-load", hoist_to_load);
  pipeline.run("step-expressions", step_expressions);
  pipeline.run("subtractions", subtractions);
  pipeline.run("exponential-pairs", exponential_pairs);
  // Derivatives and hoisting see special functions as one operation each.
  pipeline.run("expand", [](ir::Module m) { return expand(std::move(m)); });
  pipeline.run("simplify", [](ir::Module m) { return simplify(std::move(m)); });
  // Special functions share parts that only now are there.
  pipeline.run_on_steps("shared-loops", [](ir::Function f) { return shared_loops(std::move(f), true); });
  pipeline.run_on_densities("shared-branches", [](ir::Function f) { return shared_branches(std::move(f)); });
  pipeline.run_on_densities("shared-loops", [](ir::Function f) { return shared_loops(std::move(f), false); });
  return pipeline.finish();
}

ir::Module run_pipeline(ir::Module module, const PipelineOptions& options, std::vector<DerivativeError>& errors) {
  std::vector<FamilyNoise> noise;
  return run_pipeline(std::move(module), options, errors, noise);
}

} // namespace vmodel::passes
