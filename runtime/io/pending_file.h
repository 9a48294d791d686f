// Files that get their name when they are whole. Used by the runtime and by vmodelc.
#pragma once

#include <string>
#include <sys/types.h>

namespace vmodel::runtime {

// Writes all bytes to an open file. False, with errno, where that fails.
bool write_all(int file, const char* bytes, size_t size);

// A new file that stands in its folder without a name, so that nothing of it remains when the program is
// killed; publish() gives it its name, in the place of an older file. Where the file system knows no such
// files it has a temporary name, `path.unfinished-XXXXXX`, which only a program that is killed leaves behind.
class PendingFile {
public:
  PendingFile() = default;
  PendingFile(const PendingFile&) = delete;
  PendingFile& operator=(const PendingFile&) = delete;
  ~PendingFile() { discard(); }

  // These return false, with errno, where the system refuses.
  bool open(const std::string& path, mode_t mode);
  bool publish();

  int descriptor() const { return file_; }
  void discard();

private:
  bool give_temporary_name();

  std::string path_;
  std::string temporary_; // empty: without a name
  int file_ = -1;
};

} // namespace vmodel::runtime
