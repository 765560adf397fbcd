// The fake device itself: it must be as unforgiving as a GPU, or the other tests of this folder prove nothing.
#include "tests/support/fake_device.hpp"

#include <ATen/ATen.h>
#include <catch2/catch.hpp>

#include <csignal>
#include <sys/wait.h>
#include <unistd.h>

using grpo::testing::kFake;

namespace {

/// The signal that ends a child process which does this; 0 if none does.
template <class F>
int signal_of(const F& f) {
  const pid_t child = fork();
  if (child == 0) {
    std::signal(SIGSEGV, SIG_DFL);  // Catch2's handler would report it
    f();
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

}  // namespace

TEST_CASE("tensors go to the fake device and back, and are computed with there") {
  const auto host = at::arange(12, at::kFloat).view({3, 4});
  const auto there = host.to(kFake);
  CHECK(there.device() == kFake);
  CHECK(at::equal((there * 2.0 + at::ones_like(there)).to(at::kCPU), host * 2.0 + 1.0));
  CHECK(at::equal(at::mm(there, there.t()).to(at::kCPU), at::mm(host, host.t())));
  CHECK(there.narrow(1, 1, 2).sum().item<float>() == host.narrow(1, 1, 2).sum().item<float>());
}

TEST_CASE("a host that touches memory of the fake device dies") {
  const auto there = at::ones({4}, at::kFloat).to(kFake);
  volatile float seen = 0.0F;
  CHECK(signal_of([&] { seen = *there.const_data_ptr<float>(); }) == SIGSEGV);
  CHECK(signal_of([&] { *there.mutable_data_ptr<float>() = 1.0F; }) == SIGSEGV);
  CHECK(signal_of([&] { seen = there.sum().item<float>(); }) == 0);
}

TEST_CASE("an operator refuses tensors of the host beside those of the fake device, but for numbers") {
  const auto host = at::ones({3}), there = host.to(kFake);
  CHECK_THROWS_WITH(at::index_select(there, 0, at::zeros({1}, at::kLong)), Catch::Contains("index lies on cpu"));
  CHECK_THROWS_WITH(at::mm(there.view({1, 3}), host.view({3, 1})), Catch::Contains("lies on cpu") || Catch::Contains("device"));
  auto into = there.clone();
  CHECK_THROWS_WITH(into.add_(host), Catch::Contains("lies on cpu") || Catch::Contains("device"));
  CHECK((there + at::scalar_tensor(2.0)).sum().item<float>() == 9.0F);
  CHECK_THROWS_WITH(at::_fused_adamw_({there.clone()}, {there}, {there.clone()}, {there.clone()}, {}, {at::ones({})}, 0.1, 0.9, 0.99, 0.0,
                                      1e-8, false, false),
                    Catch::Contains("state_steps lies on cpu"));
}

TEST_CASE("autograd works across the fake device") {
  const auto x = at::arange(6, at::kFloat).view({2, 3}).requires_grad_(true);
  const auto loss = at::softmax(x.to(kFake).mul(0.5), -1).square().to(at::kCPU).sum();
  loss.backward();
  const auto y = x.detach().clone().requires_grad_(true);
  at::softmax(y.mul(0.5), -1).square().sum().backward();
  CHECK(at::allclose(x.grad(), y.grad()));
}
