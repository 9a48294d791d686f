// Checks derivatives of a VIR function against finite differences, forward against reverse, and
// second derivatives (forward over reverse).
#pragma once

#include "compiler/ir/module.h"
#include "compiler/passes/derivatives.h"
#include "test/support/vir_evaluate.h"

#include <string>
#include <vector>

namespace vmodel::passes {

struct CheckOptions {
  std::vector<std::string> inputs;  // f64 parameters that are differentiated; empty: all that are not data
  std::vector<std::string> outputs; // empty: all f64 references
  bool second = true;
  double step = 1e-2;       // first step of the differences
  double tolerance = 1e-8;  // relative, besides the differences' own estimate of their error
  bool allow_rough = false; // skip comparisons with differences that do not converge
  std::uint64_t seed = 1;
};

/// Empty when every derivative of the module's last function agrees at this point; else what differs.
std::string check_derivatives(const ir::Module& module, const ir::Arrays& point, const CheckOptions& options = {});
/// The same for a text.
std::string check_derivatives(const std::string& text, const ir::Arrays& point, const CheckOptions& options = {});

/// A module of one function from its text; fails the test when the text is wrong.
ir::Module module_of(const std::string& text);

/// A number and the estimate of its error.
struct Estimate {
  double value = 0;
  double error = 0;
};

/// d f / d t at 0 by central differences, extrapolated (Ridders 1982).
template <typename F>
Estimate differentiate(const F& f, double step);

} // namespace vmodel::passes

#include "test/derivatives/ridders.h"
