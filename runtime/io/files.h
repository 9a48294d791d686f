// Files that appear whole or not at all, and numbers as text.
#pragma once

#include "runtime/io/pending_file.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vmodel::runtime {

// Collects a file without a name in the folder of `path`; commit() makes it durable and names it.
// Without commit() nothing remains. `-` is standard output; that, devices and pipes are
// written to as they are. Throws InputError for a folder that cannot be written, a full disk and the
// like.
class AtomicFile {
public:
  explicit AtomicFile(std::string path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::string_view text);
  void commit();

private:
  void flush();
  [[noreturn]] void refuse(const char* doing, int code);

  int descriptor() const { return file_ >= 0 ? file_ : pending_.descriptor(); }

  std::string path_;
  std::string buffer_;
  PendingFile pending_;
  int file_ = -1; // a device or a pipe
};

// Writes a whole file atomically.
void write_file(const std::string& path, std::string_view text);

// Throws InputError where `output` would replace the file `input`, under whatever name. Neither has to exist.
void keep_input(const std::string& input, const std::string& output);

// Makes a folder and its parents. Throws InputError.
void make_folder(const std::string& path);

// 17 significant digits, which restore the same double; inf, -inf, nan.
std::string exact(double value);

// Few digits, for messages and tables.
std::string brief(double value, int digits = 6);

// "1 step", "2 steps".
std::string counted(int64_t count, const char* noun);

// The column of an element: theta, theta[1], b[2,1]; last index fastest, indices from 1.
std::string flat_name(const std::string& name, const std::vector<int64_t>& shape, int64_t index);

} // namespace vmodel::runtime
