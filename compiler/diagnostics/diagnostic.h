// Diagnostics: what a phase says about the user's program, and the engine that collects them.
#pragma once

#include "compiler/diagnostics/source.h"

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace vmodel {

enum class Severity : std::uint8_t { error, warning, note };

// "error", "warning" or "note".
std::string_view to_string(Severity severity);

// Every diagnostic of the compiler, listed in codes.def.
enum class Code : std::uint16_t {
#define VMODEL_DIAGNOSTIC(name, severity, summary) name,
#include "compiler/diagnostics/codes.def"
#undef VMODEL_DIAGNOSTIC
};

// The code as the user sees it: `unknown-name` for Code::unknown_name.
std::string_view to_string(Code code);
// The severity given in codes.def.
Severity severity_of(Code code);
// The one-line summary given in codes.def.
std::string_view summary_of(Code code);
// All codes, in the order of codes.def.
const std::vector<Code>& all_codes();

// A second place that explains the first: "declared here".
struct Label {
  SourceRange range;
  std::string text;
};

struct Diagnostic {
  Severity severity = Severity::error;
  Code code{};
  std::string message;
  SourceRange range;         // may be invalid: no place in a source
  std::vector<Label> labels; // in the order in which they were added
  std::string hint;          // empty: none
};

class DiagnosticEngine;

// Returned by DiagnosticEngine::report; the diagnostic is handed in when it goes out of scope.
class DiagnosticBuilder {
public:
  DiagnosticBuilder(DiagnosticEngine& engine, Diagnostic diagnostic)
      : engine_(&engine), diagnostic_(std::move(diagnostic)) {}
  DiagnosticBuilder(DiagnosticBuilder&& other) noexcept
      : engine_(std::exchange(other.engine_, nullptr)), diagnostic_(std::move(other.diagnostic_)) {}
  DiagnosticBuilder(const DiagnosticBuilder&) = delete;
  DiagnosticBuilder& operator=(const DiagnosticBuilder&) = delete;
  DiagnosticBuilder& operator=(DiagnosticBuilder&&) = delete;
  ~DiagnosticBuilder();

  // Adds a secondary place.
  DiagnosticBuilder& label(SourceRange range, std::string text);
  // Sets the hint: what to write instead, without the word "hint" and without a full stop.
  DiagnosticBuilder& hint(std::string text);

private:
  DiagnosticEngine* engine_;
  Diagnostic diagnostic_;
};

// Collects the diagnostics of a run. Exact duplicates (same code, range and message) are dropped; after
// `error_limit` errors the further ones are only counted.
class DiagnosticEngine {
public:
  explicit DiagnosticEngine(std::size_t error_limit = 20) : error_limit_(error_limit) {}
  DiagnosticEngine(const DiagnosticEngine&) = delete;
  DiagnosticEngine& operator=(const DiagnosticEngine&) = delete;

  // engine.report(Code::unknown_name, range, "no value named 'x'").label(other, "declared here").hint("...");
  DiagnosticBuilder report(Code code, SourceRange range, std::string message);

  // Hands in a complete diagnostic.
  void add(Diagnostic diagnostic);

  // What has been reported since there were `first` diagnostics concerns the user as one error at `place`: the first
  // error of them, its message after `introduction`, where it was reported as a label.
  void retell(std::size_t first, SourceRange place, const std::string& introduction);

  // In the order of reporting.
  const std::vector<Diagnostic>& diagnostics() const { return diagnostics_; }
  // Errors, those beyond the limit included.
  std::size_t error_count() const { return error_count_; }
  bool has_errors() const { return error_count_ != 0; }
  // Errors that were counted only.
  std::size_t suppressed_error_count() const { return suppressed_error_count_; }

private:
  std::size_t error_limit_;
  std::size_t error_count_ = 0;
  std::size_t suppressed_error_count_ = 0;
  std::vector<Diagnostic> diagnostics_;
  std::set<std::tuple<Code, SourceRange, std::string>> seen_;
};

} // namespace vmodel
