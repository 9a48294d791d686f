#include "compiler/syntax/parser.h"

#include "compiler/syntax/ast_builder.h"
#include "compiler/syntax/error_strategy.h"
#include "compiler/syntax/tokens.h"

#include <algorithm>
#include <limits>
#include <map>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

namespace vmodel {

namespace {

// What each stage reports; they run one after the other over the whole text.
struct Stages {
  static constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();
  DiagnosticEngine tokens{unlimited};
  DiagnosticEngine grammar{unlimited};
  DiagnosticEngine tree{unlimited};
};

ast::File parse(const SourceFile& source, Stages& stages) {
  syntax::Tokens tokens(source, stages.tokens);
  ast::File nothing;
  nothing.file = source.id();
  if (!tokens.usable())
    return nothing;

  syntax::VModelParser parser(&tokens.stream());
  parser.removeErrorListeners();
  syntax::AstBuilder builder(tokens, stages.tree);
  const auto run = [&](antlr4::atn::PredictionMode mode, bool bail) {
    parser.getInterpreter<antlr4::atn::ParserATNSimulator>()->setPredictionMode(mode);
    parser.setErrorHandler(std::make_shared<syntax::ErrorStrategy>(tokens, stages.grammar, bail));
    return builder.file(parser.file());
  };
  // Two stages: SLL prediction without any recovery first; a text with an error is parsed again with full LL, and only
  // then errors are reported. (The grammar is LL(1), so both predict alike; the second stage costs only where there is
  // an error.)
  try {
    return run(antlr4::atn::PredictionMode::SLL, true);
  } catch (const antlr4::ParseCancellationException&) {
    tokens.stream().seek(0);
    parser.reset();
  }
  try {
    return run(antlr4::atn::PredictionMode::LL, false);
  } catch (const antlr4::ParseCancellationException&) {
    return nothing; // too many errors
  }
}

} // namespace

ast::File parse_file(const SourceFile& source, DiagnosticEngine& diagnostics) {
  Stages stages;
  ast::File file = parse(source, stages);
  std::vector<Diagnostic> all = stages.tokens.diagnostics();
  const auto line_of = [&](const Diagnostic& diagnostic) { return source.position(diagnostic.range.begin).line; };
  // A syntax error behind a wrong token on the same line is most often its consequence.
  std::map<std::uint32_t, std::uint32_t> first_wrong_token; // by line
  for (const Diagnostic& diagnostic : all)
    first_wrong_token.emplace(line_of(diagnostic), diagnostic.range.begin);
  for (const Diagnostic& diagnostic : stages.grammar.diagnostics()) {
    const auto wrong = first_wrong_token.find(line_of(diagnostic));
    if (wrong == first_wrong_token.end() || diagnostic.range.begin < wrong->second)
      all.push_back(diagnostic);
  }
  all.insert(all.end(), stages.tree.diagnostics().begin(), stages.tree.diagnostics().end());
  // The reader wants the order of the text; at one place, the order of the stages.
  std::vector<std::size_t> order(all.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return std::pair(all[a].range.begin, a) < std::pair(all[b].range.begin, b);
  });
  for (const std::size_t index : order)
    diagnostics.add(std::move(all[index]));
  return file;
}

} // namespace vmodel
