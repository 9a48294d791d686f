// Arrays in NumPy's format (.npy), for data that are too large for JSON.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace vmodel::runtime {

struct NpyArray {
  std::vector<int64_t> shape;
  bool integer = false;        // the file holds integers
  std::vector<double> numbers; // row-major
};

// Reads a file of version 1, 2 or 3 that holds little-endian floats (4 or 8 bytes), integers (1 to 8
// bytes, signed or not) or booleans, in C or Fortran order. Integers beyond 2^53 are refused.
// (NumPy Enhancement Proposal 1, "A simple file format for NumPy arrays".)
// Returns false with what is wrong in `problem`.
bool read_npy(const std::string& path, NpyArray& result, std::string& problem);

} // namespace vmodel::runtime
