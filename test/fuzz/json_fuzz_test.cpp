// Throws damaged JSON at the readers of data: no crash, no hang, and what is accepted is sound.
// Fixed seeds; files of json_corpus are the starting points (add what once failed).

#include "runtime/io/error.h"
#include "runtime/model/prepared_model.h"
#include "test/fuzz/mutate.h"
#include "test/support/models.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <random>

namespace vmodel::runtime {
namespace {

void run_for(double seconds) {
  const std::vector<std::string> starts = test::fuzz_corpus("json_corpus");
  ASSERT_FALSE(starts.empty());
  const CompiledModel model(test::kitchen());
  std::mt19937_64 random(20240601);
  const auto begin = std::chrono::steady_clock::now();
  int64_t accepted = 0, total = 0;
  const auto try_text = [&](const std::string& text) {
    ++total;
    json::Value value;
    json::ParseError error;
    if (!json::parse(text, value, error)) {
      ASSERT_FALSE(error.message.empty());
      ASSERT_GE(error.line, 1);
      ASSERT_GE(error.column, 1);
      return;
    }
    std::vector<std::string> notes;
    try {
      const PreparedModel prepared(model, value, {}, notes);
      ++accepted;
      for (const DataValue& field : prepared.data()) {
        for (double x : field.reals)
          ASSERT_TRUE(std::isfinite(x));
      }
    } catch (const InputError& failure) {
      ASSERT_FALSE(failure.messages().empty());
    }
  };
  for (const std::string& text : starts)
    try_text(text);
  while (std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() < seconds) {
    for (int i = 0; i < 200; ++i)
      try_text(test::mutate(starts[random() % starts.size()], starts, random));
  }
  EXPECT_GT(total, 100);
  EXPECT_GT(accepted, 0);
}

TEST(JsonFuzz, FiveSeconds) {
  run_for(5);
}
TEST(JsonFuzz, OneMinuteSlow) {
  run_for(60);
}

} // namespace
} // namespace vmodel::runtime
