// The state of one round of the pass `simplify`; internal to it.
#pragma once

#include "compiler/passes/expressions.h"
#include "compiler/passes/pass.h"

#include <map>
#include <optional>
#include <set>

namespace vmodel::passes {

/// One round over one function: operations in order, each replaced by a simpler value if there is one.
class Simplifier {
public:
  Simplifier(const ir::Function& from, ir::Builder& builder)
      : b_(builder), known_(builder),
        r_(from, builder, [this](ir::Rewriter&, const ir::Op& op) { return simplify(op); }) {}

  void run(ir::Function& result);

private:
  bool is(ir::ValueId v, double number) const {
    const auto value = b_.constant_value(v);
    return value && value->is_real(number);
  }
  ir::Element element(ir::ValueId v) const { return b_.function().type(v).element; }
  bool simplify(const ir::Op& op);
  ir::ValueId unary(ir::Opcode opcode, ir::ValueId x);
  ir::ValueId binary(ir::Opcode opcode, ir::ValueId x, ir::ValueId y);
  ir::ValueId apply(ir::Opcode opcode, ir::ValueId x);
  ir::ValueId combine(ir::Opcode opcode, ir::ValueId x, ir::ValueId y);
  ir::ValueId power(ir::ValueId x, ir::ValueId y);
  ir::ValueId standardised(ir::ValueId x, ir::ValueId scale);
  ir::ValueId scaled_product(ir::ValueId x, ir::ValueId y);
  ir::ValueId log_of_two(ir::ValueId m, ir::ValueId logarithm);
  ir::ValueId index_arithmetic(ir::Opcode opcode, ir::ValueId x, ir::ValueId y);
  std::optional<bool> index_compare(ir::Opcode opcode, ir::ValueId x, ir::ValueId y) const;
  ir::ValueId value_of(const ir::Op& op, const std::vector<ir::ValueId>& operands);
  ir::ValueId once(const ir::Op& op, std::vector<ir::ValueId> operands);
  ir::ValueId plain(ir::Opcode opcode, std::vector<ir::ValueId> operands);

  bool memory(const ir::Op& op);
  bool control(const ir::Op& op);
  bool trivial_control(const ir::Op& op);
  bool memory_is_fixed(ir::ValueId reference) const { return write_once_.contains(reference); }
  std::uint64_t state(ir::ValueId reference) const {
    const auto found = state_.find(reference);
    return found == state_.end() ? 0 : found->second;
  }
  void forget_stored(const ir::Op& op);
  ir::Region region(const ir::Region& region);

  ir::Builder& b_;
  Expressions known_;
  ir::Rewriter r_;
  std::map<ir::ValueId, std::uint64_t> state_; // of memory; a new number after every write
  std::uint64_t next_state_ = 1;
  std::map<ir::ValueId, ir::ValueId> frozen_; // array -> its write-once memory
  std::set<ir::ValueId> write_once_;          // in the new function: an element never changes after its one store
};

} // namespace vmodel::passes
