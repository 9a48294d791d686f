// Calls become the bodies of their callees. Callees come before callers, so one walk is enough.
#include "compiler/passes/pass.h"
#include "compiler/passes/passes.h"

#include <map>
#include <set>

namespace vmodel::passes {

Module inline_calls(Module module) {
  std::map<std::string, const Function*> inlined;
  std::set<std::string> called;
  for (Function& function : module.functions) {
    bool has_calls = false;
    ir::for_each_op(function.body, [&](const Op& op) { has_calls |= op.opcode == Opcode::call_; });
    if (has_calls)
      function = ir::rewrite(function, [&](Rewriter& rewriter, const Op& op) {
        const auto callee = op.opcode == Opcode::call_ ? inlined.find(op.symbol) : inlined.end();
        // A callee that is not there stands for something that later passes know.
        if (callee == inlined.end())
          return false;
        called.insert(op.symbol);
        const Function& body = *callee->second;
        Rewriter copier(body, rewriter.builder());
        for (std::size_t i = 0; i < op.operands.size(); ++i)
          copier.set(body.parameters[i].value, rewriter(op.operands[i]));
        copier.copy_ops(body.body);
        for (std::size_t i = 0; i < op.results.size(); ++i)
          rewriter.set(op.results[i], copier(body.body.yields[i]));
        return true;
      });
    inlined.emplace(function.name, &function);
  }
  std::erase_if(module.functions, [&](const Function& function) { return called.contains(function.name); });
  return module;
}

} // namespace vmodel::passes
