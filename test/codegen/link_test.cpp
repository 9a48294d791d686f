// Executables: the runtime, a shared object behind it, and the way back.
#include "compiler/codegen/codegen.h"
#include "compiler/codegen/link.h"
#include "runtime/payload/payload.h"
#include "test/codegen/harness.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

namespace vmodel::test {

namespace {

std::string shared_object() {
  const ir::Module module = module_of({{"f", [](ir::Builder& b) {
                                          const ir::ValueId value =
                                              b.parameter("value", {ir::Element::f64, true, {}}, ir::Axis::step);
                                          b.store(value, {}, b.constant(1));
                                        }}});
  codegen::Options options;
  options.target = codegen::find_target("x86-64-v2");
  options.lanes = {1};
  options.metadata = "{\"abi\": 1}";
  std::string shared;
  std::string error;
  EXPECT_TRUE(codegen::link_shared(codegen::compile(module, options, codegen::Stage::object).bytes, shared, error))
      << error;
  return shared;
}

class Executables : public testing::Test {
protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "/vmodel-link-" + std::to_string(getpid());
    std::filesystem::create_directory(folder_);
    std::ofstream(runtime()) << "not really a program";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string runtime() const { return folder_ + "/runtime"; }
  std::string output() const { return folder_ + "/model"; }

private:
  std::string folder_;
};

TEST_F(Executables, CarryTheirModel) {
  std::string error;
  ASSERT_TRUE(codegen::join_executable(runtime(), shared_object(), output(), error)) << error;
  struct stat status{};
  ASSERT_EQ(stat(output().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0755U);
  const vmodel_model* model = runtime::load_payload(output(), error);
  ASSERT_NE(model, nullptr) << error;
  EXPECT_STREQ(model->metadata, "{\"abi\": 1}");
  EXPECT_EQ(model->kernel_count, 1);
  EXPECT_STREQ(model->kernels[0].name, "f");
}

TEST_F(Executables, SayWhatIsWrongWithThem) {
  std::string error;
  EXPECT_EQ(runtime::load_payload(runtime(), error), nullptr);
  EXPECT_NE(error.find("holds no model"), std::string::npos) << error;
  ASSERT_TRUE(codegen::join_executable(runtime(), "no shared object at all", output(), error));
  EXPECT_EQ(runtime::load_payload(output(), error), nullptr);
  EXPECT_NE(error.find("cannot load the model"), std::string::npos) << error;
}

TEST_F(Executables, ReportFilesThatCannotBeWritten) {
  std::string error;
  EXPECT_FALSE(codegen::join_executable(runtime(), "", output() + "/no/such/folder", error));
  EXPECT_NE(error.find("cannot write"), std::string::npos) << error;
  EXPECT_FALSE(codegen::join_executable(runtime() + "-missing", "", output(), error));
  EXPECT_NE(error.find("cannot read the runtime"), std::string::npos) << error;
  EXPECT_FALSE(std::filesystem::exists(output()));
}

TEST(Linking, ReportsWhatTheLinkerSays) {
  std::string shared;
  std::string error;
  EXPECT_FALSE(codegen::link_shared("this is no object file", shared, error));
  EXPECT_NE(error.find("linking failed"), std::string::npos) << error;
}

} // namespace

} // namespace vmodel::test
