# cmake -P: writes build_info.h with the commit the tree stands at, when that has changed.
# -DOUT=… -DSOURCE=… -DVERSION=… -DCOMPILER=… -DBUILD_TYPE=… -DYAML_CPP=… -DPROMETHEUS_CPP=…
# PENSTOCK_COMMIT in the environment says it for builds without a repository (containers, packages).
set(commit "$ENV{PENSTOCK_COMMIT}")
if(commit STREQUAL "")
  execute_process(COMMAND git -C ${SOURCE} rev-parse --short=12 HEAD
    OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  execute_process(COMMAND git -C ${SOURCE} status --porcelain --untracked-files=no
    OUTPUT_VARIABLE changes OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(NOT changes STREQUAL "")
    string(APPEND commit "+changes")
  endif()
endif()
if(commit STREQUAL "")
  set(commit "unknown")
endif()
set(text "// Written by cmake/build_info.cmake.
#pragma once

namespace penstock::cli {
inline constexpr const char* kVersion = \"${VERSION}\";
inline constexpr const char* kCommit = \"${commit}\";
inline constexpr const char* kCompiler = \"${COMPILER}\";
inline constexpr const char* kBuildType = \"${BUILD_TYPE}\";
inline constexpr const char* kYamlCppVersion = \"${YAML_CPP}\";
inline constexpr const char* kPrometheusCppVersion = \"${PROMETHEUS_CPP}\";
}  // namespace penstock::cli
")
set(before "")
if(EXISTS ${OUT})
  file(READ ${OUT} before)
endif()
if(NOT before STREQUAL text)
  file(WRITE ${OUT} "${text}")
endif()
