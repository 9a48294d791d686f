#include "compiler/passes/entry_points.h"

#include "compiler/passes/log_recurrences.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/sites.h"
#include "compiler/passes/stages.h"

#include <algorithm>
#include <limits>

namespace vmodel::passes {

using ir::SiteKind;

bool is_wanted(const std::string& kernel, const std::vector<std::string>& wanted) {
  return wanted.empty() || std::find(wanted.begin(), wanted.end(), kernel) != wanted.end();
}

std::string family_of_kernel(const std::string& name, const std::string& ending) {
  // Data may have such names too (`data_shape.draw`).
  if (name.starts_with("data_shape.") || name.starts_with("data_bounds."))
    return "";
  return name.size() > ending.size() && name.ends_with(ending) ? name.substr(0, name.size() - ending.size()) : "";
}

bool is_step_kernel(const std::string& name) {
  return !family_of_kernel(name, ".draw").empty() || !family_of_kernel(name, ".pathwise").empty() ||
         !family_of_kernel(name, ".score").empty() || !family_of_kernel(name, ".by_mix").empty() ||
         !family_of_kernel(name, ".by_point").empty();
}

namespace {

class EntryPoints {
public:
  EntryPoints(const KernelSizes& sizes, const std::vector<std::string>& wanted) : sizes_(sizes), wanted_(wanted) {}

  Module run(const Module& module) {
    for (const Function& function : module.functions) {
      if (function.name == "model")
        model(function);
      else if (const std::string draw = family_of_kernel(function.name, ".draw"); !draw.empty())
        family_draw(function, draw);
      else if (const std::string density = family_of_kernel(function.name, ".density"); !density.empty())
        family_density(function, density);
      // `checks` becomes a part of `prepare`.
      else if (function.name == "checks" || is_wanted(function.name, wanted_))
        result_.functions.push_back(function);
    }
    return std::move(result_);
  }

private:
  // `users`: kernels that are made from this one.
  void add(const std::string& name, const Function& master, const SitePolicy& policy,
           const std::vector<std::string>& users = {}) {
    bool is_needed = is_wanted(name, wanted_);
    for (const std::string& user : users)
      is_needed |= is_wanted(user, wanted_);
    if (!is_needed)
      return;
    Function kernel = lower_sites(master, policy);
    kernel.name = name;
    result_.functions.push_back(std::move(kernel));
  }

  void model(const Function& master) {
    SitePolicy policy;
    for (SiteKind kind : {SiteKind::prior, SiteKind::observe, SiteKind::factor})
      policy.rules.push_back({kind, SiteAction::sum, "value"});
    policy.rules.push_back({SiteKind::jacobian, SiteAction::sum, "jacobian"});
    add("log_density", master, policy, {"log_density_gradient", "hessian_vector"});

    policy = {};
    policy.outputs = std::string("x");
    policy.arrays.push_back({"x", sizes_.reported, Axis::particle, {}});
    add("constrain", master, policy);

    policy = {};
    policy.rules.push_back({SiteKind::observe, SiteAction::pointwise, "values"});
    policy.arrays.push_back({"values", sizes_.observed, Axis::particle, 0.0});
    add("log_likelihood", master, policy);

    policy = {};
    policy.rules.push_back({SiteKind::observe, SiteAction::sample, "values"});
    // Distributions without a sampler leave NaN.
    policy.arrays.push_back({"values", sizes_.observed, Axis::particle, std::numeric_limits<double>::quiet_NaN()});
    add("predict", master, policy);

    policy = {};
    policy.rules.push_back({SiteKind::observe, SiteAction::support, "ok"});
    policy.arrays.push_back({"ok", sizes_.observed, Axis::step, 1.0});
    policy.without.push_back("z");
    add("observed_support", master, policy);
  }

  void family_draw(const Function& master, const std::string& family) {
    SitePolicy policy;
    policy.rules.push_back({SiteKind::draw, SiteAction::sum, "log_q"});
    policy.rules.push_back({SiteKind::draw, SiteAction::entropy, "entropy"});
    add(family + ".draw", master, policy, {family + ".pathwise"});
  }

  void family_density(const Function& master, const std::string& family) {
    SitePolicy policy;
    policy.rules.push_back({SiteKind::draw, SiteAction::sum, "log_q"});
    // The joint density of what is drawn and of what is mixed over, and that of the latter.
    if (has_site(master.body, SiteKind::prior)) {
      policy.rules.push_back({SiteKind::prior, SiteAction::sum, "log_q"});
      policy.rules.push_back({SiteKind::prior, SiteAction::sum, "log_mix"});
    }
    add(family + ".log_density", master, policy,
        {family + ".log_density_gradient", family + ".score", family + ".by_mix", family + ".by_point"});
  }

  static bool has_site(const Region& region, SiteKind kind) {
    bool found = false;
    ir::for_each_op(region, [&](const Op& op) { found |= op.opcode == Opcode::site_ && op.site_kind == kind; });
    return found;
  }

  const KernelSizes& sizes_;
  const std::vector<std::string>& wanted_;
  Module result_;
};

// Puts a parameter right before another one.
void move_parameter(Function& function, const std::string& name, const std::string& before) {
  const auto find = [&](const std::string& wanted) {
    return std::find_if(function.parameters.begin(), function.parameters.end(),
                        [&](const ir::Parameter& parameter) { return parameter.name == wanted; });
  };
  const auto from = find(name);
  if (from == function.parameters.end() || find(before) == function.parameters.end())
    return;
  ir::Parameter moved = std::move(*from);
  function.parameters.erase(from);
  function.parameters.insert(find(before), std::move(moved));
}

// The function without these output references and the stores to them.
Function without_outputs(const Function& function, const std::vector<std::string>& names) {
  std::vector<ir::ValueId> dropped;
  Function trimmed = function;
  std::erase_if(trimmed.parameters, [&](const ir::Parameter& parameter) {
    const bool is_dropped = std::find(names.begin(), names.end(), parameter.name) != names.end();
    if (is_dropped)
      dropped.push_back(parameter.value);
    return is_dropped;
  });
  return remove_dead_code(ir::rewrite(trimmed, [&](ir::Rewriter&, const ir::Op& op) {
    return (op.opcode == ir::Opcode::store_ || op.opcode == ir::Opcode::accumulate_) &&
           std::find(dropped.begin(), dropped.end(), op.operands[0]) != dropped.end();
  }));
}

class Derivatives {
public:
  Derivatives(Module module, const std::vector<std::string>& wanted, const std::vector<std::string>& without,
              std::vector<DerivativeError>& errors)
      : module_(std::move(module)), wanted_(wanted), without_(without), errors_(errors) {}

  // `part_of`: the kernel that errors name, which cannot do without this one.
  void add_gradient(const std::string& name, const std::string& of, const GradientOptions& options,
                    const std::string& part_of = "") {
    const Function* function = module_.find(of);
    if (!function || is_left_out(name) || !is_wanted_or_needed(part_of.empty() ? name : part_of))
      return;
    std::vector<DerivativeError> errors;
    keep(name, gradient(module_, *function, options, errors), errors, part_of);
  }

  /// The function with the tangent of an output beside it; as it was where there is no derivative.
  void add_tangent_to(const std::string& name, const LineariseOptions& options) {
    Function* function = module_.find(name);
    if (!function)
      return;
    std::vector<DerivativeError> errors;
    Function with_tangent = linearise(module_, *function, options, errors);
    if (errors.empty())
      *function = std::move(with_tangent);
  }

  void add_tangent(const std::string& name, const std::string& of, const LineariseOptions& options) {
    const Function* function = module_.find(of);
    if (!function || !is_wanted(name, wanted_))
      return;
    std::vector<DerivativeError> errors;
    keep(name, linearise(module_, *function, options, errors), errors);
  }

  Module& module() { return module_; }
  Function* find(const std::string& name) { return module_.find(name); }
  Module finish() { return std::move(module_); }

private:
  bool is_left_out(const std::string& name) const {
    return std::any_of(without_.begin(), without_.end(),
                       [&](const std::string& ending) { return !family_of_kernel(name, ending).empty(); });
  }
  bool is_wanted_or_needed(const std::string& name) const {
    // Versions of the density's gradient that others turn to, or from which they are derived.
    if (name == std::string("log_density_gradient") + irregular_suffix)
      return is_wanted_or_needed("log_density_gradient") || is_wanted("log_density_gradient.plain", wanted_);
    return is_wanted(name, wanted_) || (name == "log_density_gradient" && is_wanted("hessian_vector", wanted_));
  }
  void keep(const std::string& name, Function function, const std::vector<DerivativeError>& errors,
            const std::string& part_of = "") {
    if (errors.empty()) {
      function.name = name;
      module_.functions.push_back(std::move(function));
    }
    for (DerivativeError error : errors) {
      error.kernel = part_of.empty() ? name : part_of;
      errors_.push_back(std::move(error));
    }
  }

  Module module_;
  const std::vector<std::string>&wanted_, &without_;
  std::vector<DerivativeError>& errors_;
};

} // namespace

Module entry_points(const Module& module, const KernelSizes& sizes, const std::vector<std::string>& wanted) {
  return EntryPoints(sizes, wanted).run(module);
}

Module derivative_kernels(Module module, const std::vector<std::string>& wanted,
                          const std::vector<std::string>& without, std::vector<DerivativeError>& errors) {
  std::vector<std::string> families;
  for (const Function& function : module.functions)
    for (const char* ending : {".draw", ".log_density"})
      if (const std::string family = family_of_kernel(function.name, ending);
          !family.empty() && std::find(families.begin(), families.end(), family) == families.end())
        families.push_back(family);
  Derivatives derivatives(std::move(module), wanted, without, errors);
  {
    GradientOptions options;
    options.of = {{"value", ""}, {"jacobian", ""}};
    options.wrt = {{"z", "gradient"}};
    derivatives.add_gradient("log_density_gradient", "log_density", options);
    // Where log_density uses sufficient statistics, for comparison.
    derivatives.add_gradient("log_density_gradient.plain", "log_density.plain", options);
    derivatives.add_gradient(std::string("log_density_gradient") + irregular_suffix,
                             std::string("log_density") + irregular_suffix, options);
  }
  for (const std::string& family : families) {
    LineariseOptions along;
    along.inputs = {{"shift", "direction"}};
    along.outputs = {{"image", "tangent"}};
    derivatives.add_tangent_to(family + ".round_trip", along);
    if (const std::string mixed = family_of_kernel(family, ".proposal"); !mixed.empty()) {
      GradientOptions options;
      options.of = {{"log_q", "weight"}};
      options.wrt = {{"theta", "d_theta"}};
      options.keep_maps = true;
      derivatives.add_gradient(family + ".score", mixed + whole_suffix, options);
      if (Function* score = derivatives.find(family + ".score"))
        move_parameter(*score, "weight", "log_q");
      options = {};
      options.of = {{"log_q", ""}};
      options.wrt = {{"z", "gradient"}};
      options.keep_maps = true;
      derivatives.add_gradient(family + ".by_point", mixed + whole_suffix, options);
      continue;
    }
    // What is mixed over is drawn from its own distribution at given parameters: no derivative is needed.
    if (!family_of_kernel(family, ".mix").empty())
      continue;
    GradientOptions options;
    options.of = {{"z", "d_z"}, {"log_q", "d_log_q"}, {"entropy", "d_entropy"}};
    options.wrt = {{"phi", "d_phi"}};
    options.keep_all = false;
    // The layers of a flow are a recurrence of few turns.
    options.keep_maps = true;
    derivatives.add_gradient(family + ".pathwise", family + ".draw", options);

    options = {};
    options.of = {{"log_q", ""}};
    options.wrt = {{"z", "gradient"}};
    const std::string by_point = family + ".log_density_gradient", conditional = family + conditional_suffix;
    if (derivatives.find(by_point + ".point")) {
      GradientOptions chain;
      chain.of = {{"point", "d_point"}};
      chain.wrt = {{"z", "gradient"}};
      chain.keep_all = false;
      derivatives.add_gradient(by_point + chain_suffix, by_point + ".point", chain, by_point);
      options.wrt.push_back({"point", "d_point"});
    }
    if (options.wrt.size() == 1 || derivatives.find(by_point + chain_suffix))
      derivatives.add_gradient(by_point, derivatives.find(conditional) ? conditional : family + ".log_density",
                               options);

    options = {};
    options.of = {{"log_q", "weight"}};
    options.wrt = {{"phi", "d_phi"}};
    options.keep_maps = true;
    derivatives.add_gradient(family + ".score", family + ".log_density", options);
    if (Function* score = derivatives.find(family + ".score"))
      move_parameter(*score, "weight", "log_q");

    if (!derivatives.find(family + ".mix.draw"))
      continue;
    options = {};
    options.of = {{"log_q", ""}};
    options.wrt = {{"mix", "gradient"}};
    options.keep_maps = true;
    derivatives.add_gradient(family + ".by_mix", family + ".log_density", options);
  }
  std::erase_if(derivatives.module().functions, [&](const Function& function) {
    if (const std::string family = family_of_kernel(function.name, ".noise"); !family.empty())
      return !is_wanted(function.name, wanted) && !is_wanted(family + ".draw", wanted) &&
             !is_wanted(family + ".pathwise", wanted);
    if (!family_of_kernel(function.name, whole_suffix).empty() ||
        !family_of_kernel(function.name, conditional_suffix).empty())
      return true;
    const bool is_base = function.name == "log_density" || function.name == "log_density.plain" ||
                         (function.name == std::string("log_density") + irregular_suffix &&
                          !is_wanted("log_density.plain", wanted) && !is_wanted("log_density", wanted)) ||
                         !family_of_kernel(function.name, ".draw").empty() ||
                         !family_of_kernel(function.name, ".log_density").empty();
    return is_base && !is_wanted(function.name, wanted);
  });
  return derivatives.finish();
}

Module second_derivative_kernels(Module module, const std::vector<std::string>& wanted,
                                 std::vector<DerivativeError>& errors) {
  const std::vector<std::string> without;
  Derivatives derivatives(std::move(module), wanted, without, errors);
  LineariseOptions options;
  options.inputs = {{"z", "v"}};
  options.outputs = {{"gradient", "product"}};
  derivatives.add_tangent("hessian_vector", "log_density_gradient", options);
  if (Function* product = derivatives.find("hessian_vector"))
    *product = without_outputs(*product, {"value", "jacobian"});
  std::erase_if(derivatives.module().functions, [&](const Function& function) {
    return function.name == "log_density_gradient" && !is_wanted(function.name, wanted);
  });
  return derivatives.finish();
}

} // namespace vmodel::passes
