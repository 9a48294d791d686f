#include "runtime/io/files.h"

#include "runtime/io/error.h"

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

namespace vmodel::runtime {
namespace {

std::string folder_of(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

} // namespace

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)) {
  if (path_ == "-") {
    path_ = "standard output";
    file_ = ::dup(STDOUT_FILENO);
    if (file_ < 0)
      refuse("be written", errno);
    return;
  }
  if (std::filesystem::is_directory(path_))
    refuse("be written", EISDIR);
  std::error_code ignored;
  if (std::filesystem::exists(path_, ignored) && !std::filesystem::is_regular_file(path_, ignored)) {
    // A device or a pipe (/dev/stdout) is written to; renaming a file over it would replace it.
    file_ = ::open(path_.c_str(), O_WRONLY | O_CLOEXEC);
    if (file_ < 0)
      refuse("be written", errno);
    return;
  }
  if (!pending_.open(path_, 0644))
    refuse("be written", errno);
}

AtomicFile::~AtomicFile() {
  if (file_ >= 0)
    ::close(file_);
}

void AtomicFile::refuse(const char* doing, int code) {
  // The destructor does not run for a constructor that throws.
  if (file_ >= 0)
    ::close(file_);
  file_ = -1;
  pending_.discard();
  throw InputError(path_ + ": cannot " + doing + ": " + std::strerror(code));
}

void AtomicFile::write(std::string_view text) {
  buffer_ += text;
  if (buffer_.size() > 1 << 20)
    flush();
}

void AtomicFile::flush() {
  if (!write_all(descriptor(), buffer_.data(), buffer_.size()))
    refuse("be written", errno);
  buffer_.clear();
}

void AtomicFile::commit() {
  flush();
  if (::fsync(descriptor()) != 0 && errno != EINVAL && errno != EROFS)
    refuse("be written", errno);
  if (file_ >= 0) { // a device
    const int closed = ::close(file_);
    file_ = -1;
    if (closed != 0)
      refuse("be written", errno);
    return;
  }
  if (!pending_.publish())
    refuse("be written", errno);
  // The new name is durable only with its folder; a file system that refuses this is left alone.
  const int folder = ::open(folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder >= 0) {
    ::fsync(folder);
    ::close(folder);
  }
}

void write_file(const std::string& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

void keep_input(const std::string& input, const std::string& output) {
  std::error_code none;
  if (std::filesystem::is_regular_file(output, none) && std::filesystem::equivalent(input, output, none))
    throw InputError(output + ": cannot be written: it is the file that is read; choose another --output");
}

void make_folder(const std::string& path) {
  std::error_code code;
  std::filesystem::create_directories(path, code);
  if (!std::filesystem::is_directory(path)) {
    throw InputError(
        path + ": cannot make this folder: " + (code ? code.message() : std::string("a file of that name exists")));
  }
}

std::string exact(double value) {
  if (std::isnan(value))
    return "nan";
  if (std::isinf(value))
    return value > 0 ? "inf" : "-inf";
  char text[40];
  std::snprintf(text, sizeof text, "%.17g", value);
  return text;
}

std::string brief(double value, int digits) {
  if (std::isnan(value))
    return "nan";
  if (std::isinf(value))
    return value > 0 ? "inf" : "-inf";
  char text[40];
  std::snprintf(text, sizeof text, "%.*g", digits, value);
  return text;
}

std::string counted(int64_t count, const char* noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

std::string flat_name(const std::string& name, const std::vector<int64_t>& shape, int64_t index) {
  if (shape.empty())
    return name;
  std::vector<int64_t> place(shape.size());
  for (size_t axis = shape.size(); axis-- > 0;) {
    place[axis] = index % shape[axis] + 1;
    index /= shape[axis];
  }
  std::string result = name + "[";
  for (size_t axis = 0; axis < place.size(); ++axis) {
    result += (axis ? "," : "") + std::to_string(place[axis]);
  }
  return result + "]";
}

} // namespace vmodel::runtime
