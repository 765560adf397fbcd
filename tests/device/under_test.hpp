/// The device of these tests: the fake one, or a GPU (GRPO_TEST_DEVICE=cuda; the program skips itself where there is none).
#pragma once

#include <ATen/core/TensorBody.h>

namespace grpo::testing {

at::Device device_under_test();

}  // namespace grpo::testing
