// A costly matrix of which only the lower triangle is read, as a Cholesky factor reads a covariance, is computed there
// alone: row by row in an array with one index, whose rows and columns are tables that are made at load. One index lets
// later passes share and vectorise it as any other array.
#include "compiler/ir/axes.h"
#include "compiler/passes/cost.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/positions.h"

#include <map>
#include <optional>
#include <set>

namespace vmodel::passes {

namespace {

class Triangles {
public:
  explicit Triangles(const Function& function) : from_(function) {
    const std::vector<Axis> axis = ir::axes(function);
    ir::for_each_op(function.body, [&](const Op& op) {
      if (op.opcode == Opcode::build_ && op.operands.size() == 2 && op.operands[0] == op.operands[1] &&
          axis[op.results[0].id] == Axis::particle && is_costly(op))
        packed_[op.results[0]] = {};
    });
    if (!packed_.empty())
      check_uses();
  }

  bool any() const { return !packed_.empty(); }

  Function run() {
    return ir::rewrite(from_, [this](Rewriter& r, const Op& op) {
      if (op.opcode == Opcode::build_ && packed_.contains(op.results[0])) {
        pack(r, op);
        return true;
      }
      if (op.opcode == Opcode::load_ && packed_.contains(op.operands[0])) {
        Builder& b = r.builder();
        const ValueId position = b.add(row_begin(b, r(op.operands[1])), r(op.operands[2]));
        r.set(op.results[0], b.load(packed_.at(op.operands[0]), {position}));
        return true;
      }
      return false;
    });
  }

private:
  bool is_costly(const Op& build) const {
    double sum = 0;
    for (const Op& op : build.regions[0].ops)
      sum += cost(from_, op);
    return sum > least_cost;
  }

  /// Every use must be a load on or below the diagonal.
  void check_uses() {
    std::optional<Positions> positions;
    ir::for_each_op(from_.body, [&](const Op& op) {
      for (std::size_t i = 0; i < op.operands.size(); ++i) {
        const auto found = packed_.find(op.operands[i]);
        if (found == packed_.end())
          continue;
        if (!positions)
          positions.emplace(from_);
        if (op.opcode != Opcode::load_ || !positions->is_at_least(op.operands[1], op.operands[2]))
          packed_.erase(found);
      }
      for (const Region& region : op.regions)
        for (const ValueId v : region.yields)
          packed_.erase(v);
    });
    for (const ValueId v : from_.body.yields)
      packed_.erase(v);
  }

  /// The number of elements before a row.
  static ValueId row_begin(Builder& b, ValueId row) {
    return b.binary(Opcode::idiv, b.mul(row, b.add(row, b.index(1))), b.index(2));
  }

  void pack(Rewriter& r, const Op& op) {
    Builder& b = r.builder();
    const ValueId extent = r(op.operands[0]);
    const Dim size = b.dim(row_begin(b, extent));
    const ValueId rows = b.alloc(std::span(&size, 1), Element::index, false);
    const ValueId columns = b.alloc(std::span(&size, 1), Element::index, false);
    const Dim row_count = b.dim(extent);
    b.for_each(std::span(&row_count, 1), [&](Builder::Indices row) {
      const ValueId begin = row_begin(b, row[0]);
      const Dim length = b.dim(b.add(row[0], b.index(1)));
      b.for_each(std::span(&length, 1), [&](Builder::Indices column) {
        const ValueId at[] = {b.add(begin, column[0])};
        b.store(rows, at, row[0]);
        b.store(columns, at, column[0]);
      });
    });
    const ValueId row_of = b.freeze(rows), column_of = b.freeze(columns);
    const Region& body = op.regions[0];
    packed_.at(op.results[0]) =
        b.build(std::span(&size, 1), from_.type(op.results[0]).element, [&](Builder::Indices at) {
          r.set(body.arguments[0], b.load(row_of, at));
          r.set(body.arguments[1], b.load(column_of, at));
          r.copy_ops(body);
          return r(body.yields[0]);
        });
    b.function().values[packed_.at(op.results[0]).id].hint = from_.values[op.results[0].id].hint;
  }

  // An exponential, or as much: less is not worth the tables.
  static constexpr double least_cost = 8;

  const Function& from_;
  std::map<ValueId, ValueId> packed_; // by matrix: its packed form in the new function
};

} // namespace

Function triangles(Function function) {
  return rewritten<Triangles>(std::move(function));
}

Module triangles(Module module) {
  return rewritten<Triangles>(std::move(module));
}

} // namespace vmodel::passes
