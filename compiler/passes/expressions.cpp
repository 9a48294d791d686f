#include "compiler/passes/expressions.h"

#include <algorithm>
#include <bit>
#include <functional>

namespace vmodel::passes {

using ir::Op;
using ir::Opcode;
using ir::Region;
using ir::ValueId;

bool is_commutative(Opcode opcode) {
  switch (opcode) {
  case Opcode::add:
  case Opcode::mul:
  case Opcode::eq:
  case Opcode::ne:
  case Opcode::logical_and_:
  case Opcode::logical_or_: return true;
  default: return false;
  }
}

Affine Affine::plus(const Affine& other, std::int64_t factor) const {
  const auto wrap = [](std::uint64_t value) { return static_cast<std::int64_t>(value); };
  const auto scaled = [&](std::int64_t value) {
    return static_cast<std::uint64_t>(value) * static_cast<std::uint64_t>(factor);
  };
  Affine result;
  result.constant = wrap(static_cast<std::uint64_t>(constant) + scaled(other.constant));
  auto a = terms.begin();
  auto b = other.terms.begin();
  while (a != terms.end() || b != other.terms.end()) {
    if (b == other.terms.end() || (a != terms.end() && a->first < b->first)) {
      result.terms.push_back(*a++);
      continue;
    }
    std::uint64_t coefficient = scaled(b->second);
    const ValueId v = b->first;
    if (a != terms.end() && a->first == v)
      coefficient += static_cast<std::uint64_t>(a++->second);
    ++b;
    if (coefficient != 0)
      result.terms.emplace_back(v, wrap(coefficient));
  }
  return result;
}

Affine Affine::times(std::int64_t factor) const {
  return Affine{}.plus(*this, factor);
}

void Expressions::define(ValueId v, Opcode opcode, const std::vector<ValueId>& operands) {
  definitions_.insert_or_assign(v.id, Definition{opcode, operands});
}

const Definition* Expressions::defined_as(ValueId v, Opcode opcode) const {
  const auto found = definitions_.find(v.id);
  return found != definitions_.end() && found->second.opcode == opcode ? &found->second : nullptr;
}

Affine Expressions::affine(ValueId v) const {
  if (const auto constant = builder_.constant_value(v))
    return {constant->integer, {}};
  if (const auto found = affine_.find(v.id); found != affine_.end())
    return found->second;
  return {0, {{v, 1}}};
}

void Expressions::set_affine(ValueId v, Affine affine) {
  affine_.insert_or_assign(v.id, std::move(affine));
}

std::size_t Expressions::Hash::operator()(const Key& key) const {
  std::uint64_t hash = 0xCBF29CE484222325u;
  for (std::uint64_t part : key) {
    hash = (hash ^ part) * 0x9E3779B97F4A7C15u;
    hash ^= hash >> 29;
  }
  return hash;
}

const std::vector<ValueId>* Expressions::find_all(const Key& key) const {
  const auto found = known_.find(key);
  return found == known_.end() ? nullptr : &found->second;
}

ValueId Expressions::find(const Key& key) const {
  const auto* values = find_all(key);
  return values ? values->front() : ValueId{};
}

void Expressions::insert_all(Key key, std::vector<ValueId> values) {
  if (known_.insert_or_assign(key, std::move(values)).second)
    scopes_.back().push_back(std::move(key));
}

void Expressions::insert(Key key, ValueId v) {
  insert_all(std::move(key), {v});
}

void Expressions::close_scope() {
  for (const Key& key : scopes_.back())
    known_.erase(key);
  scopes_.pop_back();
}

Expressions::Key Expressions::key(Opcode opcode, std::vector<ValueId> operands, const Op& attributes) {
  if (operands.size() == 2 && is_commutative(opcode) && operands[1] < operands[0])
    std::swap(operands[0], operands[1]);
  Key key{static_cast<std::uint64_t>(opcode)};
  for (ValueId v : operands)
    key.push_back(v.id);
  if (opcode == Opcode::random_) {
    key.push_back(static_cast<std::uint64_t>(attributes.integer));
    key.push_back(attributes.symbol == "normal");
  }
  return key;
}

Expressions::Key Expressions::structural_key(const Op& op, const std::function<std::uint64_t(ValueId)>& memory) const {
  // Tags keep local numbers, values of the outside and constants apart.
  constexpr std::uint64_t local_tag = std::uint64_t{1} << 40;
  constexpr std::uint64_t constant_tag = std::uint64_t{1} << 41;
  constexpr std::uint64_t mark = std::uint64_t{1} << 42;
  Key key;
  std::map<ValueId, std::uint64_t> local;
  const auto define = [&](const std::vector<ValueId>& values) {
    for (ValueId v : values)
      local.emplace(v, local.size());
  };
  const auto number = [&](ValueId v) {
    if (const auto found = local.find(v); found != local.end()) {
      key.push_back(local_tag | found->second);
      return;
    }
    // Constants may have been made at different places.
    if (const auto constant = builder_.constant_value(v)) {
      key.push_back(constant_tag | static_cast<std::uint64_t>(constant->element));
      key.push_back(std::bit_cast<std::uint64_t>(constant->number));
      key.push_back(static_cast<std::uint64_t>(constant->integer));
      return;
    }
    key.push_back(v.id);
    if (builder_.function().type(v).reference)
      key.push_back(memory(v));
  };
  const std::function<void(const Op&)> visit = [&](const Op& current) {
    if (current.opcode == Opcode::constant_)
      return;
    key.push_back(mark | static_cast<std::uint64_t>(current.opcode));
    for (ValueId v : current.operands)
      number(v);
    key.push_back(static_cast<std::uint64_t>(current.integer));
    for (char c : current.symbol)
      key.push_back(static_cast<unsigned char>(c));
    for (ValueId v : current.results)
      key.push_back(mark | (std::uint64_t{1} << 20) | static_cast<std::uint64_t>(builder_.function().type(v).element));
    for (const Region& region : current.regions) {
      key.push_back(mark);
      define(region.arguments);
      for (const Op& inner : region.ops)
        visit(inner);
      key.push_back(mark | 1);
      for (ValueId v : region.yields)
        number(v);
    }
    define(current.results);
  };
  visit(op);
  return key;
}

} // namespace vmodel::passes
