#include "compiler/codegen/link.h"

#include "runtime/io/pending_file.h"
#include "runtime/payload/payload.h"

#include <lld/Common/CommonLinkerContext.h>
#include <lld/Common/Driver.h>
#include <llvm/Support/raw_ostream.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

LLD_HAS_DRIVER(elf)

namespace vmodel::codegen {

namespace {

std::string reason() {
  return std::strerror(errno);
}

/// A folder for the files of one link, removed with them.
class TemporaryFolder {
public:
  TemporaryFolder() {
    const char* parent = std::getenv("TMPDIR");
    path_ = std::string(parent && *parent ? parent : "/tmp") + "/vmodelc-XXXXXX";
    made_ = mkdtemp(path_.data()) != nullptr;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    if (!made_)
      return;
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  bool made() const { return made_; }
  const std::string& path() const { return path_; }

private:
  std::string path_;
  bool made_ = false;
};

using runtime::write_all;

bool write_file(const std::string& path, const std::string& bytes, std::string& error) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0 || !write_all(file, bytes.data(), bytes.size())) {
    error = "cannot write '" + path + "': " + reason();
    if (file >= 0)
      close(file);
    return false;
  }
  close(file);
  return true;
}

bool read_file(const std::string& path, std::string& bytes, std::string& error) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream stream;
  if (file)
    stream << file.rdbuf();
  if (!file) {
    error = "cannot read '" + path + "': " + reason();
    return false;
  }
  bytes = std::move(stream).str();
  return true;
}

/// Copies `from` to an open file: inside of the kernel where it can.
bool copy_into(int to, const std::string& from, std::uint64_t& size, std::string& error) {
  const int file = open(from.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat status{};
  if (file < 0 || fstat(file, &status) != 0) {
    error = "cannot read the runtime '" + from + "': " + reason();
    if (file >= 0)
      close(file);
    return false;
  }
  size = static_cast<std::uint64_t>(status.st_size);
  std::uint64_t left = size;
  std::array<char, 1 << 16> buffer;
  bool right = true;
  while (right && left > 0) {
    const ssize_t copied = sendfile(to, file, nullptr, left);
    if (copied > 0) {
      left -= static_cast<std::uint64_t>(copied);
      continue;
    }
    if (copied < 0 && errno != EINVAL && errno != ENOSYS) {
      right = errno == EINTR;
      continue;
    }
    const ssize_t got = read(file, buffer.data(), buffer.size());
    right = got > 0 && write_all(to, buffer.data(), static_cast<std::size_t>(got));
    left -= right ? static_cast<std::uint64_t>(got) : 0;
  }
  if (!right)
    error = reason();
  close(file);
  return right;
}

} // namespace

bool link_shared(const std::string& object, std::string& shared, std::string& error) {
  const TemporaryFolder folder;
  if (!folder.made()) {
    error = "cannot make a temporary folder '" + folder.path() + "': " + reason();
    return false;
  }
  const std::string input = folder.path() + "/model.o";
  const std::string output = folder.path() + "/model.so";
  if (!write_file(input, object, error))
    return false;
  const std::array<const char*, 14> arguments = {
      "ld.lld", "-shared",     "--strip-all", "--gc-sections",   "--threads=1", "--build-id=none", "--hash-style=gnu",
      "-z",     "noexecstack", "-Bsymbolic",  "--whole-archive", "-o",          output.c_str(),    input.c_str()};
  std::string message;
  llvm::raw_string_ostream stream(message);
  const bool linked = lld::elf::link(arguments, stream, stream, false, false);
  lld::CommonLinkerContext::destroy();
  if (!linked) {
    error = "linking failed: " + message;
    return false;
  }
  return read_file(output, shared, error);
}

std::string runtime_path() {
  std::error_code failed;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", failed);
  return (program.parent_path().parent_path() / "lib" / "vmodel" / "model-runtime").string();
}

bool join_executable(const std::string& runtime, const std::string& shared, const std::string& output,
                     std::string& error) {
  struct stat present{};
  if (stat(output.c_str(), &present) == 0 && !S_ISREG(present.st_mode)) {
    // Renaming would put a file in the place of a device such as /dev/null.
    error = "cannot write '" + output +
            "': " + (S_ISDIR(present.st_mode) ? std::strerror(EISDIR) : "it is not a regular file");
    return false;
  }
  runtime::PendingFile pending;
  if (!pending.open(output, 0755)) {
    error = "cannot write '" + output + "': " + reason();
    return false;
  }
  const int file = pending.descriptor();
  runtime::Trailer trailer;
  std::string why;
  bool right = copy_into(file, runtime, trailer.offset, why);
  trailer.length = shared.size();
  trailer.checksum = runtime::payload_checksum(shared.data(), shared.size());
  std::memcpy(trailer.magic, runtime::trailer_magic, sizeof(trailer.magic));
  right = right && write_all(file, shared.data(), shared.size()) &&
          write_all(file, reinterpret_cast<const char*>(&trailer), sizeof(trailer)) && pending.publish();
  if (right)
    return true;
  if (why.empty())
    why = reason();
  error = why.starts_with("cannot read") ? why : "cannot write '" + output + "': " + why;
  return false;
}

} // namespace vmodel::codegen
