#include "libgrpo/assemble/device.hpp"

#include "libgrpo/base/error.hpp"

#include <catch2/catch.hpp>

using namespace grpo;

TEST_CASE("a process takes the GPU of its local rank, the one it sees, or the CPU") {
  const auto gpu = [](int index) { return at::Device(at::kCUDA, static_cast<at::DeviceIndex>(index)); };
  CHECK(choose_device(DeviceKind::automatic, std::nullopt, 0) == at::kCPU);
  CHECK(choose_device(DeviceKind::automatic, 0, 0) == at::kCPU);
  CHECK(choose_device(DeviceKind::cpu, 6, 3) == at::kCPU);
  CHECK(choose_device(DeviceKind::automatic, 6, 3) == gpu(3));
  CHECK(choose_device(DeviceKind::cuda, 6, 5) == gpu(5));
  CHECK(choose_device(DeviceKind::cuda, 1, 5) == gpu(0));  // its launcher shows each rank a GPU of its own
}

TEST_CASE("a GPU that is wanted and not there is an error of the recipe that says why") {
  const auto refusal = [](DeviceKind wish, std::optional<int> gpus, int rank) {
    try {
      static_cast<void>(choose_device(wish, gpus, rank));
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::recipe);
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK_THAT(refusal(DeviceKind::cuda, std::nullopt, 0), Catch::Contains("without CUDA"));
  CHECK_THAT(refusal(DeviceKind::cuda, 0, 0), Catch::Contains("no GPU is visible") && Catch::Contains("CUDA_VISIBLE_DEVICES"));
  CHECK_THAT(refusal(DeviceKind::automatic, 2, 2), Catch::Contains("rank 2") && Catch::Contains("2 are visible"));
}

TEST_CASE("nccl is refused where this build or this run cannot have it") {
  Recipe recipe;
  recipe.run.device = DeviceKind::cpu;
  recipe.dist.ddp_backend = DdpBackend::gloo;
  CHECK(device_of(recipe) == at::kCPU);
  recipe.dist.ddp_backend = DdpBackend::nccl;
  CHECK_THROWS_WITH(device_of(recipe), Catch::Contains("ddp_backend nccl"));
}
