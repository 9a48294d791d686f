// Equal operations of a linearised function become one: two equal tangents are then one sum in the
// transposed loop.
#include "compiler/passes/linearise.h"
#include "compiler/passes/pass.h"

#include <bit>
#include <map>
#include <tuple>

namespace vmodel::passes {

namespace {

class Share {
public:
  explicit Share(Linearised& linearised) : l_(linearised), same_(linearised.function.values.size()) {
    for (std::uint32_t id = 0; id < same_.size(); ++id)
      same_[id] = ValueId{id};
  }

  void run() {
    process(l_.function.body);
    for (ir::Value& value : l_.function.values)
      for (ir::Dim& dim : value.type.dims)
        if (dim.value)
          dim.value = same_[dim.value.id];
  }

private:
  using Key = std::tuple<Opcode, std::vector<ValueId>, std::int64_t, std::uint64_t, ir::Element>;

  bool is_shareable(const Op& op) const {
    if (op.results.size() != 1 || !op.regions.empty())
      return false;
    return ir::is_pure_scalar(op.opcode) || (op.opcode == Opcode::load_ && !l_.function.type(op.operands[0]).reference);
  }

  void replace(std::vector<ValueId>& values) const {
    for (ValueId& v : values)
      v = same_[v.id];
  }

  void process(Region& region) {
    scopes_.emplace_back();
    std::vector<Op> ops;
    for (Op& op : region.ops) {
      replace(op.operands);
      for (Region& inner : op.regions)
        process(inner);
      if (is_shareable(op) && is_known(op))
        continue;
      ops.push_back(std::move(op));
    }
    replace(region.yields);
    region.ops = std::move(ops);
    scopes_.pop_back();
  }

  bool is_known(const Op& op) {
    const ValueId result = op.results[0];
    const auto bits = std::bit_cast<std::uint64_t>(op.number);
    const Key key{op.opcode, op.operands, op.integer, bits, l_.function.type(result).element};
    for (const auto& scope : scopes_)
      if (const auto found = scope.find(key); found != scope.end()) {
        const ValueId first = found->second;
        same_[result.id] = first;
        if (result.id < l_.vanishing.size() && first.id < l_.vanishing.size() && l_.vanishing[result.id])
          l_.vanishing[first.id] = true;
        return true;
      }
    scopes_.back()[key] = result;
    return false;
  }

  Linearised& l_;
  std::vector<ValueId> same_;
  std::vector<std::map<Key, ValueId>> scopes_;
};

} // namespace

void share_equal(Linearised& linearised) {
  Share(linearised).run();
}

} // namespace vmodel::passes
