# Flags that hold for every target of the project.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

# The build tree has the layout of the installed tree, so that programs find their files in the
# same way in both.
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/archive")
set(VMODEL_LIBRARY_DIRECTORY "${PROJECT_BINARY_DIR}/lib/vmodel")

add_library(vmodel_options INTERFACE)
# Every include is written from the root of the repository: #include "compiler/ir/module.h".
# Generated headers follow the same rule from the root of the build tree.
target_include_directories(vmodel_options INTERFACE "${PROJECT_SOURCE_DIR}" "${PROJECT_BINARY_DIR}")
target_compile_options(vmodel_options INTERFACE
  -Wall -Wextra
  # Members that an initialiser leaves out have their defaults: that is how structs of options are used here.
  -Wno-missing-field-initializers
  # No value may depend on whether the compiler contracts a*b+c: results are the same for every
  # build of the runtime.
  -ffp-contract=off)
if(VMODEL_WERROR)
  target_compile_options(vmodel_options INTERFACE -Werror)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # g++ 12 sees overlapping copies in "text" + std::string where there are none (its bug 105651).
    target_compile_options(vmodel_options INTERFACE -Wno-error=restrict)
  endif()
endif()
if(VMODEL_VERIFY)
  target_compile_definitions(vmodel_options INTERFACE VMODEL_VERIFY=1)
endif()

# Unused code of the static libraries of LLVM and LLD is dropped at link time.
add_compile_options(-ffunction-sections -fdata-sections)

# lld links LLVM's archives several times faster than the default linker.
find_program(VMODEL_LLD NAMES ld.lld-19 HINTS /usr/lib/llvm-19/bin)
if(VMODEL_LLD)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # g++ 12 accepts only a name (-fuse-ld=lld) and searches it in -B: give it a folder with that name.
    file(MAKE_DIRECTORY "${PROJECT_BINARY_DIR}/linker")
    file(CREATE_LINK "${VMODEL_LLD}" "${PROJECT_BINARY_DIR}/linker/ld.lld" SYMBOLIC)
    add_link_options(-fuse-ld=lld "-B${PROJECT_BINARY_DIR}/linker")
  else()
    add_link_options("--ld-path=${VMODEL_LLD}")
  endif()
endif()
add_link_options(LINKER:--gc-sections LINKER:--as-needed)

if(VMODEL_SANITIZE)
  string(REPLACE ";" "," sanitizers "${VMODEL_SANITIZE}")
  add_compile_options(-fsanitize=${sanitizers} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${sanitizers})
  if("undefined" IN_LIST VMODEL_SANITIZE)
    # LLVM and ANTLR are built without it: the checks of vptr need type information of both sides.
    add_compile_options(-fno-sanitize-recover=all -fno-sanitize=vptr)
  endif()
endif()
