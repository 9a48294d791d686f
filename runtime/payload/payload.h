// The compiled model that an executable carries behind its own end.
#pragma once

#include "runtime/abi/vmodel_abi.h"

#include <cstddef>
#include <cstdint>
#include <string>

namespace vmodel::runtime {

/// The last bytes of an executable: where the shared object lies in it.
struct Trailer {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  std::uint64_t checksum = 0;
  char magic[16] = {}; // "vmodel payload 2", without a zero at its end
};
inline constexpr char trailer_magic[] = "vmodel payload 2";

/// A checksum of the shared object: damage is to be noticed before it is loaded. Takes a fraction of a millisecond.
std::uint64_t payload_checksum(const char* bytes, std::size_t size);

/// Loads the compiled model out of the executable `path` (usually /proc/self/exe): maps the shared object by an
/// anonymous file, or a temporary file where there are none, and checks version and size of its table. It stays loaded.
/// nullptr with a message when there is none or it does not fit. The caller then checks the processor before it calls
/// anything: loading runs no code of the model.
const vmodel_model* load_payload(const std::string& path, std::string& error);

/// Loads a shared object from its bytes (tests and tools).
const vmodel_model* load_shared(const char* bytes, std::size_t size, std::string& error);

} // namespace vmodel::runtime
