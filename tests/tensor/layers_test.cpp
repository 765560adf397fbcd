#include "libgrpo/tensor/layers.hpp"

#include "libgrpo/tensor/layers_reference.hpp"
#include "libgrpo/tensor/simd.hpp"
#include "tests/support/tensors.hpp"

#include <catch2/catch.hpp>

using namespace grpo;
using grpo::testing::gradients;
using grpo::testing::max_abs_difference;

namespace {

using Function = std::function<at::Tensor(const std::vector<at::Tensor>&)>;

void check_equal(const Function& fast, const Function& plain, const std::vector<at::Tensor>& inputs) {
  const auto y = plain(inputs);
  CHECK(max_abs_difference(fast(inputs), y) < 1e-5);
  const auto weights = at::randn_like(y);
  const auto a = gradients(fast, inputs, weights), b = gradients(plain, inputs, weights);
  for (std::size_t i = 0; i < inputs.size(); ++i) CHECK(max_abs_difference(a[i], b[i]) < 1e-4);
}

}  // namespace

TEST_CASE("fused layers equal their references, values and gradients") {
  at::manual_seed(1);
  const std::int64_t rows = GENERATE(1, 203);
  SECTION("rms_norm") {
    check_equal([](const auto& x) { return rms_norm(x[0], x[1], 1e-5); },
                [](const auto& x) { return rms_norm_reference(x[0], x[1], 1e-5); }, {at::randn({rows, 100}), at::randn({100})});
  }
  SECTION("swiglu") {
    check_equal([](const auto& x) { return swiglu(x[0]); }, [](const auto& x) { return swiglu_reference(x[0]); },
                {at::randn({rows, 74}) * 5});
  }
  SECTION("geglu_tanh") {
    check_equal([](const auto& x) { return geglu_tanh(x[0]); }, [](const auto& x) { return geglu_tanh_reference(x[0]); },
                {at::randn({rows, 74}) * 5});
  }
  SECTION("rotary of a part of each head") {
    const auto angles = at::randn({rows, 3});
    const auto cos = angles.cos() * 1.1, sin = angles.sin() * 1.1;
    check_equal([&](const auto& x) { return rotary(x[0], cos, sin); }, [&](const auto& x) { return rotary_reference(x[0], cos, sin); },
                {at::randn({rows, 3, 10})});
    const auto x = at::randn({rows, 3, 10});
    CHECK(at::equal(rotary(x, cos, sin).narrow(2, 6, 4), x.narrow(2, 6, 4)));
  }
  SECTION("rotary, on a slice of a wider tensor") {
    const auto angles = at::randn({rows, 8});
    const auto cos = angles.cos(), sin = angles.sin();
    const auto slice = [](const at::Tensor& x) { return x.narrow(1, 16, 48).view({x.size(0), 3, 16}); };
    check_equal([&](const auto& x) { return rotary(slice(x[0]), cos, sin); },
                [&](const auto& x) { return rotary_reference(slice(x[0]), cos, sin); }, {at::randn({rows, 80})});
  }
}

TEST_CASE("the vectorised tanh is within 2e-7 of the library's, and saturates") {
  for (float x = -20.0F; x < 20.0F; x += 0.00317F) CHECK(std::abs(simd::tanh(x) - std::tanh(static_cast<double>(x))) < 2e-7);
  for (const float x : {1e4F, 1e30F}) CHECK((simd::tanh(x) == 1.0F && simd::tanh(-x) == -1.0F));
}

TEST_CASE("the vectorised exp is within 2 ulp of the library's") {
  for (float x = -87.0F; x < 88.0F; x += 0.0137F) CHECK(simd::exp(x) == Approx(std::exp(static_cast<double>(x))).epsilon(2.5e-7));
  CHECK(simd::exp(-1e30F) < 1e-37F);
  CHECK(std::isfinite(simd::exp(1e30F)));
}
