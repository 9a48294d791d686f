// The adjoint of an input is memory that is zeroed, accumulated to, and copied to an output at the end. It is the
// output itself: what was zeroed and copied is of the size of all that is learned.
#include "compiler/ir/definitions.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/passes.h"

#include <algorithm>
#include <map>
#include <set>

namespace vmodel::passes {

namespace {

class OutputAdjoints {
public:
  explicit OutputAdjoints(const Function& function) : from_(function), definitions_(function.body) {
    ir::for_each_op(function.body, [this](const Op& op) {
      for (const ValueId v : op.operands)
        uses_[v].push_back(&op);
      for (const Region& region : op.regions)
        yielded_.insert(region.yields.begin(), region.yields.end());
    });
    for (const Op& op : function.body.ops)
      if (op.opcode == Opcode::reduce_ && op.results.empty())
        find(op);
  }

  bool any() const { return !output_.empty(); }

  Function run() {
    return ir::rewrite(from_, [this](Rewriter& r, const Op& op) {
      if (dropped_.contains(&op))
        return true;
      const auto output = op.opcode == Opcode::alloc_ ? output_.find(op.results[0]) : output_.end();
      if (output == output_.end())
        return false;
      const ValueId to = r(output->second);
      r.builder().for_each(r(from_.type(op.results[0])).dims,
                           [&](ir::Builder::Indices i) { r.builder().store(to, i, r.builder().constant(0)); });
      r.set(op.results[0], to);
      return true;
    });
  }

private:
  /// The copies in a map: element by element, of all of the memory.
  void find(const Op& map) {
    const Region& body = map.regions[0];
    const auto at_index = [&](const Op& access, std::size_t count) {
      return std::equal(access.operands.begin() + 1, access.operands.begin() + 1 + static_cast<std::ptrdiff_t>(count),
                        body.arguments.begin(), body.arguments.end());
    };
    for (const Op& store : body.ops) {
      if (store.opcode != Opcode::store_)
        continue;
      const Op* load = definitions_.of(store.operands.back());
      const std::size_t rank = body.arguments.size();
      if (!load || load->opcode != Opcode::load_ || load->operands.size() != rank + 1 ||
          store.operands.size() != rank + 2 || !at_index(*load, rank) || !at_index(store, rank) ||
          uses_.at(load->results[0]).size() != 1 || yielded_.contains(load->results[0]))
        continue;
      const ValueId memory = load->operands[0], output = store.operands[0];
      if (is_output(output) && is_accumulated(memory, *load) && is_whole(memory, output, map)) {
        output_[memory] = output;
        dropped_.insert(load);
        dropped_.insert(&store);
      }
    }
  }

  bool is_output(ValueId v) const {
    return uses_.at(v).size() == 1 && std::any_of(from_.parameters.begin(), from_.parameters.end(),
                                                  [&](const ir::Parameter& p) { return p.value == v; });
  }

  /// Zeroed at the top of the function, and only accumulated to before it is copied.
  bool is_accumulated(ValueId memory, const Op& load) const {
    const Op* alloc = definitions_.of(memory);
    const bool on_top =
        std::any_of(from_.body.ops.begin(), from_.body.ops.end(), [&](const Op& op) { return &op == alloc; });
    return alloc && alloc->opcode == Opcode::alloc_ && alloc->integer != 0 && on_top && !yielded_.contains(memory) &&
           std::all_of(uses_.at(memory).begin(), uses_.at(memory).end(), [&](const Op* use) {
             return use == &load || (use->opcode == Opcode::accumulate_ && use->operands[0] == memory);
           });
  }

  bool is_whole(ValueId memory, ValueId output, const Op& map) const {
    const Op& alloc = *definitions_.of(memory);
    return from_.type(memory).dims == from_.type(output).dims && alloc.operands == map.operands;
  }

  const Function& from_;
  const ir::Definitions definitions_;
  std::map<ValueId, std::vector<const Op*>> uses_;
  std::set<ValueId> yielded_;
  std::map<ValueId, ValueId> output_; // memory -> output
  std::set<const Op*> dropped_;       // looked up only, never walked
};

} // namespace

ir::Module output_adjoints(ir::Module module) {
  return rewritten<OutputAdjoints>(std::move(module));
}

} // namespace vmodel::passes
