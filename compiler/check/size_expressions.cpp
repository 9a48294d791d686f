// Sizes of int expressions, their instances at calls, and what must be known at load.
#include "compiler/check/checker.h"
#include "compiler/check/names.h"

namespace vmodel::check {
namespace {

const char* text(Operator op) {
  switch (op) {
  case Operator::neg: return "-";
  case Operator::logical_not: return "!";
  case Operator::add: return " + ";
  case Operator::sub: return " - ";
  case Operator::mul: return " * ";
  case Operator::div: return " / ";
  case Operator::pow: return "^";
  case Operator::logical_and: return " && ";
  case Operator::logical_or: return " || ";
  case Operator::lt: return " < ";
  case Operator::le: return " <= ";
  case Operator::gt: return " > ";
  case Operator::ge: return " >= ";
  case Operator::eq: return " == ";
  case Operator::ne: return " != ";
  }
  return "?";
}

/// True if an integer polynomial is divisible by `divisor` for all integer values of its atoms.
bool always_divisible(const Size& size, std::int64_t divisor) {
  if (divisor <= 0 || divisor > 12 || size.atoms().size() > 3)
    return false;
  std::vector<std::string> keys;
  for (const auto& [key, atom] : size.atoms())
    keys.push_back(key);
  std::int64_t cases = 1;
  for (std::size_t i = 0; i < keys.size(); ++i)
    cases *= divisor;
  for (const auto& [monomial, coefficient] : size.terms()) {
    if (coefficient.denominator != 1)
      return false;
  }
  for (std::int64_t c = 0; c < cases; ++c) {
    std::map<std::string, std::int64_t> value;
    std::int64_t rest = c;
    for (const std::string& key : keys) {
      value[key] = rest % divisor;
      rest /= divisor;
    }
    std::int64_t sum = 0;
    for (const auto& [monomial, coefficient] : size.terms()) {
      std::int64_t term = coefficient.numerator % divisor;
      for (const auto& [key, power] : monomial) {
        for (int p = 0; p < power; ++p)
          term = term * value[key] % divisor;
      }
      sum += term;
    }
    if (sum % divisor != 0)
      return false;
  }
  return true;
}

} // namespace

std::string Checker::canonical(const Expr* e) {
  if (!e)
    return "?";
  const auto operand = [&](std::size_t i) {
    const Expr* o = e->operands[i];
    const std::string inner = canonical(o);
    const bool simple = o->kind != ExprKind::binary && o->kind != ExprKind::compare && o->kind != ExprKind::conditional;
    return simple ? inner : "(" + inner + ")";
  };
  const auto arguments = [&] {
    std::string result = "(";
    for (std::size_t i = 0; i < e->operands.size(); ++i)
      result += (i == 0 ? "" : ", ") + canonical(e->operands[i]);
    return result + ")";
  };
  // Int expressions that are polynomials have one text, however they were written.
  if (e->type.is_scalar() && e->type.element == Element::integer &&
      (e->kind == ExprKind::binary || e->kind == ExprKind::unary || e->kind == ExprKind::size)) {
    return to_size(e).text();
  }
  switch (e->kind) {
  case ExprKind::real_literal: {
    std::string result = std::to_string(e->real);
    char buffer[32];
    for (int digits = 6; digits <= 17; ++digits) {
      std::snprintf(buffer, sizeof buffer, "%.*g", digits, e->real);
      result = buffer;
      if (std::stod(result) == e->real)
        break;
    }
    return result;
  }
  case ExprKind::int_literal: return std::to_string(e->integer);
  case ExprKind::bool_literal: return e->integer ? "true" : "false";
  case ExprKind::name: return e->declaration->name;
  case ExprKind::size: return e->size.text();
  case ExprKind::to_real: return canonical(e->operands[0]);
  case ExprKind::unary: return text(e->op) + operand(0);
  case ExprKind::binary:
  case ExprKind::compare: return operand(0) + text(e->op) + operand(1);
  case ExprKind::conditional: return operand(0) + " ? " + operand(1) + " : " + operand(2);
  case ExprKind::index: {
    std::string result = operand(0) + "[";
    for (std::size_t i = 0; i < e->indices.size(); ++i) {
      const Index& index = e->indices[i];
      if (i != 0)
        result += ", ";
      if (index.kind == Index::Kind::all)
        result += ":";
      else if (index.kind == Index::Kind::range)
        result += canonical(index.from) + ":" + canonical(index.to);
      else
        result += canonical(index.at);
    }
    return result + "]";
  }
  case ExprKind::transpose: return operand(0) + "'";
  case ExprKind::matmul: return operand(0) + " @ " + operand(1);
  case ExprKind::array: {
    const std::string inner = arguments();
    return "[" + inner.substr(1, inner.size() - 2) + "]";
  }
  case ExprKind::comprehension: {
    std::string result = "[" + canonical(e->operands[0]) + " for ";
    for (const Generator& g : e->generators)
      result += g.index->name + " in " + canonical(g.from) + ":" + canonical(g.to) + " ";
    return result + "]";
  }
  case ExprKind::tuple: return arguments();
  case ExprKind::tuple_element: return operand(0) + "." + std::to_string(e->position + 1);
  case ExprKind::call: return e->function->name + arguments();
  case ExprKind::builtin: return e->builtin_name + arguments();
  case ExprKind::method: return "<distribution>." + std::to_string(static_cast<int>(e->method)) + arguments();
  case ExprKind::unconstrained: return "unconstrained(...)";
  }
  return "?";
}

Size Checker::to_size(const Expr* e) {
  switch (e->kind) {
  case ExprKind::int_literal: return Size::constant(e->integer);
  case ExprKind::size: return e->size;
  case ExprKind::name: {
    if (const auto known = known_sizes_.find(e->declaration); known != known_sizes_.end())
      return known->second;
    return Size::atom({e->declaration->name, e->declaration, nullptr});
  }
  case ExprKind::unary:
    if (e->op == Operator::neg)
      return to_size(e->operands[0]) * Size::constant(-1);
    break;
  case ExprKind::binary: {
    const Size a = to_size(e->operands[0]), b = to_size(e->operands[1]);
    if (e->op == Operator::add)
      return a + b;
    if (e->op == Operator::sub)
      return a - b;
    if (e->op == Operator::mul)
      return a * b;
    break;
  }
  case ExprKind::builtin: {
    if (e->builtin_name != "div" || !e->lifted.empty())
      break;
    const Size a = to_size(e->operands[0]);
    const auto divisor = to_size(e->operands[1]).as_constant();
    if (!divisor || *divisor == 0)
      break;
    if (always_divisible(a, *divisor))
      return a.divided_by(*divisor);
    if (const auto value = a.as_constant()) {
      std::int64_t quotient = *value / *divisor;
      if (*value % *divisor != 0 && (*value < 0) != (*divisor < 0))
        --quotient;
      return Size::constant(quotient);
    }
    break;
  }
  case ExprKind::index: {
    // An element of a list that is written out.
    if (e->indices.size() != 1 || e->indices[0].kind != Index::Kind::scalar)
      break;
    const auto position = to_size(e->indices[0].at).as_constant();
    if (const Expr* element = position ? list_element(e->operands[0], *position) : nullptr)
      return to_size(element);
    break;
  }
  default: break;
  }
  const std::string key = canonical(e);
  if (e->kind == ExprKind::builtin || e->kind == ExprKind::index || e->kind == ExprKind::call) {
    context_->facts.add_bounds(key, int_range(e));
  }
  return Size::atom({key, nullptr, e});
}

// ---------------------------------------------------------------- instances at calls

Size Checker::instantiate(const Size& size, const Binding& binding) {
  std::map<std::string, Size> replacements;
  for (const auto& [key, atom] : size.atoms()) {
    if (const auto bound = binding.sizes.find(key); bound != binding.sizes.end()) {
      replacements[key] = bound->second;
    } else if (atom.expression) {
      replacements[key] = to_size(instantiate(atom.expression, binding));
    }
  }
  return size.substitute(replacements);
}

Shape Checker::instantiate(const Shape& shape, const Binding& binding) {
  Shape result;
  for (const Size& s : shape)
    result.push_back(instantiate(s, binding));
  return result;
}

Type Checker::instantiate(const Type& type, const Binding& binding) {
  Type result = type;
  result.shape = instantiate(type.shape, binding);
  result.support.lower = instantiate(type.support.lower, binding);
  result.support.upper = instantiate(type.support.upper, binding);
  for (Type& part : result.tuple)
    part = instantiate(part, binding);
  return result;
}

const Expr* Checker::instantiate(const Expr* e, const Binding& binding) {
  if (!e)
    return nullptr;
  if (e->kind == ExprKind::name) {
    if (const auto bound = binding.arguments.find(e->declaration); bound != binding.arguments.end())
      return bound->second;
    if (const auto bound = binding.sizes.find(e->declaration->name);
        bound != binding.sizes.end() && e->declaration->kind == DeclarationKind::size_name) {
      return size_expr(bound->second, e->range);
    }
    return e;
  }
  if (e->kind == ExprKind::size)
    return size_expr(instantiate(e->size, binding), e->range);
  program_->expressions.push_back(*e);
  Expr* copy = &program_->expressions.back();
  copy->type = e->kind == ExprKind::array || e->kind == ExprKind::tuple ? e->type : instantiate(e->type, binding);
  for (const Expr*& operand : copy->operands)
    operand = instantiate(operand, binding);
  for (Index& index : copy->indices) {
    index.at = instantiate(index.at, binding);
    index.from = instantiate(index.from, binding);
    index.to = instantiate(index.to, binding);
  }
  for (Generator& g : copy->generators) {
    g.from = instantiate(g.from, binding);
    g.to = instantiate(g.to, binding);
  }
  for (auto& [name, size] : copy->sizes)
    size = instantiate(size, binding);
  copy->lifted = instantiate(copy->lifted, binding);
  copy->load_time = true;
  for (const Expr* operand : copy->operands)
    copy->load_time = copy->load_time && operand->load_time;
  return copy;
}

bool Checker::bind_size(const Size& declared, const Size& actual, Binding& binding,
                        const std::vector<const Declaration*>& size_names) {
  // A bare name binds; anything else is compared once its names are bound.
  if (declared.atoms().size() == 1 && declared == Size::atom(declared.atoms().begin()->second)) {
    const SizeAtom& atom = declared.atoms().begin()->second;
    for (const Declaration* name : size_names) {
      if (atom.declaration != name)
        continue;
      const auto [place, inserted] = binding.sizes.emplace(name->name, actual);
      return inserted || same_size(place->second, actual);
    }
  }
  return same_size(instantiate(declared, binding), actual);
}

bool Checker::bind_remaining(const std::vector<std::pair<Size, Size>>& pending, Binding& binding,
                             const std::vector<const Declaration*>& size_names) {
  for (const auto& [declared, actual] : pending) {
    // `K - 1` with K bound nowhere else: solve for it.
    std::string unbound;
    std::size_t count = 0;
    for (const auto& [key, atom] : declared.atoms()) {
      bool is_name = false;
      for (const Declaration* name : size_names)
        is_name = is_name || name == atom.declaration;
      if (is_name && binding.sizes.count(key) == 0) {
        unbound = key;
        ++count;
      }
    }
    if (count == 1) {
      const auto term = declared.terms().find({{unbound, 1}});
      const bool solvable = term != declared.terms().end() && term->second == Rational{1, 1};
      if (!solvable)
        return false;
      const Size rest = declared - Size::atom(declared.atoms().at(unbound));
      if (rest.atoms().count(unbound) != 0)
        return false;
      binding.sizes[unbound] = actual - instantiate(rest, binding);
      continue;
    }
    if (!same_size(instantiate(declared, binding), actual))
      return false;
  }
  return true;
}

bool Checker::bind_shape(const Shape& declared, const Shape& actual, Binding& binding,
                         const std::vector<const Declaration*>& size_names) {
  if (declared.size() != actual.size())
    return false;
  for (std::size_t i = 0; i < declared.size(); ++i) {
    if (!bind_size(declared[i], actual[i], binding, size_names))
      return false;
  }
  return true;
}

// ---------------------------------------------------------------- what must be known at load

namespace {

void names_in(const BijectorStep* step, std::set<const Declaration*>& names) {
  for (const Expr* argument : step->arguments)
    names_in(argument, names);
  for (const BijectorStep* inner : step->body)
    names_in(inner, names);
}

void names_in(const DistributionExpr* d, std::set<const Declaration*>& names) {
  if (!d)
    return;
  for (const Expr* argument : d->arguments)
    names_in(argument, names);
  for (const DistributionExpr* component : d->components)
    names_in(component, names);
  for (const BijectorStep* step : d->steps)
    names_in(step, names);
  names_in(d->weights, names);
  names_in(d->lower, names);
  names_in(d->upper, names);
}

} // namespace

void names_in(const Expr* e, std::set<const Declaration*>& names) {
  if (!e)
    return;
  if (e->kind == ExprKind::name)
    names.insert(e->declaration);
  for (const Declaration* d : e->declarations)
    names.insert(d);
  for (const Part* part : e->parts)
    names_in(part->elements, names);
  for (const Expr* operand : e->operands)
    names_in(operand, names);
  for (const Index& index : e->indices) {
    names_in(index.at, names);
    names_in(index.from, names);
    names_in(index.to, names);
  }
  for (const Generator& g : e->generators) {
    names_in(g.from, names);
    names_in(g.to, names);
  }
  names_in(e->distribution, names);
}

namespace {

bool draws(const Expr* e) {
  if (!e)
    return false;
  if (e->kind == ExprKind::method && e->method == Method::sample)
    return true;
  for (const Expr* operand : e->operands) {
    if (draws(operand))
      return true;
  }
  return false;
}

} // namespace

std::set<std::string> Checker::roots_of(const Expr* e, const Context& context) const {
  std::set<const Declaration*> names;
  names_in(e, names);
  std::set<std::string> roots;
  for (const Declaration* d : names) {
    if (d->load_time)
      continue;
    const auto& known = context.dependencies.of(d->name, d->range);
    if (known.empty()) {
      roots.insert(d->name);
    } else {
      roots.insert(known.begin(), known.end());
    }
  }
  if (draws(e))
    roots.insert(Dependencies::draw);
  return roots;
}

bool Checker::mentions_var(const Size& size) const {
  for (const auto& [key, atom] : size.atoms()) {
    std::set<const Declaration*> names;
    if (atom.declaration)
      names.insert(atom.declaration);
    names_in(atom.expression, names);
    for (const Declaration* d : names) {
      if (d->kind == DeclarationKind::var && !d->write_once)
        return true;
    }
  }
  return false;
}

bool Checker::stable_size(const Size& size, SourceRange range) {
  if (!mentions_var(size))
    return true;
  error(Code::invalid_type, range, "the size " + size.text() + " reads a var, which may change")
      .hint("name its value: let n = ...;");
  return false;
}

bool Checker::follows_from_arguments(const Expr* e) const {
  if (!context_->callable)
    return false;
  for (const std::string& root : roots_of(e, *context_)) {
    const Declaration* d = find(root);
    if (!d || d->kind != DeclarationKind::argument || d->type.element != Element::integer)
      return false;
  }
  return true;
}

bool Checker::require_load_time(const Expr* e, const std::string& what, const std::string& hint) {
  if (!e)
    return false;
  if (e->load_time)
    return true;
  std::set<std::string> roots = roots_of(e, *context_);
  // In a callable the arguments decide at each call: what is needed there is remembered.
  const bool callable = context_->kind == BlockKind::function || context_->kind == BlockKind::signature ||
                        context_->kind == BlockKind::family_template;
  std::string culprit;
  for (const std::string& root : roots) {
    const Declaration* d = find(root);
    const bool argument = d && d->kind == DeclarationKind::argument;
    const bool integer = argument && d->type.element == Element::integer;
    const bool at_call =
        callable || ((context_->kind == BlockKind::member || context_->kind == BlockKind::sampler) && integer);
    if (argument && at_call && context_->callable)
      continue;
    culprit = root;
    break;
  }
  if (culprit.empty()) {
    for (const std::string& root : roots)
      context_->callable->load_time_arguments.emplace(root, e->range);
    return true;
  }
  auto report =
      error(Code::not_load_time, e->range,
            what + (culprit == Dependencies::draw ? " depends on a random draw" : " depends on '" + culprit + "'") +
                ", which is not known when the data are loaded");
  if (const Declaration* d = find(culprit))
    report.label(d->range, "declared here");
  report.hint(hint);
  return false;
}

} // namespace vmodel::check
