// A compiled model with its data: slots filled, sizes known.
#pragma once

#include "runtime/model/compiled_model.h"
#include "runtime/model/data.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vmodel::runtime {

// A reported value (parameter or quantity) with its sizes for these data.
struct ReportedValue {
  std::string name;
  bool integer = false;
  bool random = false;
  std::vector<int64_t> shape;
  int64_t offset = 0, size = 0;
  // Of a parameter: its coordinates in z.
  int64_t unconstrained_offset = 0, unconstrained_size = 0;
  const Parameter* parameter = nullptr;
};

// A learnable with its sizes for these data.
struct LearnableValue {
  std::string name, map;
  std::vector<int64_t> shape;
  int64_t offset = 0, size = 0, phi_offset = 0, phi_size = 0;
};

class PreparedModel {
public:
  // Reads, checks and prepares. Throws InputError with all that is wrong. `notes` get remarks.
  PreparedModel(const CompiledModel& model, const json::Value& data, const DataOptions& options,
                std::vector<std::string>& notes);
  PreparedModel(const PreparedModel&) = delete;
  PreparedModel& operator=(const PreparedModel&) = delete;

  const CompiledModel& compiled() const { return model_; }
  const Metadata& metadata() const { return model_.metadata(); }
  const vmodel_slot* slots() const { return slots_.data(); }
  const std::vector<DataValue>& data() const { return data_; }
  const std::string& data_hash() const { return data_hash_; }
  int lanes() const { return model_.lanes(); }

  int64_t size(SizeNumber number) const { return sizes_[static_cast<size_t>(number)]; }
  std::vector<int64_t> shape(const std::vector<SizeNumber>& numbers) const;
  // D, P, L, Q of docs/architecture.md.
  int64_t dimension() const { return size(metadata().dimension); }
  int64_t parameter_values() const { return size(metadata().reported_parameters); }
  int64_t observed_values() const { return size(metadata().observed); }
  int64_t reported_values() const { return size(metadata().reported); }
  const std::vector<ReportedValue>& parameters() const { return parameters_; }
  const std::vector<ReportedValue>& quantities() const { return quantities_; }

  std::vector<LearnableValue> learnables(const Family& family) const;

  KernelCall call(std::string_view kernel, int lanes, const std::vector<Argument>& arguments) const {
    const std::string plain = std::string(kernel) + ".plain";
    const bool through_data = through_data_ && model_.find(plain, lanes) != nullptr;
    return KernelCall(model_, slots_.data(), through_data ? plain : kernel, lanes, arguments);
  }
  // Later calls go through the data, without sufficient statistics.
  void go_through_data() { through_data_ = true; }

private:
  void prepare(const DataOptions& options);
  void check_intervals(const DataOptions& options);
  void check_observed(const DataOptions& options);

  const CompiledModel& model_;
  bool through_data_ = false;
  std::vector<vmodel_slot> slots_;
  Arena arena_;
  std::vector<DataValue> data_;
  std::string data_hash_;
  AlignedVector<int64_t> sizes_;
  std::vector<ReportedValue> parameters_, quantities_;
};

} // namespace vmodel::runtime
