// The last phase: from an object file to an executable.
#pragma once

#include <string>

namespace vmodel::driver {

/// Links the object of a compiled model and joins it with the prelinked runtime to the executable `output`. Returns what
/// went wrong, or an empty text.
std::string link_executable(const std::string& object, const std::string& output);

}  // namespace vmodel::driver
