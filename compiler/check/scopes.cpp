// Names: scopes, unknown names and what was probably meant.
#include "compiler/check/checker.h"

#include <algorithm>

namespace vmodel::check {

std::optional<std::string> nearest(const std::string& name, const std::vector<std::string>& candidates) {
  // Edit distance with transpositions; a third of the letters may be wrong.
  const auto distance = [](const std::string& a, const std::string& b) {
    std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
    for (std::size_t i = 0; i <= a.size(); ++i)
      d[i][0] = i;
    for (std::size_t j = 0; j <= b.size(); ++j)
      d[0][j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
      for (std::size_t j = 1; j <= b.size(); ++j) {
        d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
        if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
          d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    }
    return d[a.size()][b.size()];
  };
  std::optional<std::string> best;
  std::size_t best_distance = std::max<std::size_t>(1, name.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    if (candidate.size() > name.size() + best_distance || name.size() > candidate.size() + best_distance)
      continue;
    if (candidate == name)
      continue;
    const std::size_t here = distance(name, candidate);
    if (here < best_distance && here < std::max(name.size(), candidate.size())) {
      best = candidate;
      best_distance = here;
    }
  }
  return best;
}

std::string listed(const std::vector<std::string>& words) {
  std::string result;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i != 0)
      result += i + 1 == words.size() ? " and " : ", ";
    result += words[i];
  }
  return result;
}

const Declaration* Checker::find(std::string_view name) const {
  for (auto scope = context_->scopes.rbegin(); scope != context_->scopes.rend(); ++scope) {
    for (const Declaration* d : *scope) {
      if (d->name == name)
        return d;
    }
  }
  return nullptr;
}

void Checker::enter(const Declaration* declaration) {
  if (const Declaration* other = find(declaration->name)) {
    error(Code::duplicate_name, declaration->range, "'" + declaration->name + "' is already declared")
        .label(other->range, "first declared here")
        .hint("choose another name: names are not shadowed");
    return;
  }
  context_->scopes.back().push_back(declaration);
  // Bounds of an earlier loop index of that name are not bounds of this one.
  if (declaration->type.is_scalar() && declaration->type.element == Element::integer)
    context_->facts.add_bounds(declaration->name, {});
}

std::vector<std::string> Checker::visible_names() const {
  std::vector<std::string> names;
  for (const auto& scope : context_->scopes) {
    for (const Declaration* d : scope)
      names.push_back(d->name);
  }
  return names;
}

void Checker::collect_later_names(const ast::Block& block) {
  for (const ast::StatementPtr& s : block.statements) {
    const ast::Name* name = nullptr;
    switch (s->kind) {
    case ast::StatementKind::Data: name = &ast::as<ast::Data>(*s).name; break;
    case ast::StatementKind::Param: name = &ast::as<ast::Param>(*s).name; break;
    case ast::StatementKind::Var: name = &ast::as<ast::Var>(*s).name; break;
    case ast::StatementKind::Learn: name = &ast::as<ast::Learn>(*s).name; break;
    case ast::StatementKind::Mix: name = &ast::as<ast::Mix>(*s).name; break;
    case ast::StatementKind::LearnInstance: name = &ast::as<ast::LearnInstance>(*s).name; break;
    case ast::StatementKind::Quantity:
      if (ast::as<ast::Quantity>(*s).value)
        name = &ast::as<ast::Quantity>(*s).name;
      break;
    case ast::StatementKind::Let:
      for (const ast::Name& n : ast::as<ast::Let>(*s).names)
        context_->declared_later.emplace(n.text, n.range);
      break;
    default: break;
    }
    if (name)
      context_->declared_later.emplace(name->text, name->range);
  }
}

const Declaration* Checker::find_or_report(const std::string& name, SourceRange range) {
  if (const Declaration* d = find(name))
    return poisoned(d) ? nullptr : d;
  report_unknown_value(name, range);
  return nullptr;
}

void Checker::report_unknown_value(const std::string& name, SourceRange range) {
  if (const auto later = context_->declared_later.find(name); later != context_->declared_later.end()) {
    error(Code::used_before_declaration, range, "'" + name + "' is used above its declaration")
        .label(later->second, "declared here")
        .hint("declare it above");
    return;
  }
  if (is_callable(name)) {
    error(Code::unknown_name, range, "'" + name + "' is a function, not a value").hint("write " + name + "(...)");
    return;
  }
  auto report = error(Code::unknown_name, range, "no value named '" + name + "'");
  if (context_->in_proposal) {
    report.hint("a proposal sees data, parameters, what is learned, and values that follow from the data");
    return;
  }
  if (context_->kind == BlockKind::family) {
    for (const Statement& s : program_->statements) {
      if (s.declaration && s.declaration->name == name &&
          (s.kind == StatementKind::let || s.kind == StatementKind::var || s.kind == StatementKind::quantity)) {
        report.label(s.declaration->range, "a value of the model");
        report.hint("a family sees the model's data and parameters; compute '" + name + "' in the family");
        return;
      }
    }
  }
  static const std::map<std::string, std::string> constants{
      {"pi", "3.141592653589793"}, {"inf", "inf()"}, {"infinity", "inf()"}, {"e", "exp(1)"}};
  if (const auto known = constants.find(name); known != constants.end()) {
    report.hint("write " + known->second);
  } else if (const auto guess = nearest(name, visible_names())) {
    report.hint("did you mean '" + *guess + "'?");
  }
}

std::vector<Callable*> Checker::find_callables(const std::string& name) {
  std::vector<Callable*> result;
  const Callable* inside = context_ ? context_->callable : nullptr;
  if (inside) {
    if (const auto given = inside->functions.find(name); given != inside->functions.end())
      return given->second;
  }
  // The library's own items mean the library's names, whatever the file declares.
  if (!inside || !inside->library) {
    const auto [first, last] = callables_.equal_range(inside ? inside->prefix + name : name);
    for (auto place = first; place != last; ++place)
      result.push_back(place->second.get());
    if (!result.empty())
      return result;
  }
  return library_callables(name);
}

std::vector<Callable*> Checker::library_callables(const std::string& name) {
  if (library_names_taken_.insert(name).second) {
    for (const ast::Item* item : library_.find(name)) {
      auto callable = std::make_unique<Callable>();
      callable->item = item;
      callable->library = true;
      library_items_.emplace(name, std::move(callable));
    }
  }
  std::vector<Callable*> result;
  const auto [first, last] = library_items_.equal_range(name);
  for (auto place = first; place != last; ++place)
    result.push_back(place->second.get());
  return result;
}

bool Checker::is_callable(const std::string& name) {
  return !find_callables(name).empty();
}

std::string Checker::unique_name(const Callable& callable, const std::string& name) const {
  if (!callable.library)
    return callable.prefix + name;
  return callables_.count(name) == 0 ? name : "library." + name;
}

std::vector<std::string> Checker::callable_names(ast::ItemKind kind) {
  std::vector<std::string> names;
  const std::string prefix = context_ && context_->callable ? context_->callable->prefix : "";
  for (const auto& [name, callable] : callables_) {
    if (callable->item->kind == kind && name.starts_with(prefix))
      names.push_back(name.substr(prefix.size()));
  }
  for (const std::string_view name : library_.names()) {
    // The kind of a library item is known after parsing only; a guess that is of another kind is parsed and left out.
    names.emplace_back(name);
  }
  return names;
}

void Checker::report_unknown_callable(const std::string& name, SourceRange range, ast::ItemKind wanted) {
  const char* kind = wanted == ast::ItemKind::Distribution    ? "distribution"
                     : wanted == ast::ItemKind::FamilyGeneric ? "family"
                     : wanted == ast::ItemKind::Bijector      ? "bijector"
                     : wanted == ast::ItemKind::Net           ? "net or bijector"
                                                              : "function";
  if (find(name)) {
    auto report = error(Code::unknown_name, range, "'" + name + "' is a value, not a " + kind);
    report.label(find(name)->range, "declared here");
    if (wanted == ast::ItemKind::Function)
      report.hint("index with brackets: " + name + "[...]");
    return;
  }
  const std::vector<Callable*> same = find_callables(name);
  if (!same.empty()) {
    const ast::ItemKind found = same.front()->item->kind;
    const char* other = found == ast::ItemKind::Distribution ? "distribution"
                        : found == ast::ItemKind::Function   ? "function"
                        : found == ast::ItemKind::Bijector   ? "bijector"
                        : found == ast::ItemKind::Net        ? "net"
                                                             : "family";
    auto report = error(Code::unknown_name, range, "'" + name + "' is a " + other + ", not a " + kind);
    if (found == ast::ItemKind::Distribution && wanted == ast::ItemKind::Function) {
      report.hint("its density at x is " + name + "(...).log_density(x), a draw " + name + "(...).sample()");
    }
    return;
  }
  auto report = error(Code::unknown_name, range, std::string("no ") + kind + " named '" + name + "'");
  static const std::map<std::string, std::string> elsewhere{
      {"std", "sd"},
      {"stddev", "sd"},
      {"var", "variance"},
      {"len", "size"},
      {"length", "size"},
      {"nrow", "rows"},
      {"ncol", "cols"},
      {"sigmoid", "inv_logit"},
      {"ln", "log"},
      {"pow", "^"},
      {"matmul", "@"},
      {"fabs", "abs"},
      {"logsumexp", "log_sum_exp"},
      {"half_normal", "normal(0, s) on a real<lower=0> parameter"},
      {"half_cauchy", "cauchy(0, s) on a real<lower=0> parameter"},
      {"double_exponential", "laplace"},
      {"inverse_gamma", "inv_gamma"},
      {"multi_normal_prec", "multi_normal"},
      {"mvn", "multi_normal"},
      {"bernoulli_logits", "bernoulli_logit"},
      {"cumsum", "cumulative_sum"},
      {"gammaln", "lgamma"},
      {"uniform_real", "uniform"},
      {"expit", "inv_logit"},
      {"lpdf", "log_density"},
      {"to_vector", "the array itself"},
      {"rep_vector", "rep"},
      {"rep_matrix", "rep"},
      {"num_elements", "size"},
      {"dims", "size"}};
  if (const auto known = elsewhere.find(name); known != elsewhere.end()) {
    report.hint("here it is " + known->second);
    return;
  }
  for (const char* suffix : {"_lpdf", "_lpmf", "_rng", "_lcdf", "_lccdf", "_cdf"}) {
    const std::string_view end(suffix);
    if (name.size() <= end.size() || !name.ends_with(end))
      continue;
    const std::string base = name.substr(0, name.size() - end.size());
    const std::string method = end == "_rng"     ? "sample()"
                               : end == "_lcdf"  ? "log_cdf(x)"
                               : end == "_lccdf" ? "log_ccdf(x)"
                               : end == "_cdf"   ? "cdf(x)"
                                                 : "log_density(x)";
    report.hint("write " + base + "(...)." + method);
    return;
  }
  std::vector<std::string> candidates;
  for (const std::string& candidate : callable_names(wanted))
    candidates.push_back(candidate);
  for (int attempt = 0; attempt < 3; ++attempt) {
    const auto guess = nearest(name, candidates);
    if (!guess)
      return;
    const auto found = find_callables(*guess);
    const bool same_kind = !found.empty() && found.front()->item->kind == wanted;
    if (same_kind) {
      report.hint("did you mean '" + *guess + "'?");
      return;
    }
    candidates.erase(std::remove(candidates.begin(), candidates.end(), *guess), candidates.end());
  }
}

void Checker::not_supported_yet(SourceRange range, const std::string& construct, const std::string& hint) {
  auto report = error(Code::not_supported_yet, range, construct + " is not supported yet");
  if (!hint.empty())
    report.hint(hint);
}

} // namespace vmodel::check
