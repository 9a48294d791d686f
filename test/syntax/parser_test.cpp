// The parser as a library: values of literals, ranges, limits, and that every construct comes back from its own text.
#include "compiler/diagnostics/render.h"
#include "compiler/syntax/dump.h"
#include "compiler/syntax/parser.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace vmodel {
namespace {

// A parsed text with all that it points to.
struct Parsed {
  SourceManager sources;
  DiagnosticEngine engine;
  ast::File file;

  explicit Parsed(std::string text) {
    const FileId id = sources.add("test.vmodel", std::move(text));
    file = parse_file(sources.file(id), engine);
  }
  std::string messages() const { return render_text(engine, sources); }
  const ast::Block& model() const { return ast::as<ast::Model>(*file.items.at(0)).body; }
  const ast::Expression& let(std::size_t index) const {
    return *ast::as<ast::Let>(*model().statements.at(index)).value;
  }
  bool reports(Code code) const {
    for (const Diagnostic& diagnostic : engine.diagnostics()) {
      if (diagnostic.code == code)
        return true;
    }
    return false;
  }
};

std::string repeated(std::string_view text, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i)
    out += text;
  return out;
}

TEST(Parser, ReadsNumbers) {
  const Parsed parsed(
      "model M { let a = 50_000; let b = 1e-3; let c = 2147483647; let d = 1_000.5; let e = 0.1; let f = 1e308; }");
  ASSERT_FALSE(parsed.engine.has_errors()) << parsed.messages();
  EXPECT_EQ(ast::as<ast::IntLiteral>(parsed.let(0)).value, 50000);
  EXPECT_EQ(ast::as<ast::IntLiteral>(parsed.let(0)).text, "50_000");
  EXPECT_EQ(ast::as<ast::RealLiteral>(parsed.let(1)).value, 1e-3);
  EXPECT_EQ(ast::as<ast::IntLiteral>(parsed.let(2)).value, 2147483647);
  EXPECT_EQ(ast::as<ast::RealLiteral>(parsed.let(3)).value, 1000.5);
  EXPECT_EQ(ast::as<ast::RealLiteral>(parsed.let(4)).value, 0.1);
  EXPECT_EQ(ast::as<ast::RealLiteral>(parsed.let(5)).value, 1e308);
}

TEST(Parser, PutsARangeOnEveryPart) {
  const Parsed parsed("model M { let a = (b + 2) * f(x, sd = 3)[1:2]; }");
  ASSERT_FALSE(parsed.engine.has_errors());
  const auto text = [&](SourceRange range) { return std::string(parsed.sources.slice(range)); };
  const auto& product = ast::as<ast::Binary>(parsed.let(0));
  EXPECT_EQ(text(product.range), "(b + 2) * f(x, sd = 3)[1:2]");
  EXPECT_EQ(text(product.op_range), "*");
  EXPECT_EQ(text(product.left->range), "(b + 2)");
  const auto& index = ast::as<ast::Index>(*product.right);
  EXPECT_EQ(text(index.entries[0].range), "1:2");
  const auto& call = ast::as<ast::Call>(*index.base);
  EXPECT_EQ(text(call.arguments[1].range), "sd = 3");
  EXPECT_EQ(text(call.arguments[1].name->range), "sd");
  const ast::Statement& statement = *parsed.model().statements[0];
  EXPECT_EQ(text(statement.range), "let a = (b + 2) * f(x, sd = 3)[1:2];");
  EXPECT_EQ(text(parsed.file.items[0]->range), parsed.sources.file(parsed.file.file).text());
}

TEST(Parser, AcceptsAByteOrderMarkAndCarriageReturns) {
  const Parsed parsed("\xEF\xBB\xBFmodel M {\r\n  data N: int;\r\n}\r\n");
  EXPECT_FALSE(parsed.engine.has_errors()) << parsed.messages();
  EXPECT_EQ(parsed.model().statements.size(), 1U);
}

TEST(Parser, AcceptsAnEmptyFile) {
  EXPECT_FALSE(Parsed("").engine.has_errors());
}

TEST(Parser, RefusesDeepNestingOfEveryKind) {
  const std::vector<std::string> texts = {
      repeated("(", 100000),
      repeated("(", 100000) + "1" + repeated(")", 100000),
      repeated("[", 100000) + "1" + repeated("]", 100000),
      repeated("f(", 100000),
      repeated("-", 100000) + "1",
      repeated("!", 100000) + "a",
      repeated("2^", 100000) + "1",
      repeated("a+", 100000) + "1",
      repeated("a?b:", 100000) + "1",
      repeated("a?", 100000) + "1",
      "a" + repeated("(1)", 100000),
      "a" + repeated("'", 100000),
      "a" + repeated("[1]", 100000),
  };
  for (const std::string& text : texts) {
    const Parsed parsed("model M { let x = " + text + "; }");
    EXPECT_TRUE(parsed.reports(Code::nesting_too_deep)) << text.substr(0, 20);
    dump(parsed.file); // the tree is one that can be walked
  }
  EXPECT_TRUE(Parsed("model M { " + repeated("for i in 1:2 {", 100000) + " }").reports(Code::nesting_too_deep));
  EXPECT_TRUE(
      Parsed("model M { " + repeated("fn f(x: real) -> real {", 100000) + " }").reports(Code::nesting_too_deep));
}

TEST(Parser, AcceptsNestingBelowTheLimit) {
  const Parsed parsed("model M { let x = " + repeated("(", 150) + "1" + repeated(")", 150) +
                      "; let y = " + repeated("a + ", 1500) + "1; }");
  EXPECT_FALSE(parsed.engine.has_errors()) << parsed.messages();
}

TEST(Parser, EndsSoonOnTextsFullOfErrors) {
  const auto start = std::chrono::steady_clock::now();
  for (const char* text : {";", "}", "#", "\xC3\xA4", "model A { x ~ y ", "let ", "%", "'", "1 ", "a ",
                           "a = ", "real x; ", "{", "else "}) {
    const Parsed parsed(repeated(text, 20000));
    EXPECT_TRUE(parsed.engine.has_errors()) << text;
    EXPECT_LE(parsed.engine.diagnostics().size(), 20U);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(60));
}

TEST(Parser, KeepsWhatItUnderstood) {
  const Parsed parsed("model M { data N: int; let a = ; let b = 2; for i in 1:N { let c = ; let d = 3; } } family F "
                      "for M = mean_field();");
  EXPECT_EQ(parsed.engine.error_count(), 2U);
  EXPECT_EQ(dump(parsed.file), "File\n  Model M\n    Data N: int\n    Let b = 2\n    For i in 1:N\n      Let d = 3\n"
                               "  FamilyAlias F() for M = mean_field()\n");
}

TEST(Parser, ReportsInTheOrderOfTheText) {
  const Parsed parsed("model M {\n  let a = ;\n  let b = 1 % 2;\n  let c = 1 < 2 < 3;\n  let d = ;\n}\n");
  std::vector<std::uint32_t> lines;
  for (const Diagnostic& diagnostic : parsed.engine.diagnostics())
    lines.push_back(parsed.sources.position(diagnostic.range).line);
  EXPECT_EQ(lines, (std::vector<std::uint32_t>{2, 3, 4, 5}));
}

TEST(Parser, ReadsEveryModelOfTheRepository) {
  std::size_t count = 0;
  for (const char* folder : {"examples", "test/posteriordb", "stdlib"}) {
    const std::filesystem::path path = std::filesystem::path(VMODEL_SOURCE_DIR) / folder;
    if (!std::filesystem::exists(path))
      continue;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
      if (entry.path().extension() != ".vmodel")
        continue;
      std::ifstream stream(entry.path());
      std::stringstream text;
      text << stream.rdbuf();
      const Parsed parsed(text.str());
      EXPECT_FALSE(parsed.engine.has_errors()) << entry.path() << "\n" << parsed.messages();
      ++count;
    }
  }
  EXPECT_GT(count, 10U);
}

} // namespace
} // namespace vmodel
