# What a build can choose. Everything else is a property of a target.
option(GRPO_BUILD_APPS "Build grpo_train and its siblings" ${PROJECT_IS_TOP_LEVEL})
option(GRPO_BUILD_TESTS "Build the tests" OFF)
option(GRPO_BUILD_EXAMPLES "Build the examples" OFF)
option(GRPO_BUILD_FUZZERS "Build the fuzzers of tests/fuzz; needs clang with libFuzzer" OFF)
option(GRPO_BUILD_BENCHMARKS "Build the programs that measure" OFF)
option(GRPO_WITH_ARROW "Read Parquet, CSV, gzip and zstd through Apache Arrow, where it is found" ON)
option(GRPO_WITH_CUDA "Ranks on GPUs speak through NCCL; needs a libtorch with CUDA (docs/guides/gpu.md)" OFF)
option(GRPO_DEVELOPER_MODE "Many warnings, all of them errors" OFF)
set(GRPO_SANITIZE "" CACHE STRING "Sanitizers to build with: address, undefined, thread (comma-separated)")

if(PROJECT_IS_TOP_LEVEL)
  if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
  endif()
  set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
  set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
  find_program(GRPO_CCACHE ccache)
  if(GRPO_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    # With these two, a precompiled header does not defeat the cache.
    set(CMAKE_CXX_COMPILER_LAUNCHER
        "${CMAKE_COMMAND}" -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
        "CCACHE_BASEDIR=${CMAKE_CURRENT_SOURCE_DIR}" CCACHE_NOHASHDIR=1 "${GRPO_CCACHE}")
  endif()
endif()

# Settings of our own targets, never of their consumers.
function(grpo_own_target target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF POSITION_INDEPENDENT_CODE ON)
  if(GRPO_DEVELOPER_MODE)
    target_compile_options(${target} PRIVATE -Wall -Wextra -Wshadow -Wconversion -Werror)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
      target_compile_options(${target} PRIVATE -Wno-restrict)  # false alarms on std::string operator+ (GCC bug 105651)
    endif()
  endif()
  if(GRPO_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${GRPO_SANITIZE} -fno-omit-frame-pointer)
    target_link_options(${target} PUBLIC -fsanitize=${GRPO_SANITIZE})
  endif()
  if(GRPO_BUILD_FUZZERS)
    target_compile_options(${target} PRIVATE -fsanitize=fuzzer-no-link)  # counts edges; main() comes with the fuzzers themselves
  endif()
endfunction()
