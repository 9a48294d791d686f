// The class behind transpose(); its methods are in transpose.cpp (parameters, scalars, memory) and
// transpose_control.cpp (regions).
#pragma once

#include "compiler/passes/pass.h"
#include "compiler/passes/transpose.h"

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <vector>

namespace vmodel::passes {

class Transposer {
public:
  Transposer(const Linearised& l, const TransposePlan& plan, std::vector<DerivativeError>& errors);
  ir::Function run();

private:
  // An adjoint with its sign apart, so that sums become differences and no sign is computed.
  struct Adjoint {
    ir::ValueId value;
    bool negative = false;
  };
  // Where the adjoints of an array or memory are.
  struct Memory {
    enum class Kind {
      one,  // the constant one: cotangent of an output
      read, // a parameter: cotangent of an output
      own   // memory that is accumulated to
    };
    Kind kind = Kind::own;
    ir::ValueId value;
  };
  // Adjoints of scalars, those of outer regions' scalars included: what this region adds to them.
  using Frame = std::map<ir::ValueId, Adjoint>;

  bool linear(ir::ValueId v) const { return l_.is_linear(v); }

  void parameters();
  void finish();
  void transpose(const ir::Region& region);
  void transpose(const ir::Op& op);
  void transpose_reduce(const ir::Op& op);
  void transpose_build(const ir::Op& op);
  std::vector<std::pair<ir::ValueId, Adjoint>>
  reverse_map(const ir::Op& op, const std::function<void(std::span<const ir::ValueId>)>& seed);
  void transpose_loop(const ir::Op& op);
  void transpose_if(const ir::Op& op);

  ir::ValueId materialise(const Adjoint& a) { return a.negative ? builder_.neg(a.value) : a.value; }
  std::optional<Adjoint> adjoint(ir::ValueId v) const {
    const auto found = frames_.back().find(v);
    return found == frames_.back().end() ? std::nullopt : std::optional(found->second);
  }
  ir::ValueId adjoint_or_zero(ir::ValueId v) {
    const auto a = adjoint(v);
    return a ? materialise(*a) : builder_.constant(0);
  }
  void add(ir::ValueId v, Adjoint a) {
    if (!linear(v))
      return;
    const auto [entry, is_new] = frames_.back().try_emplace(v, a);
    if (is_new)
      return;
    Adjoint& sum = entry->second;
    if (sum.negative == a.negative)
      sum.value = builder_.add(sum.value, a.value);
    else if (a.negative)
      sum.value = builder_.sub(sum.value, a.value);
    else
      sum = {builder_.sub(a.value, sum.value), false};
  }
  Adjoint scaled(const Adjoint& a, ir::ValueId coefficient, bool strong) {
    return {strong ? builder_.strong_mul(a.value, coefficient) : builder_.mul(a.value, coefficient), a.negative};
  }
  std::vector<ir::ValueId> indices(const ir::Op& op, std::size_t trailing) {
    std::vector<ir::ValueId> result;
    for (std::size_t i = 1; i + trailing < op.operands.size(); ++i)
      result.push_back(map_(op.operands[i]));
    return result;
  }
  // Linear scalars of outer regions that a region uses, in order of their first use.
  std::vector<ir::ValueId> outer_scalars(const ir::Op& op) const;
  bool touches_memory(const ir::Region& region) const;
  // The reverse of a region with seeds for its yields; `outer` then holds what it adds to scalars outside.
  ir::Region reverse_region(const ir::Region& region, const std::vector<ir::ValueId>& arguments,
                            const std::function<void()>& seed, const std::function<std::vector<ir::ValueId>()>& yields);

  const Linearised& l_;
  const TransposePlan& plan_;
  std::vector<DerivativeError>& errors_;
  ir::Function out_;
  ir::Builder builder_;
  ir::Rewriter map_;
  std::vector<ir::ValueId> root_;
  std::set<ir::ValueId> mutable_;
  std::vector<bool> zero_, infinite_;
  std::vector<Frame> frames_;
  std::map<ir::ValueId, Memory> memory_; // by root
  struct Output {
    ir::ValueId tangent, adjoint;
    bool summed; // per-lane memory, then the sum over lanes
  };
  std::vector<Output> outputs_;
  bool lanes_ = false; // cotangents are per particle
};

} // namespace vmodel::passes
