#include "runtime/payload/payload.h"

#include "runtime/io/pending_file.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace vmodel::runtime {

namespace {

/// Closes a file when it goes out of scope.
class File {
public:
  explicit File(int descriptor) : descriptor_(descriptor) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (descriptor_ >= 0)
      close(descriptor_);
  }
  int get() const { return descriptor_; }
  /// Leaves it open.
  void keep() { descriptor_ = -1; }
  explicit operator bool() const { return descriptor_ >= 0; }

private:
  int descriptor_;
};

std::string reason() {
  return std::strerror(errno);
}

bool read_all(int file, char* bytes, std::size_t size, off_t offset) {
  while (size > 0) {
    const ssize_t got = pread(file, bytes, size, offset);
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0)
      return false;
    bytes += got;
    offset += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

const vmodel_model* checked(void* library, std::string& error) {
  const auto* model = static_cast<const vmodel_model*>(dlsym(library, "vmodel_model"));
  if (!model) {
    error = "the model in this executable has no table of entry points";
  } else if (model->abi_version != VMODEL_ABI_VERSION || model->struct_size != sizeof(vmodel_model)) {
    error = "the model was compiled for interface version " + std::to_string(model->abi_version) +
            ", this runtime has version " + std::to_string(VMODEL_ABI_VERSION) + "; compile it again";
    model = nullptr;
  }
  return model;
}

void* open_library(const std::string& path) {
  return dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
}

} // namespace

std::uint64_t payload_checksum(const char* bytes, std::size_t size) {
  // Each step is invertible, so that two payloads that differ in one word never have the same sum; others
  // by chance of 2^-64. The multiplier is that of Vigna, "Computationally easy, spectrally good multipliers".
  std::uint64_t sum = size;
  const auto add = [&sum](std::uint64_t word) {
    sum = (sum ^ word) * 0xd1342543de82ef95U;
    sum ^= sum >> 32;
  };
  for (; size >= sizeof(std::uint64_t); size -= sizeof(std::uint64_t), bytes += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes, sizeof(word));
    add(word);
  }
  std::uint64_t rest = 0;
  if (size > 0)
    std::memcpy(&rest, bytes, size);
  add(rest);
  return sum;
}

const vmodel_model* load_shared(const char* bytes, std::size_t size, std::string& error) {
  error.clear();
  void* library = nullptr;
  {
    File file(memfd_create("vmodel", MFD_CLOEXEC));
    if (file && write_all(file.get(), bytes, size))
      library = open_library("/proc/self/fd/" + std::to_string(file.get()));
    // The loader knows libraries by name: the number must not be given to another file that is loaded later.
    if (library)
      file.keep();
  }
  if (!library) {
    // No anonymous files, or no /proc: a file that is unlinked as soon as it is mapped.
    const char* folder = std::getenv("TMPDIR");
    std::string name = std::string(folder && *folder ? folder : "/tmp") + "/vmodel-XXXXXX";
    const File file(mkostemp(name.data(), O_CLOEXEC));
    if (!file) {
      error = "cannot make a temporary file '" + name + "': " + reason();
      return nullptr;
    }
    if (write_all(file.get(), bytes, size))
      library = open_library(name);
    else
      error = "cannot write '" + name + "': " + reason();
    unlink(name.c_str());
    if (!error.empty())
      return nullptr;
  }
  if (!library) {
    const char* why = dlerror();
    error = std::string("cannot load the model of this executable: ") + (why ? why : "unknown reason");
    return nullptr;
  }
  return checked(library, error);
}

const vmodel_model* load_payload(const std::string& path, std::string& error) {
  const File file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status{};
  if (!file || fstat(file.get(), &status) != 0) {
    error = "cannot read '" + path + "': " + reason();
    return nullptr;
  }
  const auto size = static_cast<std::uint64_t>(status.st_size);
  Trailer trailer;
  const bool has_trailer = size > sizeof(trailer) &&
                           read_all(file.get(), reinterpret_cast<char*>(&trailer), sizeof(trailer),
                                    static_cast<off_t>(size - sizeof(trailer))) &&
                           std::memcmp(trailer.magic, trailer_magic, sizeof(trailer.magic)) == 0;
  if (!has_trailer) {
    error = "this program holds no model; vmodelc makes executables from it";
    return nullptr;
  }
  const std::uint64_t end = size - sizeof(trailer);
  if (trailer.offset > end || trailer.length != end - trailer.offset) {
    error = "the executable is damaged: its model does not lie where its end says";
    return nullptr;
  }
  std::vector<char> bytes(trailer.length);
  if (!read_all(file.get(), bytes.data(), bytes.size(), static_cast<off_t>(trailer.offset))) {
    error = "cannot read '" + path + "': " + reason();
    return nullptr;
  }
  if (payload_checksum(bytes.data(), bytes.size()) != trailer.checksum) {
    error = "the executable is damaged: the bytes of its model are not those that vmodelc wrote; compile it again";
    return nullptr;
  }
  return load_shared(bytes.data(), bytes.size(), error);
}

} // namespace vmodel::runtime
