#include "compiler/diagnostics/diagnostic.h"

#include <algorithm>

namespace vmodel {

namespace {

struct CodeEntry {
  std::string name;
  Severity severity;
  std::string_view summary;
};

std::string with_hyphens(std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

const std::vector<CodeEntry>& registry() {
  static const std::vector<CodeEntry> entries = {
#define VMODEL_DIAGNOSTIC(name, severity, summary) {with_hyphens(#name), Severity::severity, summary},
#include "compiler/diagnostics/codes.def"
#undef VMODEL_DIAGNOSTIC
  };
  return entries;
}

const CodeEntry& entry(Code code) {
  return registry()[static_cast<std::size_t>(code)];
}

} // namespace

std::string_view to_string(Severity severity) {
  switch (severity) {
  case Severity::error: return "error";
  case Severity::warning: return "warning";
  case Severity::note: return "note";
  }
  return "error";
}

std::string_view to_string(Code code) {
  return entry(code).name;
}
Severity severity_of(Code code) {
  return entry(code).severity;
}
std::string_view summary_of(Code code) {
  return entry(code).summary;
}

const std::vector<Code>& all_codes() {
  static const std::vector<Code> codes = {
#define VMODEL_DIAGNOSTIC(name, severity, summary) Code::name,
#include "compiler/diagnostics/codes.def"
#undef VMODEL_DIAGNOSTIC
  };
  return codes;
}

DiagnosticBuilder::~DiagnosticBuilder() {
  if (engine_ != nullptr)
    engine_->add(std::move(diagnostic_));
}

DiagnosticBuilder& DiagnosticBuilder::label(SourceRange range, std::string text) {
  diagnostic_.labels.push_back({range, std::move(text)});
  return *this;
}

DiagnosticBuilder& DiagnosticBuilder::hint(std::string text) {
  diagnostic_.hint = std::move(text);
  return *this;
}

DiagnosticBuilder DiagnosticEngine::report(Code code, SourceRange range, std::string message) {
  Diagnostic diagnostic;
  diagnostic.severity = severity_of(code);
  diagnostic.code = code;
  diagnostic.message = std::move(message);
  diagnostic.range = range;
  return {*this, std::move(diagnostic)};
}

void DiagnosticEngine::add(Diagnostic diagnostic) {
  if (!seen_.emplace(diagnostic.code, diagnostic.range, diagnostic.message).second)
    return;
  if (diagnostic.severity == Severity::error) {
    ++error_count_;
    if (error_count_ > error_limit_) {
      ++suppressed_error_count_;
      return;
    }
  }
  diagnostics_.push_back(std::move(diagnostic));
}

void DiagnosticEngine::retell(std::size_t first, SourceRange place, const std::string& introduction) {
  const auto begin = diagnostics_.begin() + static_cast<std::ptrdiff_t>(first);
  const auto is_error = [](const Diagnostic& d) { return d.severity == Severity::error; };
  const auto found = std::find_if(begin, diagnostics_.end(), is_error);
  if (found == diagnostics_.end())
    return;
  Diagnostic told = std::move(*found);
  error_count_ -= static_cast<std::size_t>(std::count_if(begin, diagnostics_.end(), is_error));
  diagnostics_.erase(begin, diagnostics_.end());
  told.message = introduction + told.message;
  told.labels.insert(told.labels.begin(), {told.range, "here"});
  told.range = place;
  add(std::move(told));
}

} // namespace vmodel
