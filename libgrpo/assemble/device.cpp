#include "libgrpo/assemble/device.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/dist/launch.hpp"
#include "libgrpo/dist/nccl.hpp"

#include <c10/core/impl/DeviceGuardImplInterface.h>

#include <cstdlib>
#include <fmt/format.h>

namespace grpo {
namespace {

std::optional<int> visible_gpus() {
  if (!c10::impl::hasDeviceGuardImpl(at::kCUDA)) return std::nullopt;
  return c10::impl::getDeviceGuardImpl(at::kCUDA)->deviceCount();
}

std::string shown_variable() {
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  return visible == nullptr ? "CUDA_VISIBLE_DEVICES is not set" : fmt::format("CUDA_VISIBLE_DEVICES={}", visible);
}

[[noreturn]] void refuse(const std::string& why) { throw Error(ErrorKind::recipe, why); }

}  // namespace

at::Device choose_device(DeviceKind wish, std::optional<int> gpus, int local_rank) {
  if (wish == DeviceKind::cpu) return at::kCPU;
  const int count = gpus.value_or(0);
  if (count == 0) {
    if (wish == DeviceKind::automatic) return at::kCPU;
    if (!gpus)
      refuse(
          "device cuda: this program was built with a libtorch without CUDA; build it with one (docs/guides/gpu.md), or set device to "
          "cpu or auto");
    refuse(fmt::format("device cuda: no GPU is visible ({}); does nvidia-smi show one here?", shown_variable()));
  }
  if (count > 1 && local_rank >= count)
    refuse(
        fmt::format("device: rank {} of this machine has no GPU of its own, {} are visible ({}); start at most one rank per GPU, or set "
                    "device to cpu",
                    local_rank, count, shown_variable()));
  return {at::kCUDA, static_cast<at::DeviceIndex>(count == 1 ? 0 : local_rank)};
}

at::Device device_of(const Recipe& recipe) {
  const at::Device device = choose_device(recipe.run.device, visible_gpus(), read_launch().local_rank);
  if (recipe.dist.ddp_backend == DdpBackend::nccl && !has_nccl())
    refuse("ddp_backend nccl: this program was built without NCCL (CMake option GRPO_WITH_CUDA); set it to auto or gloo");
  if (recipe.dist.ddp_backend == DdpBackend::nccl && device.is_cpu())
    refuse("ddp_backend nccl carries tensors on GPUs, but this run computes on the CPU; set it to auto or gloo");
  if (!device.is_cpu()) c10::impl::getDeviceGuardImpl(device.type())->setDevice(device);
  return device;
}

}  // namespace grpo
