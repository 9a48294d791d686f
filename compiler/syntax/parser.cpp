#include "compiler/syntax/parser.h"

#include <memory>

#include "compiler/syntax/ast_builder.h"
#include "compiler/syntax/error_strategy.h"
#include "compiler/syntax/tokens.h"

namespace vmodel {

ast::File parse_file(const SourceFile& source, DiagnosticEngine& diagnostics) {
  syntax::Tokens tokens(source, diagnostics);
  ast::File nothing;
  nothing.file = source.id();
  if (!tokens.usable()) return nothing;

  syntax::VModelParser parser(&tokens.stream());
  parser.removeErrorListeners();
  syntax::AstBuilder builder(tokens, diagnostics);
  // Two stages: SLL prediction without any recovery first; a text with an error is parsed again with full LL, and only then
  // errors are reported. (The grammar is LL(1), so both predict alike; the second stage costs only where there is an error.)
  parser.getInterpreter<antlr4::atn::ParserATNSimulator>()->setPredictionMode(antlr4::atn::PredictionMode::SLL);
  parser.setErrorHandler(std::make_shared<syntax::ErrorStrategy>(tokens, diagnostics, true));
  try {
    return builder.file(parser.file());
  } catch (const antlr4::ParseCancellationException&) {
    tokens.stream().seek(0);
    parser.reset();
  }
  parser.getInterpreter<antlr4::atn::ParserATNSimulator>()->setPredictionMode(antlr4::atn::PredictionMode::LL);
  parser.setErrorHandler(std::make_shared<syntax::ErrorStrategy>(tokens, diagnostics, false));
  return builder.file(parser.file());
}

}  // namespace vmodel
