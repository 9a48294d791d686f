// Products of data with one vector of parameters that are combined linearly become one product. In
//
//   t[n] * (A @ x)[n] - (A @ (c * x))[n]
//
// both sums over s are of data times x[s], and t[n] is data: it is the sum of (t[n] A[n, s] - A[n, s] c[s]) x[s]. What
// stands in parentheses becomes a matrix at load. Both the product and its transpose then cost half.
#include "compiler/ir/axes.h"
#include "compiler/ir/definitions.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/passes.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace vmodel::passes {

namespace {

/// A product, taken apart.
struct Factors {
  std::vector<ValueId> data;
  std::vector<ValueId> others; // in increasing order
  bool negative = false;
};

/// A result of a reduce inside as a term of a value of the row.
struct Term {
  ValueId result;
  std::vector<ValueId> coefficients; // data of the row
  bool negative = false;
  Factors factors; // of what is summed
};

/// The terms that become one: sums of the same reduce, of data times the same.
struct Combination {
  const Op* reduce;
  ValueId root; // the value of the row
  std::vector<Term> terms;
  ValueId combined; // the sum, in the new function
};

class CombinedProducts {
public:
  explicit CombinedProducts(const Function& function)
      : from_(function), axis_(ir::axes(function)), uses_(ir::count_uses(function)) {
    for (const Op& op : function.body.ops)
      if (op.opcode == Opcode::reduce_)
        find(op.regions[0]);
  }

  bool any() const { return !combinations_.empty(); }

  Function run() {
    return ir::rewrite(from_, [this](Rewriter& r, const Op& op) {
      if (op.opcode == Opcode::reduce_ && is_combined(op)) {
        combine(r, op);
        return true;
      }
      if (op.results.size() != 1 || !roots_.contains(op.results[0]))
        return false;
      const ValueId root = op.results[0];
      std::optional<ValueId> value = rest(r, root, true);
      for (const Combination& combination : combinations_)
        if (combination.root == root)
          value = value ? r.builder().add(*value, combination.combined) : combination.combined;
      r.set(root, *value);
      return true;
    });
  }

private:
  bool is_data(ValueId v) const { return axis_[v.id] == Axis::load; }

  void find(const Region& row) {
    definitions_.push_back(ir::Definitions::directly_in(row));
    std::set<ValueId> covered; // by a larger sum
    for (auto op = row.ops.rbegin(); op != row.ops.rend(); ++op) {
      if ((op->opcode != Opcode::add && op->opcode != Opcode::sub) || covered.contains(op->results[0]) ||
          from_.type(op->results[0]).element != Element::f64)
        continue;
      std::vector<Term> terms;
      Term whole;
      walk(definitions_.back(), op->results[0], true, whole, terms, covered);
      group(definitions_.back(), op->results[0], terms);
    }
  }

  /// The terms of a value that are sums over a loop inside. `term` has what they are multiplied by.
  void walk(const ir::Definitions& row, ValueId v, bool is_root, Term term, std::vector<Term>& terms,
            std::set<ValueId>& covered) const {
    const Op* op = row.of(v);
    if (!op || (!is_root && uses_[v.id] != 1))
      return;
    if (op->opcode == Opcode::reduce_ && op->symbol == "add" && !ir::has_effects(*op)) {
      const auto at = std::find(op->results.begin(), op->results.end(), v) - op->results.begin();
      term.result = v;
      take_apart(ir::Definitions::directly_in(op->regions[0]), op->regions[0].yields[static_cast<std::size_t>(at)],
                 term.factors);
      std::sort(term.factors.others.begin(), term.factors.others.end());
      terms.push_back(std::move(term));
      return;
    }
    if (is_sum(*op)) {
      covered.insert(v);
      const std::size_t last = op->operands.size() - 1;
      for (std::size_t i = 0; i <= last; ++i) {
        Term next = term;
        next.negative ^= op->opcode == Opcode::neg || (op->opcode == Opcode::sub && i == last);
        walk(row, op->operands[i], false, std::move(next), terms, covered);
      }
    } else if (op->opcode == Opcode::mul && is_data(op->operands[0]) != is_data(op->operands[1])) {
      covered.insert(v);
      const std::size_t data = is_data(op->operands[0]) ? 0 : 1;
      term.coefficients.push_back(op->operands[data]);
      walk(row, op->operands[1 - data], false, std::move(term), terms, covered);
    }
  }

  static bool is_sum(const Op& op) {
    return op.opcode == Opcode::add || op.opcode == Opcode::sub || op.opcode == Opcode::neg;
  }

  void take_apart(const ir::Definitions& inside, ValueId v, Factors& factors) const {
    const Op* op = inside.of(v);
    if (is_data(v)) {
      factors.data.push_back(v);
    } else if (op && op->opcode == Opcode::neg) {
      factors.negative = !factors.negative;
      take_apart(inside, op->operands[0], factors);
    } else if (op && op->opcode == Opcode::mul) {
      take_apart(inside, op->operands[0], factors);
      take_apart(inside, op->operands[1], factors);
    } else {
      factors.others.push_back(v);
    }
  }

  void group(const ir::Definitions& row, ValueId root, const std::vector<Term>& terms) {
    std::map<std::pair<ValueId, std::vector<ValueId>>, std::vector<Term>> groups; // by the reduce and what is the same
    for (const Term& term : terms)
      if (!term.factors.others.empty())
        groups[{row.of(term.result)->results[0], term.factors.others}].push_back(term);
    for (auto& [key, members] : groups)
      if (members.size() > 1) {
        for (const Term& term : members)
          combined_.insert(term.result);
        roots_.insert(root);
        combinations_.push_back({row.of(key.first), root, std::move(members), {}});
      }
  }

  bool is_combined(const Op& reduce) const {
    return std::any_of(combinations_.begin(), combinations_.end(),
                       [&](const Combination& combination) { return combination.reduce == &reduce; });
  }

  /// The reduce without the sums that are combined, and with those that they become.
  void combine(Rewriter& r, const Op& op) {
    Builder& b = r.builder();
    std::vector<Combination*> here;
    for (Combination& combination : combinations_)
      if (combination.reduce == &op)
        here.push_back(&combination);
    for (const Combination* combination : here)
      for (const Term& term : combination->terms)
        for (const ValueId coefficient : term.coefficients)
          bring(r, coefficient);
    std::vector<Dim> extents;
    for (const ValueId operand : op.operands)
      extents.push_back(b.dim(r(operand)));
    const Region& body = op.regions[0];
    std::vector<ValueId> kept;
    for (const ValueId result : op.results)
      if (!combined_.contains(result))
        kept.push_back(result);
    const std::vector<ValueId> sums = b.reduce("add", extents, [&](Builder::Indices at) {
      for (std::size_t i = 0; i < at.size(); ++i)
        r.set(body.arguments[i], at[i]);
      r.copy_ops(body);
      std::vector<ValueId> yields;
      for (std::size_t i = 0; i < op.results.size(); ++i)
        if (!combined_.contains(op.results[i]))
          yields.push_back(r(body.yields[i]));
      for (const Combination* combination : here)
        yields.push_back(summand(r, *combination));
      return yields;
    });
    for (std::size_t i = 0; i < kept.size(); ++i)
      r.set(kept[i], sums[i]);
    for (std::size_t i = 0; i < here.size(); ++i)
      here[i]->combined = sums[kept.size() + i];
    // Operations that nothing needs any more still want operands.
    for (const ValueId result : op.results)
      if (combined_.contains(result))
        r.set(result, b.constant(0));
  }

  /// Data of the row that stands after the loop inside, before it.
  void bring(Rewriter& r, ValueId v) const {
    if (r.has(v))
      return;
    for (const ir::Definitions& row : definitions_)
      if (const Op* op = row.of(v)) {
        for (const ValueId operand : ir::free_values(from_, *op))
          bring(r, operand);
        r.copy(*op, false);
      }
  }

  ValueId summand(Rewriter& r, const Combination& combination) const {
    Builder& b = r.builder();
    const auto times = [&](ValueId product, ValueId factor) { return product ? b.mul(product, r(factor)) : r(factor); };
    ValueId data;
    for (const Term& term : combination.terms) {
      ValueId product;
      for (const ValueId factor : term.coefficients)
        product = times(product, factor);
      for (const ValueId factor : term.factors.data)
        product = times(product, factor);
      if (!product)
        product = b.constant(1);
      const bool negative = term.negative != term.factors.negative;
      if (data)
        data = negative ? b.sub(data, product) : b.add(data, product);
      else
        data = negative ? b.neg(product) : product;
    }
    ValueId value;
    for (const ValueId factor : combination.terms.front().factors.others)
      value = times(value, factor);
    return b.mul(data, value);
  }

  /// What is left of a value without the terms that are combined; nothing: no other terms.
  std::optional<ValueId> rest(Rewriter& r, ValueId v, bool is_root) const {
    if (combined_.contains(v))
      return std::nullopt;
    const Op* op = nullptr;
    for (const ir::Definitions& row : definitions_)
      if (const Op* found = row.of(v))
        op = found;
    if (!op || (!is_root && uses_[v.id] != 1) || (!is_sum(*op) && op->opcode != Opcode::mul))
      return r(v);
    Builder& b = r.builder();
    std::vector<std::optional<ValueId>> operands;
    for (const ValueId operand : op->operands)
      operands.push_back(rest(r, operand, false));
    if (op->opcode == Opcode::neg)
      return operands[0] ? std::optional(b.neg(*operands[0])) : std::nullopt;
    if (op->opcode == Opcode::mul)
      return operands[0] && operands[1] ? std::optional(b.mul(*operands[0], *operands[1])) : std::nullopt;
    if (!operands[0])
      return operands[1] && op->opcode == Opcode::sub ? std::optional(b.neg(*operands[1])) : operands[1];
    if (!operands[1])
      return operands[0];
    return b.binary(op->opcode, *operands[0], *operands[1]);
  }

  const Function& from_;
  const std::vector<Axis> axis_;
  const std::vector<int> uses_;
  std::vector<ir::Definitions> definitions_; // of the bodies of the outer loops
  std::vector<Combination> combinations_;
  std::set<ValueId> combined_; // results of reduces that become others
  std::set<ValueId> roots_;
};

/// The reduces directly inside of loops of the top level that have several results.
std::vector<const Op*> inner_reduces(const Function& function) {
  std::vector<const Op*> found;
  for (const Op& op : function.body.ops)
    if (op.opcode == Opcode::reduce_)
      for (const Op& inner : op.regions[0].ops)
        if (inner.opcode == Opcode::reduce_ && inner.results.size() > 1)
          found.push_back(&inner);
  return found;
}

/// The function with elements of builds in one of these reduces written out: of `c * x` it is to be seen that it is
/// data times x. Where nothing is combined, an array is better.
Function write_out(const Function& function, const Op& reduce) {
  const ir::Definitions definitions(function.body);
  const auto is_simple = [&](const Op& op) {
    return op.opcode == Opcode::load_ ? !function.type(op.operands[0]).reference : ir::is_pure_scalar(op.opcode);
  };
  std::set<const Op*> loads;
  for (const Op& op : reduce.regions[0].ops)
    if (op.opcode == Opcode::load_)
      if (const Op* build = definitions.as(op.operands[0], Opcode::build_);
          build && std::all_of(build->regions[0].ops.begin(), build->regions[0].ops.end(), is_simple))
        loads.insert(&op);
  return ir::rewrite(function, [&](Rewriter& r, const Op& op) {
    if (!loads.contains(&op))
      return false;
    const Region& body = definitions.of(op.operands[0])->regions[0];
    for (std::size_t i = 0; i < body.arguments.size(); ++i)
      r.set(body.arguments[i], r(op.operands[i + 1]));
    r.copy_ops(body);
    r.set(op.results[0], r(body.yields[0]));
    return true;
  });
}

} // namespace

Function combined_products(Function function) {
  // What is combined has fewer results, and may be no candidate any more.
  for (std::size_t i = 0; i < inner_reduces(function).size();) {
    const Function written_out = simplify(write_out(function, *inner_reduces(function)[i]));
    CombinedProducts products(written_out);
    if (products.any())
      function = simplify(products.run());
    else
      ++i;
  }
  return function;
}

Module combined_products(Module module) {
  for (Function& function : module.functions)
    function = combined_products(std::move(function));
  return module;
}

} // namespace vmodel::passes
