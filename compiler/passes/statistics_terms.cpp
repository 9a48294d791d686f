#include "compiler/passes/statistics_terms.h"

#include "compiler/passes/pass.h"

#include <utility>

namespace vmodel::passes {

namespace {

// The values that depend on the indices, those of regions inside included.
void spread(const Region& region, std::set<ValueId>& varying) {
  for (const Op& op : region.ops) {
    bool varies = false;
    for (ValueId v : op.operands)
      varies |= varying.contains(v);
    for (const Region& inner : op.regions) {
      // What an inner loop carries may change with it; only sums are looked into.
      if (op.opcode != Opcode::reduce_ && varies)
        varying.insert(inner.arguments.begin(), inner.arguments.end());
      spread(inner, varying);
      for (ValueId v : inner.yields)
        varies |= varying.contains(v);
      ir::for_each_op(inner, [&](const Op& used) {
        for (ValueId v : used.operands)
          varies |= varying.contains(v);
      });
    }
    if (varies)
      varying.insert(op.results.begin(), op.results.end());
  }
}

} // namespace

TermFinder::TermFinder(const ir::Function& function, const std::vector<ir::Axis>& axis, const Op& reduce)
    : function_(function), axis_(axis), inside_(ir::Definitions::directly_in(reduce.regions[0])) {
  const Region& region = reduce.regions[0];
  varies_.insert(region.arguments.begin(), region.arguments.end());
  spread(region, varies_);
}

ExpressionId TermFinder::make(const Expression& expression) {
  const auto [found, is_new] = numbers_.try_emplace(expression, static_cast<ExpressionId>(expressions_.size()));
  if (is_new)
    expressions_.push_back(expression);
  return found->second;
}

ExpressionId TermFinder::combine(Expression::Kind kind, ExpressionId a, ExpressionId b) {
  return make({.kind = kind, .value = {}, .number = 0, .left = a, .right = b});
}

bool TermFinder::is_load(ExpressionId id) const {
  const Expression& e = expression(id);
  switch (e.kind) {
  case Expression::Kind::value: return is_data(e.value);
  case Expression::Kind::number: return true;
  default: return is_load(e.left) && is_load(e.right);
  }
}

FormId TermFinder::add_form(Form form) {
  forms_.push_back(std::move(form));
  return static_cast<FormId>(forms_.size()) - 1;
}

Terms TermFinder::linear(ExpressionId factor, ExpressionId data, ValueId block) {
  return {Scaled{number(1), add_form({{factor, data, block}})}, {}, {}};
}

Terms TermFinder::find_in(ValueId v, ValueId block) {
  if (const auto found = known_.find({v, block}); found != known_.end())
    return found->second;
  Terms result;
  if (!varies(v)) {
    // Within a block, a factor may change with the block's index.
    result = linear(value(v), number(1), block);
  } else if (is_data(v)) {
    result = linear(number(1), value(v), block);
  } else {
    const Op* op = inside_.of(v);
    result = op ? of_operation(*op, v, block) : rest(v);
  }
  return known_.insert_or_assign({v, block}, std::move(result)).first->second;
}

Terms TermFinder::of_operation(const Op& op, ValueId v, ValueId block) {
  using Kind = Expression::Kind;
  const auto operand = [&](std::size_t i) { return find_in(op.operands[i], block); };
  switch (op.opcode) {
  case Opcode::add: return sum(operand(0), operand(1), 1);
  case Opcode::sub: return sum(operand(0), operand(1), -1);
  case Opcode::neg: return scaled(operand(0), Kind::mul, number(-1));
  case Opcode::square:
    if (const auto squared = product(operand(0), operand(0)))
      return *squared;
    return rest(v);
  case Opcode::mul: {
    // A factor before what it scales, and data before other products.
    for (const auto& [a, b] : {std::pair{0U, 1U}, std::pair{1U, 0U}})
      if (!varies(op.operands[a]))
        return scaled(operand(b), Kind::mul, value(op.operands[a]));
    if (const auto both = product(operand(0), operand(1)))
      return *both;
    for (const auto& [a, b] : {std::pair{0U, 1U}, std::pair{1U, 0U}}) {
      const Terms other = operand(b);
      if (!is_data(op.operands[a]) || !other.linear || !other.squares.empty() || !other.rest.empty())
        continue;
      Form form;
      for (const LinearTerm& term : this->form(other.linear->form))
        form.push_back({term.factor, combine(Kind::mul, term.data, value(op.operands[a])), term.block});
      return {Scaled{other.linear->factor, add_form(std::move(form))}, {}, {}};
    }
    return rest(v);
  }
  case Opcode::div: {
    if (!varies(op.operands[1]))
      return scaled(operand(0), Kind::div, value(op.operands[1]));
    const Terms above = operand(0);
    if (!is_data(op.operands[1]) || !above.linear || !above.squares.empty() || !above.rest.empty())
      return rest(v);
    Form form;
    for (const LinearTerm& term : this->form(above.linear->form))
      form.push_back({term.factor, combine(Kind::div, term.data, value(op.operands[1])), term.block});
    return {Scaled{above.linear->factor, add_form(std::move(form))}, {}, {}};
  }
  case Opcode::reduce_:
    if (!block && op.symbol == "add" && op.results.size() == 1 && op.regions[0].arguments.size() == 1)
      return inner_sum(op);
    return rest(v);
  default: return rest(v);
  }
}

// sum_k c_k d_nk with an extent that is the same in every iteration.
Terms TermFinder::inner_sum(const Op& op) {
  const Region& region = op.regions[0];
  const ValueId index = region.arguments[0];
  if (varies(op.operands[0]))
    return rest(op.results[0]);
  for (const Op& inner : region.ops) {
    if (!inner.regions.empty() || ir::has_effect(inner.opcode))
      return rest(op.results[0]);
    inside_.add(inner);
  }
  block_extent_[index] = op.operands[0];
  const Terms terms = find_in(region.yields[0], index);
  if (!terms.linear || !terms.squares.empty() || !terms.rest.empty())
    return rest(op.results[0]);
  // A scale that does not belong to the block's index alone must not leave it.
  Form form;
  for (const LinearTerm& term : this->form(terms.linear->form)) {
    if (term.block != index)
      return rest(op.results[0]);
    form.push_back({combine(Expression::Kind::mul, terms.linear->factor, term.factor), term.data, index});
  }
  return {Scaled{number(1), add_form(std::move(form))}, {}, {}};
}

Terms TermFinder::scaled(Terms terms, Expression::Kind kind, ExpressionId factor) {
  if (terms.linear)
    terms.linear->factor = combine(kind, terms.linear->factor, factor);
  for (Scaled& square : terms.squares)
    square.factor = combine(kind, square.factor, factor);
  for (ExpressionId& id : terms.rest)
    id = combine(kind, id, factor);
  return terms;
}

std::optional<Terms> TermFinder::product(const Terms& a, const Terms& b) {
  const auto is_linear = [](const Terms& terms) { return terms.linear && terms.squares.empty() && terms.rest.empty(); };
  if (!is_linear(a) || !is_linear(b) || a.linear->form != b.linear->form)
    return std::nullopt;
  return Terms{{}, {{combine(Expression::Kind::mul, a.linear->factor, b.linear->factor), a.linear->form}}, {}};
}

Terms TermFinder::sum(const Terms& a, const Terms& b, double sign) {
  using Kind = Expression::Kind;
  const Terms other = sign < 0 ? scaled(b, Kind::mul, number(-1)) : b;
  Terms result;
  result.squares = a.squares;
  result.squares.insert(result.squares.end(), other.squares.begin(), other.squares.end());
  result.rest = a.rest;
  result.rest.insert(result.rest.end(), other.rest.begin(), other.rest.end());
  if (!a.linear || !other.linear) {
    result.linear = a.linear ? a.linear : other.linear;
    return result;
  }
  Form form;
  for (const Scaled& part : {*a.linear, *other.linear})
    for (const LinearTerm& term : this->form(part.form)) {
      const ExpressionId factor = combine(Kind::mul, part.factor, term.factor);
      bool merged = false;
      for (LinearTerm& earlier : form)
        if (earlier.data == term.data && earlier.block == term.block) {
          earlier.factor = combine(Kind::add, earlier.factor, factor);
          merged = true;
          break;
        }
      if (!merged)
        form.push_back({factor, term.data, term.block});
    }
  result.linear = Scaled{number(1), add_form(std::move(form))};
  return result;
}

} // namespace vmodel::passes
