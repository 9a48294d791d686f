// fit.json: writing and reading.
#pragma once

#include "runtime/cli/shared.h"
#include "runtime/fit/fit.h"

#include <string>
#include <utility>
#include <vector>

namespace vmodel::runtime {

inline constexpr int fit_schema_version = 1;

// Writes FOLDER/fit.json (and FOLDER/fit.phi.bin for more than 1 MB of learnables) and
// FOLDER/trace.csv, each atomically.
void write_fit(const std::string& folder, const PreparedModel& model, const FitSettings& settings,
               const FitResult& result);

// What a command needs of a fit.
struct StoredFit {
  std::string path;
  std::string family;
  std::string objective;
  // Its settings by name, those that the fit chose included.
  std::vector<std::pair<std::string, std::string>> objective_settings;
  std::string data_hash;
  std::vector<double> phi;
  json::Value fields;                   // data fields that are stored, by the names of the data file
  std::vector<std::string> hashed_only; // needed fields that were too large to store
  int64_t particles = 16;
  std::string estimator;
  uint64_t seed = 0;
};

// Reads and checks a fit against this executable: kind, schema version, hash of the model, shapes.
// Throws InputError.
StoredFit read_fit(const Session& session, const std::string& path);

// The model prepared for a fit: with the data of --data (whose hash must be the fit's) or, without
// (`data_path` empty), from the fields that the fit holds.
std::unique_ptr<PreparedModel> prepare_for_fit(const Session& session, const StoredFit& fit,
                                               const std::string& data_path);

// Learnables on their own scale, by kernel FAMILY.learned.
Json learnables_json(const PreparedModel& model, const Family& family, const std::vector<double>& phi);

} // namespace vmodel::runtime
