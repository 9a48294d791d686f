// Random programs mean the same before and after every pass.
#include "compiler/ir/parse.h"
#include "compiler/ir/print.h"
#include "compiler/ir/verify.h"
#include "compiler/passes/passes.h"
#include "test/support/vir_evaluate.h"
#include "test/support/vir_random.h"

#include <gtest/gtest.h>

#include <cmath>

namespace {

using vmodel::ir::Array;
using vmodel::ir::Arrays;
using vmodel::ir::Module;

// Sums may be formed in another order.
bool close(double a, double b) {
  return (std::isnan(a) && std::isnan(b)) || a == b || std::fabs(a - b) <= 1e-8 * (1 + std::fabs(a));
}

std::string difference(const Arrays& before, const Arrays& after) {
  for (const auto& [name, a] : before) {
    const auto found = after.find(name);
    if (found == after.end() || found->second.numbers.size() != a.numbers.size())
      return name + " is missing";
    for (std::size_t i = 0; i < a.numbers.size(); ++i)
      if (!close(a.numbers[i], found->second.numbers[i]))
        return name + "[" + std::to_string(i) + "]: " + std::to_string(a.numbers[i]) + " became " +
               std::to_string(found->second.numbers[i]);
  }
  return "";
}

void check(const std::vector<std::string>& passes, std::uint32_t seed, std::int64_t size) {
  SCOPED_TRACE("seed " + std::to_string(seed) + ", size " + std::to_string(size));
  const Module original = vmodel::ir::random_module(seed);
  ASSERT_EQ(vmodel::ir::verify(original), std::vector<std::string>{});
  const Arrays inputs = vmodel::ir::random_inputs(seed, size);
  Module module = original;
  std::vector<std::string> errors;
  for (const std::string& name : passes) {
    SCOPED_TRACE(name);
    module = vmodel::passes::find_pass(name)->run(std::move(module), "", errors);
    ASSERT_EQ(vmodel::ir::verify(module), std::vector<std::string>{}) << print(original) << print(module);
  }
  ASSERT_EQ(errors, std::vector<std::string>{});
  Arrays before = vmodel::ir::evaluate(original, "kernel", inputs);
  Arrays prepared = inputs;
  if (module.find("prepare"))
    for (const auto& [name, array] : vmodel::ir::evaluate(module, "prepare", inputs)) {
      Array value = array;
      const std::string parameter = name.starts_with("output.") ? name.substr(7) : name;
      prepared[parameter] = std::move(value);
    }
  const Arrays after = vmodel::ir::evaluate(module, "kernel", prepared);
  EXPECT_EQ(difference(before, after), "") << print(original) << "\n--- became\n" << print(module);
}

constexpr std::uint32_t programs = 300;

void check_all(const std::vector<std::string>& passes) {
  for (std::uint32_t seed = 1; seed <= programs; ++seed) {
    check(passes, seed, seed % 6);
    if (testing::Test::HasFailure())
      return;
  }
}

TEST(RandomPrograms, Inline) {
  check_all({"inline"});
}
TEST(RandomPrograms, DeadCode) {
  check_all({"dead-code"});
}
TEST(RandomPrograms, Simplify) {
  check_all({"inline", "simplify"});
}
TEST(RandomPrograms, Reductions) {
  check_all({"inline", "reductions"});
}
TEST(RandomPrograms, Fuse) {
  check_all({"inline", "fuse"});
}
TEST(RandomPrograms, FuseAfterSimplify) {
  check_all({"inline", "simplify", "fuse", "simplify"});
}
TEST(RandomPrograms, DataBranches) {
  check_all({"inline", "simplify", "reductions", "fuse", "data-branches"});
}
TEST(RandomPrograms, HoistLoops) {
  check_all({"inline", "hoist-loops"});
}
TEST(RandomPrograms, Reciprocals) {
  check_all({"inline", "reciprocals"});
}
TEST(RandomPrograms, Unroll) {
  check_all({"inline", "unroll"});
}
TEST(RandomPrograms, Sums) {
  check_all({"inline", "simplify", "reductions", "fuse", "hoist-loops", "sums"});
}
TEST(RandomPrograms, InvariantAddends) {
  check_all({"inline", "simplify", "reductions", "fuse", "hoist-loops", "invariant-addends"});
}
TEST(RandomPrograms, Inverses) {
  check_all({"inline", "simplify", "inverses"});
}
TEST(RandomPrograms, Carry) {
  check_all({"inline", "simplify", "carry"});
}
TEST(RandomPrograms, SharedLoops) {
  check_all({"inline", "simplify", "reductions", "fuse", "hoist-loops", "shared-loops", "combined-products", "picks"});
}
TEST(RandomPrograms, InvariantBranches) {
  check_all({"inline", "simplify", "reductions", "fuse", "invariant-branches", "simplify"});
}
TEST(RandomPrograms, SharedBranches) {
  check_all({"inline", "simplify", "reductions", "fuse", "shared-branches"});
}
TEST(RandomPrograms, StoresAndCopies) {
  check_all({"inline", "simplify", "frozen-copies", "triangles", "dead-stores"});
}
TEST(RandomPrograms, DeadStores) {
  check_all({"inline", "simplify", "reductions", "fuse", "dead-stores", "accumulations"});
}
TEST(RandomPrograms, FirstWrites) {
  check_all({"inline", "simplify", "reductions", "fuse", "first-writes", "output-adjoints"});
}
TEST(RandomPrograms, HoistToLoad) {
  check_all({"inline", "hoist-to-load"});
}
TEST(RandomPrograms, AllPasses) {
  check_all({"inline", "simplify", "reductions", "simplify", "fuse", "data-branches", "simplify", "unroll", "simplify",
             "inverses", "carry", "dead-stores", "first-writes", "output-adjoints", "reciprocals", "hoist-loops", "invariant-addends",
             "sums", "hoist-to-load", "simplify"});
}

TEST(RandomPrograms, RoundTripThroughText) {
  for (std::uint32_t seed = 1; seed <= programs; ++seed) {
    const std::string text = print(vmodel::ir::random_module(seed));
    vmodel::ir::ParseError error;
    const auto module = vmodel::ir::parse(text, &error);
    ASSERT_TRUE(module) << error.line << ": " << error.message;
    ASSERT_EQ(print(*module), text);
  }
}

TEST(RandomPrograms, SimplifyIsStable) {
  for (std::uint32_t seed = 1; seed <= 30; ++seed) {
    const Module once = vmodel::passes::simplify(vmodel::passes::inline_calls(vmodel::ir::random_module(seed)));
    EXPECT_EQ(print(vmodel::passes::simplify(once)), print(once));
  }
}

} // namespace
