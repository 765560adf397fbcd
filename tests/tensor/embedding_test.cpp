#include "libgrpo/tensor/embedding.hpp"

#include "libgrpo/tensor/kept_gradient.hpp"
#include "libgrpo/tensor/token_scores.hpp"
#include "tests/support/tensors.hpp"

#include <catch2/catch.hpp>

using namespace grpo;
using grpo::testing::max_abs_difference;

TEST_CASE("rows of a table and their gradient are at::embedding's, for leaves and for what was computed") {
  at::manual_seed(6);
  const auto ids = at::tensor({3, 0, 3, 7, 3}, at::kLong);
  const auto g = at::randn({5, 4});
  const bool leaf = GENERATE(true, false);
  auto a = at::randn({9, 4}), b = a.clone();
  a.set_requires_grad(true);
  b.set_requires_grad(true);
  for (int pass = 0; pass < 2; ++pass) {  // the second adds to the first
    const auto y = grpo::embedding(leaf ? a : a * 2.0, ids), expected = at::embedding(leaf ? b : b * 2.0, ids);
    CHECK(at::equal(y, expected));
    (y * g).sum().backward();
    (expected * g).sum().backward();
  }
  CHECK(max_abs_difference(a.grad(), b.grad()) < 1e-6);
}

TEST_CASE("a tied table gathers the gradients of both its uses") {
  at::manual_seed(7);
  const auto ids = at::tensor({3, 0, 3, 7, 3}, at::kLong), targets = at::tensor({1, 2, 3, 4, 5}, at::kLong);
  auto a = at::randn({9, 4}), b = a.clone();
  a.set_requires_grad(true);
  b.set_requires_grad(true);
  for (int pass = 0; pass < 2; ++pass) {
    token_scores(grpo::embedding(a, ids), a, targets, 1.0).log_probs.sum().backward();
    token_scores_reference(at::embedding(b, ids), b, targets, 1.0).log_probs.sum().backward();
  }
  CHECK(max_abs_difference(a.grad(), b.grad()) < 1e-5);
}

TEST_CASE("a table in half precision is read as float32 and gets its gradient in its own type") {
  auto table = at::randn({9, 4}).to(at::kBFloat16).requires_grad_(true);
  const auto y = grpo::embedding(table, at::tensor({1, 1}, at::kLong));
  CHECK(y.scalar_type() == at::kFloat);
  y.sum().backward();
  CHECK(table.grad().scalar_type() == at::kBFloat16);
  CHECK(table.grad()[1][0].item<float>() == 2.0F);
  CHECK_FALSE(kept_gradient(table).defined());
}
