# Libraries that the project uses. All of them are Debian packages; `./dev build` installs them.
#
# Targets for the rest of the project:
#   VModel::llvm   LLVM 19 for the native target, from static component libraries
#   VModel::lld    LLD's ELF linker as a library, with what it needs from LLVM
#   Eigen3::Eigen, nlohmann_json::nlohmann_json, Boost::program_options, GTest::gtest,
#   VModel::antlr4 the C++ runtime of ANTLR 4

find_package(LLVM 19.1 REQUIRED CONFIG HINTS /usr/lib/llvm-19/lib/cmake/llvm)
find_package(Threads REQUIRED)
find_package(Eigen3 3.4 REQUIRED NO_MODULE)
find_package(nlohmann_json 3.11 REQUIRED)
set(Boost_USE_STATIC_LIBS ON)
find_package(Boost 1.74 REQUIRED COMPONENTS program_options)
if(VMODEL_TESTS)
  find_package(GTest REQUIRED)
endif()

# --- LLVM ------------------------------------------------------------------------------------
# vmodelc starts many times in a test run: loading libLLVM.so costs 30 ms of relocations at every
# start, therefore the component libraries are linked statically.
if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  message(FATAL_ERROR "VModel generates code for x86-64 only; this machine is ${CMAKE_SYSTEM_PROCESSOR}.")
endif()
# zlib and zstd, which LLVM's support library uses, are linked statically where their archives are
# installed: vmodelc then needs libc and libm only.
foreach(pair IN ITEMS ZLIB::ZLIB=libz.a zstd::libzstd_shared=libzstd.a)
  string(REPLACE "=" ";" pair "${pair}")
  list(GET pair 0 imported)
  list(GET pair 1 archive)
  find_library(VMODEL_ARCHIVE_${archive} NAMES ${archive})
  if(TARGET ${imported} AND VMODEL_ARCHIVE_${archive})
    foreach(suffix IN ITEMS "" _RELEASE _DEBUG _NONE)
      get_target_property(location ${imported} IMPORTED_LOCATION${suffix})
      if(location)
        set_target_properties(${imported} PROPERTIES IMPORTED_LOCATION${suffix} "${VMODEL_ARCHIVE_${archive}}")
      endif()
    endforeach()
  endif()
endforeach()
# Debian builds Polly as an extension of the pass library, but packs it apart (libpolly-19-dev).
# Nothing in the pass library refers to it, so the dependency is cut.
if(TARGET LLVMExtensions)
  set_target_properties(LLVMExtensions PROPERTIES INTERFACE_LINK_LIBRARIES LLVMSupport)
endif()
llvm_map_components_to_libnames(vmodel_llvm_libraries
  core support analysis passes irreader bitwriter linker target targetparser transformutils
  x86codegen x86asmparser x86desc x86info asmprinter mc object)
add_library(vmodel_llvm INTERFACE)
add_library(VModel::llvm ALIAS vmodel_llvm)
target_include_directories(vmodel_llvm SYSTEM INTERFACE ${LLVM_INCLUDE_DIRS})
separate_arguments(vmodel_llvm_definitions NATIVE_COMMAND "${LLVM_DEFINITIONS}")
target_compile_options(vmodel_llvm INTERFACE ${vmodel_llvm_definitions})
target_link_libraries(vmodel_llvm INTERFACE ${vmodel_llvm_libraries})
if(NOT LLVM_ENABLE_RTTI)
  target_compile_options(vmodel_llvm INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fno-rtti>)
endif()

# --- LLD -------------------------------------------------------------------------------------
# The exported CMake package of LLD depends on packages that need not be installed, so the
# libraries are named here.
find_library(VMODEL_LLD_ELF lldELF HINTS "${LLVM_LIBRARY_DIRS}" REQUIRED)
find_library(VMODEL_LLD_COMMON lldCommon HINTS "${LLVM_LIBRARY_DIRS}" REQUIRED)
llvm_map_components_to_libnames(vmodel_lld_llvm_libraries
  lto option binaryformat bitreader bitwriter core debuginfodwarf demangle mc object passes
  support targetparser)
# LLD's driver initialises every target that LLVM was built with, and Polly (they serve link-time
# optimisation only, which is not used). Empty functions stand in for all targets but the native
# one: this keeps 60 MB of code generators out of vmodelc.
set(vmodel_lld_stubs [=[
// Generated: parts of LLVM that LLD's driver names and that vmodelc does not contain.
#include <llvm/Passes/PassPlugin.h>
llvm::PassPluginLibraryInfo getPollyPluginInfo();
llvm::PassPluginLibraryInfo getPollyPluginInfo() {
  return {LLVM_PLUGIN_API_VERSION, "none", "", [](llvm::PassBuilder &) {}};
}
]=])
foreach(target IN LISTS LLVM_TARGETS_TO_BUILD)
  if(NOT target STREQUAL "X86")
    foreach(part IN ITEMS TargetInfo Target TargetMC AsmPrinter AsmParser)
      string(APPEND vmodel_lld_stubs "extern \"C\" void LLVMInitialize${target}${part}() {}\n")
    endforeach()
  endif()
endforeach()
file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/generated/lld_stubs.cpp" CONTENT "${vmodel_lld_stubs}" @ONLY)
add_library(vmodel_lld_stubs STATIC "${PROJECT_BINARY_DIR}/generated/lld_stubs.cpp")
target_link_libraries(vmodel_lld_stubs PRIVATE vmodel_llvm)

add_library(vmodel_lld INTERFACE)
add_library(VModel::lld ALIAS vmodel_lld)
target_link_libraries(vmodel_lld INTERFACE
  "${VMODEL_LLD_ELF}" "${VMODEL_LLD_COMMON}" vmodel_lld_stubs ${vmodel_lld_llvm_libraries} vmodel_llvm)

# --- ANTLR -----------------------------------------------------------------------------------
# The archive, not the shared library: vmodelc then runs on machines without ANTLR.
find_program(VMODEL_ANTLR4 antlr4)
find_path(VMODEL_ANTLR4_INCLUDE antlr4-runtime.h PATH_SUFFIXES antlr4-runtime)
find_library(VMODEL_ANTLR4_LIBRARY NAMES libantlr4-runtime.a antlr4-runtime)
if(VMODEL_ANTLR4_INCLUDE AND VMODEL_ANTLR4_LIBRARY)
  add_library(vmodel_antlr4 INTERFACE)
  add_library(VModel::antlr4 ALIAS vmodel_antlr4)
  target_include_directories(vmodel_antlr4 SYSTEM INTERFACE "${VMODEL_ANTLR4_INCLUDE}")
  target_link_libraries(vmodel_antlr4 INTERFACE "${VMODEL_ANTLR4_LIBRARY}" Threads::Threads)
endif()
