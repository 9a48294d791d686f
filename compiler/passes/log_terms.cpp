#include "compiler/passes/log_terms.h"

#include "compiler/passes/pass.h"

#include <algorithm>

namespace vmodel::passes {

LogTerms::LogTerms(const Function& function) : function_(function), definitions_(function.body) {}

bool LogTerms::may_have(const Function& function) {
  for (const Op& op : function.body.ops) {
    if (op.opcode != Opcode::loop_)
      continue;
    bool has_exp = false, has_log = false;
    for (const Op& inner : op.regions[0].ops) {
      has_exp = has_exp || inner.opcode == Opcode::exp;
      has_log = has_log || inner.opcode == Opcode::log;
      if (inner.opcode == Opcode::log_add_exp)
        return true;
    }
    if (has_exp && has_log)
      return true;
  }
  return false;
}

void LogTerms::flatten(Term term, Terms& terms) const {
  const Op* op = definition(term.value);
  const bool is_sum = op && (op->opcode == Opcode::add || op->opcode == Opcode::sub);
  if (is_sum) {
    flatten({op->operands[0], term.negative}, terms);
    flatten({op->operands[1], term.negative != (op->opcode == Opcode::sub)}, terms);
  } else if (op && op->opcode == Opcode::neg) {
    flatten({op->operands[0], !term.negative}, terms);
  } else {
    terms.push_back(term);
  }
}

Terms LogTerms::flat(ValueId v) const {
  Terms terms;
  flatten({v, false}, terms);
  return terms;
}

std::optional<LogSum> LogTerms::log_sum(const Terms& terms) const {
  for (std::size_t i = 0; i < terms.size(); ++i) {
    // Of two terms it is an operation.
    if (const Op* pair = definitions_.as(terms[i].value, Opcode::log_add_exp); pair && !terms[i].negative) {
      LogSum result{{flat(pair->operands[0]), flat(pair->operands[1])}, terms};
      result.rest.erase(result.rest.begin() + static_cast<std::ptrdiff_t>(i));
      return result;
    }
    const Op* log = definitions_.as(terms[i].value, Opcode::log);
    if (!log || terms[i].negative)
      continue;
    LogSum result;
    std::vector<ValueId> logs; // x_j - s
    bool is_sum = true;
    for (const Term& addend : flat(log->operands[0])) {
      const Op* exp = definitions_.as(addend.value, Opcode::exp);
      is_sum = is_sum && exp && !addend.negative;
      if (is_sum)
        logs.push_back(exp->operands[0]);
    }
    if (!is_sum || logs.size() < 2)
      continue;
    for (std::size_t s = 0; s < terms.size(); ++s) {
      const bool is_shift = s != i && !terms[s].negative && std::all_of(logs.begin(), logs.end(), [&](ValueId v) {
                              const Op* difference = definitions_.as(v, Opcode::sub);
                              return difference && difference->operands[1] == terms[s].value;
                            });
      if (!is_shift)
        continue;
      for (ValueId v : logs)
        result.addends.push_back(flat(definition(v)->operands[0]));
      for (std::size_t k = 0; k < terms.size(); ++k)
        if (k != i && k != s)
          result.rest.push_back(terms[k]);
      return result;
    }
  }
  return std::nullopt;
}

bool LogTerms::is_invariant(ValueId v, const std::set<ValueId>& own) const {
  if (!own.contains(v))
    return true;
  const Op* op = definition(v);
  if (!op || !op->regions.empty())
    return false;
  const bool is_array = op->opcode == Opcode::load_ && !function_.type(op->operands[0]).reference;
  if (!is_array && !ir::is_pure_scalar(op->opcode))
    return false;
  return std::all_of(op->operands.begin(), op->operands.end(), [&](ValueId x) { return is_invariant(x, own); });
}

bool LogTerms::depends(ValueId v, const std::set<ValueId>& on, const std::set<ValueId>& own) const {
  if (on.contains(v))
    return true;
  const Op* op = definition(v);
  if (!op || !own.contains(v))
    return false;
  const std::vector<ValueId> used = ir::free_values(function_, *op);
  return std::any_of(used.begin(), used.end(), [&](ValueId x) { return depends(x, on, own); });
}

std::optional<LogRecurrence> LogTerms::recurrence(const Op& loop) const {
  if (loop.opcode != Opcode::loop_ || ir::has_effects(loop))
    return std::nullopt;
  const Region& body = loop.regions[0];
  LogRecurrence result;
  result.own.insert(body.arguments.begin(), body.arguments.end());
  ir::for_each_op(body, [&](const Op& op) { result.own.insert(op.results.begin(), op.results.end()); });
  std::vector<std::pair<std::size_t, LogSum>> sums;
  std::set<ValueId> states;
  for (std::size_t i = 0; i < loop.results.size(); ++i) {
    if (function_.type(loop.results[i]) != Type{})
      continue;
    const Terms terms = flat(body.yields[i]);
    // A log(sum exp) of what does not depend on carried values may stand beside; it is then looked at as a term.
    if (auto sum = log_sum(terms)) {
      sums.emplace_back(i, std::move(*sum));
      states.insert(body.arguments[i + 1]);
    }
  }
  if (sums.size() < 2)
    return std::nullopt;
  for (auto& [carried, sum] : sums) {
    LogState state{carried, std::vector<Terms>(sums.size()), sum.rest};
    std::vector<bool> is_there(sums.size());
    std::optional<Terms> varying; // the same in all addends
    for (const Terms& addend : sum.addends) {
      std::optional<std::size_t> from;
      Terms weight, changes;
      for (const Term& term : addend) {
        if (!states.contains(term.value)) {
          (is_invariant(term.value, result.own) ? weight : changes).push_back(term);
          continue;
        }
        if (from || term.negative)
          return std::nullopt;
        for (std::size_t k = 0; k < sums.size(); ++k)
          if (body.arguments[sums[k].first + 1] == term.value)
            from = k;
      }
      std::sort(changes.begin(), changes.end());
      if (!from || is_there[*from] || (varying && *varying != changes))
        return std::nullopt;
      is_there[*from] = true;
      state.weights[*from] = std::move(weight);
      varying = std::move(changes);
    }
    if (std::find(is_there.begin(), is_there.end(), false) != is_there.end())
      return std::nullopt;
    state.rest.insert(state.rest.end(), varying->begin(), varying->end());
    for (const Term& term : state.rest)
      if (depends(term.value, states, result.own))
        return std::nullopt;
    result.states.push_back(std::move(state));
  }
  // Terms that all states have.
  const Terms candidates = result.states[0].rest;
  for (const Term& term : candidates) {
    std::vector<Terms::iterator> places;
    for (LogState& state : result.states)
      if (const auto at = std::find(state.rest.begin(), state.rest.end(), term); at != state.rest.end())
        places.push_back(at);
    if (places.size() != result.states.size())
      continue;
    result.common.push_back(term);
    for (std::size_t k = 0; k < places.size(); ++k)
      result.states[k].rest.erase(places[k]);
  }
  return result;
}

} // namespace vmodel::passes
