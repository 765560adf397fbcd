# Packages, each found where Debian and Ubuntu put it. libtorch comes from Torch_DIR or CMAKE_PREFIX_PATH if given,
# else from the repository's own .venv (the torch wheel holds headers and libraries).
find_package(Threads REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(nlohmann_json 3.10 REQUIRED)
find_package(Eigen3 3.3 REQUIRED NO_MODULE)
find_path(GRPO_FMT_INCLUDE fmt/format.h REQUIRED)  # header-only: the torch wheel carries another fmt, and the two must not meet
find_package(Boost 1.74 REQUIRED COMPONENTS filesystem)  # Boost.Process stands on it
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
