// Loops of a few iterations, known at compile time, become their iterations: what they keep in small arrays is then
// known value by value, and what does not change in a loop around them can leave it.
#include "compiler/passes/pass.h"
#include "compiler/passes/passes.h"

#include <limits>
#include <optional>
#include <unordered_map>
#include <vector>

namespace vmodel::passes {

namespace {

constexpr std::int64_t max_iterations = 4;
// Operations after unrolling; above, a loop costs less than the code.
constexpr std::size_t max_operations = 160;

class Unroller {
public:
  explicit Unroller(const Function& function) : from_(function) {
    ir::for_each_op(function.body, [&](const Op& op) {
      if (op.opcode == Opcode::constant_ && function.type(op.results[0]).element == Element::index)
        constants_[op.results[0].id] = op.integer;
    });
    ir::for_each_op(function.body, [&](const Op& op) { any_ = any_ || size(op).has_value(); });
  }

  bool any() const { return any_; }

  Function run() {
    return ir::rewrite(from_, [this](Rewriter& r, const Op& op) { return size(op) && unroll(r, op); });
  }

private:
  std::span<const ValueId> extents(const Op& op) const {
    return op.opcode == Opcode::loop_ ? std::span(op.operands).first(1) : std::span(op.operands);
  }

  /// Iterations, if they are known and few.
  std::optional<std::int64_t> iterations(const Op& op) const {
    if (!is_counted_loop(op))
      return std::nullopt;
    std::int64_t count = 1;
    for (ValueId extent : extents(op)) {
      const auto found = constants_.find(extent.id);
      if (found == constants_.end() || found->second < 1 || found->second > max_iterations)
        return std::nullopt;
      count *= found->second;
    }
    return count <= max_iterations ? std::optional(count) : std::nullopt;
  }

  /// Operations that it becomes, if it can be unrolled with all loops in it.
  std::optional<std::size_t> size(const Op& op) const {
    const auto count = iterations(op);
    if (!count)
      return std::nullopt;
    std::size_t sum = 0;
    for (const Op& inner : op.regions[0].ops) {
      const auto expanded = expanded_size(inner);
      if (!expanded)
        return std::nullopt;
      sum += *expanded;
    }
    sum *= static_cast<std::size_t>(*count);
    return sum <= max_operations ? std::optional(sum) : std::nullopt;
  }

  std::optional<std::size_t> expanded_size(const Op& op) const {
    if (is_counted_loop(op))
      return size(op);
    if (op.opcode == Opcode::while_ || op.opcode == Opcode::random_)
      return std::nullopt; // samplers: dear calls, and code that runs seldom
    std::size_t sum = op.opcode == Opcode::constant_ ? 0 : 1;
    for (const Region& region : op.regions)
      for (const Op& inner : region.ops) {
        const auto expanded = expanded_size(inner);
        if (!expanded)
          return std::nullopt;
        sum += *expanded;
      }
    return sum;
  }

  static ValueId combine(ir::Builder& b, const std::string& kind, ValueId sum, ValueId term) {
    if (kind == "add")
      return b.add(sum, term);
    if (kind == "and")
      return b.logical_and(sum, term);
    if (kind == "or")
      return b.logical_or(sum, term);
    return b.binary(kind == "max" ? Opcode::max : Opcode::min, sum, term);
  }

  bool unroll(Rewriter& r, const Op& op) const {
    ir::Builder& b = r.builder();
    const Region& body = op.regions[0];
    const std::int64_t count = *iterations(op);
    std::vector<std::int64_t> sizes;
    for (ValueId extent : extents(op))
      sizes.push_back(constants_.at(extent.id));
    ValueId memory;
    if (op.opcode == Opcode::build_) {
      std::vector<ir::Dim> dims;
      for (std::int64_t size : sizes)
        dims.push_back({size, {}});
      memory = b.alloc(dims, from_.type(op.results[0]).element, false);
    }
    std::vector<ValueId> carried;
    if (op.opcode == Opcode::loop_)
      for (std::size_t i = 0; i < op.results.size(); ++i)
        carried.push_back(r(op.operands[i + 1]));
    for (std::int64_t k = 0; k < count; ++k) {
      const std::int64_t at = op.opcode == Opcode::loop_ && op.integer == 1 ? count - 1 - k : k;
      std::vector<ValueId> indices(sizes.size());
      std::int64_t rest = at;
      for (std::size_t i = sizes.size(); i-- > 0; rest /= sizes[i])
        indices[i] = b.index(rest % sizes[i]);
      for (std::size_t i = 0; i < indices.size(); ++i)
        r.set(body.arguments[i], indices[i]);
      if (op.opcode == Opcode::loop_)
        for (std::size_t i = 0; i < carried.size(); ++i)
          r.set(body.arguments[i + 1], carried[i]);
      r.copy_ops(body);
      const std::vector<ValueId> yields = r(body.yields);
      if (memory)
        b.store(memory, indices, yields[0]);
      else if (op.opcode == Opcode::loop_ || carried.empty())
        carried = yields;
      else
        for (std::size_t i = 0; i < carried.size(); ++i)
          carried[i] = combine(b, op.symbol, carried[i], yields[i]);
    }
    if (memory)
      r.set(op.results[0], b.freeze(memory));
    else
      for (std::size_t i = 0; i < op.results.size(); ++i)
        r.set(op.results[i], carried[i]);
    return true;
  }

  const Function& from_;
  std::unordered_map<std::uint32_t, std::int64_t> constants_; // index values that are known
  bool any_ = false;
};

} // namespace

Function unroll(Function function) {
  return rewritten<Unroller>(std::move(function));
}

Module unroll(Module module) {
  return rewritten<Unroller>(std::move(module));
}

} // namespace vmodel::passes
