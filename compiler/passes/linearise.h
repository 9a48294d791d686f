// Forward mode, in two forms. Internal to derivatives; see docs/derivatives.md.
#pragma once

#include "compiler/ir/module.h"
#include "compiler/passes/derivatives.h"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace vmodel::passes {

enum class LinearForm {
  joint, // primal and tangent values side by side, in the same loops: forward mode
  apart  // the linear part in operations of its own, which recompute or read what they need: to be transposed
};

/// A linearised function and which of its values are linear in the tangents. Memory and arrays of
/// tangents are linear values; stores to them are linear operations.
struct Linearised {
  ir::Function function;
  std::vector<bool> linear;                    // by value id
  std::vector<bool> vanishing;                 // results of products whose coefficient can hide an infinity with a zero
  std::map<std::string, ir::ValueId> tangents; // by name of the parameter
  bool is_linear(ir::ValueId v) const { return v.id < linear.size() && linear[v.id]; }
};

struct LinearisePlan {
  LinearForm form = LinearForm::joint;
  std::vector<DerivativeName> inputs, outputs; // all names given
  std::set<std::string> dropped;               // outputs that become local memory
  bool keep_maps = false;                      // see GradientOptions
};

Linearised linearise(const ir::Function& function, const LinearisePlan& plan);

/// Removes what nothing needs: values, loop-carried values, results and memory that is only written.
void prune(ir::Function& function);
/// Appends an error for every derivative that is needed and does not exist.
void find_missing(const ir::Function& function, std::vector<DerivativeError>& errors);
/// Equal operations become one.
void share_equal(Linearised& linearised);
/// Moves what does not change in a loop before it, linear operations included: the adjoint of a
/// value that a loop reads is then one sum, multiplied with the invariant factors once, after it.
void hoist_invariants(Linearised& linearised);

/// True for an operation that belongs to the linear part.
bool is_linear_op(const Linearised& linearised, const ir::Op& op);

} // namespace vmodel::passes
