#include "compiler/passes/positions.h"

#include <algorithm>
#include <tuple>

namespace vmodel::passes {

std::span<const ValueId> indices(const Op& access) {
  const std::size_t values = access.opcode == Opcode::load_ ? 0 : 1;
  return std::span(access.operands).subspan(1, access.operands.size() - 1 - values);
}

void Positions::Sum::add(const Sum& other, std::int64_t factor) {
  constant += factor * other.constant;
  for (const auto& [variable, coefficient] : other.terms)
    if ((terms[variable] += factor * coefficient) == 0)
      terms.erase(variable);
}

Positions::Positions(const Function& function) : definitions_(function.body) {
  visit(function.body, 0);
}

void Positions::visit(const Region& region, std::size_t depth) {
  for (const Op& op : region.ops) {
    for (const ValueId v : op.results)
      depths_[v] = depth;
    for (const Region& inner : op.regions) {
      for (std::size_t i = 0; i < inner.arguments.size(); ++i) {
        depths_[inner.arguments[i]] = depth + 1;
        if (is_counted_loop(op) && (op.opcode != Opcode::loop_ || i == 0))
          indices_[inner.arguments[i]] = {&op, i};
      }
      visit(inner, depth + 1);
    }
  }
}

/// Whether the value may be another one in the later iteration.
bool Positions::differs(ValueId v, const Later* later) const {
  const auto depth = depths_.find(v);
  if (!later || depth == depths_.end() || depth->second <= depths_.at(later->loop->regions[0].arguments[0]) - 1)
    return false;
  const auto index = indices_.find(v);
  return index == indices_.end() || index->second.loop != later->loop || index->second.argument >= later->argument;
}

Positions::Sum Positions::sum(ValueId v, const Later* later) const {
  Sum result;
  if (const Op* op = definitions_.of(v)) {
    switch (op->opcode) {
    case Opcode::constant_: result.constant = op->integer; return result;
    case Opcode::add:
    case Opcode::sub:
      result = sum(op->operands[0], later);
      result.add(sum(op->operands[1], later), op->opcode == Opcode::add ? 1 : -1);
      return result;
    case Opcode::neg: result.add(sum(op->operands[0], later), -1); return result;
    case Opcode::mul: {
      const Sum factors[] = {sum(op->operands[0], later), sum(op->operands[1], later)};
      for (const int i : {0, 1})
        if (factors[i].terms.empty()) {
          result.add(factors[1 - i], factors[i].constant);
          return result;
        }
      break;
    }
    default: break;
    }
  }
  result.terms[{v, differs(v, later) ? 1 : 0}] = 1;
  return result;
}

/// The last index of a loop: where it has one, max(0, n) iterations are n.
Positions::Sum Positions::last(const Index& index, const Later* later) const {
  ValueId extent = index.loop->operands[index.argument];
  if (const Op* larger = definitions_.as(extent, Opcode::max))
    for (const std::size_t i : {0, 1}) {
      const Op* zero = definitions_.as(larger->operands[i], Opcode::constant_);
      if (zero && zero->integer == 0)
        extent = larger->operands[1 - i];
    }
  Sum result = sum(extent, later);
  --result.constant;
  return result;
}

/// What an index is at most, or at least.
Positions::Sum Positions::bound(const Variable& variable, bool upper, const Later* later) const {
  const Index& index = indices_.at(variable.value);
  const bool further_on = variable.iteration == 1 && index.loop == later->loop && index.argument == later->argument;
  const bool backwards = index.loop->opcode == Opcode::loop_ && index.loop->integer != 0;
  if (further_on && upper == backwards)
    return {{{{variable.value, 0}, 1}}, backwards ? -1 : 1};
  return upper ? last(index, variable.iteration == 1 ? later : nullptr) : Sum{};
}

/// True if the sum is at least 1: inner indices are replaced by what they are at most or at least, which may depend on
/// outer ones.
bool Positions::is_positive(Sum difference, const Later* later) const {
  for (;;) {
    const auto order = [&](const Variable& v) { return std::tuple(depths_.at(v.value), v.iteration, v.value); };
    const std::pair<const Variable, std::int64_t>* innermost = nullptr;
    for (const auto& term : difference.terms)
      if (indices_.contains(term.first.value) && (!innermost || order(term.first) > order(innermost->first)))
        innermost = &term;
    if (!innermost)
      return difference.terms.empty() && difference.constant >= 1;
    const auto [variable, coefficient] = *innermost;
    difference.terms.erase(variable);
    difference.add(bound(variable, coefficient < 0, later), coefficient);
  }
}

bool Positions::are_apart(const Op& first, const Op& second, const Later* later) const {
  for (std::size_t i = 0; i < indices(first).size(); ++i) {
    Sum difference = sum(indices(second)[i], later);
    difference.add(sum(indices(first)[i], nullptr), -1);
    Sum opposite;
    opposite.add(difference, -1);
    if (is_positive(difference, later) || is_positive(opposite, later))
      return true;
  }
  return false;
}

bool Positions::never_meet_later(const Access& first, const Access& second, std::size_t depth) const {
  if (second.position > first.position && !are_apart(*first.op, *second.op, nullptr))
    return false;
  for (std::size_t i = depth; i < std::min(first.around.size(), second.around.size()); ++i) {
    const Op* op = first.around[i];
    if (op != second.around[i])
      break;
    if (op->opcode == Opcode::while_)
      return false;
    if (!is_counted_loop(*op))
      continue;
    const std::size_t arguments = op->opcode == Opcode::loop_ ? 1 : op->operands.size();
    for (std::size_t k = 0; k < arguments; ++k) {
      const Later later{op, k};
      if (!are_apart(*first.op, *second.op, &later))
        return false;
    }
  }
  return true;
}

bool Positions::is_at_least(ValueId index, ValueId other) const {
  Sum difference = sum(index, nullptr);
  difference.add(sum(other, nullptr), -1);
  ++difference.constant;
  return is_positive(difference, nullptr);
}

std::size_t Positions::depth(ValueId v) const {
  const auto found = depths_.find(v);
  return found == depths_.end() ? 0 : found->second;
}

} // namespace vmodel::passes
