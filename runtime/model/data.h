// Reads data for a model: JSON to slots, each value checked against its declaration.
#pragma once

#include "runtime/io/json.h"
#include "runtime/model/compiled_model.h"

#include <cstdint>
#include <string>
#include <vector>

namespace vmodel::runtime {

// The values of one declared field, flat and row-major.
struct DataValue {
  std::vector<int64_t> shape;
  AlignedVector<double> reals;
  AlignedVector<int64_t> integers;
  // False where a fit is loaded without this field: the values are then placeholders.
  bool given = true;
};

struct DataOptions {
  // What messages call the source of the data.
  std::string file = "data";
  // Fields that the model does not declare are errors instead of notes.
  bool strict = false;
  // Fields that sampling does not need may be absent: they get placeholders within their bounds.
  bool for_sampling = false;
};

// Reads all declared fields in order, checks them, and fills the first slots with them.
class DataReader {
public:
  DataReader(const CompiledModel& model, DataOptions options, vmodel_slot* slots)
      : model_(model), options_(std::move(options)), slots_(slots) {}

  // Mistakes are collected in errors(), remarks in notes().
  std::vector<DataValue> read(const json::Value& root);
  const std::vector<std::string>& errors() const { return errors_; }
  const std::vector<std::string>& notes() const { return notes_; }

private:
  void read_field(const DataField& field, const json::Value* value, DataValue& result);
  bool find_shape(const DataField& field, DataValue& result);
  bool flatten(const DataField& field, const json::Value& value, const DataValue& result, size_t axis,
               std::vector<int64_t>& place);
  bool wrong_kind(const DataField& field, const json::Value& value, const std::vector<int64_t>& place,
                  bool array_expected);
  bool number(const DataField& field, double value, const std::vector<int64_t>& place);
  bool read_array_file(const DataField& field, const json::Value& value, const DataValue& result);
  void find_bounds(const DataField& field, const DataValue& value);
  void check_bounds(const DataField& field, const DataValue& value);
  void check_support(const DataField& field, const DataValue& value);
  void fill_placeholder(const DataField& field, DataValue& result);
  bool depends_on_failed(const DataField& field);
  void find_undeclared(const json::Value& root);
  void report_undeclared();
  std::string similar_field(const std::string& name) const;
  bool refuse(const DataField& field, const std::string& element, const std::string& problem);

  const CompiledModel& model_;
  DataOptions options_;
  vmodel_slot* slots_;
  std::vector<std::string> errors_, notes_;
  int64_t refused_ = 0; // errors of the field that is being read
  std::vector<double> numbers_;
  AlignedVector<double> lower_, upper_;
  std::vector<std::string> failed_;     // fields that could not be read
  std::vector<std::string> undeclared_; // names of the file that the model does not know
};

// The SHA-256 of the parsed values of all declared fields: names, kinds, shapes, values.
std::string hash_of_data(const Metadata& metadata, const std::vector<DataValue>& values);

} // namespace vmodel::runtime
