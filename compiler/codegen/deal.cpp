#include "compiler/codegen/deal.h"

#include "compiler/codegen/kernels.h"
#include "compiler/ir/print.h"
#include "compiler/ir/rewrite.h"

#include <algorithm>
#include <map>
#include <tuple>

namespace vmodel::codegen {

namespace {

/// The text of a function without its name.
std::string nameless(const ir::Function& function) {
  ir::Module module;
  module.functions.push_back(function);
  module.functions[0].name.clear();
  return ir::print(module);
}

/// Finds kernels that are the same but for their names, such as the random numbers of two families.
class Twins {
public:
  const ir::Function* find(const KernelRow& row) {
    auto& candidates = seen_[{row.lanes, row.cold, row.size, row.function->parameters.size()}];
    std::string text;
    for (auto& [other, other_text] : candidates) {
      if (text.empty())
        text = nameless(*row.function);
      if (other_text.empty())
        other_text = nameless(*other);
      if (text == other_text)
        return other;
    }
    candidates.emplace_back(row.function, std::move(text));
    return row.function;
  }

private:
  std::map<std::tuple<int, bool, std::size_t, std::size_t>, std::vector<std::pair<const ir::Function*, std::string>>>
      seen_;
};

} // namespace

Deal deal(const ir::Module& kernels, const Options& options, int parts) {
  Deal result;
  std::vector<KernelRow>& rows = result.rows;
  Twins twins;
  for (const ir::Function& function : kernels.functions) {
    if (function.name == "prepare")
      continue;
    const auto found = options.kernels.find(function.name);
    const bool listed = found != options.kernels.end();
    const std::vector<int>& wanted = listed ? found->second.lanes : options.lanes;
    const std::size_t size = operations(function.body);
    for (const int lanes : has_particle_arguments(function) ? wanted : std::vector{1}) {
      rows.push_back({&function, nullptr, lanes, listed && found->second.cold, size, 0});
      rows.back().code = twins.find(rows.back());
    }
  }
  for (const KernelRow& row : rows)
    ir::for_each_op(row.function->body, [&](const ir::Op& op) {
      if (op.opcode == ir::Opcode::random_)
        result.random.insert({row.lanes, op.symbol == "normal"});
    });
  if (parts == 1)
    return result;
  std::vector<KernelRow*> hot;
  for (KernelRow& row : rows)
    if (!row.cold && row.code == row.function)
      hot.push_back(&row);
  std::stable_sort(hot.begin(), hot.end(), [](const KernelRow* a, const KernelRow* b) { return a->size > b->size; });
  std::vector<std::size_t> work(static_cast<std::size_t>(parts), 0);
  work[1] = 100 * result.random.size(); // the generators
  for (KernelRow* row : hot) {
    const auto least = std::min_element(work.begin() + 1, work.end());
    *least += row->size + 10;
    row->part = static_cast<int>(least - work.begin());
  }
  return result;
}

} // namespace vmodel::codegen
