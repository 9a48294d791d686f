// Nets, bijectors and generic families are checked once for each set of functions that they are given and for each
// length of their lists: an activation is then a name that is known, and a net that is defined by a shorter one ends.
#include "compiler/check/checker.h"

#include <algorithm>

namespace vmodel::check {

namespace {

constexpr std::size_t most_versions = 500;

std::string key_of(const Callable& base, const std::map<std::string, std::vector<Callable*>>& functions,
                   const std::map<std::string, Size>& fixed) {
  const auto text = [](const void* p) { return std::to_string(reinterpret_cast<std::uintptr_t>(p)); };
  std::string key = text(base.item);
  for (const auto& [name, callables] : functions)
    key += "," + name + "=" + (callables.empty() ? "" : text(callables.front()));
  for (const auto& [name, size] : fixed)
    key += "," + name + "=" + size.text();
  return key;
}

/// The size name that the length of a list of ints binds, or nothing.
std::optional<std::string> list_name(const Declaration& parameter, const std::vector<const Declaration*>& size_names) {
  if (parameter.type.element != Element::integer || parameter.type.rank() != 1)
    return std::nullopt;
  const Size& size = parameter.type.shape[0];
  for (const Declaration* name : size_names) {
    if (size == Size::atom({name->name, name, nullptr}))
      return name->name;
  }
  return std::nullopt;
}

} // namespace

const std::vector<const Declaration*>& size_names_of(const Callable& callable) {
  if (callable.family)
    return callable.family->size_names;
  return callable.bijector ? callable.bijector->size_names : callable.net->size_names;
}

const Expr* Checker::list_element(const Expr* list, std::int64_t position) const {
  if (!list || position < 1)
    return nullptr;
  switch (list->kind) {
  case ExprKind::array:
    return position <= static_cast<std::int64_t>(list->operands.size())
               ? list->operands[static_cast<std::size_t>(position - 1)]
               : nullptr;
  case ExprKind::name: {
    const auto known = known_lists_.find(list->declaration);
    return known == known_lists_.end() ? nullptr : list_element(known->second, position);
  }
  case ExprKind::index:
    if (list->indices.size() == 1 && list->indices[0].kind == Index::Kind::range &&
        list->indices[0].from->kind == ExprKind::int_literal)
      return list_element(list->operands[0], list->indices[0].from->integer + position - 1);
    return nullptr;
  default: return nullptr;
  }
}

/// The functions that an argument of type `function` names.
std::vector<Callable*> Checker::function_argument(const ast::Expression& e) {
  const auto* name = ast::as_if<ast::NameReference>(e);
  std::vector<Callable*> result;
  if (name) {
    for (Callable* callable : find_callables(name->name)) {
      if (callable->item->kind == ast::ItemKind::Function)
        result.push_back(callable);
    }
  }
  if (!result.empty())
    return result;
  if (name) {
    report_unknown_callable(name->name, e.range, ast::ItemKind::Function);
  } else {
    error(Code::type_mismatch, e.range, "this is not the name of a function").hint("activation = tanh");
  }
  return {};
}

Callable* Checker::version(Callable& base, const std::map<std::string, std::vector<Callable*>>& functions,
                           const std::map<std::string, Size>& fixed) {
  if (functions.empty() && fixed.empty())
    return &base;
  const std::string key = key_of(base, functions, fixed);
  if (const auto known = versions_.find(key); known != versions_.end())
    return known->second.get();
  if (versions_.size() >= most_versions) {
    error(Code::recursion, base.item->range, "it is defined by itself without end");
    return nullptr;
  }
  auto made = std::make_unique<Callable>();
  made->item = base.item;
  made->library = base.library;
  made->prefix = base.prefix;
  made->functions = functions;
  made->fixed_sizes = fixed;
  made->version = std::to_string(versions_.size() + 1);
  return versions_.emplace(key, std::move(made)).first->second.get();
}

/// A version by which an item is checked that nobody uses: lists of one, and functions by their defaults; null where a
/// function has none.
Callable* Checker::sample_version(Callable& base) {
  const ast::ItemKind kind = base.item->kind;
  if (kind == ast::ItemKind::Distribution || !check_signature(base))
    return &base;
  std::map<std::string, std::vector<Callable*>> functions = base.functions;
  std::map<std::string, Size> fixed;
  for (const Declaration* p : base.parameters) {
    if (function_parameters_.count(p) != 0 && functions[p->name].empty())
      return nullptr;
    if (const auto name = base.function ? std::nullopt : list_name(*p, size_names_of(base)))
      fixed.emplace(*name, Size::constant(1));
  }
  return version(base, functions, fixed);
}

/// A call of a function that takes functions.
const Expr* Checker::call_with_functions(const ast::Call& e, Callable& base) {
  if (!check_signature(base))
    return nullptr;
  std::vector<const ast::Argument*> ordered;
  if (!order_arguments(e.arguments, base.parameters, base.function->name, e.range, ordered, base.defaults, true))
    return nullptr;
  std::map<std::string, std::vector<Callable*>> functions = base.functions;
  std::vector<const Expr*> values;
  bool good = true;
  for (std::size_t i = 0; i < ordered.size(); ++i) {
    const Declaration* p = base.parameters[i];
    if (function_parameters_.count(p) != 0) {
      if (ordered[i])
        functions[p->name] = function_argument(*ordered[i]->value);
      good = good && !functions[p->name].empty();
      continue;
    }
    const Expr* value = ordered[i] ? expression(*ordered[i]->value) : base.defaults[p];
    values.push_back(value);
    if (!value) {
      good = false;
    } else if (value->type.rank() != p->type.rank() || !value->type.tuple.empty() ||
               (value->type.element != p->type.element && p->type.element != Element::real)) {
      error(Code::wrong_arguments, value->range,
            "argument '" + p->name + "' of '" + base.function->name + "' is " + type_text(value->type) + ", not " +
                type_text(p->type));
      good = false;
    }
  }
  Callable* callee = good ? version(base, functions, {}) : nullptr;
  return callee && check_signature(*callee) ? build_call(e.range, *callee, values) : nullptr;
}

/// The candidate that takes the arguments, in the version for them.
std::optional<Checker::VersionedCall> Checker::versioned_call(const std::vector<ast::Argument>& arguments,
                                                              const std::vector<Callable*>& candidates,
                                                              const std::string& name, SourceRange range) {
  std::map<const ast::Argument*, const Expr*> values;
  for (Callable* candidate : candidates) {
    if (!check_signature(*candidate))
      return std::nullopt;
    std::vector<const ast::Argument*> ordered;
    const bool last = candidate == candidates.back();
    if (!order_arguments(arguments, candidate->parameters, name, range, ordered, candidate->defaults, last))
      continue;
    VersionedCall call;
    std::map<std::string, std::vector<Callable*>> functions = candidate->functions;
    std::map<std::string, Size> fixed;
    bool good = true, fits = true;
    for (std::size_t i = 0; i < ordered.size(); ++i) {
      const Declaration* p = candidate->parameters[i];
      if (function_parameters_.count(p) != 0) {
        if (ordered[i]) {
          functions[p->name] = function_argument(*ordered[i]->value);
          good = good && !functions[p->name].empty();
        }
        continue;
      }
      const Expr* value = nullptr;
      if (ordered[i]) {
        if (values.count(ordered[i]) == 0)
          values[ordered[i]] = expression(*ordered[i]->value);
        value = values[ordered[i]];
      } else {
        value = candidate->defaults[p];
      }
      call.arguments.push_back(ordered[i] ? value : nullptr);
      good = good && value;
      if (!value || p->type.element != Element::integer || p->type.rank() != 1 || value->type.rank() != 1)
        continue;
      const auto length = value->type.shape[0].as_constant();
      if (const auto list = list_name(*p, size_names_of(*candidate)); list && length)
        fixed.emplace(*list, Size::constant(*length));
      else if (const auto wanted = p->type.shape[0].as_constant(); wanted && wanted != length)
        fits = false;
    }
    if (!good)
      return std::nullopt;
    if (!fits && !last)
      continue;
    call.callable = version(*candidate, functions, fixed);
    if (!call.callable || !bind_versioned(call, name, range))
      return std::nullopt;
    return call;
  }
  return std::nullopt;
}

/// Checks the version, and the arguments against its parameters.
bool Checker::bind_versioned(VersionedCall& call, const std::string& name, SourceRange range) {
  Callable& callee = *call.callable;
  if (callee.state == Callable::State::body) {
    error(Code::recursion, range, "'" + name + "' is defined by itself");
    return false;
  }
  // What is wrong inside of the library comes from the arguments: told where they are given.
  const bool from_outside = callee.library && !(context_->callable && context_->callable->library);
  const std::size_t reported = diagnostics_.diagnostics().size();
  if (!check_callable(callee)) {
    if (from_outside)
      diagnostics_.retell(reported, range, "'" + name + "' cannot be made with these arguments: ");
    return false;
  }
  std::vector<const Declaration*> parameters;
  for (const Declaration* p : callee.parameters) {
    if (function_parameters_.count(p) == 0)
      parameters.push_back(p);
  }
  std::vector<std::pair<Size, Size>> pending;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Declaration* p = parameters[i];
    const Expr*& a = call.arguments[i];
    if (!a)
      a = instantiate(callee.defaults.at(p), call.binding);
    if (p->type.element == Element::real)
      a = to_real(a);
    if (a->type.element != p->type.element || a->type.rank() != p->type.rank() || !a->type.tuple.empty()) {
      auto report = error(Code::wrong_arguments, a->range,
                          "argument '" + p->name + "' of '" + name + "' is " + type_text(a->type) + ", not " +
                              type_text(p->type));
      if (p->type.rank() == 1 && a->type.is_scalar())
        report.hint("a list of one is [" + canonical(a) + "]");
      return false;
    }
    // What a generic family reads in its draws alone may vary: a context.
    const bool may_vary =
        callee.family && p->type.element == Element::real && callee.load_time_arguments.count(p->name) == 0;
    if (!may_vary && !require_load_time(a, "argument '" + p->name + "' of '" + name + "'",
                                        callee.family ? "the arguments of a family follow from the data"
                                                      : "the arguments of what is learned follow from the data"))
      return false;
    call.binding.arguments[p] = a;
    if (a->type.is_scalar() && a->type.element == Element::integer)
      call.binding.sizes[p->name] = to_size(a);
    for (std::size_t k = 0; k < a->type.rank(); ++k)
      pending.emplace_back(p->type.shape[k], a->type.shape[k]);
  }
  for (const auto& [declared, actual] : pending) {
    if (bind_size(declared, actual, call.binding, size_names_of(callee)) ||
        bind_remaining({{declared, actual}}, call.binding, size_names_of(callee)))
      continue;
    report_shapes(range, "arguments of '" + name + "' do not fit: " + declared.text() + " is not " + actual.text(),
                  {instantiate(declared, call.binding)}, {actual});
    return false;
  }
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (!argument_in_support(call.arguments[i], *parameters[i], name, call.binding))
      return false;
  }
  return true;
}

} // namespace vmodel::check
