// The passes by name.
#include "compiler/passes/passes.h"

namespace vmodel::passes {

namespace {

Pass plain(const std::string& name, const std::string& summary, ir::Module (*run)(ir::Module)) {
  return {name, summary, [name, run](ir::Module module, const std::string& argument, std::vector<std::string>& errors) {
            if (!argument.empty())
              errors.push_back("the pass '" + name + "' has no argument");
            return run(std::move(module));
          }};
}

}  // namespace

const std::vector<Pass>& all_passes() {
  // `simplify` and `remove_dead_code` have forms for one function too.
  using Whole = ir::Module (*)(ir::Module);
  static const std::vector<Pass> passes = {
      plain("inline", "calls become bodies", inline_calls),
      plain("dead-code", "remove what nothing needs", static_cast<Whole>(remove_dead_code)),
      plain("simplify", "folding, algebra, common subexpressions, dead code", static_cast<Whole>(simplify)),
  };
  return passes;
}

const Pass* find_pass(const std::string& name) {
  for (const Pass& pass : all_passes())
    if (pass.name == name)
      return &pass;
  return nullptr;
}

}  // namespace vmodel::passes
