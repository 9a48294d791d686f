#include "compiler/codegen/jam.h"

#include "compiler/ir/rewrite.h"
#include "compiler/ir/typing.h"

#include <algorithm>
#include <map>

namespace vmodel::codegen {

using ir::Element;
using ir::Opcode;
using ir::Region;
using ir::ValueId;

double instructions(Opcode opcode) {
  switch (opcode) {
  case Opcode::constant_:
  case Opcode::freeze_:
  case Opcode::stop_:
  case Opcode::only_derivative_: return 0;
  case Opcode::exp:
  case Opcode::expm1: return 25;
  case Opcode::log:
  case Opcode::log1p:
  case Opcode::tanh: return 32;
  case Opcode::min:
  case Opcode::max: return 4;
  case Opcode::strong_mul_: return 3;
  case Opcode::accumulate_: return 3;
  default: return 1;
  }
}

namespace {

// What a multiplication with addition takes until its result can be used, times how many of them a processor begins in
// a cycle: so many independent ones keep it busy.
constexpr double operations_in_flight = 8;
// An iteration of more dependent operations than this is not hidden by the next ones, which the processor begins
// before it ends.
constexpr double long_chain = 40;
// Instructions of all copies together; beyond, the code costs more time to compile than it saves.
constexpr double max_instructions = 512;
constexpr int max_copies = 8;
// Of temporaries that an operation needs beside its operands: addresses, constants.
constexpr int spare_registers = 2;
// What the copies share in a loop inside of them: the parameter, the sum to which all add, a number from data.
constexpr int inner_shared = 3;

/// Functions that are calls: registers do not live through them, and nothing is gained by several.
bool is_call(Opcode opcode) {
  switch (opcode) {
  case Opcode::sin:
  case Opcode::cos:
  case Opcode::tan:
  case Opcode::asin:
  case Opcode::acos:
  case Opcode::atan:
  case Opcode::sinh:
  case Opcode::cosh:
  case Opcode::asinh:
  case Opcode::acosh:
  case Opcode::atanh:
  case Opcode::erf:
  case Opcode::erfc:
  case Opcode::pow:
  case Opcode::atan2:
  case Opcode::random_: return true;
  default: return false;
  }
}

class Planner {
public:
  Planner(const ir::Function& function, const Varying& varying, const ir::Op& reduce,
          const std::set<const ir::Op*>& products)
      : function_(function), varying_(varying), reduce_(reduce), products_(products) {
    jam_.differs.assign(function.values.size(), false);
  }

  std::optional<Jam> run(int lanes, const Target& target) {
    if (reduce_.operands.empty())
      return std::nullopt;
    const Region& body = reduce_.regions[0];
    jam_.differs[body.arguments.back().id] = true;
    jam_.steps[body.arguments.back().id] = 1;
    visit(body);
    // With one lane LLVM puts iterations into lanes, but not those of a loop around another.
    if (!possible_ || (lanes == 1 && jam_.shared.empty()))
      return std::nullopt;
    count(body);
    width_ = std::max(1, lanes / target.lanes);
    const int registers = target.lanes == 8 ? 32 : 16;
    choose(registers);
    if (!has_inner_ && lanes > 1 && (target.lanes == 8 || !fits(registers, jam_.copies, jam_.sums)))
      find_reloads(body);
    return jam_.copies > 1 || !jam_.reloads.empty() ? std::optional(std::move(jam_)) : std::nullopt;
  }

private:
  bool differs(ValueId v) const { return jam_.differs[v.id]; }

  bool any_differs(const ir::Op& op) const {
    for (const ValueId operand : op.operands)
      if (differs(operand))
        return true;
    for (const Region& region : op.regions) {
      for (const ir::Op& inner : region.ops)
        if (any_differs(inner))
          return true;
      for (const ValueId yield : region.yields)
        if (differs(yield))
          return true;
    }
    return false;
  }

  /// Everything that is defined inside of an operation that is done for each copy.
  void mark(const ir::Op& op) {
    for (const ValueId result : op.results)
      jam_.differs[result.id] = true;
    for (const Region& region : op.regions) {
      for (const ValueId argument : region.arguments)
        jam_.differs[argument.id] = true;
      for (const ir::Op& inner : region.ops)
        mark(inner);
    }
  }

  bool is_shared(const ir::Op& op) const {
    if (op.opcode != Opcode::reduce_)
      return false;
    return std::none_of(op.operands.begin(), op.operands.end(), [&](ValueId v) { return differs(v); });
  }

  void visit(const Region& region) {
    for (const ir::Op& op : region.ops)
      visit(op);
  }

  void visit(const ir::Op& op) {
    // Memory of an iteration has one place in the workspace.
    if (op.opcode == Opcode::alloc_ || op.opcode == Opcode::build_ || is_call(op.opcode))
      possible_ = false;
    if (!possible_)
      return;
    if (is_shared(op)) {
      jam_.shared.insert(&op);
      visit(op.regions[0]);
      for (std::size_t i = 0; i < op.results.size(); ++i)
        jam_.differs[op.results[i].id] = differs(op.regions[0].yields[i]);
      return;
    }
    for (const Region& region : op.regions)
      ir::for_each_op(region, [&](const ir::Op& inner) {
        // A loop in a loop is worth a thought of its own; and see above.
        if (inner.opcode == Opcode::alloc_ || inner.opcode == Opcode::build_ || is_call(inner.opcode) ||
            inner.opcode == Opcode::reduce_)
          possible_ = false;
      });
    if (op.opcode == Opcode::loop_ || op.opcode == Opcode::while_ || op.opcode == Opcode::reduce_)
      possible_ = false;
    if (!ir::has_effects(op) && !any_differs(op))
      return;
    jam_.repeated.insert(&op);
    mark(op);
    find_step(op);
  }

  void find_step(const ir::Op& op) {
    if ((op.opcode != Opcode::add && op.opcode != Opcode::sub) ||
        function_.type(op.results[0]).element != Element::index)
      return;
    const std::optional<std::int64_t> x = step_of(jam_, op.operands[0]), y = step_of(jam_, op.operands[1]);
    if (x && y)
      jam_.steps[op.results[0].id] = op.opcode == Opcode::add ? *x + *y : *x - *y;
  }

  bool is_real(ValueId v) const {
    const ir::Type& type = function_.type(v);
    return type.is_scalar() && type.element != Element::boolean && type.element != Element::index;
  }

  bool is_vector(ValueId v) const {
    return varying_[v] && function_.type(v).is_scalar() && function_.type(v).element != Element::boolean;
  }

  /// Instructions, the longest chain, and registers, of one copy.
  void count(const Region& region) {
    std::map<std::uint32_t, std::size_t> last; // of the region's own vectors: where they are used last
    std::size_t position = 0;
    const auto use = [&](ValueId v) {
      if (!function_.type(v).is_scalar() || function_.type(v).element == Element::index)
        return;
      if (defined_.contains(v.id))
        last[v.id] = position;
      else if (function_.type(v).element != Element::boolean)
        outside_.insert(v.id);
    };
    for (const ir::Op& op : region.ops) {
      ++position;
      for (const ValueId operand : op.operands)
        use(operand);
      for (const Region& inner : op.regions) {
        for (const ir::Op& deeper : inner.ops)
          for (const ValueId operand : deeper.operands)
            use(operand);
        for (const ValueId yield : inner.yields)
          use(yield);
      }
      if (jam_.shared.contains(&op)) {
        has_inner_ = true;
        count_inner(op);
        const std::size_t saved_live = most_live_;
        count(op.regions[0]);
        most_live_ = std::max(most_live_, saved_live);
      } else {
        double weight = products_.contains(&op) ? 1 : instructions(op.opcode);
        for (const Region& inner : op.regions)
          ir::for_each_op(inner, [&](const ir::Op& deeper) { weight += instructions(deeper.opcode); });
        const bool on_vectors = op.results.empty() || is_vector(op.results[0]);
        instructions_ += weight;
        if (on_vectors && op.opcode != Opcode::load_)
          arithmetic_ += weight;
        double before = 0;
        for (const ValueId operand : op.operands)
          before = std::max(before, chain_[operand.id]);
        // Of an inline function, about half of the instructions depend on each other.
        for (const ValueId result : op.results)
          chain_[result.id] = before + (weight > 4 ? weight / 2 : weight);
        if (!op.results.empty())
          longest_ = std::max(longest_, chain_[op.results[0].id]);
      }
      // A number from data takes a register too, as soon as it stands in all lanes.
      for (const ValueId result : op.results)
        if (op.opcode != Opcode::constant_ && (is_vector(result) || (is_real(result) && differs(result))))
          defined_.insert(result.id);
    }
    // What is yielded goes into its sum at once.
    for (const ValueId yield : region.yields)
      if (!defined_.contains(yield.id))
        use(yield);
    most_live_ = std::max(most_live_, live(region, last));
  }

  /// What a copy keeps in registers while a loop inside runs: its sums, and its numbers that the loop uses.
  void count_inner(const ir::Op& op) {
    std::set<std::uint32_t> kept;
    for (const ir::Op& inner : op.regions[0].ops)
      for (const ValueId operand : inner.operands)
        if (defined_.contains(operand.id) && differs(operand))
          kept.insert(operand.id);
    int sums = 0;
    for (const ValueId result : op.results)
      sums += differs(result);
    inner_kept_ = std::max(inner_kept_, sums + static_cast<int>(kept.size()));
  }

  /// The most vectors of a region that are needed at once, in the order in which they stand.
  std::size_t live(const Region& region, const std::map<std::uint32_t, std::size_t>& last) const {
    std::size_t now = 0;
    std::size_t most = 0;
    std::size_t position = 0;
    for (const ir::Op& op : region.ops) {
      ++position;
      // A result may take the register of an operand that is not used again.
      for (const auto& [id, at] : last)
        if (at == position)
          --now;
      for (const ValueId result : op.results)
        if (last.contains(result.id) && defined_.contains(result.id))
          ++now;
      most = std::max(most, now);
    }
    return most;
  }

  bool fits(int registers, int copies, int sums) const {
    if (has_inner_)
      // The sums outside of the inner loops wait in memory; what is loaded there is shared.
      return (copies * std::max(inner_kept_, 1) + inner_shared) * width_ + spare_registers <= registers;
    const int results = static_cast<int>(reduce_.results.size());
    const int temporaries = std::max(1, static_cast<int>(most_live_));
    const int numbers = static_cast<int>(outside_.size()) + results * sums + temporaries * copies;
    return numbers * width_ + spare_registers <= registers;
  }

  /// Numbers of data at the loop's indices: every use by numbers in lanes but the first loads again.
  void find_reloads(const Region& body) {
    std::set<std::uint32_t> used;
    for (const ir::Op& op : body.ops) {
      if (op.opcode == Opcode::load_ && is_real(op.results[0]) && !varying_[op.results[0]] &&
          !function_.type(op.operands[0]).reference && differs(op.results[0]) && has_simple_indices(op))
        jam_.loads[op.results[0].id] = &op;
      if (!jam_.repeated.contains(&op) || !op.regions.empty() || op.results.size() != 1 || !is_vector(op.results[0]))
        continue;
      for (std::size_t i = 0; i < op.operands.size(); ++i)
        if (jam_.loads.contains(op.operands[i].id) && !used.insert(op.operands[i].id).second)
          jam_.reloads[&op].push_back(i);
    }
  }

  bool has_simple_indices(const ir::Op& load) const {
    return std::all_of(load.operands.begin() + 1, load.operands.end(),
                       [&](ValueId v) { return !differs(v) || v == reduce_.regions[0].arguments.back(); });
  }

  void choose(int registers) {
    // Enough sums to keep their additions apart, enough copies for those and to fill a long chain.
    int wanted = 1;
    while (wanted < max_copies && wanted * std::max(arithmetic_, 1.0) < operations_in_flight)
      wanted *= 2;
    int copies = wanted;
    if (longest_ > long_chain)
      copies = std::max(copies, longest_ > 2 * long_chain ? 4 : 2);
    if (has_inner_)
      copies = max_copies;
    while (copies > 1 && (!fits(registers, copies, has_inner_ ? 1 : std::min(wanted, copies)) ||
                          copies * instructions_ > max_instructions))
      copies /= 2;
    jam_.copies = copies;
    jam_.sums = has_inner_ ? 1 : std::min(wanted, copies);
  }

  const ir::Function& function_;
  const Varying& varying_;
  const ir::Op& reduce_;
  const std::set<const ir::Op*>& products_;
  Jam jam_;
  bool possible_ = true;
  bool has_inner_ = false;
  int width_ = 1; // registers of a number
  int inner_kept_ = 0;
  double instructions_ = 0;
  double arithmetic_ = 0; // instructions on vectors that are no loads
  double longest_ = 0;
  std::map<std::uint32_t, double> chain_; // by value: operations one after the other
  std::set<std::uint32_t> outside_;       // numbers from outside of the loop
  std::set<std::uint32_t> defined_;       // vectors made in it
  std::size_t most_live_ = 0;
};

} // namespace

std::optional<std::int64_t> step_of(const Jam& jam, ValueId index) {
  if (!jam.differs[index.id])
    return 0;
  const auto found = jam.steps.find(index.id);
  return found == jam.steps.end() ? std::nullopt : std::optional(found->second);
}

std::optional<Jam> plan_jam(const ir::Function& function, const Varying& varying, int lanes, const Target& target,
                            const ir::Op& reduce, const std::set<const ir::Op*>& products) {
  return Planner(function, varying, reduce, products).run(lanes, target);
}

} // namespace vmodel::codegen
