// Diagnostics: positions, rendering, the engine.
#include "compiler/diagnostics/render.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace vmodel {
namespace {

SourceRange range_of(const SourceManager& sources, FileId file, std::string_view what) {
  const std::size_t at = sources.file(file).text().find(what);
  EXPECT_NE(at, std::string_view::npos);
  return {file, static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(at + what.size())};
}

Diagnostic diagnostic_at(SourceRange range, std::string message = "something is wrong") {
  Diagnostic diagnostic;
  diagnostic.code = Code::syntax;
  diagnostic.message = std::move(message);
  diagnostic.range = range;
  return diagnostic;
}

TEST(SourceFile, CountsLinesAndCodePoints) {
  SourceManager sources;
  const SourceFile& file = sources.file(sources.add("f", "ab\n\xC3\xA4"
                                                         "b\xE2\x88\x92"
                                                         "c\n"));
  EXPECT_EQ(file.line_count(), 2U);
  EXPECT_EQ(file.position(0), (LineColumn{1, 1}));
  EXPECT_EQ(file.position(2), (LineColumn{1, 3}));
  EXPECT_EQ(file.position(3), (LineColumn{2, 1}));
  EXPECT_EQ(file.position(5), (LineColumn{2, 2})); // behind the two bytes of the first letter
  EXPECT_EQ(file.position(9), (LineColumn{2, 4}));
  EXPECT_EQ(file.position(1000), (LineColumn{3, 1}));
  EXPECT_EQ(file.line_text(1), "ab");
}

TEST(SourceFile, LeavesTheCarriageReturnOutOfALine) {
  SourceManager sources;
  EXPECT_EQ(sources.file(sources.add("f", "ab\r\nc")).line_text(1), "ab");
}

TEST(SourceManager, SaysWhyAFileCannotBeRead) {
  SourceManager sources;
  std::string reason;
  EXPECT_FALSE(sources.load("/nonexistent/model.vmodel", &reason));
  EXPECT_EQ(reason, "No such file or directory");
  EXPECT_FALSE(sources.load("/", &reason));
  EXPECT_EQ(reason, "Is a directory");
}

TEST(SourceRange, JoinsInOneFile) {
  const FileId file{0};
  EXPECT_EQ(join({file, 2, 4}, {file, 8, 9}), (SourceRange{file, 2, 9}));
  EXPECT_EQ(join({file, 2, 4}, {}), (SourceRange{file, 2, 4}));
  EXPECT_EQ(join({}, {file, 2, 4}), (SourceRange{file, 2, 4}));
}

TEST(RenderText, UnderlinesTheRange) {
  SourceManager sources;
  const FileId file = sources.add("m.vmodel", "model M {\n  let x = a + b;\n}\n");
  EXPECT_EQ(render_text(diagnostic_at(range_of(sources, file, "a + b")), sources),
            "m.vmodel:2:11: error: something is wrong [syntax]\n"
            "    2 |   let x = a + b;\n"
            "      |           ^~~~~\n");
}

TEST(RenderText, ShowsLabelsAndHint) {
  SourceManager sources;
  const FileId file = sources.add("m.vmodel", "a = (b;\n");
  Diagnostic diagnostic = diagnostic_at(range_of(sources, file, ";"), "expected ')', found ';'");
  diagnostic.labels.push_back({range_of(sources, file, "("), "opened here"});
  diagnostic.hint = "close it";
  EXPECT_EQ(render_text(diagnostic, sources), "m.vmodel:1:7: error: expected ')', found ';' [syntax]\n"
                                              "    1 | a = (b;\n"
                                              "      |       ^\n"
                                              "m.vmodel:1:5: opened here\n"
                                              "    1 | a = (b;\n"
                                              "      |     ^\n"
                                              "hint: close it\n");
}

TEST(RenderText, ExpandsTabsAndCountsCodePoints) {
  SourceManager sources;
  const FileId file = sources.add("m", "\tx\t= \xC3\xA4 + wrong\n");
  EXPECT_EQ(render_text(diagnostic_at(range_of(sources, file, "wrong")), sources),
            "m:1:10: error: something is wrong [syntax]\n"
            "    1 |     x   = \xC3\xA4 + wrong\n"
            "      |               ^~~~~\n");
}

TEST(RenderText, ShowsEveryLineOfAShortRange) {
  SourceManager sources;
  const FileId file = sources.add("m", "f(a,\n  b,\n\n  c);\n");
  EXPECT_EQ(render_text(diagnostic_at(range_of(sources, file, "f(a,\n  b,\n\n  c)")), sources),
            "m:1:1: error: something is wrong [syntax]\n"
            "    1 | f(a,\n"
            "      | ^~~~\n"
            "    2 |   b,\n"
            "      |   ~~\n"
            "    4 |   c);\n"
            "      |   ~~\n");
}

TEST(RenderText, CutsTheMiddleOfALongRange) {
  SourceManager sources;
  const FileId file = sources.add("m", "a\nb\nc\nd\ne\nf\n");
  EXPECT_EQ(render_text(diagnostic_at({file, 0, 11}), sources), "m:1:1: error: something is wrong [syntax]\n"
                                                                "    1 | a\n"
                                                                "      | ^\n"
                                                                "    2 | b\n"
                                                                "      | ~\n"
                                                                "      | ...\n"
                                                                "    6 | f\n"
                                                                "      | ~\n");
}

TEST(RenderText, CutsALongLineAroundTheRange) {
  SourceManager sources;
  const FileId file = sources.add("m", std::string(100000, 'a') + "wrong" + std::string(100000, 'b'));
  const std::string text = render_text(diagnostic_at(range_of(sources, file, "wrong")), sources);
  EXPECT_LT(text.size(), 500U);
  const std::size_t line = text.find('\n') + 1;
  const std::size_t underline = text.find('\n', line) + 1;
  EXPECT_EQ(text.find("wrong", line) - line, text.find('^', underline) - underline);
}

TEST(RenderText, PointsBehindTheEndOfALine) {
  SourceManager sources;
  const FileId file = sources.add("m", "let x = 1\n}\n");
  EXPECT_EQ(render_text(diagnostic_at({file, 9, 9}), sources), "m:1:10: error: something is wrong [syntax]\n"
                                                               "    1 | let x = 1\n"
                                                               "      |          ^\n");
}

TEST(RenderText, PointsBehindTheEndOfTheFile) {
  SourceManager sources;
  const FileId file = sources.add("m", "a\n");
  EXPECT_EQ(render_text(diagnostic_at({file, 2, 2}), sources), "m:2:1: error: something is wrong [syntax]\n"
                                                               "    2 |\n"
                                                               "      | ^\n");
}

TEST(RenderText, KeepsControlCharactersFromTheTerminal) {
  SourceManager sources;
  const FileId file = sources.add("m", "a\033[31m\xFF\xC2\x9B x\n");
  const std::string text = render_text(diagnostic_at(range_of(sources, file, "x")), sources);
  EXPECT_EQ(text.find('\033'), std::string::npos);
  EXPECT_EQ(text.find('\xFF'), std::string::npos);
  EXPECT_EQ(text.find("\xC2\x9B"), std::string::npos);
}

TEST(RenderText, ColoursOnlyWhenAsked) {
  SourceManager sources;
  const FileId file = sources.add("m", "a\n");
  EXPECT_EQ(render_text(diagnostic_at({file, 0, 1}), sources).find('\033'), std::string::npos);
  EXPECT_NE(render_text(diagnostic_at({file, 0, 1}), sources, {.colour = true}).find("\033[1;31merror: "),
            std::string::npos);
}

TEST(RenderText, NamesTheProgramWhereThereIsNoPlace) {
  SourceManager sources;
  EXPECT_EQ(render_text(diagnostic_at({}), sources), "vmodelc: error: something is wrong [syntax]\n");
}

TEST(RenderJson, HoldsEverything) {
  SourceManager sources;
  const FileId file = sources.add("m", "\xC3\xA4\nab cd\n");
  DiagnosticEngine engine;
  engine.report(Code::missing_semicolon, {file, 3, 5}, "a message").label({file, 6, 8}, "a label").hint("a hint");
  engine.report(Code::file_not_readable, {}, "no place");
  const auto list = nlohmann::json::parse(render_json(engine, sources));
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(list[0]["file"], "m");
  EXPECT_EQ(list[0]["severity"], "error");
  EXPECT_EQ(list[0]["code"], "missing-semicolon");
  EXPECT_EQ(list[0]["message"], "a message");
  EXPECT_EQ(list[0]["hint"], "a hint");
  EXPECT_EQ(list[0]["range"]["start"], (nlohmann::json{{"line", 2}, {"column", 1}, {"offset", 3}}));
  EXPECT_EQ(list[0]["range"]["end"], (nlohmann::json{{"line", 2}, {"column", 3}, {"offset", 5}}));
  EXPECT_EQ(list[0]["labels"][0]["message"], "a label");
  EXPECT_EQ(list[0]["labels"][0]["range"]["start"]["column"], 4);
  EXPECT_TRUE(list[1]["file"].is_null());
  EXPECT_TRUE(list[1]["range"].is_null());
  EXPECT_TRUE(list[1]["hint"].is_null());
}

TEST(RenderJson, IsAnEmptyArrayWithoutDiagnostics) {
  EXPECT_EQ(render_json(DiagnosticEngine(), SourceManager()), "[]\n");
}

TEST(RenderJson, ReplacesWhatIsNotUtf8) {
  SourceManager sources;
  const FileId file = sources.add("m\xFF", "a\n");
  DiagnosticEngine engine;
  engine.report(Code::syntax, {file, 0, 1}, "\xFF");
  EXPECT_EQ(nlohmann::json::parse(render_json(engine, sources))[0]["message"], "\xEF\xBF\xBD");
}

TEST(DiagnosticEngine, DropsExactDuplicates) {
  DiagnosticEngine engine;
  const FileId file{0};
  engine.report(Code::syntax, {file, 0, 1}, "a");
  engine.report(Code::syntax, {file, 0, 1}, "a");
  engine.report(Code::syntax, {file, 0, 1}, "b");
  engine.report(Code::syntax, {file, 1, 2}, "a");
  EXPECT_EQ(engine.diagnostics().size(), 3U);
  EXPECT_EQ(engine.error_count(), 3U);
}

TEST(DiagnosticEngine, CountsErrorsBeyondTheLimit) {
  DiagnosticEngine engine(2);
  for (std::uint32_t i = 0; i < 5; ++i)
    engine.report(Code::syntax, {FileId{0}, i, i + 1}, "a");
  EXPECT_EQ(engine.diagnostics().size(), 2U);
  EXPECT_EQ(engine.error_count(), 5U);
  EXPECT_EQ(engine.suppressed_error_count(), 3U);
  SourceManager sources;
  sources.add("m", "abcdef");
  EXPECT_TRUE(render_text(engine, sources).ends_with("vmodelc: 3 more errors are not shown\n"));
}

TEST(Codes, HaveHyphenatedNamesAndSummaries) {
  EXPECT_EQ(to_string(Code::missing_semicolon), "missing-semicolon");
  for (const Code code : all_codes()) {
    EXPECT_EQ(to_string(code).find('_'), std::string_view::npos);
    EXPECT_FALSE(summary_of(code).empty());
  }
}

} // namespace
} // namespace vmodel
