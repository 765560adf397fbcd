#include "libgrpo/dist/nccl.hpp"

#include "libgrpo/base/check.hpp"

#if GRPO_WITH_CUDA
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif

namespace grpo {

bool has_nccl() { return GRPO_WITH_CUDA != 0; }

c10::intrusive_ptr<c10d::Backend> make_nccl_group([[maybe_unused]] c10::intrusive_ptr<c10d::Store> store, [[maybe_unused]] int rank,
                                                  [[maybe_unused]] int size, [[maybe_unused]] std::chrono::milliseconds timeout) {
  GRPO_CHECK(has_nccl(), "this build has no NCCL (GRPO_WITH_CUDA)");
#if GRPO_WITH_CUDA
  const auto options = c10d::ProcessGroupNCCL::Options::create();
  options->timeout = timeout;
  return c10::make_intrusive<c10d::ProcessGroupNCCL>(std::move(store), rank, size, options);
#else
  return {};
#endif
}

}  // namespace grpo
