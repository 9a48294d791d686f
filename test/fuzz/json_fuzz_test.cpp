// Throws damaged JSON at the readers of data: no crash, no hang, and what is accepted is sound.
// Fixed seeds; files of json_corpus are the starting points (add what once failed).

#include "runtime/io/error.h"
#include "runtime/model/prepared_model.h"
#include "test/support/kitchen.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

namespace vmodel::runtime {
namespace {

std::vector<std::string> corpus() {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(VMODEL_SOURCE_DIR) + "/test/fuzz/json_corpus")) {
    paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> result;
  for (const auto& path : paths) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    result.push_back(text.str());
  }
  return result;
}

std::string mutate(std::string text, const std::vector<std::string>& all, std::mt19937_64& random) {
  static const char* pieces[] = {"{",
                                 "}",
                                 "[",
                                 "]",
                                 ",",
                                 ":",
                                 "\"",
                                 "\\u",
                                 "\\ud83d",
                                 "-",
                                 "1e999",
                                 "NaN",
                                 "null",
                                 "true",
                                 "1.0",
                                 "9007199254740993",
                                 "0",
                                 "\xC3",
                                 "\n",
                                 "\"N\": 3,",
                                 "[[",
                                 "1e-400",
                                 "{\"file\": \"x\"}"};
  const int changes = 1 + static_cast<int>(random() % 4);
  for (int i = 0; i < changes; ++i) {
    const size_t at = text.empty() ? 0 : random() % text.size();
    switch (random() % 6) {
    case 0: text.insert(at, pieces[random() % std::size(pieces)]); break;
    case 1: text.erase(at, 1 + random() % 8); break;
    case 2: text.resize(at); break;
    case 3:
      if (!text.empty())
        text[at] = static_cast<char>(random());
      break;
    case 4: {
      const std::string& other = all[random() % all.size()];
      if (!other.empty())
        text.insert(at, other.substr(random() % other.size(), random() % 40));
      break;
    }
    default: text.insert(at, text.substr(at, random() % 30)); break;
    }
    if (text.size() > 20000)
      text.resize(20000);
  }
  return text;
}

void run_for(double seconds) {
  const std::vector<std::string> starts = corpus();
  ASSERT_FALSE(starts.empty());
  const CompiledModel model(test::FakeModel<test::Kitchen>::get());
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
      try_text(mutate(starts[random() % starts.size()], starts, random));
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
