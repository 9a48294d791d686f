// From the typed AST to VIR master functions and the metadata of the compiled model. Interface header.
#pragma once

#include "compiler/check/typed_ast.h"
#include "compiler/diagnostics/source.h"
#include "compiler/ir/module.h"

#include <string>
#include <vector>

namespace vmodel::lower {

/// What lowering gives to the passes.
struct Lowered {
  /// Callees (scalar functions, members of distributions), then master functions and finished kernels:
  ///   `model`             data, z: sites prior, observe, factor, jacobian; outputs of parameters, then quantities
  ///   `unconstrain`       kernel
  ///   `sizes`, `data_shape.NAME`, `data_bounds.NAME`: kernels
  ///   `checks`            data only: `require`s; becomes a part of `prepare`
  ///   `FAMILY.draw`       data, phi: stores z, sites draw
  ///   `FAMILY.density`    data, phi, z: sites draw
  ///   `FAMILY.initial`, `FAMILY.learned`: kernels
  /// A draw site without entropy region stands for minus its density; the log determinants of a family's
  /// maps are draw sites of that kind.
  /// The density and support regions of an observe site yield a second value: the position of the event
  /// among all observed values. Its sample region yields the drawn value and the position.
  ir::Module module;
  /// docs/abi.md, without the fields that only the driver knows.
  std::string metadata;
};

/// The program has been checked without errors.
Lowered lower(const check::Program& program, const SourceManager& sources);

} // namespace vmodel::lower
