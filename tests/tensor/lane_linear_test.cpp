#include "libgrpo/tensor/lane_linear.hpp"

#include <ATen/ATen.h>
#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace grpo;

namespace {

/// Instruction sets of this machine, the portable code among them.
std::vector<Isa> available() {
  std::vector<Isa> all{Isa::portable};
  if (best_isa() >= Isa::avx2) all.push_back(Isa::avx2);
  if (best_isa() >= Isa::avx512) all.push_back(Isa::avx512);
  return all;
}

struct Case {
  std::int64_t rows, out, in;
};

at::Tensor product(const at::Tensor& x, const LaneMatrix& matrix, Isa isa, LaneOutput output = {nullptr}) {
  auto y = at::ones({matrix.out(), x.size(1)});
  auto scratch = at::empty({lane_scratch_floats(matrix.in(), x.size(1))});
  output.y = y.mutable_data_ptr<float>();
  lane_linear(output, x.const_data_ptr<float>(), x.size(1), matrix, 0, matrix.panels(), scratch.mutable_data_ptr<float>(), isa);
  return y;
}

at::Tensor reference(const at::Tensor& x, const LaneMatrix& matrix, LaneOutput output = {nullptr}) {
  auto y = at::ones({matrix.out(), x.size(1)});
  output.y = y.mutable_data_ptr<float>();
  lane_linear_reference(output, x.const_data_ptr<float>(), x.size(1), matrix);
  return y;
}

}  // namespace

TEST_CASE("lane products equal the plain loop for every instruction set, shape and type of weights") {
  at::manual_seed(1);
  const std::vector<Case> cases{{16, 24, 8},  {32, 50, 33}, {48, 7, 100},   {64, 96, 64},
                                {80, 25, 40}, {128, 1, 17}, {16, 30, 1024}, {32, 61, 2048}};
  for (const Isa isa : available())
    for (const Case& c : cases)
      for (const auto type : {at::kFloat, at::kBFloat16, at::kHalf}) {
        INFO("isa " << static_cast<int>(isa) << ", rows " << c.rows << ", out " << c.out << ", in " << c.in);
        const auto x = at::randn({c.in, c.rows});
        const LaneMatrix matrix{at::randn({c.out, c.in}).to(type)};
        const auto bias = at::randn({c.out});
        const LaneOutput with_bias{.y = nullptr, .bias = bias.const_data_ptr<float>()};
        const LaneOutput added{.y = nullptr, .add = true, .scale = 0.25F};
        const double tolerance = 2e-5 * std::sqrt(static_cast<double>(c.in));
        CHECK((product(x, matrix, isa) - reference(x, matrix)).abs().max().item<double>() < tolerance);
        CHECK((product(x, matrix, isa, with_bias) - reference(x, matrix, with_bias)).abs().max().item<double>() < tolerance);
        CHECK((product(x, matrix, isa, added) - reference(x, matrix, added)).abs().max().item<double>() < tolerance);
      }
}

TEST_CASE("AVX2 and AVX-512 agree to the last bit") {
  if (best_isa() != Isa::avx512) {
    WARN("skipped: this machine has no AVX-512");
    return;
  }
  at::manual_seed(2);
  const auto x = at::randn({300, 112});
  const LaneMatrix matrix{at::randn({77, 300})};
  CHECK(at::equal(product(x, matrix, Isa::avx2), product(x, matrix, Isa::avx512)));
}

TEST_CASE("a row's product does not depend on the rows beside it, to the last bit") {
  at::manual_seed(3);
  const auto x = at::randn({200, 112});
  const LaneMatrix matrix{at::randn({70, 200})};
  for (const Isa isa : available()) {
    const auto all = product(x, matrix, isa);
    for (const std::int64_t rows : {16, 32, 48, 64})
      for (const std::int64_t first : {0, 48}) {
        const auto part = product(x.narrow(1, first, rows).contiguous(), matrix, isa);
        CHECK(at::equal(part, all.narrow(1, first, rows)));
      }
  }
}

TEST_CASE("a product may be written row by row, scaled, without the rows that fill up") {
  at::manual_seed(4);
  const auto x = at::randn({40, 32});
  const LaneMatrix matrix{at::randn({55, 40})};
  const auto expected = reference(x, matrix);
  for (const Isa isa : available()) {
    auto y = at::full({20, 60}, 7.0F);
    auto scratch = at::empty({lane_scratch_floats(40, 32)});
    lane_linear({.y = y.mutable_data_ptr<float>(), .scale = 0.5F, .row_stride = 60, .row_count = 19}, x.const_data_ptr<float>(), 32, matrix,
                0, matrix.panels(), scratch.mutable_data_ptr<float>(), isa);
    CHECK((y.narrow(0, 0, 19).narrow(1, 0, 55) - 0.5 * expected.t().narrow(0, 0, 19)).abs().max().item<double>() < 1e-4);
    CHECK(y.narrow(0, 19, 1).eq(7.0).all().item<bool>());
    CHECK(y.narrow(1, 55, 5).eq(7.0).all().item<bool>());
  }
}
