#include "bench/parts/part_model.h"

#include "runtime/io/error.h"
#include "runtime/payload/payload.h"

#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <unistd.h>

namespace bench {

namespace fs = std::filesystem;
using namespace vmodel::runtime;

namespace {

[[noreturn]] void stop(const std::string& message) {
  std::fprintf(stderr, "bench-parts: %s\n", message.c_str());
  std::exit(1);
}

const vmodel_model& compile(const std::string& source, const std::string& families) {
  std::string folder = (fs::temp_directory_path() / "bench-parts-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr)
    stop("no folder for temporary files");
  const fs::path model = fs::path(folder) / "part.vmodel", executable = fs::path(folder) / "part";
  std::ofstream(model) << source;
  const fs::path compiler = fs::read_symlink("/proc/self/exe").parent_path() / "vmodelc";
  const std::string command =
      "'" + compiler.string() + "' '" + model.string() + "' -o '" + executable.string() + "' --families=" + families;
  const int status = std::system(command.c_str());
  std::string error = "vmodelc refused it:\n" + source;
  const vmodel_model* found = status == 0 ? load_payload(executable.string(), error) : nullptr;
  fs::remove_all(folder);
  if (found == nullptr)
    stop(error);
  return *found;
}

} // namespace

PartModel::PartModel(const std::string& source, const std::string& data, const std::string& families)
    : compiled_(std::make_unique<CompiledModel>(compile(source, families))) {
  vmodel::json::Value value;
  vmodel::json::ParseError error;
  if (!vmodel::json::parse(data, value, error))
    stop("data: " + error.message);
  std::vector<std::string> notes;
  try {
    prepared_ = std::make_unique<PreparedModel>(*compiled_, value, DataOptions{}, notes);
  } catch (const InputError& refused) {
    stop(refused.what());
  }
}

DensityCall::DensityCall(const PartModel& model, const std::string& kernel, int lanes) {
  const auto width = static_cast<std::size_t>(lanes);
  const auto size = static_cast<std::size_t>(model.prepared().dimension()) * width;
  z_.resize(size);
  gradient_.resize(size);
  value_.resize(width);
  jacobian_.resize(width);
  for (std::size_t i = 0; i < size; ++i)
    z_[i] = 0.05 + 0.9 * static_cast<double>(i) / static_cast<double>(size);
  if (kernel == "log_density")
    call_ = model.prepared().call(kernel, lanes,
                                  {{"z", z_.data()}, {"value", value_.data()}, {"jacobian", jacobian_.data()}});
  else
    call_ = model.prepared().call(
        kernel, lanes,
        {{"z", z_.data()}, {"value", value_.data()}, {"jacobian", jacobian_.data()}, {"gradient", gradient_.data()}});
}

void add_density(const std::string& name, const std::string& source, const std::string& data, std::int64_t elements) {
#ifndef __clang_analyzer__ // it takes Google Benchmark's registry for a leak
  // Compiled when the first of its benchmarks runs, so that a filter saves the others' time.
  const auto model = std::make_shared<std::unique_ptr<PartModel>>();
  for (const bool gradient : {false, true}) {
    for (const bool native : {false, true}) {
      const std::string title = name + (gradient ? "/gradient" : "/value") + (native ? "/native" : "/1");
      benchmark::RegisterBenchmark(title.c_str(), [=](benchmark::State& state) {
        if (!*model)
          *model = std::make_unique<PartModel>(source, data);
        const int lanes = native ? (*model)->native_lanes() : 1;
        DensityCall call(**model, gradient ? "log_density_gradient" : "log_density", lanes);
        while (state.KeepRunning())
          call();
        state.SetItemsProcessed(state.iterations() * elements * lanes);
        state.counters["lanes"] = lanes;
      });
    }
  }
#endif
}

std::string made_up_data(const std::vector<std::pair<std::string, std::int64_t>>& integers,
                         const std::vector<std::pair<std::string, std::vector<std::int64_t>>>& arrays) {
  std::ostringstream text;
  text.precision(17);
  const char* separator = "{";
  for (const auto& [name, value] : integers) {
    text << separator << '"' << name << "\": " << value;
    separator = ", ";
  }
  std::int64_t next = 1;
  const auto number = [&] {
    next = next * 48271 % 2147483647; // a multiplicative generator: any scattered numbers will do
    text << static_cast<double>(next) / 2147483647.0;
  };
  for (const auto& [name, shape] : arrays) {
    text << separator << '"' << name << "\": [";
    separator = ", ";
    for (std::int64_t i = 0; i < shape[0]; ++i) {
      text << (i ? ", " : "");
      if (shape.size() == 1) {
        number();
        continue;
      }
      text << "[";
      for (std::int64_t k = 0; k < shape[1]; ++k) {
        text << (k ? ", " : "");
        number();
      }
      text << "]";
    }
    text << "]";
  }
  text << "}";
  return text.str();
}

} // namespace bench
