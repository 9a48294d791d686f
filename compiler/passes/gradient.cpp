// The entry points of differentiation: names and options around linearise and transpose.
#include "compiler/passes/derivatives.h"
#include "compiler/passes/linearise.h"
#include "compiler/passes/transpose.h"

#include <algorithm>
#include <set>

namespace vmodel::passes {

using ir::Function;
using ir::Parameter;

namespace {

const Parameter* find(const Function& function, const std::string& name) {
  for (const Parameter& parameter : function.parameters)
    if (parameter.name == name)
      return &parameter;
  return nullptr;
}

bool check(const Function& function, const std::vector<DerivativeName>& names, bool output,
           std::vector<DerivativeError>& errors) {
  for (const DerivativeName& name : names) {
    const Parameter* parameter = find(function, name.parameter);
    const bool right = parameter && function.type(parameter->value).element == ir::Element::f64 &&
                       function.type(parameter->value).reference == output;
    if (!right)
      errors.push_back(
          {{},
           "'" + name.parameter + "' is not a real " + (output ? "output" : "input") + " of '" + function.name + "'"});
  }
  for (const ir::Value& value : function.values)
    if (value.type.element == ir::Element::f32) {
      errors.push_back({{}, "'" + function.name + "' computes in single precision, which has no derivatives yet"});
      break;
    }
  return errors.empty();
}

void complete(std::vector<DerivativeName>& names, const std::string& prefix, const std::string& suffix) {
  for (DerivativeName& name : names)
    if (name.derivative.empty())
      name.derivative = prefix + name.parameter + suffix;
}

void drop_outputs(const Function& function, const std::set<std::string>& kept, std::set<std::string>& dropped) {
  for (const Parameter& parameter : function.parameters)
    if (function.type(parameter.value).reference && !kept.contains(parameter.name))
      dropped.insert(parameter.name);
}

// Splits at a character; no empty list.
std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  while (true) {
    const std::size_t end = text.find(at, begin);
    parts.push_back(text.substr(begin, end - begin));
    if (end == std::string::npos)
      return parts;
    begin = end + 1;
  }
}

bool parse_names(const std::string& text, std::vector<DerivativeName>& names) {
  for (const std::string& part : split(text, ',')) {
    const std::vector<std::string> sides = split(part, '=');
    if (sides.size() > 2 || sides[0].empty())
      return false;
    names.push_back({sides[0], sides.size() == 2 ? sides[1] : ""});
  }
  return true;
}

} // namespace

Function linearise(const ir::Module&, const Function& function, const LineariseOptions& options,
                   std::vector<DerivativeError>& errors) {
  LinearisePlan plan;
  plan.form = LinearForm::joint;
  plan.inputs = options.inputs;
  plan.outputs = options.outputs;
  if (!check(function, plan.inputs, false, errors) || !check(function, plan.outputs, true, errors))
    return {};
  if (plan.outputs.empty())
    for (const Parameter& parameter : function.parameters) {
      const ir::Type& type = function.type(parameter.value);
      if (type.reference && type.element == ir::Element::f64)
        plan.outputs.push_back({parameter.name, ""});
    }
  complete(plan.inputs, "", ".t");
  complete(plan.outputs, "", ".t");
  if (!options.keep_outputs)
    drop_outputs(function, {}, plan.dropped);
  Linearised result = linearise(function, plan);
  prune(result.function);
  find_missing(result.function, errors);
  return std::move(result.function);
}

Function gradient(const ir::Module&, const Function& function, const GradientOptions& options,
                  std::vector<DerivativeError>& errors) {
  LinearisePlan plan;
  plan.form = LinearForm::apart;
  plan.inputs = options.wrt;
  plan.outputs = options.of;
  if (!check(function, plan.inputs, false, errors) || !check(function, plan.outputs, true, errors))
    return {};
  TransposePlan reverse{options.of, options.wrt};
  complete(reverse.wrt, "d_", "");
  complete(plan.inputs, "", "");
  // Tangents are not parameters of the result; their names need only be unlike all others.
  for (DerivativeName& name : plan.inputs)
    name.derivative = name.parameter + ".tangent";
  for (DerivativeName& name : plan.outputs)
    name.derivative = name.parameter + ".tangent";
  if (!options.keep_all)
    drop_outputs(function, {options.keep.begin(), options.keep.end()}, plan.dropped);
  plan.keep_maps = options.keep_maps;
  Linearised linearised = linearise(function, plan);
  prune(linearised.function);
  find_missing(linearised.function, errors);
  if (!errors.empty())
    return {};
  share_equal(linearised);
  hoist_invariants(linearised);
  share_equal(linearised);
  prune(linearised.function);
  Function result = transpose(linearised, reverse, errors);
  prune(result);
  return result;
}

bool parse_gradient_options(const std::string& text, GradientOptions& options) {
  for (const std::string& part : split(text, ';')) {
    if (part.starts_with("of:")) {
      if (!parse_names(part.substr(3), options.of))
        return false;
    } else if (part.starts_with("wrt:")) {
      if (!parse_names(part.substr(4), options.wrt))
        return false;
    } else if (part.starts_with("keep:")) {
      options.keep = split(part.substr(5), ',');
      options.keep_all = false;
    } else if (part == "drop") {
      options.keep_all = false;
    } else if (part == "keep-maps") {
      options.keep_maps = true;
    } else {
      return false;
    }
  }
  return !options.of.empty() && !options.wrt.empty();
}

bool parse_linearise_options(const std::string& text, LineariseOptions& options) {
  for (const std::string& part : split(text, ';')) {
    if (part.starts_with("wrt:")) {
      if (!parse_names(part.substr(4), options.inputs))
        return false;
    } else if (part.starts_with("of:")) {
      if (!parse_names(part.substr(3), options.outputs))
        return false;
    } else if (part == "drop") {
      options.keep_outputs = false;
    } else {
      return false;
    }
  }
  return !options.inputs.empty();
}

namespace {

template <typename Options, typename Parse, typename Derive>
ir::Module derive_all(ir::Module module, const std::string& argument, std::vector<std::string>& errors, Parse parse,
                      Derive derive) {
  Options options;
  if (!parse(argument, options)) {
    errors.push_back("the argument does not have the form of:NAME=NAME,...;wrt:NAME=NAME,...");
    return module;
  }
  std::vector<DerivativeError> problems;
  std::vector<Function> derived;
  for (const Function& function : module.functions)
    derived.push_back(derive(module, function, options, problems));
  for (const DerivativeError& problem : problems)
    errors.push_back(problem.message);
  module.functions = std::move(derived);
  return module;
}

} // namespace

ir::Module gradient_pass(ir::Module module, const std::string& argument, std::vector<std::string>& errors) {
  return derive_all<GradientOptions>(std::move(module), argument, errors, parse_gradient_options, gradient);
}

ir::Module linearise_pass(ir::Module module, const std::string& argument, std::vector<std::string>& errors) {
  return derive_all<LineariseOptions>(
      std::move(module), argument, errors, parse_linearise_options,
      [](const ir::Module& m, const Function& f, const LineariseOptions& options,
         std::vector<DerivativeError>& problems) { return linearise(m, f, options, problems); });
}

} // namespace vmodel::passes
