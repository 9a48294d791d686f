#include "runtime/io/npy.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fcntl.h>
#include <string_view>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace vmodel::runtime {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr double largest_integer = 9007199254740992.0;
constexpr size_t prefix = 8; // magic and version

// A file in memory for as long as this lives.
class Mapping {
public:
  explicit Mapping(const std::string& path) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat status{};
    if (file < 0 || ::fstat(file, &status) != 0) {
      error_ = errno;
    } else if (!S_ISREG(status.st_mode)) {
      error_ = S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
    } else if (status.st_size > 0) {
      void* memory = ::mmap(nullptr, static_cast<size_t>(status.st_size), PROT_READ, MAP_PRIVATE, file, 0);
      if (memory == MAP_FAILED)
        error_ = errno;
      else
        bytes_ = {static_cast<const char*>(memory), static_cast<size_t>(status.st_size)};
    }
    if (file >= 0)
      ::close(file);
  }
  ~Mapping() {
    if (!bytes_.empty())
      ::munmap(const_cast<char*>(bytes_.data()), bytes_.size());
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  std::string_view bytes() const { return bytes_; }
  int error() const { return error_; }

private:
  std::string_view bytes_;
  int error_ = 0;
};

// The text behind `'key':` in the header, which is a literal of a Python dictionary.
std::string_view entry(std::string_view header, std::string_view key) {
  const std::string quoted = "'" + std::string(key) + "'";
  const size_t found = header.find(quoted);
  if (found == std::string_view::npos)
    return {};
  size_t at = header.find_first_not_of(" \t", found + quoted.size());
  if (at == std::string_view::npos || header[at] != ':')
    return {};
  at = header.find_first_not_of(" \t", at + 1);
  return at == std::string_view::npos ? std::string_view() : header.substr(at);
}

bool read_shape(std::string_view text, std::vector<int64_t>& shape) {
  if (text.empty() || text[0] != '(')
    return false;
  const char *at = text.data() + 1, *end = text.data() + text.size();
  while (true) {
    while (at != end && (*at == ' ' || *at == ','))
      ++at;
    if (at == end)
      return false;
    if (*at == ')')
      return true;
    int64_t extent = 0;
    const auto [stop, code] = std::from_chars(at, end, extent);
    if (code != std::errc() || extent < 0)
      return false;
    shape.push_back(extent);
    at = stop;
    if (at != end && *at == 'L') // as Python 2 wrote it
      ++at;
  }
}

template <typename T>
double load(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return static_cast<double>(value);
}

using Load = double (*)(const char*);

Load loader(char kind, int64_t width) {
  switch (kind * 16 + static_cast<int>(width)) {
  case 'f' * 16 + 4: return &load<float>;
  case 'f' * 16 + 8: return &load<double>;
  case 'i' * 16 + 1: return &load<int8_t>;
  case 'i' * 16 + 2: return &load<int16_t>;
  case 'i' * 16 + 4: return &load<int32_t>;
  case 'i' * 16 + 8: return &load<int64_t>;
  case 'b' * 16 + 1:
  case 'u' * 16 + 1: return &load<uint8_t>;
  case 'u' * 16 + 2: return &load<uint16_t>;
  case 'u' * 16 + 4: return &load<uint32_t>;
  case 'u' * 16 + 8: return &load<uint64_t>;
  default: return nullptr;
  }
}

// Row-major places of numbers that stand in Fortran order.
std::vector<double> from_fortran(const std::vector<double>& numbers, const std::vector<int64_t>& shape) {
  std::vector<double> result(numbers.size());
  std::vector<int64_t> place(shape.size(), 0);
  for (const double number : numbers) {
    int64_t at = 0;
    for (size_t axis = 0; axis < shape.size(); ++axis)
      at = at * shape[axis] + place[axis];
    result[static_cast<size_t>(at)] = number;
    for (size_t axis = 0; axis < shape.size() && ++place[axis] == shape[axis]; ++axis)
      place[axis] = 0;
  }
  return result;
}

} // namespace

bool read_npy(const std::string& path, NpyArray& result, std::string& problem) {
  const auto refuse = [&](const std::string& text) {
    problem = text;
    return false;
  };
  const Mapping file(path);
  if (file.error() != 0)
    return refuse(std::string("cannot be read: ") + std::strerror(file.error()));
  const std::string_view bytes = file.bytes();
  if (bytes.size() < prefix + 4 || bytes.substr(0, 6) != "\x93NUMPY")
    return refuse("this is not a .npy file");
  const int version = static_cast<unsigned char>(bytes[6]);
  if (version < 1 || version > 3)
    return refuse("version " + std::to_string(version) + " of the .npy format is not known");
  const size_t width_of_length = version == 1 ? 2 : 4;
  size_t length = 0;
  std::memcpy(&length, bytes.data() + prefix, width_of_length);
  const size_t begin = prefix + width_of_length;
  if (length > bytes.size() - begin)
    return refuse("the file is truncated");
  const std::string_view header = bytes.substr(begin, length);
  const std::string_view type = entry(header, "descr"), fortran = entry(header, "fortran_order");
  if (type.size() < 5 || type[0] != '\'' || !read_shape(entry(header, "shape"), result.shape) || fortran.empty())
    return refuse("its header cannot be read");
  const std::string_view name = type.substr(1, type.find('\'', 1) - 1);
  int64_t width = 0;
  if (name.size() > 2)
    std::from_chars(name.data() + 2, name.data() + name.size(), width);
  const Load load =
      name.size() > 2 && width <= 8 && (name[0] == '<' || name[0] == '|') ? loader(name[1], width) : nullptr;
  if (load == nullptr)
    return refuse("numbers of type " + std::string(name.substr(0, 20)) +
                  " are not known; floats and integers, little endian, are");
  const std::string_view data = bytes.substr(begin + length);
  size_t count = 1;
  for (const int64_t extent : result.shape) {
    if (extent != 0 && count > data.size() / static_cast<size_t>(extent))
      return refuse("the file is truncated");
    count *= static_cast<size_t>(extent);
  }
  if (data.size() / static_cast<size_t>(width) < count)
    return refuse("the file is truncated");
  result.integer = name[1] != 'f';
  result.numbers.resize(count);
  for (size_t i = 0; i < count; ++i)
    result.numbers[i] = load(data.data() + i * static_cast<size_t>(width));
  if (result.integer && std::any_of(result.numbers.begin(), result.numbers.end(),
                                    [](double x) { return x > largest_integer || x < -largest_integer; }))
    return refuse("it holds an integer beyond 2^53");
  if (fortran.substr(0, 4) == "True")
    result.numbers = from_fortran(result.numbers, result.shape);
  return true;
}

} // namespace vmodel::runtime
