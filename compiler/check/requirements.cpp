// `require`s of functions and bijectors that constant arguments decide. What they leave open is checked at load.
#include "compiler/check/checker.h"

#include <map>
#include <optional>

namespace vmodel::check {

namespace {

/// Loops and statements that are run at most.
constexpr int most_steps = 1000000;

/// Runs the int statements of a callee, as far as their values are known.
class ConstantRun {
public:
  ConstantRun(const std::vector<const Declaration*>& parameters, const std::vector<const Expr*>& arguments,
              const std::map<std::string, Size>& sizes)
      : sizes_(sizes) {
    for (std::size_t k = 0; k < parameters.size() && k < arguments.size(); ++k)
      arguments_[parameters[k]] = arguments[k];
  }

  /// The first requirement that fails.
  const Statement* failing(const Block& body) {
    for (const Statement* s : body) {
      if (++steps_ > most_steps)
        return nullptr;
      if (const Statement* failed = failing(*s))
        return failed;
    }
    return nullptr;
  }

private:
  using Known = std::optional<std::int64_t>;

  const Statement* failing(const Statement& s) {
    switch (s.kind) {
    case StatementKind::require: return value(s.value) == 0 ? &s : nullptr;
    case StatementKind::let:
      if (s.declaration)
        set(s.declaration, value(s.value));
      return nullptr;
    case StatementKind::if_: {
      const Known condition = value(s.value);
      return condition ? failing(*condition != 0 ? s.body : s.otherwise) : nullptr;
    }
    case StatementKind::for_: {
      const Known from = value(s.from), to = value(s.to);
      for (std::int64_t i = from.value_or(1); from && to && i <= *to && steps_ <= most_steps; ++i) {
        set(s.declaration, i);
        if (const Statement* failed = failing(s.body))
          return failed;
      }
      return nullptr;
    }
    default: return nullptr; // what `var`s hold stays unknown
    }
  }

  void set(const Declaration* d, Known x) {
    if (x)
      values_[d] = *x;
    else
      values_.erase(d);
  }

  Known value(const Expr* e) {
    if (!e || !e->type.is_scalar() || e->type.element == Element::real)
      return std::nullopt;
    const auto operand = [&](std::size_t k) { return value(e->operands[k]); };
    switch (e->kind) {
    case ExprKind::int_literal:
    case ExprKind::bool_literal: return e->integer;
    case ExprKind::size: return size(e->size);
    case ExprKind::name: {
      if (const auto found = values_.find(e->declaration); found != values_.end())
        return found->second;
      if (e->declaration->kind == DeclarationKind::size_name)
        return size(Size::atom({e->declaration->name, e->declaration, nullptr}));
      const auto argument = arguments_.find(e->declaration);
      return argument == arguments_.end() ? std::nullopt : literal(argument->second);
    }
    case ExprKind::index: return element(*e);
    case ExprKind::unary: {
      const Known x = operand(0);
      return !x ? x : e->op == Operator::neg ? Known(-*x) : e->op == Operator::logical_not ? Known(*x == 0) : Known();
    }
    case ExprKind::binary:
    case ExprKind::compare: return binary(e->op, operand(0), operand(1));
    case ExprKind::conditional: {
      const Known condition = operand(0);
      return condition ? operand(*condition != 0 ? 1 : 2) : condition;
    }
    default: return std::nullopt;
    }
  }

  static Known binary(Operator op, Known x, Known y) {
    if (!x || !y)
      return std::nullopt;
    switch (op) {
    case Operator::add: return *x + *y;
    case Operator::sub: return *x - *y;
    case Operator::mul: return *x * *y;
    case Operator::logical_and: return *x != 0 && *y != 0;
    case Operator::logical_or: return *x != 0 || *y != 0;
    case Operator::lt: return *x < *y;
    case Operator::le: return *x <= *y;
    case Operator::gt: return *x > *y;
    case Operator::ge: return *x >= *y;
    case Operator::eq: return *x == *y;
    case Operator::ne: return *x != *y;
    default: return std::nullopt;
    }
  }

  static Known literal(const Expr* e) {
    return e->kind == ExprKind::int_literal || e->kind == ExprKind::bool_literal ? Known(e->integer) : Known();
  }

  /// An element of an argument that is written out.
  Known element(const Expr& e) {
    const auto argument = arguments_.find(e.operands[0]->declaration);
    if (e.operands[0]->kind != ExprKind::name || argument == arguments_.end())
      return std::nullopt;
    const Expr* inner = argument->second;
    for (const Index& i : e.indices) {
      const Known at = i.kind == Index::Kind::scalar ? value(i.at) : std::nullopt;
      if (!at || inner->kind != ExprKind::array || *at < 1 || *at > static_cast<std::int64_t>(inner->operands.size()))
        return std::nullopt;
      inner = inner->operands[static_cast<std::size_t>(*at - 1)];
    }
    return literal(inner);
  }

  Known size(const Size& s) {
    std::map<std::string, Size> known = sizes_;
    for (const auto& [key, atom] : s.atoms()) {
      if (const auto found = values_.find(atom.declaration); atom.declaration && found != values_.end())
        known[key] = Size::constant(found->second);
    }
    return s.substitute(known).as_constant();
  }

  const std::map<std::string, Size>& sizes_;
  std::map<const Declaration*, const Expr*> arguments_;
  std::map<const Declaration*, std::int64_t> values_;
  int steps_ = 0;
};

} // namespace

bool Checker::requirements_hold(const std::string& name, const Block& body,
                                const std::vector<const Declaration*>& parameters,
                                const std::vector<const Expr*>& arguments, const std::map<std::string, Size>& sizes,
                                SourceRange range) {
  const Statement* failed = ConstantRun(parameters, arguments, sizes).failing(body);
  if (!failed)
    return true;
  auto report = error(Code::unmet_requirement, range,
                      "'" + name + "': " + (failed->text.empty() ? "its requirement does not hold" : failed->text));
  report.label(failed->range, "required here");
  return false;
}

} // namespace vmodel::check
