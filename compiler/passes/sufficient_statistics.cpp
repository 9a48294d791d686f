// Sums over data become functions of statistics that `prepare` computes.
#include "compiler/passes/sufficient_statistics.h"

#include "compiler/ir/axes.h"
#include "compiler/passes/fuse.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/statistics_terms.h"

#include <algorithm>
#include <map>
#include <set>
#include <span>

namespace vmodel::passes {

namespace {

// Up to so many columns the product with the triangular factor is straight-line code.
constexpr std::size_t max_unrolled = 12;

// One sum of a kernel that is being rewritten.
class SumRewriter {
public:
  SumRewriter(const Function& from, const std::vector<Axis>& axis, const Op& sum, Rewriter& outside)
      : from_(from), sum_(sum), r_(outside), b_(outside.builder()), finder_(from, axis, sum), inside_(sum.regions[0]) {}

  /// Makes the results of the sum and returns true, or leaves the sum as it is.
  bool run() {
    std::vector<Terms> all;
    bool gains = false;
    for (ValueId v : sum_.regions[0].yields) {
      all.push_back(finder_.find(v));
      gains |= !all.back().squares.empty() || (all.back().linear && has_data(*all.back().linear));
      if (!can_stand_outside(all.back()))
        return false;
    }
    if (!gains)
      return false;
    b_.set_range(sum_.range);
    for (ValueId v : sum_.operands)
      extents_.push_back(b_.dim(r_(v)));
    const std::vector<ValueId> rest = sum_of_rest(all);
    for (std::size_t i = 0; i < all.size(); ++i) {
      ValueId total = rest[i];
      if (all[i].linear)
        total = plus(total, b_.mul(factor(all[i].linear->factor, r_), sum_of_form(finder_.form(all[i].linear->form))));
      for (const Scaled& square : all[i].squares)
        total = plus(total, b_.mul(factor(square.factor, r_), squared_norm(square.form)));
      r_.set(sum_.results[i], total);
    }
    return true;
  }

private:
  using Indices = std::span<const ValueId>;

  ValueId plus(ValueId a, ValueId b) { return a ? b_.add(a, b) : b; }

  // Sums of data alone, and what is added as often as there are data whatever they are, need no statistics: the pass
  // `sums` takes them out of the loop.
  bool has_data(const Scaled& linear) const {
    const Form& form = finder_.form(linear.form);
    return std::any_of(form.begin(), form.end(), [&](const LinearTerm& term) {
      const bool is_fixed = finder_.is_load(linear.factor) && finder_.is_load(term.factor);
      return !is_fixed && (term.block || finder_.expression(term.data).kind != Expression::Kind::number);
    });
  }

  // --- What may be computed before the loop, even if the loop has no iteration.
  bool can_stand_outside(const Terms& terms) {
    const auto form_can = [&](const Scaled& scaled) {
      bool can = can_stand_outside(scaled.factor, false);
      for (const LinearTerm& term : finder_.form(scaled.form))
        can &= can_stand_outside(term.factor, static_cast<bool>(term.block)) &&
               (!term.block || can_stand_outside(finder_.block_extent(term.block), false));
      return can;
    };
    bool can = !terms.linear || form_can(*terms.linear);
    for (const Scaled& square : terms.squares)
      can &= form_can(square);
    return can;
  }

  bool can_stand_outside(ExpressionId id, bool in_block) {
    const Expression& e = finder_.expression(id);
    if (e.kind == Expression::Kind::number)
      return true;
    if (e.kind == Expression::Kind::value)
      return can_stand_outside(e.value, in_block);
    return can_stand_outside(e.left, in_block) && can_stand_outside(e.right, in_block);
  }

  bool can_stand_outside(ValueId v, bool in_block) {
    const Op* definition = inside_.of(v);
    if (!definition)
      return true; // of the outside, or a block's index
    const Op& op = *definition;
    if (!op.regions.empty() || ir::has_effect(op.opcode) || op.opcode == Opcode::alloc_ ||
        op.opcode == Opcode::freeze_ || op.opcode == Opcode::random_)
      return false;
    // A block has no iterations where the sum has none; other loads are certain only if they are constant.
    if (op.opcode == Opcode::load_ && !in_block && !is_certain_load(op))
      return false;
    if (op.opcode == Opcode::load_ && from_.type(op.operands[0]).reference)
      return false;
    for (ValueId operand : op.operands)
      if (!can_stand_outside(operand, in_block))
        return false;
    return true;
  }

  bool is_certain_load(const Op& op) const {
    const ir::Type& type = from_.type(op.operands[0]);
    for (std::size_t i = 0; i < type.rank(); ++i) {
      const Op* index = inside_.as(op.operands[i + 1], Opcode::constant_);
      if (!index || type.dims[i].value || index->integer < 0 || index->integer >= type.dims[i].constant)
        return false;
    }
    return true;
  }

  // --- Evaluation. A scope maps the indices of the loop (and of a block) to new ones.
  ValueId materialise(Rewriter& scope, ValueId v) {
    if (scope.has(v))
      return scope(v);
    const Op* definition = inside_.of(v);
    if (!definition) {
      scope.set(v, r_(v));
      return scope(v);
    }
    for (ValueId needed : ir::free_values(from_, *definition))
      materialise(scope, needed);
    scope.copy(*definition, false);
    return scope(v);
  }

  ValueId factor(ExpressionId id, Rewriter& scope) {
    const Expression e = finder_.expression(id);
    switch (e.kind) {
    case Expression::Kind::value: return as_real(materialise(scope, e.value));
    case Expression::Kind::number: return b_.constant(e.number);
    case Expression::Kind::add: return b_.add(factor(e.left, scope), factor(e.right, scope));
    case Expression::Kind::sub: return b_.sub(factor(e.left, scope), factor(e.right, scope));
    case Expression::Kind::mul: return b_.mul(factor(e.left, scope), factor(e.right, scope));
    case Expression::Kind::div: return b_.div(factor(e.left, scope), factor(e.right, scope));
    }
    return {};
  }

  ValueId as_real(ValueId v) { return b_.function().type(v).element == Element::f64 ? v : b_.to_real(v); }

  Rewriter at(Indices indices) {
    Rewriter scope(from_, b_);
    for (std::size_t i = 0; i < indices.size(); ++i)
      scope.set(sum_.regions[0].arguments[i], indices[i]);
    return scope;
  }

  // --- Blocks
  // The extent of a block; none if the sum has no iteration, since its loads could be out of range.
  Dim block_dim(ValueId block) {
    const ValueId extent = materialise(r_, finder_.block_extent(block));
    const ValueId none = b_.compare(Opcode::eq, b_.product(extents_), b_.index(0));
    return b_.dim(b_.select(none, b_.index(0), extent));
  }

  // --- What is neither linear nor a square stays in a loop.
  std::vector<ValueId> sum_of_rest(const std::vector<Terms>& all) {
    std::vector<ValueId> result(all.size());
    std::vector<std::size_t> kept;
    for (std::size_t i = 0; i < all.size(); ++i)
      if (!all[i].rest.empty())
        kept.push_back(i);
    if (kept.empty())
      return result;
    const std::vector<ValueId> sums = b_.reduce("add", extents_, [&](Indices indices) {
      Rewriter scope = at(indices);
      std::vector<ValueId> yields;
      for (std::size_t i : kept) {
        ValueId total;
        for (ExpressionId id : all[i].rest)
          total = plus(total, factor(id, scope));
        yields.push_back(total);
      }
      return yields;
    });
    for (std::size_t i = 0; i < kept.size(); ++i)
      result[kept[i]] = sums[i];
    return result;
  }

  // --- sum_n sum_k c_k d_kn = sum_k c_k (sum_n d_kn)
  ValueId sum_of_form(const Form& form) {
    ValueId total;
    for (const LinearTerm& term : form)
      total = plus(total, term.block ? sum_of_block(term) : b_.mul(factor(term.factor, r_), sum_of_data(term, {})));
    return total;
  }

  ValueId sum_of_data(const LinearTerm& term, ValueId block_index) {
    const Expression e = finder_.expression(term.data);
    if (e.kind == Expression::Kind::number)
      return b_.mul(b_.constant(e.number), b_.to_real(b_.product(extents_)));
    return b_.sum(extents_, [&](Indices indices) {
      Rewriter scope = at(indices);
      if (term.block)
        scope.set(term.block, block_index);
      return factor(term.data, scope);
    });
  }

  ValueId sum_of_block(const LinearTerm& term) {
    const Dim dims[] = {block_dim(term.block)};
    const ValueId sums = b_.build(dims, Element::f64, [&](Indices k) { return sum_of_data(term, k[0]); });
    return b_.sum(dims, [&](Indices k) {
      Rewriter scope(from_, b_);
      scope.set(term.block, k[0]);
      return b_.mul(factor(term.factor, scope), b_.load(sums, k));
    });
  }

  // --- sum_n (sum_k c_k d_kn)^2 = || R c ||^2
  // Columns: the blocks, the scalar terms, and last what has no factor that varies over particles, so
  // that the last row of R is the residual of a regression on the others.
  struct Columns {
    std::vector<LinearTerm> blocks, scalars, fixed;
    std::vector<Dim> block_dims;
    std::vector<ValueId> block_starts;
    ValueId first_scalar;
    ValueId count;
  };

  Columns columns(const Form& form) {
    Columns result;
    ValueId next = b_.index(0);
    for (const LinearTerm& term : form) {
      if (term.block) {
        result.blocks.push_back(term);
        result.block_dims.push_back(block_dim(term.block));
        result.block_starts.push_back(next);
        next = b_.add(next, b_.extent(result.block_dims.back()));
      } else if (finder_.is_load(term.factor)) {
        result.fixed.push_back(term);
      } else {
        result.scalars.push_back(term);
      }
    }
    result.first_scalar = next;
    const std::size_t single = result.scalars.size() + (result.fixed.empty() ? 0 : 1);
    result.count = b_.add(next, b_.index(static_cast<std::int64_t>(single)));
    return result;
  }

  ValueId scalar_position(const Columns& columns, std::size_t k) {
    return b_.add(columns.first_scalar, b_.index(static_cast<std::int64_t>(k)));
  }

  ValueId squared_norm(FormId id) {
    if (const auto found = norms_.find(id); found != norms_.end())
      return found->second;
    const Columns c = columns(finder_.form(id));
    const ValueId triangle = triangular_factor(c);
    const bool unrolled = c.blocks.empty() && c.scalars.size() < max_unrolled;
    return norms_[id] = unrolled ? unrolled_norm(c, triangle) : looped_norm(c, triangle);
  }

  ValueId unrolled_norm(const Columns& columns, ValueId triangle) {
    std::vector<ValueId> factors;
    for (const LinearTerm& term : columns.scalars)
      factors.push_back(factor(term.factor, r_));
    if (!columns.fixed.empty())
      factors.push_back(b_.constant(1));
    ValueId total;
    for (std::size_t i = 0; i < factors.size(); ++i) {
      ValueId row;
      for (std::size_t j = i; j < factors.size(); ++j) {
        const ValueId entry =
            b_.load(triangle, {b_.index(static_cast<std::int64_t>(i)), b_.index(static_cast<std::int64_t>(j))});
        row = plus(row, b_.mul(entry, factors[j]));
      }
      total = plus(total, b_.unary(Opcode::square, row));
    }
    return total;
  }

  ValueId looped_norm(const Columns& columns, ValueId triangle) {
    const Dim dims[] = {b_.dim(columns.count)};
    const ValueId memory = b_.alloc(dims, Element::f64, false);
    for (std::size_t i = 0; i < columns.blocks.size(); ++i) {
      const LinearTerm& term = columns.blocks[i];
      const Dim block[] = {columns.block_dims[i]};
      b_.for_each(block, [&](Indices k) {
        Rewriter scope(from_, b_);
        scope.set(term.block, k[0]);
        const ValueId at[] = {b_.add(columns.block_starts[i], k[0])};
        b_.store(memory, at, factor(term.factor, scope));
      });
    }
    std::size_t position = 0;
    const auto put = [&](ValueId value) {
      const ValueId at[] = {scalar_position(columns, position++)};
      b_.store(memory, at, value);
    };
    for (const LinearTerm& term : columns.scalars)
      put(factor(term.factor, r_));
    if (!columns.fixed.empty())
      put(b_.constant(1));
    const ValueId factors = b_.freeze(memory);
    return b_.sum(dims, [&](Indices i) {
      const Dim width[] = {b_.dim(b_.sub(columns.count, i[0]))};
      const ValueId row = b_.sum(width, [&](Indices j) {
        const ValueId column = b_.add(i[0], j[0]);
        return b_.mul(b_.load(triangle, {i[0], column}), b_.load(factors, {column}));
      });
      return b_.unary(Opcode::square, row);
    });
  }

  // R of the QR factorisation of the columns, row by row: each row of data is rotated into it, so
  // that nothing of the size of the data is stored (Golub and Van Loan, Matrix Computations, 5.2.3).
  ValueId triangular_factor(const Columns& columns) {
    const Dim count = b_.dim(columns.count);
    const Dim square[] = {count, count};
    const Dim single[] = {count};
    const ValueId triangle = b_.alloc(square, Element::f64, true);
    const ValueId row = b_.alloc(single, Element::f64, true);
    std::vector<ValueId> indices;
    nest(indices, [&] {
      fill_row(columns, row, indices);
      b_.loop(count, {}, false, [&](ValueId i, Indices) {
        rotate(columns.count, triangle, row, i);
        return std::vector<ValueId>{};
      });
    });
    return b_.freeze(triangle);
  }

  void nest(std::vector<ValueId>& indices, const std::function<void()>& body) {
    if (indices.size() == extents_.size())
      return body();
    b_.loop(extents_[indices.size()], {}, false, [&](ValueId index, Indices) {
      indices.push_back(index);
      nest(indices, body);
      indices.pop_back();
      return std::vector<ValueId>{};
    });
  }

  void fill_row(const Columns& columns, ValueId row, Indices indices) {
    for (std::size_t i = 0; i < columns.blocks.size(); ++i) {
      const Dim block[] = {columns.block_dims[i]};
      b_.for_each(block, [&](Indices k) {
        Rewriter scope = at(indices);
        scope.set(columns.blocks[i].block, k[0]);
        const ValueId position[] = {b_.add(columns.block_starts[i], k[0])};
        b_.store(row, position, factor(columns.blocks[i].data, scope));
      });
    }
    Rewriter scope = at(indices);
    std::size_t position = 0;
    const auto put = [&](ValueId value) {
      const ValueId column[] = {scalar_position(columns, position++)};
      b_.store(row, column, value);
    };
    for (const LinearTerm& term : columns.scalars)
      put(factor(term.data, scope));
    if (columns.fixed.empty())
      return;
    ValueId fixed;
    for (const LinearTerm& term : columns.fixed)
      fixed = plus(fixed, b_.mul(factor(term.factor, r_), factor(term.data, scope)));
    put(fixed);
  }

  // The rotation of rows i of the triangle and `row` that makes row[i] zero; scaled against overflow.
  void rotate(ValueId count, ValueId triangle, ValueId row, ValueId i) {
    const ValueId a = b_.load(triangle, {i, i});
    const ValueId x = b_.load(row, {i});
    const ValueId largest = b_.binary(Opcode::max, b_.unary(Opcode::abs, a), b_.unary(Opcode::abs, x));
    const ValueId is_zero = b_.compare(Opcode::eq, largest, b_.constant(0));
    const ValueId scale = b_.select(is_zero, b_.constant(1), largest);
    const ValueId u = b_.div(a, scale);
    const ValueId v = b_.div(x, scale);
    const ValueId length = b_.unary(Opcode::sqrt, b_.add(b_.mul(u, u), b_.mul(v, v)));
    const ValueId cosine = b_.select(is_zero, b_.constant(1), b_.div(u, length));
    const ValueId sine = b_.select(is_zero, b_.constant(0), b_.div(v, length));
    const Dim width[] = {b_.dim(b_.sub(count, i))};
    b_.for_each(width, [&](Indices j) {
      const ValueId column = b_.add(i, j[0]);
      const ValueId upper = b_.load(triangle, {i, column});
      const ValueId lower = b_.load(row, {column});
      const ValueId above[] = {i, column};
      const ValueId below[] = {column};
      b_.store(triangle, above, b_.add(b_.mul(cosine, upper), b_.mul(sine, lower)));
      b_.store(row, below, b_.sub(b_.mul(cosine, lower), b_.mul(sine, upper)));
    });
  }

  const Function& from_;
  const Op& sum_;
  Rewriter& r_;
  ir::Builder& b_;
  TermFinder finder_;
  ir::Definitions inside_; // of the sum, at any depth
  std::vector<Dim> extents_;
  std::map<FormId, ValueId> norms_;
};

// A sum without memory of its own: what is loaded from that depends on more than operands.
bool is_pure_sum(const Op& op) {
  if (op.opcode != Opcode::reduce_ || op.symbol != "add" || op.results.empty())
    return false;
  bool pure = true;
  ir::for_each_op(op.regions[0], [&](const Op& inner) {
    pure &= !ir::has_effect(inner.opcode) && inner.opcode != Opcode::alloc_ && inner.opcode != Opcode::freeze_;
  });
  return pure;
}

} // namespace

Function sufficient_statistics(const Function& function, int& rewritten) {
  const std::vector<Axis> axis = ir::axes(function);
  Function result;
  result.name = function.name;
  ir::Builder builder(result);
  Rewriter rewriter(function, builder);
  ir::copy_parameters(function, builder, rewriter);
  for (const Op& op : function.body.ops) {
    const auto is_load = [&](ValueId v) { return axis[v.id] == Axis::load; };
    bool candidate = is_pure_sum(op);
    for (ValueId v : op.operands)
      candidate &= is_load(v);
    bool varies = false;
    for (ValueId v : op.results)
      varies |= !is_load(v);
    if (candidate && varies && SumRewriter(function, axis, op, rewriter).run())
      ++rewritten;
    else
      rewriter.copy(op);
  }
  builder.yield(rewriter(function.body.yields));
  return remove_dead_code(result);
}

ir::Module sufficient_statistics(ir::Module module) {
  if (const Function* density = module.find("log_density")) {
    int rewritten = 0;
    // Builds that became substitutable by the last simplification would hide what is linear.
    Function next = sufficient_statistics(fuse_builds(*density), rewritten);
    if (rewritten > 0) {
      Function plain = *density;
      plain.name += plain_suffix;
      *module.find("log_density") = std::move(next);
      module.functions.push_back(std::move(plain));
    }
  }
  return module;
}

} // namespace vmodel::passes
