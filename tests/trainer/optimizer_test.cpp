#include "libgrpo/base/error.hpp"
#include "libgrpo/trainer/adamw.hpp"
#include "libgrpo/trainer/schedule.hpp"
#include "tests/support/tensors.hpp"

#include <catch2/catch.hpp>
#include <cmath>

using namespace grpo;

TEST_CASE("AdamW follows its formula in double precision, with decay on matrices only") {
  const AdamWOptions o{0.9, 0.99, 1e-6, 0.1};
  auto matrix = at::tensor({1.0F, -2.0F, 3.0F}).requires_grad_(true), norm = at::tensor({1.0F, 1.0F}).requires_grad_(true);
  AdamW adam({{"m", matrix, true}, {"n", norm, false}}, o);
  std::vector<double> w{1, -2, 3, 1, 1}, m(5, 0.0), v(5, 0.0);
  for (int step = 1; step <= 5; ++step) {
    std::vector<double> g(5);
    for (std::size_t i = 0; i < 5; ++i) g[i] = std::sin(static_cast<double>(step) + static_cast<double>(i));
    matrix.mutable_grad() = at::tensor({g[0], g[1], g[2]}).to(at::kFloat);
    norm.mutable_grad() = at::tensor({g[3], g[4]}).to(at::kFloat);
    const double lr = 0.01 * step;
    adam.step(lr);
    for (std::size_t i = 0; i < 5; ++i) {
      if (i < 3) w[i] -= lr * o.weight_decay * w[i];
      m[i] = o.beta1 * m[i] + (1 - o.beta1) * g[i];
      v[i] = o.beta2 * v[i] + (1 - o.beta2) * g[i] * g[i];
      w[i] -= lr * (m[i] / (1 - std::pow(o.beta1, step))) / (std::sqrt(v[i] / (1 - std::pow(o.beta2, step))) + o.epsilon);
    }
  }
  for (int i = 0; i < 3; ++i) CHECK(matrix[i].item<double>() == Approx(w[static_cast<std::size_t>(i)]).epsilon(1e-5));
  for (int i = 0; i < 2; ++i) CHECK(norm[i].item<double>() == Approx(w[static_cast<std::size_t>(i + 3)]).epsilon(1e-5));
}

TEST_CASE("an optimizer restored from its state goes on bit for bit") {
  const auto run = [](AdamW& adam, const at::Tensor& x, int from, int to) {
    for (int step = from; step < to; ++step) {
      x.mutable_grad() = at::sin(at::arange(0, 4).to(at::kFloat) + step);
      adam.step(0.1);
    }
  };
  auto a = at::ones({4}).requires_grad_(true);
  AdamW straight({{"x", a, true}}, {});
  run(straight, a, 0, 6);
  auto b = at::ones({4}).requires_grad_(true);
  AdamW first({{"x", b, true}}, {});
  run(first, b, 0, 3);
  auto c = b.detach().clone().requires_grad_(true);
  AdamW second({{"x", c, true}}, {});
  second.restore(first.state(), first.steps());
  run(second, c, 3, 6);
  CHECK(at::equal(a, c));
  AdamW other({{"y", c, true}}, {});
  CHECK_THROWS_WITH(other.restore(first.state(), 3), Catch::Contains("exp_avg.y"));
}

TEST_CASE("gradient norm spans all parameters, and scaling scales them all") {
  auto a = at::zeros({2}).requires_grad_(true), b = at::zeros({1}).requires_grad_(true), unused = at::zeros({3}).requires_grad_(true);
  a.mutable_grad() = at::tensor({3.0F, 0.0F});
  b.mutable_grad() = at::tensor({4.0F});
  AdamW adam({{"a", a, true}, {"b", b, true}, {"u", unused, true}}, {});
  CHECK(adam.grad_norm() == Approx(5.0));
  adam.scale_grads(0.5);
  CHECK(adam.grad_norm() == Approx(2.5));
  adam.zero_grad();
  CHECK(adam.grad_norm() == 0.0);
}

TEST_CASE("schedules: warm-up, then linear, cosine or constant") {
  CHECK(schedule_factor(SchedulerType::linear, 0, 4, 12) == 0.0);
  CHECK(schedule_factor(SchedulerType::linear, 2, 4, 12) == Approx(0.5));
  CHECK(schedule_factor(SchedulerType::linear, 4, 4, 12) == Approx(1.0));
  CHECK(schedule_factor(SchedulerType::linear, 8, 4, 12) == Approx(0.5));
  CHECK(schedule_factor(SchedulerType::cosine, 8, 4, 12) == Approx(0.5));
  CHECK(schedule_factor(SchedulerType::cosine, 6, 4, 12) == Approx(0.5 * (1 + std::sqrt(0.5))));
  CHECK(schedule_factor(SchedulerType::constant, 0, 4, 12) == 1.0);
  CHECK(schedule_factor(SchedulerType::constant_with_warmup, 1, 4, 12) == Approx(0.25));
  CHECK(schedule_factor(SchedulerType::linear, 20, 4, 12) == 0.0);
  OptimizerOptions o;
  o.warmup_ratio = 0.1;
  CHECK(warmup_length(o, 95) == 10);
  o.warmup_steps = 3;
  CHECK(warmup_length(o, 95) == 3);
}

TEST_CASE("a parameter in half precision moves through its float32 master, and a checkpoint keeps that") {
  const auto start = at::full({4, 4}, 1.0, at::kBFloat16);
  const auto run = [](AdamW& adam, const at::Tensor& x, int steps) {
    for (int i = 0; i < steps; ++i) {
      x.mutable_grad() = at::ones_like(x);
      adam.step(1e-3);  // a quarter of what bfloat16 can tell from 1
    }
  };
  const auto a = start.clone().requires_grad_(true), b = start.clone().requires_grad_(true), c = start.clone().requires_grad_(true);
  AdamW straight({{"x", a, true}}, {});
  run(straight, a, 1);
  CHECK(at::equal(a.detach(), start));
  run(straight, a, 19);
  CHECK(a.detach().to(at::kFloat).mean().item<double>() == Approx(0.98).margin(0.002));
  AdamW first({{"x", b, true}}, {});
  run(first, b, 7);
  AdamW second({{"x", c, true}}, {});
  second.restore(first.state(), first.steps());
  run(second, c, 13);
  CHECK(at::equal(c.detach(), a.detach()));
  CHECK(at::equal(straight.state().back().second, second.state().back().second));
  CHECK(straight.state().back().first == "master.x");
}

TEST_CASE("AdamW waits, once, for who reads its parameters before it changes them") {
  auto value = at::ones({3}).requires_grad_(true);
  AdamW optimizer({{"w", value, true}}, {});
  value.mutable_grad() = at::ones({3});
  int calls = 0;
  optimizer.wait_for_reader([&] {
    ++calls;
    CHECK(value.detach().equal(at::ones({3})));
    CHECK(optimizer.steps() == 0);
  });
  optimizer.step(0.1);
  CHECK_FALSE(value.detach().equal(at::ones({3})));
  optimizer.step(0.1);
  CHECK(calls == 1);
  optimizer.wait_for_reader([] { throw Error(ErrorKind::backend, "the disk is full"); });
  const auto before = value.detach().clone();
  CHECK_THROWS_AS(optimizer.step(0.1), Error);
  CHECK(value.detach().equal(before));
}

TEST_CASE("moments in bfloat16 take the course of those in float32, where rounding to the nearest would stand still") {
  const auto course = [](at::ScalarType type, std::int64_t steps) {
    const auto x = at::full({4096}, 1.0F).requires_grad_(true);
    AdamWOptions options;
    options.moments = type;
    AdamW adam({{"x", x, true}}, options);
    for (std::int64_t i = 0; i < steps; ++i) {
      x.mutable_grad() = at::full({4096}, i < 200 ? 1.0F : 0.1F);
      adam.step(1e-4);
    }
    return std::pair(x.detach().mean().item<double>(), adam.state()[1].second.to(at::kFloat).mean().item<double>());
  };
  const auto [x, v] = course(at::kFloat, 1000);
  const auto [narrow_x, narrow_v] = course(at::kBFloat16, 1000);
  CHECK(v < 0.1);  // from 0.18 at step 200 down towards 0.01
  CHECK(narrow_v == Approx(v).epsilon(0.01));
  CHECK(1.0 - narrow_x == Approx(1.0 - x).epsilon(0.01));
  CHECK(course(at::kBFloat16, 300) == course(at::kBFloat16, 300));
}

TEST_CASE("moments in bfloat16 are half as large, and go through a checkpoint bit for bit") {
  AdamWOptions options;
  options.moments = at::kBFloat16;
  const auto run = [](AdamW& adam, const at::Tensor& x, int from, int to) {
    for (int step = from; step < to; ++step) {
      x.mutable_grad() = at::sin(at::arange(0, 37).to(at::kFloat) + step);
      adam.step(0.1);
    }
  };
  const auto a = at::ones({37}).requires_grad_(true);
  AdamW straight({{"x", a, true}}, options);
  run(straight, a, 0, 6);
  CHECK(straight.state()[0].second.scalar_type() == at::kBFloat16);
  const auto b = at::ones({37}).requires_grad_(true);
  AdamW first({{"x", b, true}}, options);
  run(first, b, 0, 3);
  AdamW second({{"x", b, true}}, options);
  second.restore(first.state(), first.steps());
  run(second, b, 3, 6);
  CHECK(at::equal(a, b));
}
