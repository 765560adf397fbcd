# Packages, each found where Debian and Ubuntu put it. libtorch comes from Torch_DIR or CMAKE_PREFIX_PATH if given,
# else from the repository's own .venv (the torch wheel holds headers and libraries).
find_package(Threads REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(nlohmann_json 3.10 REQUIRED)
find_package(Eigen3 3.3 REQUIRED NO_MODULE)
find_path(GRPO_FMT_INCLUDE fmt/format.h REQUIRED)  # header-only: the torch wheel carries another fmt, and the two must not meet
find_package(Boost 1.74 REQUIRED COMPONENTS filesystem)  # Boost.Process stands on it
find_path(GRPO_GLOO_INCLUDE gloo/algorithm.h REQUIRED)  # the torch wheel holds gloo itself, without its headers
find_path(GRPO_HTTPLIB_INCLUDE httplib.h REQUIRED)
find_library(GRPO_HTTPLIB_LIBRARY cpp-httplib)  # Debian's is compiled, with these options, which change its structs; elsewhere it is a header
if(GRPO_HTTPLIB_LIBRARY)
  set(GRPO_HTTPLIB_DEFINITIONS CPPHTTPLIB_OPENSSL_SUPPORT CPPHTTPLIB_ZLIB_SUPPORT CPPHTTPLIB_BROTLI_SUPPORT)
else()
  set(GRPO_HTTPLIB_LIBRARY "")
endif()
find_path(GRPO_PCRE2_INCLUDE pcre2.h REQUIRED)
find_library(GRPO_PCRE2_LIBRARY pcre2-8 REQUIRED)

if(NOT Torch_DIR)
  file(GLOB GRPO_VENV_TORCH "${CMAKE_CURRENT_SOURCE_DIR}/.venv/lib/python3*/site-packages/torch/share/cmake/Torch")
  if(GRPO_VENV_TORCH)
    list(GET GRPO_VENV_TORCH 0 Torch_DIR)
  endif()
endif()
find_package(Torch QUIET)
if(NOT Torch_FOUND)
  message(FATAL_ERROR "libtorch not found. Run 'bash training.sh --setup-only' to install the pinned one into .venv, "
                      "or pass -DTorch_DIR=<libtorch>/share/cmake/Torch.")
endif()

# x86 builds of libtorch export their BLAS; where one does not, the attention kernel calls libtorch's slower entry points.
include(CheckCXXSourceCompiles)
find_library(GRPO_TORCH_CPU torch_cpu PATHS "${TORCH_INSTALL_PREFIX}/lib" REQUIRED NO_DEFAULT_PATH)
set(CMAKE_REQUIRED_LIBRARIES "${GRPO_TORCH_CPU}" -Wl,--unresolved-symbols=ignore-in-shared-libs)
check_cxx_source_compiles("extern \"C\" void sgemm_(); int main() { sgemm_(); }" GRPO_LIBTORCH_HAS_SGEMM)
unset(CMAKE_REQUIRED_LIBRARIES)

# Apache Arrow: headers and libraries of the pyarrow wheel in .venv, or of an own one by GRPO_ARROW_ROOT (a folder with include/).
# Sets GRPO_ARROW_LIBRARIES (empty: without Arrow) and GRPO_ARROW_INCLUDE. The wheel's libraries end in a version, .so.2500.
set(GRPO_ARROW_ROOT "" CACHE PATH "Folder of an Apache Arrow; empty: the pyarrow wheel in .venv")
set(GRPO_ARROW_LIBRARIES "")
if(GRPO_WITH_ARROW)
  set(arrow_root "${GRPO_ARROW_ROOT}")
  if(NOT arrow_root)
    file(GLOB arrow_root "${CMAKE_CURRENT_SOURCE_DIR}/.venv/lib/python3*/site-packages/pyarrow")
  endif()
  find_path(GRPO_ARROW_INCLUDE parquet/arrow/reader.h HINTS ${arrow_root} PATH_SUFFIXES include)
  foreach(name parquet arrow)
    file(GLOB arrow_found "${arrow_root}/lib${name}.so" "${arrow_root}/lib${name}.so.*" "${arrow_root}/lib/lib${name}.so" "${arrow_root}/lib/lib${name}.so.*")
    if(NOT arrow_found)
      find_library(GRPO_ARROW_${name} ${name})
      if(GRPO_ARROW_${name})
        set(arrow_found "${GRPO_ARROW_${name}}")
      endif()
    endif()
    if(arrow_found)
      list(GET arrow_found 0 arrow_found)
      list(APPEND GRPO_ARROW_LIBRARIES "${arrow_found}")
    endif()
  endforeach()
  list(LENGTH GRPO_ARROW_LIBRARIES arrow_count)
  if(NOT GRPO_ARROW_INCLUDE OR NOT arrow_count EQUAL 2)
    set(GRPO_ARROW_LIBRARIES "")
    message(STATUS "Apache Arrow not found: built without Parquet, CSV, gzip and zstd (pip install pyarrow into .venv brings it)")
  endif()
endif()
