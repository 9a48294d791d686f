// SHA-256 (FIPS 180-4), for the hashes of models and data in results.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace vmodel::runtime {

class Sha256 {
public:
  void add(const void* bytes, size_t count);
  void add(std::string_view text) { add(text.data(), text.size()); }
  // The digest as 64 hexadecimal digits; the object is used up.
  std::string finish();

private:
  void block(const unsigned char* bytes);

  std::array<uint32_t, 8> state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  unsigned char buffer_[64];
  size_t buffered_ = 0;
  uint64_t total_ = 0;
};

} // namespace vmodel::runtime
