// From a model file to an executable, or to the text of a stage before it.
#pragma once

#include "compiler/diagnostics/diagnostic.h"
#include "compiler/driver/options.h"

#include <chrono>
#include <string>
#include <vector>

namespace vmodel::driver {

/// Wall seconds of each phase, in the order in which they ran; `--time` prints them with their shares.
class PhaseTimes {
public:
  void add(const std::string& phase, double seconds);
  /// A table: phase, milliseconds, share.
  std::string table() const;

private:
  std::vector<std::pair<std::string, double>> phases_;
};

/// Measures until it goes out of scope.
class PhaseTimer {
public:
  PhaseTimer(PhaseTimes& times, std::string phase) : times_(times), phase_(std::move(phase)) {}
  PhaseTimer(const PhaseTimer&) = delete;
  PhaseTimer& operator=(const PhaseTimer&) = delete;
  ~PhaseTimer();

private:
  PhaseTimes& times_;
  std::string phase_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// Runs the phases up to the one asked for. Text of a stage goes to stdout (or to options.output if that
/// is set); mistakes to `engine`.
void compile(const Options& options, SourceManager& sources, DiagnosticEngine& engine, PhaseTimes& times);

} // namespace vmodel::driver
