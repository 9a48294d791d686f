# Functions with which every folder declares its targets.

include(GNUInstallDirs)

# Sources given, or every .cpp file of the current folder.
function(vmodel_sources_or_glob result)
  set(sources ${ARGN})
  if(NOT sources)
    file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cpp")
  endif()
  set(${result} ${sources} PARENT_SCOPE)
endfunction()

# Dependencies may be given as the name of a phase: `ir` for vmodel_ir.
function(vmodel_dependencies result)
  set(targets)
  foreach(name IN LISTS ARGN)
    if(IS_DIRECTORY "${PROJECT_SOURCE_DIR}/compiler/${name}")
      set(name vmodel_${name})
    endif()
    list(APPEND targets ${name})
  endforeach()
  set(${result} ${targets} PARENT_SCOPE)
endfunction()

# vmodel_library(NAME [source...] [DEPENDS target...] [PRIVATE_DEPENDS target...])
#
# A static library `vmodel_NAME` from the given sources, or from every *.cpp of the folder.
# A folder with headers only gives an INTERFACE library. Names: `vmodel_<folder>` in compiler/,
# `vmodel_runtime_<folder>` in runtime/.
function(vmodel_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "DEPENDS;PRIVATE_DEPENDS")
  vmodel_sources_or_glob(sources ${arg_UNPARSED_ARGUMENTS})
  vmodel_dependencies(arg_DEPENDS ${arg_DEPENDS})
  vmodel_dependencies(arg_PRIVATE_DEPENDS ${arg_PRIVATE_DEPENDS})
  set(target vmodel_${name})
  if(sources)
    add_library(${target} STATIC ${sources})
    target_link_libraries(${target} PUBLIC vmodel_options ${arg_DEPENDS} PRIVATE ${arg_PRIVATE_DEPENDS})
  else()
    add_library(${target} INTERFACE)
    target_link_libraries(${target} INTERFACE vmodel_options ${arg_DEPENDS})
  endif()
endfunction()

# vmodel_executable(NAME [source...] [DEPENDS target...] [LIBRARY | TOOL])
#
# An installed program: build/bin/NAME, or build/lib/vmodel/NAME with LIBRARY. It needs shared
# libc and libm only; the C++ library is linked statically. A TOOL serves developers and is not installed.
function(vmodel_executable name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "LIBRARY;TOOL" "" "DEPENDS")
  vmodel_sources_or_glob(sources ${arg_UNPARSED_ARGUMENTS})
  vmodel_dependencies(arg_DEPENDS ${arg_DEPENDS})
  add_executable(${name} ${sources})
  target_link_libraries(${name} PRIVATE vmodel_options ${arg_DEPENDS})
  if(NOT VMODEL_SANITIZE)
    target_link_options(${name} PRIVATE -static-libstdc++ -static-libgcc)
  endif()
  if(arg_TOOL)
    return()
  endif()
  add_dependencies(programs ${name})
  if(arg_LIBRARY)
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${VMODEL_LIBRARY_DIRECTORY}")
    install(TARGETS ${name} RUNTIME DESTINATION lib/vmodel)
  else()
    install(TARGETS ${name} RUNTIME DESTINATION bin)
  endif()
endfunction()

# vmodel_data_files(SUBFOLDER file...)
#
# Files that the programs read (for example the standard library): copied to
# build/lib/vmodel/SUBFOLDER when they change, and installed to lib/vmodel/SUBFOLDER.
function(vmodel_data_files subfolder)
  set(outputs)
  foreach(file IN LISTS ARGN)
    get_filename_component(path "${file}" ABSOLUTE)
    get_filename_component(leaf "${file}" NAME)
    set(output "${VMODEL_LIBRARY_DIRECTORY}/${subfolder}/${leaf}")
    add_custom_command(OUTPUT "${output}"
      COMMAND ${CMAKE_COMMAND} -E copy "${path}" "${output}"
      DEPENDS "${path}" VERBATIM)
    list(APPEND outputs "${output}")
    install(FILES "${path}" DESTINATION "lib/vmodel/${subfolder}")
  endforeach()
  string(MAKE_C_IDENTIFIER "vmodel_data_${subfolder}" target)
  add_custom_target(${target} ALL DEPENDS ${outputs})
  add_dependencies(programs ${target})
endfunction()

# vmodel_unit_test(NAME source... [DEPENDS target...])
#
# A GoogleTest program build/test/unit/NAME, known to ctest and run by `./dev test`. Sources are
# given. Cases whose name ends in `Slow` run with `./dev test --all` only. The macro
# VMODEL_SOURCE_DIR holds the root of the repository, for reading test data.
function(vmodel_unit_test name)
  if(NOT VMODEL_TESTS)
    return()
  endif()
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "DEPENDS")
  vmodel_dependencies(arg_DEPENDS ${arg_DEPENDS})
  set(target ${name})
  add_executable(${target} ${arg_UNPARSED_ARGUMENTS})
  target_link_libraries(${target} PRIVATE vmodel_options ${arg_DEPENDS} GTest::gtest GTest::gtest_main)
  target_compile_definitions(${target} PRIVATE VMODEL_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/test/unit")
  add_test(NAME ${name} COMMAND ${target} --gtest_filter=-*Slow)
  # The test command runs exactly the programs of this list, so that a program whose source is
  # gone does not go on being run.
  set_property(GLOBAL APPEND PROPERTY VMODEL_UNIT_TESTS ${name})
endfunction()
