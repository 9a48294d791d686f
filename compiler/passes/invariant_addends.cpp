// Addends that do not change in a loop are added up before it: `(t - log sigma) - c + log w` of a mixture's component
// has one number added to t in every iteration, and not three. After loop-invariant code has left the loops.
#include "compiler/passes/invariant_addends.h"

#include "compiler/ir/definitions.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/passes.h"

#include <map>
#include <set>

namespace vmodel::passes {

namespace {

/// A number that is added, or subtracted.
struct Addend {
  ValueId value;
  bool negative;
};

/// What a sum consists of.
struct Parts {
  std::vector<Addend> varying, invariant;
};

class InvariantAddends {
public:
  explicit InvariantAddends(const Function& function) : from_(function), uses_(ir::count_uses(function)) {
    ir::for_each_op(function.body, [&](const Op& op) {
      if (op.opcode == Opcode::reduce_)
        find(op.regions[0]);
    });
  }

  bool any() const { return !sums_.empty(); }

  Function run() {
    return ir::rewrite(from_, [this](Rewriter& r, const Op& op) {
      if (op.opcode != Opcode::add && op.opcode != Opcode::sub)
        return false;
      const auto found = sums_.find(op.results[0]);
      if (found == sums_.end())
        return inner_.contains(op.results[0]);
      const auto total = [&](ValueId sum, const std::vector<Addend>& addends) {
        for (const Addend& addend : addends) {
          const ValueId value = r(addend.value);
          if (!sum)
            sum = addend.negative ? r.builder().neg(value) : value;
          else
            sum = addend.negative ? r.builder().sub(sum, value) : r.builder().add(sum, value);
        }
        return sum;
      };
      const ValueId invariant = total({}, found->second.invariant);
      const bool is_added = !found->second.varying[0].negative;
      r.set(op.results[0], is_added ? r.builder().add(total({}, found->second.varying), invariant)
                                    : total(invariant, found->second.varying));
      return true;
    });
  }

private:
  bool is_real_sum(const Op& op) const {
    return (op.opcode == Opcode::add || op.opcode == Opcode::sub) && from_.type(op.results[0]) == Type{};
  }

  /// The sums of a loop's own operations that have several invariant addends.
  void find(const Region& body) {
    const ir::Definitions inside = ir::Definitions::directly_in(body);
    for (auto op = body.ops.rbegin(); op != body.ops.rend(); ++op) {
      if (!is_real_sum(*op) || inner_.contains(op->results[0]))
        continue;
      Parts parts;
      std::vector<ValueId> inner;
      split(inside, *op, false, parts, inner);
      if (parts.invariant.size() < 2 || parts.varying.empty())
        continue;
      inner_.insert(inner.begin(), inner.end());
      sums_[op->results[0]] = std::move(parts);
    }
  }

  void split(const ir::Definitions& inside, const Op& op, bool negative, Parts& parts,
             std::vector<ValueId>& inner) const {
    for (std::size_t i : {0, 1}) {
      const ValueId v = op.operands[i];
      const bool sign = negative != (i == 1 && op.opcode == Opcode::sub);
      const Op* definition = inside.of(v);
      if (definition && is_real_sum(*definition) && uses_[v.id] == 1) {
        inner.push_back(v);
        split(inside, *definition, sign, parts, inner);
      } else {
        const bool is_constant = definition && definition->opcode == Opcode::constant_;
        (definition && !is_constant ? parts.varying : parts.invariant).push_back({v, sign});
      }
    }
  }

  const Function& from_;
  std::vector<int> uses_;
  std::map<ValueId, Parts> sums_;
  std::set<ValueId> inner_; // parts of such a sum
};

} // namespace

Function invariant_addends(Function function) {
  InvariantAddends rewriting(function);
  return rewriting.any() ? hoist_loops(rewriting.run()) : std::move(function);
}

Module invariant_addends(Module module) {
  for (Function& function : module.functions)
    function = invariant_addends(std::move(function));
  return module;
}

} // namespace vmodel::passes
