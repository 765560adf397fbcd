# GRPO_WITH_CUDA: the headers of CUDA and NCCL beside a libtorch with CUDA: those of the wheels that pip brings with it, else of a toolkit.
# Nothing here is compiled by nvcc. TorchConfig.cmake would search for it, and for all of a toolkit, unless torch::cudart is there already.
get_filename_component(torch_site "${Torch_DIR}/../../../.." ABSOLUTE)
file(GLOB wheel_includes "${torch_site}/nvidia/*/include")
find_path(GRPO_CUDA_INCLUDE cuda_runtime_api.h HINTS ${wheel_includes} ENV CUDA_HOME PATHS /usr/local/cuda PATH_SUFFIXES include)
find_path(GRPO_NCCL_INCLUDE nccl.h HINTS ${wheel_includes} ENV NCCL_HOME ENV CUDA_HOME PATHS /usr/local/cuda PATH_SUFFIXES include)
if(NOT GRPO_CUDA_INCLUDE OR NOT GRPO_NCCL_INCLUDE)
  message(FATAL_ERROR "GRPO_WITH_CUDA: no ${GRPO_CUDA_INCLUDE} ${GRPO_NCCL_INCLUDE} (cuda_runtime_api.h, nccl.h). They come with pip's torch "
                      "of the default index, in nvidia/*/include beside it; or pass -DGRPO_CUDA_INCLUDE=... -DGRPO_NCCL_INCLUDE=...")
endif()
add_library(torch::cudart INTERFACE IMPORTED)
set_target_properties(torch::cudart PROPERTIES
  INTERFACE_INCLUDE_DIRECTORIES "${GRPO_CUDA_INCLUDE};${GRPO_NCCL_INCLUDE};${wheel_includes}")
