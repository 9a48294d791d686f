// Derivatives of VIR functions by program transformation. Interface header.
//
// Forward mode is written once, an operation at a time (rules in opcode.def); reverse mode is derived
// from it: the function is linearised with its linear part apart from its primal part, and the
// linear part, which has few kinds of operations, is transposed (Radul, Paszke, Frostig, Johnson,
// Maclaurin: You Only Linearize Once, 2022). docs/derivatives.md describes the method.
//
// Functions must be inlined (no calls), with sites and outputs lowered to stores. Nothing here
// reads the module yet; it is an argument so that operations with rules of their own can name
// functions of the library.
#pragma once

#include "compiler/diagnostics/source.h"
#include "compiler/ir/module.h"

#include <string>
#include <vector>

namespace vmodel::passes {

/// Why a derivative does not exist; `range` is the place in the model. The message is lower case
/// and has no full stop, so that it can stand in a diagnostic.
struct DerivativeError {
  SourceRange range;
  std::string message;
  /// The kernel that was left out for it (set by the pipeline).
  std::string kernel = {};
};

/// A parameter and the parameter that is added for its derivative.
struct DerivativeName {
  std::string parameter;
  std::string derivative; // empty: the default that the option states
};

struct LineariseOptions {
  /// f64 parameters (scalars or arrays) that have tangents. The tangent stands right after its
  /// parameter, with the same type and axis; default name `NAME.t`.
  std::vector<DerivativeName> inputs;
  /// f64 output references that get tangents, right after them, default name `NAME.t`.
  /// Empty: all that depend on the inputs.
  std::vector<DerivativeName> outputs;
  /// False: the primal outputs are dropped where nothing else needs them.
  bool keep_outputs = true;
};

/// Forward mode (Jacobian-vector product). Works on any VIR without calls, transposed code
/// included. An output in `outputs` that does not depend on the inputs has tangent zero.
/// Errors (a derivative that does not exist is needed) are appended; the function is then unusable.
ir::Function linearise(const ir::Module& module, const ir::Function& function, const LineariseOptions& options,
                       std::vector<DerivativeError>& errors);

struct GradientOptions {
  /// Outputs with a cotangent. `derivative` names a new input parameter (type of the output,
  /// particle axis or that of the output) that holds it; empty: the constant one (scalars and
  /// arrays alike). The function that is differentiated is the sum over all of them, and over lanes.
  std::vector<DerivativeName> of;
  /// Inputs that are differentiated, and the output references of their adjoints (default name
  /// `d_NAME`). They are overwritten, not added to. A `step` parameter whose outputs are `particle`
  /// gets the sum over lanes.
  std::vector<DerivativeName> wrt;
  /// Primal outputs that are still computed; all others are dropped.
  std::vector<std::string> keep;
  bool keep_all = true; // true: `keep` is not read
  /// Recurrences also keep what is dear in the maps inside them, an array for each. That is worth its memory where
  /// turns are few, as layers are.
  bool keep_maps = false;
};

/// Reverse mode (vector-Jacobian product). Parameters: those of the function, without the dropped
/// outputs, then cotangents in the order of `of`, then adjoints in the order of `wrt`.
ir::Function gradient(const ir::Module& module, const ir::Function& function, const GradientOptions& options,
                      std::vector<DerivativeError>& errors);

/// Both for every function of a module, with the options as text:
///   gradient:  `of:value=d_value,jacobian;wrt:z=gradient;keep:value` (`drop` in place of `keep:`
///              keeps none, without either all are kept; `keep-maps` is said alone)
///   linearise: `wrt:z=v;of:gradient=product;drop`
ir::Module gradient_pass(ir::Module module, const std::string& argument, std::vector<std::string>& errors);
ir::Module linearise_pass(ir::Module module, const std::string& argument, std::vector<std::string>& errors);

/// False when the text does not have that form.
bool parse_gradient_options(const std::string& text, GradientOptions& options);
bool parse_linearise_options(const std::string& text, LineariseOptions& options);

} // namespace vmodel::passes
