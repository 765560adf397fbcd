#include "libgrpo/tensor/adapted_linear.hpp"

#include "libgrpo/base/random.hpp"
#include "libgrpo/tensor/product.hpp"
#include "libgrpo/tensor/recompute.hpp"
#include "tests/support/tensors.hpp"

#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <catch2/catch.hpp>
#include <limits>

using namespace grpo;
using grpo::testing::gradients;
using grpo::testing::max_abs_difference;

namespace {

using Inputs = std::vector<at::Tensor>;

/// Inputs: x, weight, bias, a and b of an adapter on rows 3..7, a and b of one on all rows.
Inputs random_inputs(std::int64_t rows) {
  return {at::randn({rows, 12}), at::randn({10, 12}), at::randn({10}),   at::randn({2, 12}),
          at::randn({5, 2}),     at::randn({3, 12}),  at::randn({10, 3})};
}

std::vector<LowRank> adapters_of(const Inputs& t) { return {{t[3], t[4], 3, 0.5}, {t[5], t[6], 0, 2.0}}; }

}  // namespace

TEST_CASE("a product with adapters equals its reference, values and gradients") {
  at::manual_seed(2);
  const Dropout dropout{GENERATE(0.0, 0.3), 99};
  const bool biased = GENERATE(true, false);
  const auto fast = [&](const Inputs& t) { return adapted_linear(t[0], t[1], biased ? t[2] : at::Tensor(), adapters_of(t), dropout); };
  const auto plain = [&](const Inputs& t) {
    const auto y = adapted_linear_reference(t[0], t[1], biased ? t[2] : at::Tensor(), adapters_of(t), dropout);
    return biased ? y : y + 0.0 * t[2].sum();
  };
  const auto fast_all = [&](const Inputs& t) { return biased ? fast(t) : fast(t) + 0.0 * t[2].sum(); };
  const Inputs inputs = random_inputs(GENERATE(1, 37));
  const auto y = plain(inputs);
  CHECK(max_abs_difference(fast_all(inputs), y) < 1e-5);
  const auto weights = at::randn_like(y);
  const auto a = gradients(fast_all, inputs, weights), b = gradients(plain, inputs, weights);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    INFO(i);
    CHECK(max_abs_difference(a[i], b[i]) < 1e-4);
  }
}

TEST_CASE("an input that is made again gives the bits of one that is kept, and is not kept") {
  at::manual_seed(5);
  const Inputs inputs = random_inputs(9);
  const bool frozen = GENERATE(false, true);
  int made = 0;
  c10::weak_intrusive_ptr<at::TensorImpl> x(at::empty({0}).getIntrusivePtr());
  const auto make = [](const at::Tensor& source) { return source.exp() + source; };
  const auto counted = [&](const at::Tensor& source) {
    ++made;
    const auto result = make(source);
    x = c10::weak_intrusive_ptr<at::TensorImpl>(result.getIntrusivePtr());
    return result;
  };
  const auto run = [&](bool again) {
    Inputs t;
    for (const auto& input : inputs) t.push_back(input.detach().clone().requires_grad_(true));
    if (frozen) t[1].set_requires_grad(false);
    const std::vector<LowRank> adapters = frozen ? std::vector<LowRank>() : adapters_of(t);
    auto y = again ? adapted_linear(Derived{t[0], counted}, t[1], t[2], adapters) : adapted_linear(make(t[0]), t[1], t[2], adapters);
    if (again) CHECK(x.expired());
    (y * y).sum().backward();
    Inputs results{y.detach()};
    for (const auto& input : t)
      if (input.grad().defined()) results.push_back(input.grad());
    return results;
  };
  const Inputs kept = run(false), again = run(true);
  REQUIRE(kept.size() == again.size());
  for (std::size_t i = 0; i < kept.size(); ++i) CHECK(at::equal(kept[i], again[i]));
  CHECK(made == (frozen ? 1 : 2));  // without a gradient that reads x nothing is made again
}

TEST_CASE("a weight's gradient is added where it is kept, part by part, and its hook is told each time") {
  struct Count final : torch::autograd::PostAccumulateGradHook {
    explicit Count(int& calls_) : calls(calls_) {}
    void operator()(const torch::autograd::Variable& /*tensor*/) override { ++calls; }
    int& calls;
  };
  at::manual_seed(6);
  auto weight = at::randn({10, 12}).requires_grad_(true);
  auto same = weight.detach().clone().requires_grad_(true);
  weight.mutable_grad() = at::zeros({10, 12});
  const void* place = weight.grad().const_data_ptr();
  int calls = 0;
  torch::autograd::impl::set_post_acc_grad_hooks(weight, std::make_unique<Count>(calls));
  for (int part = 0; part < 3; ++part) {
    const auto x = at::randn({5 + part, 12});
    adapted_linear(x, weight, {}).square().sum().backward();
    adapted_linear_reference(x, same, {}).square().sum().backward();
  }
  CHECK(calls == 3);
  CHECK(weight.grad().const_data_ptr() == place);
  CHECK(max_abs_difference(weight.grad(), same.grad()) < 1e-4);
}

TEST_CASE("a frozen weight gets no gradient, and no copy of it is kept for x") {
  at::manual_seed(3);
  for (const auto type : {at::kFloat, at::kBFloat16, at::kHalf}) {
    Inputs t = random_inputs(5);
    t[1] = t[1].to(type);
    t[2] = t[2].to(type);
    for (const std::size_t i : {0, 3, 4}) t[i].set_requires_grad(true);
    const auto y = adapted_linear(t[0], t[1], t[2], {{t[3], t[4], 3, 0.5}});
    CHECK(y.scalar_type() == at::kFloat);
    CHECK(max_abs_difference(y.detach(), adapted_linear_reference(t[0], t[1], t[2], {{t[3], t[4], 3, 0.5}}).detach()) < 1e-5);
    y.sum().backward();
    CHECK_FALSE(t[1].grad().defined());
    CHECK((t[0].grad().defined() && t[3].grad().defined() && t[4].grad().defined()));
  }
}

TEST_CASE("a weight held in half precision gets its gradient in its own type") {
  at::manual_seed(4);
  auto x = at::randn({6, 12}), weight = at::randn({10, 12}).to(at::kBFloat16);
  weight.set_requires_grad(true);
  const auto g = at::randn({6, 10});
  (adapted_linear(x, weight, {}) * g).sum().backward();
  CHECK(weight.grad().scalar_type() == at::kBFloat16);
  CHECK(at::equal(weight.grad(), at::mm(g.t(), x).to(at::kBFloat16)));
}

TEST_CASE("dropout keeps its share, keeps the mean, and depends on its key alone") {
  const auto x = at::ones({500, 200});
  const auto y = drop(x, {0.25, 7});
  CHECK(y.eq(0).to(at::kFloat).mean().item<double>() == Approx(0.25).margin(0.01));
  CHECK(y.mean().item<double>() == Approx(1.0).margin(0.01));
  CHECK(at::equal(y, drop(x, {0.25, 7})));
  CHECK_FALSE(at::equal(y, drop(x, {0.25, 8})));
  CHECK(at::equal(y.narrow(0, 0, 3), drop(x.narrow(0, 0, 3), {0.25, 7})));
  // Entry i is decided by word i / 64 % 4 of counter i / 256 * 64 + i % 64.
  const auto flat = y.view({-1});
  for (const std::uint32_t i : {0U, 63U, 64U, 255U, 256U, 777U, 99999U}) {
    const auto words = philox4x32({i / 256 * 64 + i % 64, 0, 0, 0}, {7, 0});
    CHECK((flat[i].item<float>() == 0.0F) == (words[i / 64 % 4] < (1U << 30U)));
  }
}

TEST_CASE("what is computed again gives the same values and gradients, and runs twice") {
  at::manual_seed(5);
  int runs = 0;
  const bool leaf = GENERATE(true, false);
  const auto layer = [&](const Inputs& t) {
    return [&runs, w = t[1]](const at::Tensor& x) {
      ++runs;
      return at::tanh(at::linear(x, w)) * x.sum();
    };
  };
  const Inputs inputs{at::randn({4, 12}), at::randn({10, 12})};
  const auto input = [&](const Inputs& t) { return leaf ? t[0] : t[0] * 2.0; };
  const auto plain = [&](const Inputs& t) { return layer(t)(input(t)); };
  const auto again = [&](const Inputs& t) { return recomputed(input(t), layer(t)); };
  const auto weights = at::randn({4, 10});
  const auto a = gradients(again, inputs, weights);
  CHECK(runs == 2);
  const auto b = gradients(plain, inputs, weights);
  for (std::size_t i = 0; i < 2; ++i) CHECK(max_abs_difference(a[i], b[i]) == 0.0);

  auto w = at::randn({10, 12}).requires_grad_(true);  // x wants no gradient, what is read does
  recomputed(at::randn({4, 12}), [&](const at::Tensor& x) { return at::linear(x, w); }).sum().backward();
  CHECK(w.grad().defined());
  const c10::InferenceMode no_grad;
  CHECK_FALSE(recomputed(at::randn({4, 12}), [&](const at::Tensor& x) { return at::linear(x, w); }).requires_grad());
}

TEST_CASE("products are as near to those in double precision as libtorch's own, large or small") {
  at::manual_seed(9);
  const std::int64_t rows = GENERATE(1, 7, 300);
  const bool biased = GENERATE(true, false);
  const auto x = at::randn({rows, 576}), w = at::randn({1536, 576});
  const auto bias = biased ? std::optional(at::randn({1536})) : std::nullopt;
  const auto exact = at::linear(x.to(at::kDouble), w.to(at::kDouble), bias ? std::optional(bias->to(at::kDouble)) : std::nullopt);
  const double ours = max_abs_difference(product(x, w, bias), exact), theirs = max_abs_difference(at::linear(x, w, bias), exact);
  CHECK(ours < 2e-4);  // of values up to 120
  CHECK(ours < 3.0 * theirs + 1e-6);
  CHECK(max_abs_difference(product(x.slice(1, 0, 288), w.slice(1, 288, 576)), at::linear(x.slice(1, 0, 288), w.slice(1, 288, 576))) < 2e-4);
}

TEST_CASE("a product divided among threads equals libtorch's, from a transposed view as well") {
  at::manual_seed(10);
  const std::int64_t rows = GENERATE(5, 1021);  // 1021: no thread's share is as long as another's
  const bool transposed = GENERATE(true, false);
  const auto a = transposed ? at::randn({64, rows}).t() : at::randn({rows, 64}), b = at::randn({64, 48});
  const auto out = at::full({rows, 48}, std::numeric_limits<float>::quiet_NaN());
  multiply(out, a, b, 0.0);
  CHECK(max_abs_difference(out, at::mm(a, b)) < 1e-4);
  multiply(out, a, b, 2.0);
  CHECK(max_abs_difference(out, 3.0 * at::mm(a, b)) < 3e-4);
}
