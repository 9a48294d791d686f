// What several commands share.
#pragma once

#include "runtime/cli/command.h"
#include "runtime/model/prepared_model.h"

#include <nlohmann/json.hpp>

#include <memory>
#include <string>
#include <vector>

namespace vmodel::runtime {

using Json = nlohmann::ordered_json;

// A number as JSON: "-inf", "inf" and "nan" where JSON has none.
Json json_number(double value);
Json json_numbers(const double* values, int64_t count);
// Flat values nested by shape, as Stan's JSON has them.
Json json_nested(const double* values, const std::vector<int64_t>& shape, bool integer = false);
// Back from a number or one of the three strings. False for anything else.
bool read_number(const json::Value& value, double& result);

// The value of --data, which only a model without data can do without. Throws InputError.
std::string need_data(const Session& session, const Options& options);

// Reads and prepares data (an empty path: none); notes go to session.err.
std::unique_ptr<PreparedModel> load_data(const Session& session, const std::string& path, bool strict);

// Points on the constrained scale, flat in the order of parameters: [point][P].
struct Points {
  std::vector<std::vector<double>> values;
};

// Reads a list of objects from parameter to value. Names that are no parameter are ignored with one
// note; a missing parameter or a wrong shape is an error.
Points read_points(const Session& session, const PreparedModel& model, const std::string& path);

// Unconstrained coordinates of constrained values. False where they are outside the support.
class Unconstrainer {
public:
  explicit Unconstrainer(const PreparedModel& model);
  bool operator()(const std::vector<double>& x, double* z);

private:
  const PreparedModel& model_;
  size_t lanes_;
  AlignedVector<double> x_, z_, back_; // every lane holds the same point
  KernelCall unconstrain_, constrain_;
};

// The same point in every lane, for kernels that exist for the native width only.
void fill_lanes(const double* point, size_t size, size_t lanes, double* wide);

// The lanes that `--lanes 1|native|N` asks for. Throws InputError when the model lacks them.
int parse_lanes(const CompiledModel& model, const std::string& text);

// True if the model's density uses sufficient statistics.
bool has_statistics(const CompiledModel& model);
// The name of a kernel, or of the one that goes through the data instead of using statistics.
std::string kernel_name(const CompiledModel& model, const std::string& name, bool plain);

// Inner samples of each density of a semi-implicit family, and what `--inner N` says of them.
inline constexpr int64_t default_inner_samples = 1024;
inline constexpr const char* inner_help =
    "samples of what a semi-implicit family mixes over, for each density (default 1024)";

} // namespace vmodel::runtime
