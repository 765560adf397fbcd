#include "libgrpo/policy/work.hpp"

#include "libgrpo/tensor/gemm_peak.hpp"
#include "tests/support/tiny_model.hpp"

#include <ATen/ATen.h>
#include <catch2/catch.hpp>

using namespace grpo;
using grpo::testing::make_prompt;
using grpo::testing::tiny_config;

namespace {

/// One prompt of 5 tokens, two completions of 3 and 2.
Part small_part() {
  Group group{make_prompt(1, "abcde"), {}};
  for (const std::size_t length : {3U, 2U}) {
    Completion completion;
    completion.ids.assign(length, 65);
    completion.log_probs.assign(length, 0.0F);
    group.completions.push_back(completion);
  }
  return Batch({group}).parts(1000).front();
}

}  // namespace

TEST_CASE("operations of a forward pass are those of its matrices, of what each token sees, and of the head") {
  ModelConfig c = tiny_config();  // 2 layers, width 24, MLP 40, 4 and 2 heads of 8, 300 words
  const Part part = small_part();
  const auto rows = static_cast<double>(part.tree.rows), scored = static_cast<double>(part.targets.numel());
  CHECK(scored == 5.0);
  const double per_row = 2 * (24 * (32 + 16 + 16) + 32 * 24 + 3 * 24 * 40);
  double keys = 0.0;
  for (const Segment& s : part.tree.segments)
    for (std::int64_t i = 0; i < s.length; ++i) keys += static_cast<double>(s.position + i + 1);
  const double expected = 2 * per_row * rows + 2 * 4.0 * 32 * keys + 2.0 * 300 * 24 * scored;
  CHECK(forward_flops(c, part) == Approx(expected));
  CHECK(forward_flops(c, part) > 2 * per_row * 8);
}

TEST_CASE("a window bounds what a token sees, and so the operations of attention") {
  ModelConfig c = tiny_config();
  const double all = forward_flops(c, small_part());
  c.sliding_window = 2;
  c.layers = {LayerKind{.sliding = true}, LayerKind{}};
  const double windowed = forward_flops(c, small_part());
  CHECK(windowed < all);
}

TEST_CASE("the peak of matrix products is a speed that a machine can have") {
  const double peak = measure_gemm_peak();
  CHECK(peak > 1e8);
  CHECK(peak < 1e15);
}
