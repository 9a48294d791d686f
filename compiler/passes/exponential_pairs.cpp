// exp(a - m) and exp(b - m), where m is the larger of a and b (or the lowest number, if both are -infinity): one of
// them is exp(0). Only the other is computed. For after derivatives are taken: an exponential is its own derivative, a
// choice is not.
#include "compiler/ir/definitions.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/passes.h"

#include <limits>
#include <map>
#include <optional>

namespace vmodel::passes {

namespace {

/// m = larger > lowest ? larger : lowest, larger = first > second ? first : second.
struct Shift {
  ValueId shift, larger, is_first, first, second;
};

class Pairs {
public:
  explicit Pairs(const Function& function) : from_(function), definitions_(function.body) { find(function.body); }

  bool any() const { return !pairs_.empty(); }

  Function run() {
    return ir::rewrite(from_, [this](Rewriter& r, const Op& op) {
      const auto found = pairs_.find(&op);
      if (found == pairs_.end())
        return false;
      ir::Builder& b = r.builder();
      const Shift& s = found->second.shift;
      const ValueId is_first = r(s.is_first), shift = r(s.shift);
      const ValueId smaller = b.select(is_first, r(s.second), r(s.first));
      // It is not positive, but only this says so; a NaN stays.
      const ValueId below = b.sub(smaller, shift), zero = b.constant(0);
      const ValueId less = b.unary(Opcode::exp, b.select(b.compare(Opcode::gt, below, zero), zero, below));
      // 0 becomes 1, -infinity 0, NaN stays.
      const ValueId difference = b.sub(r(s.larger), shift);
      const ValueId most =
          b.select(b.compare(Opcode::lt, difference, b.constant(0)), b.constant(0), b.add(difference, b.constant(1)));
      r.set(op.results[0], found->second.is_first ? b.select(is_first, most, less) : b.select(is_first, less, most));
      return true;
    });
  }

private:
  /// select(gt(a, b), a, b)
  const Op* larger(ValueId v) const {
    const Op* choice = definitions_.as(v, Opcode::select_);
    const Op* comparison = choice ? definitions_.as(choice->operands[0], Opcode::gt) : nullptr;
    const bool is_larger =
        comparison && comparison->operands[0] == choice->operands[1] && comparison->operands[1] == choice->operands[2];
    return is_larger ? choice : nullptr;
  }

  std::optional<Shift> shift(ValueId v) const {
    const Op* stop = definitions_.as(v, Opcode::stop_);
    const Op* floor = larger(stop ? stop->operands[0] : v);
    const Op* lowest = floor ? definitions_.as(floor->operands[2], Opcode::constant_) : nullptr;
    const Op* inner =
        lowest && lowest->number == std::numeric_limits<double>::lowest() ? larger(floor->operands[1]) : nullptr;
    if (!inner)
      return std::nullopt;
    return Shift{v, floor->operands[1], inner->operands[0], inner->operands[1], inner->operands[2]};
  }

  void find(const Region& region) {
    std::map<ValueId, std::pair<const Op*, const Op*>> by_shift; // exponentials of the first and of the second
    for (const Op& op : region.ops) {
      for (const Region& inner : op.regions)
        find(inner);
      const Op* difference = op.opcode == Opcode::exp ? definitions_.as(op.operands[0], Opcode::sub) : nullptr;
      const std::optional<Shift> s = difference ? shift(difference->operands[1]) : std::nullopt;
      if (!s)
        continue;
      auto& [first, second] = by_shift[s->shift];
      if (difference->operands[0] == s->first)
        first = &op;
      else if (difference->operands[0] == s->second)
        second = &op;
      if (first && second) {
        pairs_[first] = {*s, true};
        pairs_[second] = {*s, false};
      }
    }
  }

  struct Member {
    Shift shift;
    bool is_first = false;
  };

  const Function& from_;
  ir::Definitions definitions_;
  std::map<const Op*, Member> pairs_; // looked up only, never walked
};

} // namespace

ir::Module exponential_pairs(ir::Module module) {
  return rewritten<Pairs>(std::move(module));
}

} // namespace vmodel::passes
