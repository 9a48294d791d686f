// Compiles a VIR module, loads it into this process and calls its kernels.
#pragma once

#include "compiler/codegen/codegen.h"
#include "compiler/ir/builder.h"
#include "runtime/abi/vmodel_abi.h"
#include "test/support/vir_evaluate.h"

#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace vmodel::test {

using ir::Array;
using ir::Arrays;
using ir::Axis;
using ir::Builder;
using ir::Dim;
using ir::Element;
using ir::Opcode;
using ir::Type;
using ir::ValueId;

/// The extent that a value of the function says.
inline Dim of(ValueId v) {
  return {0, v};
}

/// Numbers between -1 and 1 without a pattern.
inline Array numbers(std::size_t count, double phase) {
  std::vector<double> values;
  for (std::size_t i = 0; i < count; ++i)
    values.push_back(std::sin(phase + 1.7 * static_cast<double>(i)));
  return Array::vector(values);
}

/// What the model's conditions at load said: message and values.
using Failures = std::vector<std::pair<std::int64_t, std::vector<double>>>;

/// A module of functions, each written with a builder.
ir::Module module_of(const std::vector<std::pair<std::string, std::function<void(Builder&)>>>& functions);

class Compiled {
public:
  /// Compiles for 1 and `lanes` lanes (0: the target's). Stops the program when that fails: tests hold valid VIR.
  explicit Compiled(ir::Module module, const std::string& march = "native", std::vector<int> lanes = {});
  ~Compiled();

  const vmodel_model& model() const { return *model_; }
  const ir::Module& module() const { return module_; }
  int native_lanes() const { return options_.target.lanes; }
  const vmodel_kernel* find(const std::string& name, int lanes) const;

  /// Sets the slots of the data by their names, and prepares. Returns what `prepare` returned.
  int prepare(const Arrays& data);
  const Failures& failures() const { return failures_; }
  const vmodel_slot* slots() const { return slots_.data(); }
  int allocations_left = 1000; // prepare's memory runs out after so many

  /// One call. `lanes[l]` holds the arguments of lane l by name (those that do not vary: of lane 0); outputs need a
  /// shape only. Returns the outputs of each lane.
  std::vector<Arrays> run(const std::string& name, const std::vector<Arrays>& lanes, const vmodel_random& random = {});

private:
  static void* allocate(void* context, std::int64_t bytes);
  static void fail(void* context, std::int64_t message, const double* values, std::int64_t count);

  ir::Module module_;
  codegen::Options options_;
  const vmodel_model* model_ = nullptr;
  std::vector<vmodel_slot> slots_;
  std::vector<void*> memory_;
  Arrays data_;
  Failures failures_;
};

/// Runs a kernel with the same module in the evaluator, with one lane and with the native number, for the arguments of
/// each lane, and expects equal results: |a - b| <= tolerance * max(1, |a|). `data` are load-axis parameters.
void expect_agreement(const ir::Module& module, const std::string& kernel, const Arrays& data,
                      const std::vector<Arrays>& lanes, double tolerance = 64 * 2.2e-16);

} // namespace vmodel::test
