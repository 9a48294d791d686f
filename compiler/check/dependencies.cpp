#include "compiler/check/dependencies.h"

#include <set>

namespace vmodel::check {

using namespace ast; // NOLINT: this file only reads the syntax tree

const std::set<std::string>& Dependencies::of(const std::string& name) const {
  static const std::set<std::string> none;
  const auto known = known_.find(name);
  return known == known_.end() ? none : known->second;
}

std::set<std::string> Dependencies::of(const Expression& e) const {
  std::set<std::string> roots;
  collect(e, roots);
  return roots;
}

void Dependencies::collect(const Expression& e, std::set<std::string>& roots) const {
  switch (e.kind) {
  case ExpressionKind::IntLiteral:
  case ExpressionKind::RealLiteral:
  case ExpressionKind::BoolLiteral: return;
  case ExpressionKind::NameReference: {
    const auto& known = of(as<NameReference>(e).name);
    roots.insert(known.begin(), known.end());
    return;
  }
  case ExpressionKind::LearnHole: roots.insert("learn"); return;
  case ExpressionKind::Unary: return collect(*as<Unary>(e).operand, roots);
  case ExpressionKind::Transpose: return collect(*as<Transpose>(e).operand, roots);
  case ExpressionKind::Binary: collect(*as<Binary>(e).left, roots); return collect(*as<Binary>(e).right, roots);
  case ExpressionKind::Conditional:
    collect(*as<Conditional>(e).condition, roots);
    collect(*as<Conditional>(e).if_true, roots);
    return collect(*as<Conditional>(e).if_false, roots);
  case ExpressionKind::Call: {
    const auto& call = as<Call>(e);
    if (const auto* name = as_if<NameReference>(*call.callee)) {
      // Shapes are known at load, whatever the values are.
      if (name->name == "size" || name->name == "rows" || name->name == "cols" || name->name == "dim")
        return;
    }
    const auto* index = as_if<ast::Index>(*call.callee);
    if (const auto* name = as_if<NameReference>(index ? *index->base : *call.callee)) {
      const auto& known = of(callable_root(name->name));
      roots.insert(known.begin(), known.end());
    }
    for (const Argument& argument : call.arguments)
      collect(*argument.value, roots);
    return;
  }
  case ExpressionKind::MethodCall: {
    const auto& call = as<MethodCall>(e);
    if (call.method.text == "sample")
      roots.insert(draw);
    collect(*call.receiver, roots);
    for (const Argument& argument : call.arguments)
      collect(*argument.value, roots);
    return;
  }
  case ExpressionKind::Index: {
    const auto& index = as<ast::Index>(e);
    collect(*index.base, roots);
    for (const IndexEntry& entry : index.entries) {
      if (entry.first)
        collect(*entry.first, roots);
      if (entry.last)
        collect(*entry.last, roots);
    }
    return;
  }
  case ExpressionKind::Tuple:
    for (const auto& element : as<Tuple>(e).elements)
      collect(*element, roots);
    return;
  case ExpressionKind::Array:
    for (const auto& element : as<Array>(e).elements)
      collect(*element, roots);
    return;
  case ExpressionKind::Comprehension: {
    // The element may read the generators' names, which depend on data only.
    const auto& comprehension = as<Comprehension>(e);
    collect(*comprehension.element, roots);
    for (const auto& generator : comprehension.generators) {
      collect(*generator.over.first, roots);
      if (generator.over.last)
        collect(*generator.over.last, roots);
    }
    return;
  }
  }
}

bool Dependencies::add(const std::string& name, const std::set<std::string>& roots) {
  if (roots.empty())
    return false;
  auto& known = known_[name];
  const std::size_t before = known.size();
  known.insert(roots.begin(), roots.end());
  return known.size() != before;
}

void Dependencies::add_block(const Block& block) {
  while (visit(block, {})) {
  }
}

bool Dependencies::visit(const Block& block, const std::set<std::string>& conditions) {
  bool changed = false;
  auto with = [&](const Expression* e) {
    std::set<std::string> roots = conditions;
    if (e)
      collect(*e, roots);
    return roots;
  };
  for (const StatementPtr& statement : block.statements) {
    switch (statement->kind) {
    case StatementKind::Param:
      changed |= add(as<Param>(*statement).name.text, {as<Param>(*statement).name.text});
      break;
    case StatementKind::Learn:
      changed |= add(as<Learn>(*statement).name.text, {as<Learn>(*statement).name.text});
      break;
    case StatementKind::Mix: changed |= add(as<Mix>(*statement).name.text, {as<Mix>(*statement).name.text}); break;
    case StatementKind::Proposal: changed |= visit(as<Proposal>(*statement).body, conditions); break;
    case StatementKind::LearnInstance: {
      const std::string root = callable_root(as<LearnInstance>(*statement).name.text);
      changed |= add(root, {root});
      break;
    }
    case StatementKind::Let:
      for (const Name& name : as<Let>(*statement).names)
        changed |= add(name.text, with(as<Let>(*statement).value.get()));
      break;
    case StatementKind::Var:
      changed |= add(as<Var>(*statement).name.text, with(as<Var>(*statement).value.get()));
      break;
    case StatementKind::Quantity: {
      const auto& quantity = as<Quantity>(*statement);
      if (quantity.value)
        changed |= add(quantity.name.text, with(quantity.value.get()));
      break;
    }
    case StatementKind::Assign: {
      const auto& assign = as<Assign>(*statement);
      const Expression* target = assign.target.get();
      if (const auto* index = as_if<ast::Index>(*target))
        target = index->base.get();
      if (const auto* name = as_if<NameReference>(*target))
        changed |= add(name->name, with(assign.value.get()));
      break;
    }
    case StatementKind::For: changed |= visit(as<For>(*statement).body, conditions); break;
    case StatementKind::Plate: changed |= visit(as<Plate>(*statement).body, conditions); break;
    case StatementKind::While:
      changed |= visit(as<While>(*statement).body, with(as<While>(*statement).condition.get()));
      break;
    case StatementKind::If: {
      const auto& branches = as<If>(*statement);
      std::set<std::string> all = conditions;
      for (const IfBranch& branch : branches.branches)
        collect(*branch.condition, all);
      for (const IfBranch& branch : branches.branches)
        changed |= visit(branch.body, all);
      if (branches.otherwise)
        changed |= visit(*branches.otherwise, all);
      break;
    }
    default: break;
    }
  }
  return changed;
}

} // namespace vmodel::check
