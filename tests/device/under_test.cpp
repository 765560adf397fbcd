#include "tests/device/under_test.hpp"

#include "tests/support/fake_device.hpp"

#include <c10/core/impl/DeviceGuardImplInterface.h>

#include <cstdlib>
#include <iostream>
#include <string_view>

namespace grpo::testing {
namespace {

bool wants_gpu() {
  const char* wish = std::getenv("GRPO_TEST_DEVICE");
  return wish != nullptr && std::string_view(wish) == "cuda";
}

/// Before Catch2 begins.
const bool kChecked = [] {
  if (!wants_gpu()) {
    register_fake_device();
    return true;
  }
  const char* lacks = nullptr;
  if (!c10::impl::hasDeviceGuardImpl(at::kCUDA))
    lacks = "this libtorch was built without CUDA";
  else if (c10::impl::getDeviceGuardImpl(at::kCUDA)->deviceCount() == 0)
    lacks = "no GPU is visible";
  if (lacks == nullptr) return true;
  std::cout << "skipped: " << lacks << std::endl;
  std::_Exit(77);
}();

}  // namespace

at::Device device_under_test() { return wants_gpu() ? at::Device(at::kCUDA, 0) : kFake; }

}  // namespace grpo::testing
