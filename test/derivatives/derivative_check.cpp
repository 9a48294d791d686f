#include "test/derivatives/derivative_check.h"

#include "compiler/ir/parse.h"
#include "compiler/ir/print.h"
#include "compiler/ir/verify.h"
#include "compiler/passes/passes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>
#include <sstream>

namespace vmodel::passes {

using ir::Array;
using ir::Arrays;
using ir::Function;
using ir::Module;
using ir::Parameter;

namespace {

class Checker {
public:
  Checker(const Module& module, const Arrays& point, const CheckOptions& options)
      : module_(module), function_(module_.functions.back()), point_(point), options_(options), random_(options.seed) {
    for (const Parameter& parameter : function_.parameters) {
      const ir::Type& type = function_.type(parameter.value);
      if (type.element != ir::Element::f64)
        continue;
      if (type.reference)
        outputs_.push_back(parameter.name);
      else if (parameter.axis != ir::Axis::load)
        inputs_.push_back(parameter.name);
    }
    if (!options.inputs.empty())
      inputs_ = options.inputs;
    if (!options.outputs.empty())
      outputs_ = options.outputs;
  }

  std::string run() {
    LineariseOptions forward;
    for (const std::string& name : inputs_)
      forward.inputs.push_back({name, name + ".v"});
    for (const std::string& name : outputs_)
      forward.outputs.push_back({name, name + ".v"});
    GradientOptions reverse;
    for (const std::string& name : outputs_)
      reverse.of.push_back({name, "c." + name});
    for (const std::string& name : inputs_)
      reverse.wrt.push_back({name, "d." + name});
    const Module first =
        derived("forward", [&](auto& errors) { return linearise(module_, function_, forward, errors); });
    const Module adjoint =
        derived("reverse", [&](auto& errors) { return gradient(module_, function_, reverse, errors); });
    // With what maps inside of recurrences keep, where there are any.
    reverse.keep_maps = true;
    const Module keeping =
        derived("reverse, keeping", [&](auto& errors) { return gradient(module_, function_, reverse, errors); });
    if (!problem_.str().empty())
      return problem_.str();

    const Arrays values = evaluate(module_, function_.name, point_);
    Arrays direction = random_like(point_, inputs_);
    Arrays cotangent = random_like(values, outputs_);

    // Forward mode: tangents of every output, and the outputs themselves.
    Arrays with_direction = point_;
    add(with_direction, direction, ".v", "");
    const Arrays tangents = evaluate(first, function_.name, with_direction);
    for (const std::string& name : outputs_) {
      compare("output " + name + " in forward mode", tangents.at(name).numbers, values.at(name).numbers, {});
      const std::size_t size = values.at(name).numbers.size();
      for (std::size_t i = 0; i < size; ++i)
        compare_estimate("tangent of " + name + "[" + std::to_string(i) + "]", tangents.at(name + ".v").numbers[i],
                         along(direction, [&](const Arrays& at) {
                           return evaluate(module_, function_.name, at).at(name).numbers[i];
                         }));
    }

    // Reverse mode: the product with the direction must be that of forward mode.
    Arrays with_cotangent = point_;
    for (const std::string& name : outputs_)
      with_cotangent["c." + name] = cotangent.at(name);
    const Arrays adjoints = evaluate(adjoint, function_.name, with_cotangent);
    for (const std::string& name : outputs_)
      compare("output " + name + " in reverse mode", adjoints.at(name).numbers, values.at(name).numbers, {});
    const Arrays kept = evaluate(keeping, function_.name, with_cotangent);
    for (const auto& [name, array] : adjoints)
      compare(name + " in reverse mode, keeping", kept.at(name).numbers, array.numbers, {});
    const auto weighted = [&](const Arrays& at) {
      const Arrays result = evaluate(module_, function_.name, at);
      double sum = 0;
      for (const std::string& name : outputs_)
        sum += dot(result.at(name).numbers, cotangent.at(name).numbers);
      return sum;
    };
    for (const std::string& name : inputs_)
      for (std::size_t i = 0; i < point_.at(name).numbers.size(); ++i) {
        Arrays unit = direction;
        for (auto& [other, array] : unit)
          std::fill(array.numbers.begin(), array.numbers.end(), 0.0);
        unit.at(name).numbers[i] = 1;
        compare_estimate("adjoint of " + name + "[" + std::to_string(i) + "]", adjoints.at("d." + name).numbers[i],
                         along(unit, weighted));
      }
    double left = 0, right = 0;
    for (const std::string& name : outputs_)
      left += dot(tangents.at(name + ".v").numbers, cotangent.at(name).numbers);
    for (const std::string& name : inputs_)
      right += dot(adjoints.at("d." + name).numbers, direction.at(name).numbers);
    compare("forward against reverse mode", {left}, {right}, {});

    if (options_.second)
      second(adjoint, with_cotangent, adjoints, direction);
    simplified(first, with_direction, tangents, "forward");
    simplified(adjoint, with_cotangent, adjoints, "reverse");
    if (!problem_.str().empty())
      problem_ << "\nreverse mode:\n" << print(adjoint);
    return problem_.str();
  }

private:
  Module derived(const std::string& what, const std::function<Function(std::vector<DerivativeError>&)>& make) {
    std::vector<DerivativeError> errors;
    Module result;
    result.functions.push_back(make(errors));
    for (const DerivativeError& error : errors)
      problem_ << what << ": " << error.message << "\n";
    if (!errors.empty())
      return result;
    for (const std::string& message : verify(result))
      problem_ << what << ": verifier: " << message << "\n";
    if (!problem_.str().empty())
      problem_ << print(result);
    return result;
  }

  // Forward over reverse, with respect to the inputs: the Hessian of the weighted outputs times the
  // direction.
  void second(const Module& adjoint, const Arrays& at, const Arrays& adjoints, const Arrays& direction) {
    LineariseOptions options;
    for (const std::string& name : inputs_) {
      options.inputs.push_back({name, name + ".v"});
      options.outputs.push_back({"d." + name, "h." + name});
    }
    options.keep_outputs = false;
    const Module hessian =
        derived("second", [&](auto& errors) { return linearise(adjoint, adjoint.functions[0], options, errors); });
    if (!problem_.str().empty())
      return;
    Arrays inputs = at;
    add(inputs, direction, ".v", "");
    const Arrays product = evaluate(hessian, function_.name, inputs);
    for (const std::string& name : inputs_)
      for (std::size_t i = 0; i < adjoints.at("d." + name).numbers.size(); ++i) {
        const auto component = [&](const Arrays& where) {
          Arrays moved = at;
          for (const std::string& input : inputs_)
            moved[input] = where.at(input);
          return evaluate(adjoint, function_.name, moved).at("d." + name).numbers[i];
        };
        compare_estimate("second derivative of " + name + "[" + std::to_string(i) + "]",
                         product.at("h." + name).numbers[i], along(direction, component));
      }
    if (!problem_.str().empty())
      problem_ << "\nsecond:\n" << print(hessian);
    else
      simplified(hessian, inputs, product, "second");
  }

  // The simplifier must not change what a derivative means.
  void simplified(const Module& module, const Arrays& inputs, const Arrays& expected, const std::string& what) {
    const Module simple = simplify(module);
    for (const std::string& message : verify(simple))
      problem_ << what << " simplified: verifier: " << message << "\n";
    const Arrays values = evaluate(simple, function_.name, inputs);
    for (const auto& [name, array] : expected)
      compare(name + " of " + what + " simplified", values.at(name).numbers, array.numbers, {});
  }

  static void add(Arrays& to, const Arrays& from, const std::string& suffix, const std::string& prefix) {
    for (const auto& [name, array] : from)
      to[prefix + name + suffix] = array;
  }

  static double dot(const std::vector<double>& a, const std::vector<double>& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i)
      sum += a[i] * b[i];
    return sum;
  }

  Arrays random_like(const Arrays& arrays, const std::vector<std::string>& names) {
    std::uniform_real_distribution<double> uniform(0.5, 1.5);
    Arrays result;
    for (const std::string& name : names) {
      Array array = arrays.at(name);
      for (double& x : array.numbers)
        x = uniform(random_) * (random_() % 2 ? 1 : -1);
      result[name] = array;
    }
    return result;
  }

  template <typename F>
  Estimate along(const Arrays& direction, const F& f) {
    return differentiate(
        [&](double t) {
          Arrays at = point_;
          for (const auto& [name, array] : direction)
            for (std::size_t i = 0; i < array.numbers.size(); ++i)
              at.at(name).numbers[i] += t * array.numbers[i];
          return f(at);
        },
        options_.step);
  }

  void compare_estimate(const std::string& what, double value, const Estimate& expected) {
    const bool rough = !(expected.error <= 1e-4 * (1 + std::fabs(expected.value)));
    if (rough && options_.allow_rough)
      return;
    if (rough)
      problem_ << what << ": the differences are too rough to tell (error " << expected.error << ")\n";
    if (!(std::fabs(value - expected.value) <=
          4 * expected.error + options_.tolerance * (1 + std::fabs(expected.value))))
      problem_ << what << " is " << value << ", differences give " << expected.value << " (error " << expected.error
               << ")\n";
  }

  void compare(const std::string& what, const std::vector<double>& a, const std::vector<double>& b,
               const std::vector<double>&) {
    for (std::size_t i = 0; i < b.size(); ++i)
      if (!(std::fabs(a.at(i) - b[i]) <= 1e-10 * (1 + std::fabs(b[i]))) && !(std::isnan(a[i]) && std::isnan(b[i])) &&
          a[i] != b[i])
        problem_ << what << ": " << a[i] << " and " << b[i] << " differ at " << i << "\n";
  }

  Module module_;
  const Function& function_;
  const Arrays& point_;
  const CheckOptions& options_;
  std::mt19937_64 random_;
  std::vector<std::string> inputs_, outputs_;
  std::ostringstream problem_;
};

} // namespace

Module module_of(const std::string& text) {
  ir::ParseError error;
  const auto module = ir::parse(text, &error);
  if (!module) {
    ADD_FAILURE() << "line " << error.line << ": " << error.message << "\n" << text;
    return {};
  }
  for (const std::string& message : ir::verify(*module))
    ADD_FAILURE() << message << "\n" << text;
  return *module;
}

std::string check_derivatives(const Module& module, const Arrays& point, const CheckOptions& options) {
  return Checker(module, point, options).run();
}

std::string check_derivatives(const std::string& text, const Arrays& point, const CheckOptions& options) {
  const Module module = module_of(text);
  return module.functions.empty() ? "no function" : check_derivatives(module, point, options);
}

} // namespace vmodel::passes
