#include "compiler/check/dependencies.h"

#include <set>

namespace vmodel::check {

using namespace ast; // NOLINT: this file only reads the syntax tree

std::string Dependencies::key(const std::string& name, SourceRange place) const {
  const auto blocks = inner_blocks_.find(name);
  if (blocks == inner_blocks_.end())
    return name;
  // Names are not shadowed, so that at most one block around the place declares it.
  for (const SourceRange& block : blocks->second) {
    if (block.file == place.file && block.begin <= place.begin && place.end <= block.end)
      return name + "@" + std::to_string(block.begin);
  }
  return name;
}

const std::set<std::string>& Dependencies::of(const std::string& name, SourceRange place) const {
  static const std::set<std::string> none;
  const auto known = known_.find(key(name, place));
  return known == known_.end() ? none : known->second;
}

std::set<std::string> Dependencies::of(const Expression& e) const {
  std::set<std::string> roots, bound;
  collect(e, roots, bound);
  return roots;
}

void Dependencies::collect(const Expression& e, std::set<std::string>& roots, std::set<std::string>& bound) const {
  switch (e.kind) {
  case ExpressionKind::IntLiteral:
  case ExpressionKind::RealLiteral:
  case ExpressionKind::BoolLiteral: return;
  case ExpressionKind::NameReference: {
    const std::string& name = as<NameReference>(e).name;
    if (bound.count(name) != 0)
      return;
    const auto& known = of(name, e.range);
    roots.insert(known.begin(), known.end());
    return;
  }
  case ExpressionKind::LearnHole: roots.insert("learn"); return;
  case ExpressionKind::Unary: return collect(*as<Unary>(e).operand, roots, bound);
  case ExpressionKind::Transpose: return collect(*as<Transpose>(e).operand, roots, bound);
  case ExpressionKind::Binary:
    collect(*as<Binary>(e).left, roots, bound);
    return collect(*as<Binary>(e).right, roots, bound);
  case ExpressionKind::Conditional:
    collect(*as<Conditional>(e).condition, roots, bound);
    collect(*as<Conditional>(e).if_true, roots, bound);
    return collect(*as<Conditional>(e).if_false, roots, bound);
  case ExpressionKind::Call: {
    const auto& call = as<Call>(e);
    if (const auto* name = as_if<NameReference>(*call.callee)) {
      // Shapes are known at load, whatever the values are.
      if (name->name == "size" || name->name == "rows" || name->name == "cols" || name->name == "dim")
        return;
    }
    const auto* index = as_if<ast::Index>(*call.callee);
    if (const auto* name = as_if<NameReference>(index ? *index->base : *call.callee)) {
      const auto& known = of(callable_root(name->name), name->range);
      roots.insert(known.begin(), known.end());
    }
    for (const Argument& argument : call.arguments)
      collect(*argument.value, roots, bound);
    return;
  }
  case ExpressionKind::MethodCall: {
    const auto& call = as<MethodCall>(e);
    if (call.method.text == "sample")
      roots.insert(draw);
    collect(*call.receiver, roots, bound);
    for (const Argument& argument : call.arguments)
      collect(*argument.value, roots, bound);
    return;
  }
  case ExpressionKind::Index: {
    const auto& index = as<ast::Index>(e);
    collect(*index.base, roots, bound);
    for (const IndexEntry& entry : index.entries) {
      if (entry.first)
        collect(*entry.first, roots, bound);
      if (entry.last)
        collect(*entry.last, roots, bound);
    }
    return;
  }
  case ExpressionKind::Tuple:
    for (const auto& element : as<Tuple>(e).elements)
      collect(*element, roots, bound);
    return;
  case ExpressionKind::Array:
    for (const auto& element : as<Array>(e).elements)
      collect(*element, roots, bound);
    return;
  case ExpressionKind::Comprehension: {
    const auto& comprehension = as<Comprehension>(e);
    std::vector<std::string> generators;
    for (const auto& generator : comprehension.generators) {
      collect(*generator.over.first, roots, bound);
      if (generator.over.last)
        collect(*generator.over.last, roots, bound);
      if (bound.insert(generator.variable.text).second)
        generators.push_back(generator.variable.text);
    }
    collect(*comprehension.element, roots, bound);
    for (const std::string& name : generators)
      bound.erase(name);
    return;
  }
  }
}

bool Dependencies::add(const std::string& name, SourceRange place, const std::set<std::string>& roots) {
  if (roots.empty())
    return false;
  auto& known = known_[key(name, place)];
  const std::size_t before = known.size();
  known.insert(roots.begin(), roots.end());
  return known.size() != before;
}

void Dependencies::declare_locals(const Block& block, bool inner) {
  auto local = [&](const Name& name, const Block& scope) { inner_blocks_[name.text].push_back(scope.range); };
  for (const StatementPtr& statement : block.statements) {
    switch (statement->kind) {
    case StatementKind::Let:
      for (const Name& name : as<Let>(*statement).names) {
        if (inner)
          local(name, block);
      }
      break;
    case StatementKind::Var:
      if (inner)
        local(as<Var>(*statement).name, block);
      break;
    case StatementKind::For:
      local(as<For>(*statement).variable, as<For>(*statement).body);
      declare_locals(as<For>(*statement).body, true);
      break;
    case StatementKind::Plate:
      local(as<Plate>(*statement).variable, as<Plate>(*statement).body);
      declare_locals(as<Plate>(*statement).body, true);
      break;
    case StatementKind::While: declare_locals(as<While>(*statement).body, true); break;
    case StatementKind::Proposal: declare_locals(as<Proposal>(*statement).body, true); break;
    case StatementKind::If:
      for (const IfBranch& branch : as<If>(*statement).branches)
        declare_locals(branch.body, true);
      if (as<If>(*statement).otherwise)
        declare_locals(*as<If>(*statement).otherwise, true);
      break;
    default: break;
    }
  }
}

void Dependencies::add_block(const Block& block) {
  declare_locals(block, false);
  while (visit(block, {})) {
  }
}

bool Dependencies::visit(const Block& block, const std::set<std::string>& conditions) {
  bool changed = false;
  auto with = [&](const Expression* e) {
    std::set<std::string> roots = conditions, bound;
    if (e)
      collect(*e, roots, bound);
    return roots;
  };
  auto own_root = [&](const Name& name) { return add(name.text, name.range, {name.text}); };
  for (const StatementPtr& statement : block.statements) {
    switch (statement->kind) {
    case StatementKind::Param: changed |= own_root(as<Param>(*statement).name); break;
    case StatementKind::Learn: changed |= own_root(as<Learn>(*statement).name); break;
    case StatementKind::Mix: changed |= own_root(as<Mix>(*statement).name); break;
    case StatementKind::Proposal: changed |= visit(as<Proposal>(*statement).body, conditions); break;
    case StatementKind::LearnInstance: {
      const std::string root = callable_root(as<LearnInstance>(*statement).name.text);
      changed |= add(root, as<LearnInstance>(*statement).name.range, {root});
      break;
    }
    case StatementKind::Let:
      for (const Name& name : as<Let>(*statement).names)
        changed |= add(name.text, name.range, with(as<Let>(*statement).value.get()));
      break;
    case StatementKind::Var:
      changed |=
          add(as<Var>(*statement).name.text, as<Var>(*statement).name.range, with(as<Var>(*statement).value.get()));
      break;
    case StatementKind::Quantity: {
      const auto& quantity = as<Quantity>(*statement);
      if (quantity.value)
        changed |= add(quantity.name.text, quantity.name.range, with(quantity.value.get()));
      break;
    }
    case StatementKind::Assign: {
      const auto& assign = as<Assign>(*statement);
      const Expression* target = assign.target.get();
      if (const auto* index = as_if<ast::Index>(*target))
        target = index->base.get();
      if (const auto* name = as_if<NameReference>(*target))
        changed |= add(name->name, name->range, with(assign.value.get()));
      break;
    }
    case StatementKind::For: changed |= visit(as<For>(*statement).body, conditions); break;
    case StatementKind::Plate: changed |= visit(as<Plate>(*statement).body, conditions); break;
    case StatementKind::While:
      changed |= visit(as<While>(*statement).body, with(as<While>(*statement).condition.get()));
      break;
    case StatementKind::If: {
      const auto& branches = as<If>(*statement);
      std::set<std::string> all = conditions, bound;
      for (const IfBranch& branch : branches.branches)
        collect(*branch.condition, all, bound);
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
