// Errors of the user (bad usage or input) within the runtime.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

namespace vmodel::runtime {

// Something that the user gave is wrong: the command ends with status 1 and these messages. Thrown
// where the input is read, caught once by the command line.
class InputError : public std::runtime_error {
public:
  explicit InputError(const std::string& message) : std::runtime_error(message), messages_{message} {}
  explicit InputError(std::vector<std::string> messages)
      : std::runtime_error(messages.empty() ? "" : messages.front()), messages_(std::move(messages)) {}

  const std::vector<std::string>& messages() const { return messages_; }

private:
  std::vector<std::string> messages_;
};

// There is no result although the input is right: the command ends with status 2.
class NoFit : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

// A fault of the compiled model or of the runtime: status 3.
class InternalError : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

} // namespace vmodel::runtime
