#include "test/codegen/harness.h"

#include "compiler/codegen/link.h"
#include "compiler/ir/rewrite.h"
#include "compiler/ir/verify.h"
#include "compiler/passes/expand.h"
#include "runtime/payload/payload.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <set>

namespace vmodel::test {

namespace {

[[noreturn]] void stop(const std::string& message) {
  std::fprintf(stderr, "%s\n", message.c_str());
  std::abort();
}

std::size_t count_of(const Array& array) {
  std::size_t count = 1;
  for (const std::int64_t dim : array.dims)
    count *= static_cast<std::size_t>(dim);
  return count;
}

void* aligned(std::size_t bytes) {
  return std::aligned_alloc(64, (bytes + 127) / 64 * 64);
}

} // namespace

ir::Module module_of(const std::vector<std::pair<std::string, std::function<void(ir::Builder&)>>>& functions) {
  ir::Module module;
  for (const auto& [name, write] : functions) {
    ir::Function function;
    function.name = name;
    ir::Builder builder(function);
    write(builder);
    builder.yield({});
    module.functions.push_back(std::move(function));
  }
  return module;
}

Compiled::Compiled(ir::Module module, const std::string& march, std::vector<int> lanes) : module_(std::move(module)) {
  for (const std::string& message : ir::verify(module_))
    stop(message);
  options_.target = codegen::find_target(march);
  options_.lanes = lanes.empty() ? std::vector{1, options_.target.lanes} : std::move(lanes);
  options_.metadata = "{}";
  options_.verify = true;
  options_.threads = 2;
  std::set<std::string> seen;
  std::vector<std::string> prepared;
  if (const ir::Function* prepare = module_.find("prepare"))
    ir::for_each_op(prepare->body, [&](const ir::Op& op) {
      if (op.opcode == ir::Opcode::output_ && seen.insert(op.symbol).second)
        prepared.push_back(op.symbol);
    });
  for (const ir::Function& function : module_.functions)
    for (const ir::Parameter& parameter : function.parameters)
      if (parameter.axis == ir::Axis::load && seen.insert(parameter.name).second)
        options_.slots.push_back(parameter.name);
  options_.data_count = static_cast<std::int32_t>(options_.slots.size());
  options_.slots.insert(options_.slots.end(), prepared.begin(), prepared.end());
  const codegen::Compiled compiled = codegen::compile(passes::expand(module_), options_, codegen::Stage::object);
  std::string shared;
  std::string error;
  if (!codegen::link_shared(compiled.bytes, shared, error))
    stop(error);
  model_ = runtime::load_shared(shared.data(), shared.size(), error);
  if (!model_)
    stop(error);
  slots_.resize(options_.slots.size());
}

Compiled::~Compiled() {
  for (void* memory : memory_)
    std::free(memory);
}

const vmodel_kernel* Compiled::find(const std::string& name, int lanes) const {
  for (std::int32_t i = 0; i < model_->kernel_count; ++i)
    if (name == model_->kernels[i].name && model_->kernels[i].lanes == lanes)
      return &model_->kernels[i];
  return nullptr;
}

void* Compiled::allocate(void* context, std::int64_t bytes) {
  auto* self = static_cast<Compiled*>(context);
  if (self->allocations_left-- <= 0)
    return nullptr;
  self->memory_.push_back(aligned(static_cast<std::size_t>(bytes)));
  return self->memory_.back();
}

void Compiled::fail(void* context, std::int64_t message, const double* values, std::int64_t count) {
  static_cast<Compiled*>(context)->failures_.push_back({message, {values, values + count}});
}

int Compiled::prepare(const Arrays& data) {
  data_ = data;
  for (std::size_t i = 0; i < static_cast<std::size_t>(options_.data_count); ++i) {
    const auto found = data_.find(options_.slots[i]);
    if (found == data_.end())
      stop("no data for the slot " + options_.slots[i]);
    const Array& array = found->second;
    if (array.dims.empty()) {
      if (array.numbers.empty())
        slots_[i].integer = array.integers[0];
      else
        slots_[i].real = array.numbers[0];
      continue;
    }
    void* memory = aligned(8 * count_of(array));
    memory_.push_back(memory);
    if (array.numbers.empty() && !array.integers.empty())
      std::memcpy(memory, array.integers.data(), 8 * array.integers.size());
    else if (!array.numbers.empty())
      std::memcpy(memory, array.numbers.data(), 8 * array.numbers.size());
    slots_[i].array = memory;
  }
  const vmodel_host host{this, allocate, fail};
  return model_->prepare(slots_.data(), &host);
}

std::vector<Arrays> Compiled::run(const std::string& name, const std::vector<Arrays>& lanes,
                                  const vmodel_random& random) {
  const vmodel_kernel* kernel = find(name, static_cast<int>(lanes.size()));
  if (!kernel)
    stop("no kernel " + name + " for " + std::to_string(lanes.size()) + " lanes");
  std::vector<std::vector<std::int64_t>> memory;
  std::vector<void*> arguments;
  for (std::int32_t i = 0; i < kernel->argument_count; ++i) {
    const vmodel_argument& argument = kernel->arguments[i];
    const std::size_t columns = argument.axis == VMODEL_PARTICLE ? lanes.size() : 1;
    const Array& shape = lanes[0].at(argument.name);
    const std::size_t count = count_of(shape);
    std::vector<std::int64_t> cells(count * columns, 0x7ff8dead00000000); // outputs that are not written are NaN
    for (std::size_t lane = 0; lane < columns && !argument.output; ++lane) {
      const Array& given = lanes[lane].at(argument.name);
      for (std::size_t k = 0; k < count; ++k) {
        if (argument.integer)
          cells[k * columns + lane] = given.integers[k];
        else
          std::memcpy(&cells[k * columns + lane], &given.numbers[k], 8);
      }
    }
    memory.push_back(std::move(cells));
    arguments.push_back(memory.back().data());
  }
  const std::int64_t bytes = kernel->workspace_bytes ? kernel->workspace_bytes(slots_.data()) : 0;
  // What lies behind the workspace must not change.
  auto* workspace = static_cast<unsigned char*>(aligned(static_cast<std::size_t>(bytes) + 64));
  std::memset(workspace, 0xff, static_cast<std::size_t>(bytes) + 64);
  kernel->run(slots_.data(), arguments.data(), workspace, &random);
  for (int i = 0; i < 64; ++i)
    EXPECT_EQ(workspace[bytes + i], 0xff) << "behind the workspace of " << name;
  std::free(workspace);
  std::vector<Arrays> results(lanes.size());
  for (std::int32_t i = 0; i < kernel->argument_count; ++i) {
    const vmodel_argument& argument = kernel->arguments[i];
    if (!argument.output)
      continue;
    const std::size_t columns = argument.axis == VMODEL_PARTICLE ? lanes.size() : 1;
    for (std::size_t lane = 0; lane < lanes.size(); ++lane) {
      Array array;
      array.dims = lanes[0].at(argument.name).dims;
      for (std::size_t k = 0; k < count_of(array); ++k) {
        const std::int64_t cell = memory[static_cast<std::size_t>(i)][k * columns + (columns > 1 ? lane : 0)];
        double number = 0;
        std::memcpy(&number, &cell, 8);
        if (argument.integer)
          array.integers.push_back(cell);
        else
          array.numbers.push_back(number);
      }
      results[lane][argument.name] = std::move(array);
    }
  }
  return results;
}

namespace {

void expect_near(const Arrays& expected, const Arrays& found, double tolerance, const std::string& what) {
  for (const auto& [name, array] : found) {
    const Array& reference = expected.at(name);
    EXPECT_EQ(array.integers, reference.integers) << what << " " << name;
    ASSERT_EQ(array.numbers.size(), reference.numbers.size()) << what << " " << name;
    for (std::size_t i = 0; i < array.numbers.size(); ++i) {
      const double a = reference.numbers[i];
      const double b = array.numbers[i];
      if (std::isnan(a) || std::isinf(a)) {
        EXPECT_TRUE(std::isnan(a) ? std::isnan(b) : a == b)
            << what << " " << name << "[" << i << "]: " << b << ", expected " << a;
      } else {
        EXPECT_LE(std::fabs(a - b), tolerance * std::fmax(1, std::fabs(a)))
            << what << " " << name << "[" << i << "]: " << b << ", expected " << a;
      }
    }
  }
}

} // namespace

void expect_agreement(const ir::Module& module, const std::string& kernel, const Arrays& data,
                      const std::vector<Arrays>& lanes, double tolerance) {
  for (const std::string& march : codegen::target_names()) {
    if (!codegen::runs_here(codegen::find_target(march)))
      continue;
    SCOPED_TRACE(march);
    Compiled compiled(module, march);
    ASSERT_EQ(compiled.prepare(data), 0);
    std::vector<Arrays> wide(static_cast<std::size_t>(compiled.native_lanes()));
    for (std::size_t l = 0; l < wide.size(); ++l)
      wide[l] = lanes[l % lanes.size()];
    const std::vector<Arrays> together = compiled.run(kernel, wide);
    for (std::size_t l = 0; l < wide.size(); ++l) {
      Arrays inputs = data;
      for (const auto& [name, array] : wide[l])
        inputs[name] = array;
      const Arrays expected = ir::evaluate(compiled.module(), kernel, inputs);
      expect_near(expected, compiled.run(kernel, {wide[l]})[0], tolerance, "one lane");
      expect_near(expected, together[l], tolerance, "lane " + std::to_string(l));
    }
  }
}

} // namespace vmodel::test
