// A World whose ranks hold their tensors on GPUs, one each: sums, shares and gathers of NCCL against what they must be.
// Skips itself (exit code 77) where this build has no NCCL, or where fewer than two GPUs are visible.
#include "libgrpo/dist/nccl.hpp"

#include "tests/dist/ranks.hpp"

#include <ATen/ATen.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <catch2/catch.hpp>

#include <cstdlib>
#include <iostream>

using namespace grpo;

namespace {

constexpr int kRanks = 2;

int gpus() { return c10::impl::hasDeviceGuardImpl(at::kCUDA) ? c10::impl::getDeviceGuardImpl(at::kCUDA)->deviceCount() : 0; }

/// Before Catch2 begins.
const bool kChecked = [] {
  const char* lacks = !has_nccl()       ? "this build has no NCCL (GRPO_WITH_CUDA)"
                      : gpus() < kRanks ? "fewer than two GPUs are visible"
                                        : nullptr;
  if (lacks == nullptr) return true;
  std::cout << "skipped: " << lacks << std::endl;
  std::_Exit(77);
}();

at::Device gpu_of(const World& world) {
  const at::Device device(at::kCUDA, static_cast<at::DeviceIndex>(world.rank()));
  c10::impl::getDeviceGuardImpl(at::kCUDA)->setDevice(device);
  return device;
}

/// r + 1 times 0, 1, 2, ... for rank r.
at::Tensor counted(std::int64_t n, int rank, at::Device device) {
  return at::arange(n, at::TensorOptions(device).dtype(at::kFloat)) * (rank + 1.0);
}

}  // namespace

TEST_CASE("sums over ranks on GPUs, beside sums over the same ranks on the CPU") {
  grpo::testing::on_ranks(kRanks, [](World& world) {
    const at::Device device = gpu_of(world);
    auto on_gpu = counted(100, world.rank(), device), on_cpu = counted(100, world.rank(), at::kCPU);
    const auto pending = world.start_sum(on_gpu);
    world.sum(on_cpu);
    pending->wait();
    CHECK(at::equal(on_gpu.to(at::kCPU), on_cpu));
    CHECK(at::equal(on_cpu, counted(100, 2, at::kCPU)));  // 1 + 2
  });
}

TEST_CASE("shares of sums and gathers on GPUs") {
  grpo::testing::on_ranks(kRanks, [](World& world) {
    const at::Device device = gpu_of(world);
    auto share = at::zeros({50}, at::TensorOptions(device).dtype(at::kFloat));
    world.start_sum_shares(counted(100, world.rank(), device), share, {true, true})->wait();
    CHECK(at::equal(share.to(at::kCPU), counted(100, 2, at::kCPU).narrow(0, 50 * world.rank(), 50)));
    const bool sends = world.rank() == 1;
    world.start_sum_shares(sends ? counted(100, 0, device) : at::empty({0}, share.options()), share, {false, true})->wait();
    CHECK(at::equal(share.to(at::kCPU), counted(100, 3, at::kCPU).narrow(0, 50 * world.rank(), 50)));  // 1 + 2 + 1
    const auto whole = at::empty({100}, share.options());
    world.start_gather(whole, share)->wait();
    CHECK(at::equal(whole.to(at::kCPU), counted(100, 3, at::kCPU)));
    CHECK(world.gather_bytes("rank " + std::to_string(world.rank())) == std::vector<std::string>{"rank 0", "rank 1"});
  });
}
