// Passes over VIR modules and the pipeline from master functions to kernels. Interface header.
#pragma once

#include "compiler/ir/module.h"
#include "compiler/ir/ranges.h"
#include "compiler/passes/derivatives.h"
#include "compiler/passes/entry_points.h"
#include "compiler/passes/noise.h"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace vmodel::passes {

// One file a pass. Each takes a module and returns one that means the same.

/// Calls become the bodies of their callees; functions that were called are removed.
ir::Module inline_calls(ir::Module module);
/// Folding, algebra that keeps NaN and infinity, common subexpressions, dead code.
ir::Module simplify(ir::Module module);
/// Only the removal of what nothing needs.
ir::Module remove_dead_code(ir::Module module);
/// A `loop` whose carried values are only accumulated to becomes a `reduce`.
ir::Module reductions(ir::Module module);
/// Builds into their uses; adjacent `reduce`s over the same extents into one.
ir::Module fuse(ir::Module module);
/// Loops under a condition that depends on data only leave it, with no iteration where it fails.
ir::Module data_branches(ir::Module module);
/// Loops of a few iterations, known at compile time, become their iterations.
ir::Module unroll(ir::Module module);
/// Roots and logarithms that squares, logarithms, quotients and exponentials take back; write-once memory of roots
/// holds what is under them.
ir::Module inverses(ir::Module module);
/// What a recurrence loads that an earlier iteration stored becomes a carried value.
ir::Module carry(ir::Module module);
/// Of two exponentials of numbers less the larger of them, one is exp(0).
ir::Module exponential_pairs(ir::Module module);
/// Products of data with one vector that are combined linearly, with coefficients from data, become one product.
ir::Module combined_products(ir::Module module);
/// Costly functions of elements that an index from data picks, once for each element instead of once for each row.
ir::Module picks(ir::Module module);
/// A copy of mutable memory to which nothing is stored afterwards is that memory.
ir::Module frozen_copies(ir::Module module);
/// Costly matrices of which only the lower triangle is read become arrays of it.
ir::Module triangles(ir::Module module);
/// Stores that nothing loads, and zeros where there are zeros.
ir::Module dead_stores(ir::Module module);
/// Terms that are zero but for their derivative, when derivatives are made.
ir::Module only_derivatives(ir::Module module);
/// Memory of adjoints that is only added to other memory, or only summed over lanes, passes on at once what it is
/// given.
ir::Module accumulations(ir::Module module);
/// What several loops over the same extents compute is kept in an array by the first of them.
ir::Module shared_loops(ir::Module module);
/// What several branches on data compute, before them; cheap ones become selects.
ir::Module shared_branches(ir::Module module);
/// Memory that a map over all of it is the only one to accumulate to is stored to instead, and not zeroed.
ir::Module first_writes(ir::Module module);
/// Memory of adjoints that is copied to an output at the end is that output.
ir::Module output_adjoints(ir::Module module);
/// What a kernel is called that goes through the data where the kernel of the name before it uses
/// sufficient statistics.
inline constexpr const char* plain_suffix = ".plain";

/// Comparisons of whole numbers in `log_density` that the declared bounds of data decide.
ir::Module bounded_data(ir::Module module);
/// Terms of sums that a condition on data makes -inf: the condition becomes a question to all data.
ir::Module data_conditions(ir::Module module);
/// Terms of sums that are the same number wherever a condition on data holds: so many times that number.
ir::Module invariant_branches(ir::Module module);
/// Sums over data in `log_density` as functions of statistics that are computed once
/// (sufficient_statistics.h). If there are any, the kernel as it was is kept as `log_density.plain`.
ir::Module sufficient_statistics(ir::Module module);
/// Loop-invariant code out of loops.
ir::Module hoist_loops(ir::Module module);
/// Divisions by what does not change in a loop, or by what divides several numbers, become products.
ir::Module reciprocals(ir::Module module);
/// Logarithms of sums of exponentials that are terms of a sum become log1p of what lies in [0, 1] and a plain term.
ir::Module logarithms(ir::Module module);
/// Invariant addends and factors out of sums, after hoist_loops; sums of data become reduces of their own.
ir::Module sums(ir::Module module);
/// A sum that is subtracted is subtracted term by term.
ir::Module subtractions(ir::Module module);
/// What depends on data only moves from all functions to a new function `prepare` with outputs
/// `prepared.K`, which become load parameters of the others. `require`s move there too.
ir::Module hoist_to_load(ir::Module module);

/// A part of it: costly expressions of data inside loops become arrays outside of them.
ir::Function materialise_load_expressions(const ir::Function& function);
/// The same for what a family learns, in FAMILY.draw, FAMILY.pathwise and FAMILY.score; after hoist_to_load.
ir::Module step_expressions(ir::Module module);

// The same for one function without calls.
ir::Function simplify(const ir::Function& function);
ir::Function unroll(ir::Function function);
ir::Function inverses(ir::Function function, const std::map<std::string, ir::Range>& data);
ir::Function carry(ir::Function function);
ir::Function data_conditions(ir::Function function);
ir::Function invariant_branches(ir::Function function);
ir::Function combined_products(ir::Function function);
ir::Function picks(ir::Function function);
ir::Function frozen_copies(ir::Function function);
ir::Function triangles(ir::Function function);
ir::Function dead_stores(ir::Function function);
/// `nested`: of loops in loops, too. Those of densities are better carried out several iterations at once, without
/// arrays.
ir::Function shared_loops(ir::Function function, bool nested);
ir::Function shared_branches(ir::Function function);
ir::Function remove_dead_code(const ir::Function& function);
bool has_dead_code(const ir::Function& function);

/// A pass by name, for --print-after, --pass and the list of them.
struct Pass {
  std::string name;
  std::string summary;
  /// Errors (of the argument, or derivatives that do not exist) are appended.
  std::function<ir::Module(ir::Module, const std::string& argument, std::vector<std::string>& errors)> run;
};
const std::vector<Pass>& all_passes();
const Pass* find_pass(const std::string& name);

struct PipelineOptions {
#ifdef VMODEL_VERIFY
  bool verify = true;
#else
  bool verify = false;
#endif
  /// Kernels to make, by name (docs/architecture.md); empty: all that the module allows. A kernel
  /// whose derivative does not exist is left out; the errors say which and why.
  std::vector<std::string> kernels;
  /// Derivatives of families that are not made: what comes behind the family's name, as ".by_mix".
  std::vector<std::string> without;
  /// Whether sums over data become functions of sufficient statistics.
  bool statistics = true;
  /// Where the extents of kernel outputs are found; the driver reads them from the metadata
  /// ("observed", "reported": numbers of sizes, so `size.K`).
  KernelSizes sizes;
  /// Called after every step with its name and the module; for --print-after and --time.
  std::function<void(const std::string& pass, const ir::Module& module)> after;
};

/// From lowered master functions (compiler/lower/lower.h) to finished kernels and `prepare`.
/// `noise` gets the families with random numbers of their own. Stops with an internal error when verification fails.
ir::Module run_pipeline(ir::Module module, const PipelineOptions& options, std::vector<DerivativeError>& errors,
                        std::vector<FamilyNoise>& noise);
ir::Module run_pipeline(ir::Module module, const PipelineOptions& options, std::vector<DerivativeError>& errors);

} // namespace vmodel::passes
