// Constructs of other languages, recognised at a syntax error, with what VModel writes instead.
#include "compiler/syntax/error_strategy.h"

#include <algorithm>
#include <array>
#include <string>

namespace vmodel::syntax {

namespace {

struct Entry {
  std::string_view text;
  std::string_view hint;
};

template <std::size_t N>
const Entry* find(const std::array<Entry, N>& table, std::string_view text) {
  const auto found = std::find_if(table.begin(), table.end(), [&](const Entry& entry) { return entry.text == text; });
  return found == table.end() ? nullptr : &*found;
}

constexpr std::string_view data_hint =
    "data stands in the model: model Name { data N: int<lower=0>; data y: real[N]; ... }";
constexpr std::string_view param_hint =
    "parameters stand in the model, with their priors: param mu: real ~ normal(0, 5);";
constexpr std::string_view let_hint = "computed values stand in the model: let eta = X @ beta;";
constexpr std::string_view quantity_hint = "reported values stand in the model: quantity ratio = a / b;";
constexpr std::string_view function_hint =
    "a function is written fn f(x: real) -> real = x + 1; or with a body in braces that ends in return";

// Blocks of Stan, by their words.
constexpr std::array blocks = {
    Entry{"data", data_hint},
    Entry{"transformed data", let_hint},
    Entry{"parameters", param_hint},
    Entry{"transformed parameters", let_hint},
    Entry{"generated quantities", quantity_hint},
    Entry{"functions", function_hint},
};

// Types of other languages, with their base and rank here.
struct ForeignType {
  std::string_view text;
  std::string_view base;
};
constexpr std::array foreign_types = {
    ForeignType{"real", "real"},
    ForeignType{"int", "int"},
    ForeignType{"vector", "real"},
    ForeignType{"row_vector", "real"},
    ForeignType{"matrix", "real"},
    ForeignType{"array", ""},
    ForeignType{"simplex", "simplex"},
    ForeignType{"ordered", "ordered"},
    ForeignType{"float", "real"},
    ForeignType{"double", "real"},
    ForeignType{"positive_ordered", "positive_ordered"},
    ForeignType{"unit_vector", "unit_vector"},
    ForeignType{"cov_matrix", "cov_matrix"},
    ForeignType{"corr_matrix", "corr_matrix"},
    ForeignType{"cholesky_factor_corr", "corr_cholesky"},
    ForeignType{"cholesky_factor_cov", "cov_cholesky"},
};

// Words with which a statement or declaration begins elsewhere.
constexpr std::array statement_words = {
    Entry{"def", function_hint},
    Entry{"func", function_hint},
    Entry{"function", function_hint},
    Entry{"const", "a value that does not change is written let x = 1;"},
    Entry{"val", "a value that does not change is written let x = 1;"},
    Entry{"auto", "a value that does not change is written let x = 1;"},
    Entry{"elif", "write 'else if'"},
    Entry{"elseif", "write 'else if'"},
    Entry{"elsif", "write 'else if'"},
    Entry{"parameter", "a parameter is written param mu: real ~ normal(0, 5);"},
    Entry{"params", "a parameter is written param mu: real ~ normal(0, 5);"},
    Entry{"sample", "a parameter is written param mu: real ~ normal(0, 5);"},
    Entry{"obs", "an observed value is written observe y ~ normal(mu, sigma);"},
    Entry{"assume", "a parameter is written param mu: real ~ normal(0, 5);"},
    Entry{"print", "programs do not print; a reported value is written quantity z = x;"},
    Entry{"reject", "what data must satisfy is written require N > 0;"},
    Entry{"assert", "what data must satisfy is written require N > 0;"},
    Entry{"increment_log_prob", "a term of the log density is written factor x;"},
    Entry{"variational", "a variational family is written family F for Model { ... }"},
    Entry{"guide", "a variational family is written family F for Model { ... }"},
};

// `vector<lower=0>[N] y;`, `array[N] int y`, `real y[N]`: the declaration as it is written here, or nothing where the
// tokens are something else.
std::string declaration_hint(const SyntaxError& error, std::size_t begin) {
  const auto& visible = error.tokens.visible();
  std::size_t at = begin;
  const auto type_at = [&](std::size_t i) { return visible[std::min(i, visible.size() - 1)]->getType(); };
  const auto text_at = [&](std::size_t i) { return error.tokens.text(visible[std::min(i, visible.size() - 1)]); };
  // The text between brackets that open at `at`; moves behind the closing one.
  const auto bracketed = [&](std::size_t opening, std::size_t closing) -> std::string {
    if (type_at(at) != opening)
      return {};
    const std::size_t first = at + 1;
    std::size_t depth = 0;
    for (; at + 1 < visible.size(); ++at) {
      if (type_at(at) == opening)
        ++depth;
      if (type_at(at) == closing && --depth == 0)
        break;
    }
    if (at <= first || at + 1 >= visible.size()) {
      ++at;
      return {};
    }
    const SourceRange inside = join(error.tokens.range(visible[first]), error.tokens.range(visible[at - 1]));
    ++at;
    return std::string(error.tokens.source().slice(inside));
  };
  std::string sizes;
  const auto add_sizes = [&] {
    std::string more = bracketed(VModelParser::LEFT_BRACKET, VModelParser::RIGHT_BRACKET);
    if (!more.empty())
      sizes += (sizes.empty() ? "" : ", ") + more;
  };
  const auto base_at = [&]() -> const ForeignType* {
    const auto found = std::find_if(foreign_types.begin(), foreign_types.end(),
                                    [&](const ForeignType& entry) { return entry.text == text_at(at); });
    return found == foreign_types.end() ? nullptr : &*found;
  };
  const ForeignType* base = base_at();
  if (base == nullptr)
    return {};
  ++at;
  if (base->base.empty()) { // array[N] int y
    add_sizes();
    base = base_at();
    if (base == nullptr || base->base.empty())
      return {};
    ++at;
  }
  std::string bounds = bracketed(VModelParser::LESS, VModelParser::GREATER);
  std::string inner;
  const bool has_size_as_support = base->base != "real" && base->base != "int";
  if (has_size_as_support)
    inner = bracketed(VModelParser::LEFT_BRACKET, VModelParser::RIGHT_BRACKET);
  else
    add_sizes();
  if (type_at(at) != VModelParser::NAME)
    return {};
  const std::string name(text_at(at));
  ++at;
  add_sizes();
  std::string type(base->base);
  if (!inner.empty())
    bounds = inner;
  if (!bounds.empty())
    type += "<" + bounds + ">";
  if (!sizes.empty())
    type += "[" + sizes + "]";
  if (type_at(at) == VModelParser::ASSIGN)
    return "write let " + name + " = ...; or var " + name + ": " + type + ";";
  return "write data " + name + ": " + type + "; or param " + name + ": " + type + " ~ ...;";
}

// Statement words within one edit of `word`.
bool is_near(std::string_view word, std::string_view keyword) {
  if (word.size() > keyword.size())
    std::swap(word, keyword);
  if (word.size() < 2 || keyword.size() - word.size() > 1)
    return false;
  const auto [a, b] = std::mismatch(word.begin(), word.end(), keyword.begin());
  const std::string_view rest_a(a, word.end());
  const std::string_view rest_b(b, keyword.end());
  if (rest_b.empty())
    return false; // the same word
  if (rest_a.size() < rest_b.size())
    return rest_a == rest_b.substr(1);
  if (rest_a.substr(1) == rest_b.substr(1))
    return true;
  return rest_a.size() > 1 && rest_a[0] == rest_b[1] && rest_a[1] == rest_b[0] && rest_a.substr(2) == rest_b.substr(2);
}

constexpr std::array<std::string_view, 26> keywords = {
    "import",      "model",   "family", "fit", "fn",    "distribution", "bijector", "net",     "data",
    "noncentered", "param",   "let",    "var", "mix",   "proposal",     "learn",    "observe", "factor",
    "quantity",    "require", "plate",  "for", "while", "if",           "return",   "builtin"};

} // namespace

bool report_foreign(const SyntaxError& error, DiagnosticEngine& diagnostics) {
  const auto& visible = error.tokens.visible();
  const std::size_t begin = error.statement_begin();
  const auto text = [&](std::size_t i) { return error.tokens.text(visible[std::min(i, visible.size() - 1)]); };
  const auto type = [&](std::size_t i) { return visible[std::min(i, visible.size() - 1)]->getType(); };
  const auto range = [&](std::size_t i) { return error.tokens.range(visible[std::min(i, visible.size() - 1)]); };
  if (begin > error.found)
    return false;

  // `parameters {`, `transformed data {`
  for (const std::size_t words : {std::size_t{1}, std::size_t{2}}) {
    if (type(begin + words) != VModelParser::LEFT_BRACE)
      continue;
    std::string block(text(begin));
    if (words == 2)
      block += " " + std::string(text(begin + 1));
    if (const Entry* entry = find(blocks, block)) {
      diagnostics
          .report(Code::foreign_statement, join(range(begin), range(begin + words - 1)),
                  "there is no '" + block + "' block")
          .hint(std::string(entry->hint));
      return true;
    }
  }
  const std::size_t first = type(begin);
  // `for (i in 1:N)`
  if (first == VModelParser::FOR && type(begin + 1) == VModelParser::LEFT_PAREN) {
    diagnostics.report(Code::foreign_statement, range(begin + 1), "expected a name, found '('")
        .hint("write for i in 1:N { ... }");
    return true;
  }
  // `data int<lower=0> N;`
  if ((first == VModelParser::DATA || first == VModelParser::PARAM) && error.found == begin + 2) {
    if (std::string hint = declaration_hint(error, begin + 1); !hint.empty()) {
      diagnostics
          .report(Code::foreign_statement, range(begin + 1), "a type where the name of the declaration is expected")
          .hint(std::move(hint));
      return true;
    }
  }
  if (first != VModelParser::NAME)
    return false;
  if (error.found == begin + 1 || error.expected.contains(std::size_t{VModelParser::TILDE})) {
    if (std::string hint = declaration_hint(error, begin); !hint.empty()) {
      diagnostics.report(Code::foreign_statement, range(begin), "a declaration does not begin with its type")
          .hint(std::move(hint));
      return true;
    }
  }
  if (const Entry* entry = find(statement_words, text(begin))) {
    diagnostics
        .report(Code::foreign_statement, range(begin),
                "'" + std::string(text(begin)) + "' begins no statement or declaration")
        .hint(std::string(entry->hint));
    return true;
  }
  if (error.found > begin + 1) {
    // `f(x);`
    if (error.rule == VModelParser::RuleAssignOrSample && error.type() == VModelParser::SEMICOLON &&
        error.type(-1) == VModelParser::RIGHT_PAREN) {
      diagnostics.report(Code::foreign_statement, join(range(begin), error.range(-1)), "a call is not a statement")
          .hint("write 'let x = ...;' to keep the value, or 'factor ...;' to add it to the log density");
      return true;
    }
    return false;
  }
  // `x: real;`
  if (error.type() == VModelParser::COLON) {
    diagnostics.report(Code::foreign_statement, range(begin), "a declaration says first what it declares")
        .hint("write data, param, let or var before '" + std::string(text(begin)) + "'");
    return true;
  }
  // A misspelt keyword: `parm mu: real;`
  for (const std::string_view keyword : keywords) {
    if (!is_near(text(begin), keyword))
      continue;
    diagnostics
        .report(Code::syntax, range(begin), "'" + std::string(text(begin)) + "' begins no statement or declaration")
        .hint("did you mean '" + std::string(keyword) + "'");
    return true;
  }
  return false;
}

} // namespace vmodel::syntax
