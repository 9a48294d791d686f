// Diagnostics as text for people and as JSON for editors.
#pragma once

#include "compiler/diagnostics/diagnostic.h"

#include <optional>
#include <string>
#include <string_view>

namespace vmodel {

enum class DiagnosticsFormat : std::uint8_t { text, json };

// "text" or "json"; nothing for another name.
std::optional<DiagnosticsFormat> diagnostics_format_from(std::string_view name);

struct RenderOptions {
  bool colour = false;
  // Stands before a diagnostic that has no place in a source.
  std::string program = "vmodelc";
};

// One diagnostic:
//   file:line:column: error: message [code]
//     12 | observe y ~ normal(mu sigma);
//        |                       ^~~~~
//   file:line:column: declared here          (each label, with its own lines)
//   hint: ...
std::string render_text(const Diagnostic& diagnostic, const SourceManager& sources, const RenderOptions& options = {});

// Every diagnostic of a run, and how many errors were left out.
std::string render_text(const DiagnosticEngine& engine, const SourceManager& sources,
                        const RenderOptions& options = {});

// One JSON array: {"file", "range": {"start": {"line", "column", "offset"}, "end": {...}}, "severity", "code",
// "message", "labels": [{"file", "range", "message"}], "hint"}. `file` and `range` are null where there is no place.
std::string render_json(const DiagnosticEngine& engine, const SourceManager& sources);

} // namespace vmodel
