// The metadata of a compiled model, parsed (docs/abi.md describes the JSON).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vmodel::runtime {

// A number of the table `sizes`, whose value depends on the data.
using SizeNumber = int64_t;

struct SourcePosition {
  int64_t line = 0;
  int64_t column = 0;
};

struct DataField {
  std::string name;
  std::string field; // its name in the data file
  bool integer = false;
  std::vector<std::string> shape; // texts
  std::string support;            // all, bounded, simplex, ordered, positive_ordered ...
  std::string lower, upper;       // texts; empty: none
  bool bounds = false;            // the kernel data_bounds.NAME exists
  bool needed_by_sample = false;
  SourcePosition position;
  // The type as declared: int<lower=1>[N].
  std::string type() const;
};

struct Parameter {
  std::string name;
  bool integer = false;
  std::vector<SizeNumber> shape;
  std::string support, lower, upper, map;
  bool noncentered = false;
  SizeNumber offset = 0, size = 0, unconstrained_offset = 0, unconstrained_size = 0;
  SourcePosition position;
};

struct Quantity {
  std::string name;
  bool integer = false;
  std::vector<SizeNumber> shape;
  SizeNumber offset = 0, size = 0;
  bool random = false;
};

struct Observation {
  std::string name, data, distribution;
  std::vector<SizeNumber> shape;
  SizeNumber offset = 0, size = 0;
  SourcePosition position;
};

struct Requirement {
  std::string text; // {0}, {1}: values
  SourcePosition position;
};

struct Learnable {
  std::string name;
  std::vector<SizeNumber> shape;
  std::string support, map;
  SizeNumber offset = 0, size = 0, phi_offset = 0, phi_size = 0;
};

// What a semi-implicit family mixes over.
struct Mixture {
  SizeNumber size = 0;    // coordinates
  SizeNumber learned = 0; // of phi by the family; what follows belongs to the proposal
  // Random numbers of the kernels FAMILY.mix.noise and FAMILY.proposal.noise, where there are any.
  std::optional<SizeNumber> mix_noise, proposal_noise;
};

// Draws that a family maps from a base, as FAMILY.round_trip has them.
struct RoundTripDraw {
  std::string name;
  SizeNumber events = 0, base = 0, image = 0; // numbers: of events, of an event's before and after it is mapped
  SizeNumber base_offset = 0, image_offset = 0;
};

struct RoundTripSizes {
  SizeNumber base = 0, image = 0;
  std::vector<RoundTripDraw> draws;
};

// The learnables that play these roles, or empty; a factor takes the place of scales.
struct LocationScale {
  std::string location, scale, scale_cholesky;
};

struct Family {
  std::string name;
  std::string kind; // family, mean_field, full_rank
  std::vector<Learnable> learnables;
  SizeNumber phi = 0, values = 0;
  std::optional<SizeNumber> noise; // random numbers of a draw that the kernel FAMILY.noise makes, if there are any
  std::vector<std::string> capabilities;
  // Its densities are integrals; none: they are not.
  std::optional<Mixture> mixture;
  // What it maps from bases, by maps that have inverses; none: nothing.
  std::optional<RoundTripSizes> round_trip;
  // Of a Gaussian on the unconstrained scale.
  LocationScale gaussian;
  // Of another family whose last map of all coordinates is by a location and scales.
  LocationScale last_map;

  bool can(std::string_view capability) const;
};

struct FitBlock {
  std::string name, family, objective;
  std::map<std::string, std::string> settings;
};

struct Metadata {
  int64_t abi = 0;
  std::string compiler, march, model, source, source_hash;
  std::vector<std::string> cpu_features;
  int32_t lanes = 1;
  std::vector<DataField> data;
  std::vector<std::string> sizes;
  SizeNumber dimension = 0, reported_parameters = 0, observed = 0, reported = 0;
  std::vector<Parameter> parameters;
  std::vector<Quantity> quantities;
  std::vector<Observation> observations;
  std::vector<Requirement> requires_;
  std::vector<Family> families;
  std::vector<FitBlock> fits;
  // Sizes of what kernels compute before others (NAME.step, NAME.point).
  std::map<std::string, SizeNumber> stages;
  // Objectives whose kernels are compiled for a fit.
  std::vector<std::string> objectives;

  bool has_objective(std::string_view name) const;
  // `garch11.vmodel:3:8`.
  std::string at(SourcePosition position) const;
  const Family* find_family(std::string_view name) const;
};

// Parses the text. Throws InternalError when it does not follow docs/abi.md.
Metadata parse_metadata(std::string_view text);

} // namespace vmodel::runtime
