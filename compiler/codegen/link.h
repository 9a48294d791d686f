// From an object file to an executable. Interface header.
#pragma once

#include <string>

namespace vmodel::codegen {

/// Links an object file, or an archive of them, to a shared object that exports `vmodel_model`, with LLD in this
/// process. Functions of the C library stay undefined: the runtime has them. False with a message when that fails.
bool link_shared(const std::string& object, std::string& shared, std::string& error);

/// Where the prelinked runtime lies: lib/vmodel/model-runtime beside the folder of this program.
std::string runtime_path();

/// Writes an executable: a copy of the runtime, the shared object, and the trailer (runtime/payload/payload.h). The
/// file appears complete or not at all (a temporary file beside it is renamed), with mode 0755. False with a message,
/// such as "cannot write 'out/model': No space left on device".
bool join_executable(const std::string& runtime, const std::string& shared, const std::string& output,
                     std::string& error);

} // namespace vmodel::codegen
