// A deterministic mutational fuzzer of the parser.
//
//   parser_fuzzer [--seconds N] [--seed S] CORPUS...
//
// Texts are mutated, parsed, dumped and rendered; a text that takes too long is a failure, a crash or a sanitizer's
// report is one by itself. The text under test stands in fuzz-input.vmodel of the working folder until it has passed,
// so that it can be added to the corpus. The same seed gives the same texts; only how many of them are tried depends on
// the time.
#include "compiler/diagnostics/render.h"
#include "compiler/syntax/dump.h"
#include "compiler/syntax/parser.h"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>
#include <sstream>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using Random = std::mt19937_64;

constexpr std::size_t most_bytes = 20000;
constexpr double slow_seconds = 5.0;
constexpr const char* input_name = "fuzz-input.vmodel";

// Pieces that reach further into the grammar than single bytes.
const std::vector<std::string> pieces = {"model M {",
                                         "}",
                                         "{",
                                         ";",
                                         "(",
                                         ")",
                                         "[",
                                         "]",
                                         "<",
                                         ">",
                                         "?",
                                         ":",
                                         ",",
                                         "~",
                                         "=",
                                         "+=",
                                         "->",
                                         "'",
                                         ".",
                                         "+",
                                         "-",
                                         "*",
                                         "/",
                                         "@",
                                         "^",
                                         "==",
                                         "!=",
                                         "<=",
                                         ">=",
                                         "&&",
                                         "||",
                                         "!",
                                         "data N: int<lower=1>;",
                                         "param mu: real ~ normal(0, 1);",
                                         "let x = ",
                                         "let (a, b) = ",
                                         "var s: real[N] = 0;",
                                         "learn m: real[D];",
                                         "learn net: mlp(inputs = 2)[3];",
                                         "mix e: real ~ d();",
                                         "observe y ~ ",
                                         "factor ",
                                         "quantity q = ",
                                         "require N == J, \"text\";",
                                         "for i in 1:N {",
                                         "plate n in 1:N {",
                                         "while ",
                                         "if ",
                                         "else ",
                                         "return ",
                                         "fn f(x: real) -> real = ",
                                         "builtin fn g(x: real) -> real;",
                                         "distribution d(a: real) on real {",
                                         "log_density(x) = ",
                                         "bijector b() on real -> real {",
                                         "family F for M = ",
                                         "family G(K: int) on x: real[D] {",
                                         "fit {",
                                         "steps = 1;",
                                         "batch(n) = 2;",
                                         "import \"f.vmodel\" as y;",
                                         "noncentered ",
                                         "[f(i) for i in 1:N, j in g]",
                                         "x[1:2, :, 3:]",
                                         "normal(0, 1).log_density(y)",
                                         "1e400",
                                         "99999999999",
                                         "1_000",
                                         ".5",
                                         "1.",
                                         "0x1",
                                         "%",
                                         "**",
                                         "// comment\n",
                                         "/*",
                                         "\"",
                                         "\n",
                                         "#",
                                         "\xC3\xA4",
                                         "\xE2\x88\x92",
                                         "\xFF",
                                         "on",
                                         "from",
                                         "as",
                                         "in",
                                         "true",
                                         "transformed data {",
                                         "parameters {",
                                         "real<lower=0> x;",
                                         "array[N] int y;",
                                         "target += 1;",
                                         "x <- 3;",
                                         "real?[N]",
                                         "simplex<K>[N]",
                                         "rest ~ ",
                                         "(a, b) ~ "};

std::string read(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::stringstream text;
  text << stream.rdbuf();
  return text.str();
}

std::vector<std::string> load_corpus(const std::vector<std::string>& paths) {
  std::vector<std::filesystem::path> files;
  for (const std::string& path : paths) {
    if (!std::filesystem::is_directory(path)) {
      files.emplace_back(path);
      continue;
    }
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
      if (entry.is_regular_file() && entry.path().extension() == ".vmodel")
        files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end()); // the order of a folder is not the same everywhere
  std::vector<std::string> corpus;
  for (const auto& file : files)
    corpus.push_back(read(file));
  return corpus;
}

class Mutator {
public:
  Mutator(const std::vector<std::string>& corpus, std::uint64_t seed) : corpus_(corpus), random_(seed) {}

  std::string next() {
    std::string text = corpus_[below(corpus_.size())];
    const std::size_t changes = 1 + below(below(10) == 0 ? 50 : 6);
    for (std::size_t i = 0; i < changes; ++i)
      change(text);
    if (text.size() > most_bytes)
      text.resize(most_bytes);
    return text;
  }

private:
  std::size_t below(std::size_t bound) { return bound == 0 ? 0 : random_() % bound; }

  // Begin of a word or sign near a random place: most mutations should respect tokens.
  std::size_t place(const std::string& text) {
    std::size_t at = below(text.size() + 1);
    while (at > 0 && at < text.size() && std::isalnum(static_cast<unsigned char>(text[at - 1])) != 0 && below(20) != 0)
      --at;
    return at;
  }

  void change(std::string& text) {
    const std::size_t at = place(text);
    const std::size_t length = std::min(text.size() - at, 1 + below(below(4) == 0 ? 200 : 12));
    switch (below(8)) {
    case 0: text.erase(at, length); break;
    case 1:
    case 2: text.insert(at, pieces[below(pieces.size())]); break;
    case 3: text.replace(at, length, pieces[below(pieces.size())]); break;
    case 4: text.insert(place(text), text.substr(at, length)); break;
    case 5: { // a part of another file
      const std::string& other = corpus_[below(corpus_.size())];
      if (!other.empty())
        text.insert(at, other.substr(below(other.size()), length * 4));
      break;
    }
    case 6:
      if (at < text.size())
        text[at] = static_cast<char>(below(256));
      break;
    default: { // much of one thing
      const std::string& piece = pieces[below(pieces.size())];
      std::string many;
      const std::size_t times = 1 + below(below(10) == 0 ? 3000 : 20);
      for (std::size_t i = 0; i < times && many.size() < most_bytes; ++i)
        many += piece;
      text.insert(at, many);
      break;
    }
    }
  }

  const std::vector<std::string>& corpus_;
  Random random_;
};

// Everything that vmodelc --emit=ast does with a text.
std::size_t run_once(const std::string& text) {
  vmodel::SourceManager sources;
  vmodel::DiagnosticEngine engine;
  const vmodel::FileId id = sources.add("fuzz.vmodel", text);
  const vmodel::ast::File file = vmodel::parse_file(sources.file(id), engine);
  std::size_t size = vmodel::dump(file, &sources, {.ranges = true}).size();
  size += vmodel::render_text(engine, sources, {.colour = true}).size();
  size += vmodel::render_json(engine, sources).size();
  return size;
}

} // namespace

int main(int argc, char** argv) {
  double seconds = 5;
  std::uint64_t seed = 1;
  std::vector<std::string> paths;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--seconds" && i + 1 < argc)
      seconds = std::atof(argv[++i]);
    else if (argument == "--seed" && i + 1 < argc)
      seed = std::strtoull(argv[++i], nullptr, 10);
    else
      paths.push_back(argument);
  }
  const std::vector<std::string> corpus = load_corpus(paths);
  if (corpus.empty()) {
    std::cerr << "parser_fuzzer: no corpus\n";
    return 1;
  }
  const auto start = Clock::now();
  const auto elapsed = [&] { return std::chrono::duration<double>(Clock::now() - start).count(); };
  std::size_t count = 0;
  std::size_t bytes = 0;
  const auto attempt = [&](const std::string& text) {
    std::ofstream(input_name, std::ios::binary) << text;
    const double before = elapsed();
    try {
      bytes += run_once(text);
    } catch (const std::exception& error) {
      std::cerr << "parser_fuzzer: an exception left the parser: " << error.what() << "; the text is in " << input_name
                << "\n";
      return false;
    }
    if (elapsed() - before > slow_seconds) {
      std::cerr << "parser_fuzzer: a text took " << elapsed() - before << " s; it is in " << input_name << "\n";
      return false;
    }
    ++count;
    return true;
  };
  for (const std::string& text : corpus) {
    if (!attempt(text))
      return 1;
  }
  Mutator mutator(corpus, seed);
  while (elapsed() < seconds) {
    if (!attempt(mutator.next()))
      return 1;
  }
  std::remove(input_name);
  std::cout << "parser_fuzzer: " << count << " texts, " << bytes << " bytes of output, no crash\n";
  return 0;
}
