#include "compiler/driver/link.h"

#ifdef VMODEL_BACK_END
#include "compiler/codegen/link.h"

namespace vmodel::driver {

std::string link_executable(const std::string& object, const std::string& output) {
  std::string shared;
  std::string error;
  if (codegen::link_shared(object, shared, error) && codegen::join_executable(codegen::runtime_path(), shared, output, error))
    return {};
  return error.empty() ? "linking failed" : error;
}

}  // namespace vmodel::driver
#endif
