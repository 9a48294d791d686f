#include "runtime/io/pending_file.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

namespace vmodel::runtime {
namespace {

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

} // namespace

bool write_all(int file, const char* bytes, size_t size) {
  while (size > 0) {
    const ssize_t written = ::write(file, bytes, size);
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      return false;
    bytes += written;
    size -= static_cast<size_t>(written);
  }
  return true;
}

bool PendingFile::open(const std::string& path, mode_t mode) {
  discard();
  path_ = path;
  // A file without a name is named through its descriptor in /proc.
  if (::access("/proc/self/fd", X_OK) == 0)
    file_ = ::open(folder_of(path).c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
  if (file_ < 0) {
    temporary_ = path + ".unfinished-XXXXXX";
    file_ = ::mkostemp(temporary_.data(), O_CLOEXEC);
    if (file_ < 0) {
      temporary_.clear();
      return false;
    }
  }
  if (::fchmod(file_, mode) == 0)
    return true;
  const int code = errno;
  discard();
  errno = code;
  return false;
}

// A link cannot replace a file, so that there is a moment between this and the renaming.
bool PendingFile::give_temporary_name() {
  const std::string descriptor = "/proc/self/fd/" + std::to_string(file_);
  for (int attempt = 0; attempt < 100; ++attempt) {
    unsigned number = 0;
    if (::getrandom(&number, sizeof number, 0) != sizeof number)
      number = static_cast<unsigned>(::getpid()) * 100U + static_cast<unsigned>(attempt);
    char ending[24];
    std::snprintf(ending, sizeof ending, ".unfinished-%08x", number);
    temporary_ = path_ + ending;
    if (::linkat(AT_FDCWD, descriptor.c_str(), AT_FDCWD, temporary_.c_str(), AT_SYMLINK_FOLLOW) == 0)
      return true;
    if (errno != EEXIST)
      break;
  }
  temporary_.clear();
  return false;
}

bool PendingFile::publish() {
  if (temporary_.empty() && !give_temporary_name())
    return false;
  const int file = file_;
  file_ = -1;
  if (::close(file) == 0 && ::rename(temporary_.c_str(), path_.c_str()) == 0) {
    temporary_.clear();
    return true;
  }
  const int code = errno;
  discard();
  errno = code;
  return false;
}

void PendingFile::discard() {
  if (file_ >= 0)
    ::close(file_);
  if (!temporary_.empty())
    ::unlink(temporary_.c_str());
  file_ = -1;
  temporary_.clear();
}

} // namespace vmodel::runtime
