#include "libgrpo/tensor/attention.hpp"

#include "libgrpo/base/error.hpp"
#include "tests/support/tensors.hpp"

#include <catch2/catch.hpp>

using namespace grpo;
using grpo::testing::gradients;
using grpo::testing::max_abs_difference;

namespace {

/// A system prompt, two questions below it, three and two completions below those; lengths cross the kernel's block of 64.
SegmentTree forest() {
  SegmentTree tree;
  const auto root = tree.add(70, -1);
  const auto q1 = tree.add(5, root);
  const auto q2 = tree.add(1, root);
  for (const auto length : {1, 9, 130}) tree.add(length, q1);
  for (const auto length : {64, 65}) tree.add(length, q2);
  tree.add(7, -1);
  return tree;
}

}  // namespace

TEST_CASE("the attention kernel equals the dense-mask reference, values and gradients") {
  at::manual_seed(1);
  const auto tree = forest();
  const auto heads = GENERATE(std::pair<std::int64_t, std::int64_t>{9, 3}, std::pair<std::int64_t, std::int64_t>{2, 2});
  const auto q = at::randn({tree.rows, heads.first, 16}), k = at::randn({tree.rows, heads.second, 16}), v = at::randn_like(k);
  const auto weights = at::randn_like(q);
  const double scale = 0.25;
  const auto fast = [&](const std::vector<at::Tensor>& x) { return tree_attention(x[0], x[1], x[2], tree, scale); };
  const auto plain = [&](const std::vector<at::Tensor>& x) { return tree_attention_reference(x[0], x[1], x[2], tree, scale); };
  CHECK(max_abs_difference(fast({q, k, v}), plain({q, k, v})) < 1e-5);
  const auto a = gradients(fast, {q, k, v}, weights), b = gradients(plain, {q, k, v}, weights);
  for (std::size_t i = 0; i < 3; ++i) CHECK(max_abs_difference(a[i], b[i]) < 1e-4);
}

TEST_CASE("a shared beginning gives what each whole sequence gives alone") {
  at::manual_seed(2);
  SegmentTree shared;
  const auto root = shared.add(6, -1);
  shared.add(4, root);
  shared.add(3, root);
  const auto q = at::randn({13, 3, 8}), k = at::randn({13, 1, 8}), v = at::randn({13, 1, 8});
  const auto packed = tree_attention(q, k, v, shared, 0.3);
  SegmentTree alone;
  alone.add(9, -1);
  const auto rows = at::cat({at::arange(0, 6), at::arange(10, 13)});
  const auto second = tree_attention(q.index_select(0, rows), k.index_select(0, rows), v.index_select(0, rows), alone, 0.3);
  CHECK(max_abs_difference(packed.index_select(0, rows), second) < 1e-6);
}

TEST_CASE("with a window and a softcap the kernel equals the dense-mask reference, values and gradients") {
  at::manual_seed(4);
  const auto tree = forest();
  const AttentionRule rule = GENERATE(AttentionRule(0.25, 1), AttentionRule(0.25, 6), AttentionRule(0.25, 90), AttentionRule(0.25, 1000),
                                      AttentionRule(0.5, 0, 1.5), AttentionRule(0.5, 33, 1.5));
  const auto q = at::randn({tree.rows, 6, 16}), k = at::randn({tree.rows, 3, 16}), v = at::randn_like(k);
  const auto weights = at::randn_like(q);
  const auto fast = [&](const std::vector<at::Tensor>& x) { return tree_attention(x[0], x[1], x[2], tree, rule); };
  const auto plain = [&](const std::vector<at::Tensor>& x) { return tree_attention_reference(x[0], x[1], x[2], tree, rule); };
  CHECK(max_abs_difference(fast({q, k, v}), plain({q, k, v})) < 1e-5);
  const auto a = gradients(fast, {q, k, v}, weights), b = gradients(plain, {q, k, v}, weights);
  for (std::size_t i = 0; i < 3; ++i) CHECK(max_abs_difference(a[i], b[i]) < 1e-4);
}

TEST_CASE("a window counts positions in the text, over the borders of segments") {
  at::manual_seed(5);
  SegmentTree shared;
  const auto root = shared.add(6, -1);
  const auto question = shared.add(2, root);
  shared.add(4, question);
  shared.add(5, question);
  const auto q = at::randn({17, 2, 8}), k = at::randn({17, 1, 8}), v = at::randn({17, 1, 8});
  const std::int64_t window = 4;
  const auto packed = tree_attention(q, k, v, shared, {0.3, window});
  // The second completion's text: rows 0 to 7, then 12 to 16. Token by token, over just the keys it may see.
  const auto rows = at::cat({at::arange(0, 8), at::arange(12, 17)});
  for (std::int64_t p = 0; p < 13; ++p) {
    const std::int64_t first = std::max<std::int64_t>(0, p - window + 1);
    const auto seen = rows.slice(0, first, p + 1);
    const auto scores = at::einsum("hd,kd->hk", {q[rows[p].item<std::int64_t>()], k.index_select(0, seen).squeeze(1)}) * 0.3;
    const auto expected = at::matmul(at::softmax(scores, -1), v.index_select(0, seen).squeeze(1));
    CHECK(max_abs_difference(packed[rows[p].item<std::int64_t>()], expected) < 1e-6);
  }
}

TEST_CASE("the reference attention passes finite differences in float64") {
  at::manual_seed(3);
  SegmentTree tree;
  const auto root = tree.add(2, -1);
  tree.add(2, root);
  tree.add(1, root);
  const auto options = at::TensorOptions().dtype(at::kDouble);
  const auto q = at::randn({5, 2, 3}, options), k = at::randn({5, 1, 3}, options), v = at::randn({5, 1, 3}, options);
  const auto weights = at::randn({5, 2, 3}, options);
  const AttentionRule rule = GENERATE(AttentionRule(0.5), AttentionRule(0.5, 2, 0.8));
  const auto f = [&](const std::vector<at::Tensor>& x) { return tree_attention(x[0], x[1], x[2], tree, rule); };
  const auto grads = gradients(f, {q, k, v}, weights);
  const std::vector<at::Tensor> inputs{q, k, v};
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::int64_t j = 0; j < inputs[i].numel(); ++j) {
      auto moved = inputs;
      const double h = 1e-6;
      moved[i] = inputs[i].clone();
      moved[i].view(-1)[j] += h;
      const double up = (f(moved) * weights).sum().item<double>();
      moved[i].view(-1)[j] -= 2 * h;
      const double down = (f(moved) * weights).sum().item<double>();
      CHECK((up - down) / (2 * h) == Approx(grads[i].view(-1)[j].item<double>()).margin(1e-7));
    }
  }
}

TEST_CASE("attention refuses shapes that do not fit, and shows them") {
  SegmentTree tree;
  tree.add(4, -1);
  CHECK_THROWS_WITH(tree_attention(at::zeros({3, 2, 4}), at::zeros({3, 1, 4}), at::zeros({3, 1, 4}), tree, 1.0), Catch::Contains("3 vs 4"));
}
