// Square roots that squares, logarithms and quotients take back. A scale is often the root of a variance that a
// recurrence or a formula gives, and a density squares it again: with sqrt(v)^2 = v and log(sqrt(v)) = log(v) / 2 no
// root is left. Write-once memory of roots holds the numbers under the roots instead, where that leaves fewer of them.
#include "compiler/ir/definitions.h"
#include "compiler/ir/ranges.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/passes.h"

#include <map>
#include <set>

namespace vmodel::passes {

namespace {

/// Roots inside of regions; those outside of loops cost nothing.
std::size_t count_inner_roots(const Function& function) {
  std::size_t count = 0;
  for (const Op& op : function.body.ops)
    for (const Region& region : op.regions)
      ir::for_each_op(region, [&](const Op& inner) { count += inner.opcode == Opcode::sqrt; });
  return count;
}

class Inverses {
public:
  Inverses(const Function& function, const std::map<std::string, ir::Range>& data)
      : from_(function), range_(ir::ranges(function, data)), definitions_(function.body) {}

  /// With the algebra alone.
  Function simplified() {
    return ir::rewrite(from_, [this](Rewriter& r, const Op& op) {
      const ValueId value = algebra(r, op);
      if (value)
        r.set(op.results[0], value);
      return static_cast<bool>(value);
    });
  }

  /// Memory whose elements are roots, or nonnegative where they are not, and that is only loaded and stored.
  bool find_memory() {
    std::set<ValueId> held;
    ir::for_each_op(from_.body, [&](const Op& op) {
      if (op.opcode == Opcode::alloc_ && op.integer == 0)
        held.insert(op.results[0]);
    });
    ir::for_each_op(from_.body, [&](const Op& op) {
      const bool is_plain = op.opcode == Opcode::load_ || op.opcode == Opcode::store_ || op.opcode == Opcode::freeze_;
      for (std::size_t i = 0; i < op.operands.size(); ++i) {
        const ValueId memory = definitions_.memory(op.operands[i]);
        if (!is_plain || i != 0)
          held.erase(memory);
        else if (op.opcode == Opcode::store_) {
          const ValueId stored = op.operands.back();
          if (!range_[stored.id].is_nonnegative())
            held.erase(memory);
          else if (under_root(stored))
            memory_.insert(memory);
        }
      }
    });
    std::erase_if(memory_, [&](ValueId memory) { return !held.contains(memory); });
    return !memory_.empty();
  }

  /// With the numbers under the roots in that memory.
  Function with_squares() {
    return ir::rewrite(from_, [this](Rewriter& r, const Op& op) {
      ir::Builder& b = r.builder();
      if (op.opcode == Opcode::load_ && memory_.contains(definitions_.memory(op.operands[0]))) {
        const std::vector<ValueId> operands = r(op.operands);
        r.set(op.results[0], b.unary(Opcode::sqrt, b.load(operands[0], std::span(operands).subspan(1))));
        return true;
      }
      if (op.opcode == Opcode::store_ && memory_.contains(op.operands[0])) {
        const std::vector<ValueId> operands = r(op.operands);
        const ValueId square = under_root(op.operands.back());
        b.store(operands[0], std::span(operands).subspan(1, operands.size() - 2),
                square ? r(square) : b.unary(Opcode::square, operands.back()));
        return true;
      }
      return false;
    });
  }

private:
  /// v where x = sqrt(v) and v is not negative; none otherwise.
  ValueId under_root(ValueId x) const {
    const Op* op = definitions_.as(x, Opcode::sqrt);
    return op && range_[op->operands[0].id].is_nonnegative() ? op->operands[0] : ValueId{};
  }

  /// The square of a value that is a root or a quotient or product with one, without the root; none for others.
  ValueId square(Rewriter& r, ValueId x) const {
    ir::Builder& b = r.builder();
    if (const ValueId v = under_root(x))
      return r(v);
    if (const Op* op = definitions_.as(x, Opcode::div))
      if (const ValueId v = under_root(op->operands[1]))
        return b.div(b.unary(Opcode::square, r(op->operands[0])), r(v));
    if (const Op* op = definitions_.as(x, Opcode::mul))
      for (std::size_t i : {0, 1})
        if (const ValueId v = under_root(op->operands[i]))
          return b.mul(b.unary(Opcode::square, r(op->operands[1 - i])), r(v));
    return {};
  }

  /// A value without the inverse for an operation that takes one back; none for others.
  ValueId algebra(Rewriter& r, const Op& op) const {
    if (op.results.size() != 1 || from_.type(op.results[0]) != ir::Type{})
      return {};
    ir::Builder& b = r.builder();
    switch (op.opcode) {
    case Opcode::square: return square(r, op.operands[0]);
    case Opcode::mul:
      // (c x) x
      for (std::size_t i : {0, 1}) {
        const ValueId x = op.operands[i];
        const Op* inner = definitions_.as(op.operands[1 - i], Opcode::mul);
        for (std::size_t k : {0, 1})
          if (inner && inner->operands[k] == x) {
            const ValueId squared = square(r, x);
            return b.mul(r(inner->operands[1 - k]), squared ? squared : b.unary(Opcode::square, r(x)));
          }
      }
      return {};
    case Opcode::div:
      // (a / s) / s
      if (const ValueId v = under_root(op.operands[1]))
        if (const Op* inner = definitions_.as(op.operands[0], Opcode::div);
            inner && inner->operands[1] == op.operands[1])
          return b.div(r(inner->operands[0]), r(v));
      return {};
    case Opcode::log:
      if (const Op* inner = definitions_.as(op.operands[0], Opcode::sqrt))
        return b.mul(b.constant(0.5), b.unary(Opcode::log, r(inner->operands[0])));
      return {};
    case Opcode::exp:
      if (const Op* inner = definitions_.as(op.operands[0], Opcode::log);
          inner && range_[inner->operands[0].id].is_nonnegative())
        return r(inner->operands[0]);
      return {};
    case Opcode::sqrt:
      if (const Op* inner = definitions_.as(op.operands[0], Opcode::square)) {
        const ValueId x = inner->operands[0];
        return range_[x.id].is_nonnegative() ? r(x) : b.unary(Opcode::abs, r(x));
      }
      return {};
    default: return {};
    }
  }

  const Function& from_;
  std::vector<ir::Range> range_;
  ir::Definitions definitions_;
  std::set<ValueId> memory_;
};

Function without_inverses(const Function& function, const std::map<std::string, ir::Range>& data) {
  Function next = simplify(Inverses(function, data).simplified());
  Inverses pass(next, data);
  if (!pass.find_memory())
    return next;
  const Function squares = pass.with_squares();
  Function tried = simplify(Inverses(squares, data).simplified());
  return count_inner_roots(tried) < count_inner_roots(next) ? std::move(tried) : std::move(next);
}

} // namespace

Function inverses(Function function, const std::map<std::string, ir::Range>& data) {
  bool any = false;
  ir::for_each_op(function.body,
                  [&](const Op& op) { any = any || op.opcode == Opcode::sqrt || op.opcode == Opcode::exp; });
  return any ? without_inverses(function, data) : std::move(function);
}

ir::Module inverses(ir::Module module) {
  const std::map<std::string, ir::Range> data = ir::data_ranges(module);
  for (Function& function : module.functions)
    function = inverses(std::move(function), data);
  return module;
}

} // namespace vmodel::passes
