// Loops whose iterations share nothing but sums (or maxima, minima) become reduces.
#include "compiler/ir/definitions.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/passes.h"

#include <functional>
#include <set>
#include <string>
#include <vector>

namespace vmodel::passes {

namespace {

/// How a carried value is accumulated: yield = combine(carried, term), nothing else reads it.
struct Accumulation {
  std::string kind; // add, max, min; empty: it is not one
  ValueId term;
  bool negated = false; // yield = carried - term
};

class LoopAnalysis {
public:
  /// `uses` of all values of the function.
  LoopAnalysis(const Function& function, const std::vector<int>& uses, const Op& loop)
      : function_(function), uses_(uses), body_(loop.regions[0]),
        definitions_(ir::Definitions::directly_in(loop.regions[0])) {
    const auto note = [&](const Region& region) { inside_.insert(region.arguments.begin(), region.arguments.end()); };
    note(body_);
    ir::for_each_op(body_, [&](const Op& op) {
      inside_.insert(op.results.begin(), op.results.end());
      for (const Region& region : op.regions)
        note(region);
    });
  }

  Accumulation accumulation(std::size_t i) const {
    Accumulation result;
    const ValueId carried = body_.arguments[i + 1];
    // The chain carried -> op -> ... -> yield, each step used once.
    const Op* op = definitions_.of(body_.yields[i]);
    if (!op || uses_[carried.id] != 1 || uses_[body_.yields[i].id] != 1)
      return result;
    const bool is_add = op->opcode == Opcode::add;
    const bool is_sub = op->opcode == Opcode::sub && op->operands[0] == carried;
    if (!is_add && !is_sub && op->opcode != Opcode::max && op->opcode != Opcode::min)
      return result;
    if (op->operands[0] == carried)
      result.term = op->operands[1];
    else if (op->operands[1] == carried)
      result.term = op->operands[0];
    else
      return {};
    result.kind = is_add || is_sub ? "add" : op->opcode == Opcode::max ? "max" : "min";
    result.negated = is_sub;
    return result;
  }

  // Memory of the outside that is stored to, and also loaded, or stored to at indices that are not
  // the loop's own: then iterations may depend on each other. Accumulations commute.
  bool memory_carries() const {
    std::set<ValueId> own, stored, moved, touched;
    bool carries = false;
    const std::function<void(const Region&)> walk = [&](const Region& region) {
      for (const Op& op : region.ops) {
        switch (op.opcode) {
        case Opcode::alloc_: own.insert(op.results[0]); break;
        case Opcode::store_: {
          if (own.contains(op.operands[0]))
            break;
          bool by_index = false, shifted = false;
          for (std::size_t i = 1; i + 1 < op.operands.size(); ++i) {
            by_index |= op.operands[i] == body_.arguments[0];
            shifted |= is_own_index(op.operands[i]);
          }
          carries |= !by_index && !shifted;
          // Two such stores may meet in different iterations.
          carries |= !stored.insert(op.operands[0]).second && (!by_index || moved.contains(op.operands[0]));
          if (!by_index)
            moved.insert(op.operands[0]);
          break;
        }
        case Opcode::accumulate_:
        case Opcode::load_:
          if (function_.type(op.operands[0]).reference && !own.contains(op.operands[0]))
            touched.insert(op.operands[0]);
          break;
        case Opcode::freeze_: carries |= !own.contains(op.operands[0]); break;
        case Opcode::call_:
        case Opcode::site_:
        case Opcode::output_:
        case Opcode::require_: carries = true; break;
        default: break;
        }
        for (const Region& inner : op.regions)
          walk(inner);
      }
    };
    walk(body_);
    for (ValueId v : stored)
      carries |= touched.contains(v);
    return carries || accumulated_and_loaded(own);
  }

private:
  // The loop's index, or one that differs from it by what is the same in all iterations.
  bool is_own_index(ValueId v) const {
    if (v == body_.arguments[0])
      return true;
    const Op* op = definitions_.of(v);
    if (!op || (op->opcode != Opcode::add && op->opcode != Opcode::sub))
      return false;
    return (is_own_index(op->operands[0]) && is_invariant(op->operands[1])) ||
           (is_invariant(op->operands[0]) && is_own_index(op->operands[1]));
  }

  bool is_invariant(ValueId v) const {
    if (const Op* op = definitions_.of(v))
      return op->opcode == Opcode::constant_;
    return !inside_.contains(v);
  }

  bool accumulated_and_loaded(const std::set<ValueId>& own) const {
    std::set<ValueId> accumulated, loaded;
    ir::for_each_op(body_, [&](const Op& op) {
      if (op.opcode == Opcode::accumulate_ && !own.contains(op.operands[0]))
        accumulated.insert(op.operands[0]);
      if (op.opcode == Opcode::load_ && function_.type(op.operands[0]).reference)
        loaded.insert(op.operands[0]);
    });
    for (ValueId v : accumulated)
      if (loaded.contains(v))
        return true;
    return false;
  }

  const Function& function_;
  const std::vector<int>& uses_;
  const Region& body_;
  ir::Definitions definitions_;
  std::set<ValueId> inside_; // what the loop defines
};

// The reduce adds (or compares) to the initial value afterwards.
bool convert(const Function& function, const std::vector<int>& uses, Rewriter& rewriter, const Op& loop) {
  if (loop.opcode != Opcode::loop_)
    return false;
  const LoopAnalysis analysis(function, uses, loop);
  if (analysis.memory_carries())
    return false;
  std::vector<Accumulation> accumulations;
  for (std::size_t i = 0; i < loop.results.size(); ++i) {
    accumulations.push_back(analysis.accumulation(i));
    const Accumulation& a = accumulations.back();
    if (a.kind.empty() || a.kind != accumulations.front().kind ||
        function.type(loop.results[i]).element == Element::f32)
      return false;
  }
  ir::Builder& b = rewriter.builder();
  const Region& body = loop.regions[0];
  // Carried values are not read but by the accumulation itself, which is dropped here.
  std::set<ValueId> dropped(body.yields.begin(), body.yields.end());
  const ir::Dim extent = b.dim(rewriter(loop.operands[0]));
  const std::string kind = accumulations.empty() ? "add" : accumulations.front().kind;
  const std::vector<ValueId> totals = b.reduce(kind, std::vector<ir::Dim>{extent}, [&](ir::Builder::Indices i) {
    b.function().values[i[0].id].hint = function.values[body.arguments[0].id].hint;
    rewriter.set(body.arguments[0], i[0]);
    for (const Op& op : body.ops)
      if (op.results.empty() || !dropped.contains(op.results[0]))
        rewriter.copy(op);
    std::vector<ValueId> terms;
    for (const Accumulation& a : accumulations)
      terms.push_back(a.negated ? b.neg(rewriter(a.term)) : rewriter(a.term));
    return terms;
  });
  for (std::size_t i = 0; i < totals.size(); ++i) {
    const Opcode combine = kind == "add" ? Opcode::add : kind == "max" ? Opcode::max : Opcode::min;
    rewriter.set(loop.results[i], b.binary(combine, rewriter(loop.operands[i + 1]), totals[i]));
  }
  return true;
}

std::size_t count_loops(const Function& function) {
  std::size_t count = 0;
  ir::for_each_op(function.body, [&](const Op& op) { count += op.opcode == Opcode::loop_; });
  return count;
}

} // namespace

Module reductions(Module module) {
  for (Function& function : module.functions) {
    // An inner loop that has become a reduce can make the outer one an accumulation.
    std::size_t before = 0;
    for (std::size_t loops = count_loops(function); loops != 0 && loops != before; loops = count_loops(function)) {
      before = loops;
      const std::vector<int> uses = ir::count_uses(function);
      function = ir::rewrite(function,
                             [&](Rewriter& rewriter, const Op& op) { return convert(function, uses, rewriter, op); });
    }
  }
  return module;
}

} // namespace vmodel::passes
