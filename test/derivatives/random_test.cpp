// Random programs: forward against reverse mode (v'Jw two ways), differences, second derivatives.
#include "compiler/ir/print.h"
#include "compiler/ir/verify.h"
#include "test/derivatives/derivative_check.h"
#include "test/derivatives/random_program.h"

#include <gtest/gtest.h>

namespace vmodel::passes {
namespace {

void check(std::uint64_t first, std::uint64_t last) {
  for (std::uint64_t seed = first; seed < last; ++seed) {
    const RandomProgram program = random_program(seed);
    ASSERT_EQ(verify(program.module), std::vector<std::string>{}) << seed << "\n" << print(program.module);
    CheckOptions options;
    options.allow_rough = true; // a kink may be near
    options.step = 1e-3;
    options.seed = seed;
    const std::string problem = check_derivatives(program.module, program.point, options);
    ASSERT_EQ(problem, "") << "seed " << seed << "\n" << print(program.module);
  }
}

TEST(RandomPrograms, DerivativesAgree) {
  check(1, 100);
}
TEST(RandomPrograms, DerivativesAgreeForManySlow) {
  check(100, 2000);
}

} // namespace
} // namespace vmodel::passes
