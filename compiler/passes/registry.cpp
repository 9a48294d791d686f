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
  static const std::vector<Pass> passes = {
      plain("inline", "calls become bodies", inline_calls),
      plain("dead-code", "remove what nothing needs", remove_dead_code),
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
