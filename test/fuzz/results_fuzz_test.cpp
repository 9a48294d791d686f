// Throws damaged results at their readers (fit.json, draws): no crash, and every refusal is an error of the input.
// Fixed seeds; files of results_corpus are the starting points, beside a fit and draws made here.

#include "runtime/cli/results.h"
#include "runtime/diagnostics/draws.h"
#include "runtime/io/error.h"
#include "test/fuzz/mutate.h"
#include "test/support/models.h"

#include <gtest/gtest.h>

#include <chrono>
#include <iostream>

namespace vmodel::runtime {
namespace {

namespace fs = std::filesystem;

std::string slurp(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

void spill(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

class ResultsFuzz : public testing::Test {
protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("vmodel-fuzz-" + std::to_string(getpid()));
    fs::create_directories(folder_);
    spill(folder_ / "data.json", R"({"J": 8, "y": [28,8,-3,7,-1,1,18,12], "sigma": [15,10,16,11,9,11,10,18]})");
    const std::string fit = folder_ / "fit.json", draws = folder_ / "draws.csv";
    run({"fit", "--data", folder_ / "data.json", "--output", folder_, "--steps", "3", "--set", "start=plain", "--set",
         "warm_up=off", "--set", "particles=8"});
    run({"sample", "--fit", fit, "--draws", "5", "--output", draws});
    starts_ = test::fuzz_corpus("results_corpus");
    starts_.push_back(slurp(fit));
    starts_.push_back(slurp(draws));
  }
  void TearDown() override { fs::remove_all(folder_); }

  void run(const Arguments& arguments) {
    std::ostringstream out, err;
    const int status = run_command_line(abi_, "model", arguments, out, err);
    ASSERT_TRUE(status == 0 || status == 2) << err.str();
  }

  void run_for(double seconds) {
    const CompiledModel model(abi_);
    std::ostringstream out, err;
    const Session session{model, "model", out, err, false};
    std::mt19937_64 random(20241122);
    const fs::path path = folder_ / "damaged";
    const auto begin = std::chrono::steady_clock::now();
    int64_t fits = 0, draws = 0, total = 0;
    while (std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() < seconds) {
      const size_t start = random() % starts_.size();
      // Undamaged ones too, so that the readers are known to accept something.
      spill(path, ++total % 50 == 0 ? starts_[start] : test::mutate(starts_[start], starts_, random));
      try {
        const StoredFit fit = read_fit(session, path);
        const auto prepared = prepare_for_fit(session, fit, "");
        learnables_json(*prepared, family_of(model.metadata(), fit.family), fit.phi);
        ++fits;
      } catch (const InputError& failure) {
        ASSERT_FALSE(failure.messages().empty());
      }
      try {
        const Draws read = read_draws(path);
        for (const auto& column : read.columns)
          summarise(column, {});
        ++draws;
      } catch (const InputError& failure) {
        ASSERT_FALSE(failure.messages().empty());
      }
    }
    EXPECT_GT(fits, 0);
    EXPECT_GT(draws, 0);
    std::cout << total << " texts, " << fits << " fits and " << draws << " files of draws accepted\n";
  }

  const vmodel_model& abi_ = test::eight_schools();
  fs::path folder_;
  std::vector<std::string> starts_;
};

TEST_F(ResultsFuzz, FiveSeconds) {
  run_for(5);
}
TEST_F(ResultsFuzz, OneMinuteSlow) {
  run_for(60);
}

} // namespace
} // namespace vmodel::runtime
