#include "libgrpo/tensor/attention.hpp"

#include "libgrpo/base/check.hpp"
#include "libgrpo/tensor/attention_kernel.hpp"
#include "libgrpo/tensor/precompiled.hpp"
#include "libgrpo/tensor/segment_attention.hpp"

namespace grpo {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Carries the tree through autograd, which stores only tensors and IValues: one row (begin, length, parent, position) each.
at::Tensor encode_tree(const SegmentTree& tree) {
  auto table = at::empty({static_cast<std::int64_t>(tree.segments.size()), 4}, at::kLong);
  auto* row = table.mutable_data_ptr<std::int64_t>();
  for (const Segment& s : tree.segments) {
    *row++ = s.begin;
    *row++ = s.length;
    *row++ = s.parent;
    *row++ = s.position;
  }
  return table;
}

SegmentTree decode_tree(const at::Tensor& table) {
  SegmentTree tree;
  const auto* row = table.const_data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < table.size(0); ++i, row += 4) {
    tree.segments.push_back({row[0], row[1], row[2], row[3]});
    tree.rows += row[1];
  }
  return tree;
}

class TreeAttention : public torch::autograd::Function<TreeAttention> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& tree,
                            const AttentionRule& rule) {
    auto [out, lse] = tree_attention_forward(q, k, v, decode_tree(tree), rule);
    ctx->save_for_backward({q, k, v, out, lse, tree});
    ctx->saved_data["scale"] = rule.scale;
    ctx->saved_data["window"] = rule.window;
    ctx->saved_data["softcap"] = rule.softcap;
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const AttentionRule rule(ctx->saved_data["scale"].toDouble(), ctx->saved_data["window"].toInt(), ctx->saved_data["softcap"].toDouble());
    auto [dq, dk, dv] =
        tree_attention_backward(grads[0].contiguous(), saved[0], saved[1], saved[2], saved[3], saved[4], decode_tree(saved[5]), rule);
    return {dq, dk, dv, at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor tree_attention_reference(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const SegmentTree& tree,
                                    const AttentionRule& rule) {
  const std::int64_t group = q.size(1) / k.size(1);
  auto visible = at::zeros({tree.rows, tree.rows}, at::kBool);
  auto positions = at::zeros({tree.rows}, at::kLong);
  for (std::size_t i = 0; i < tree.segments.size(); ++i) {
    const Segment& own = tree.segments[i];
    auto rows = visible.narrow(0, own.begin, own.length);
    for (const Segment& s : tree.path(own.parent)) rows.narrow(1, s.begin, s.length).fill_(true);
    rows.narrow(1, own.begin, own.length).copy_(at::ones({own.length, own.length}, at::kBool).tril());
    positions.narrow(0, own.begin, own.length).copy_(at::arange(own.position, own.position + own.length));
  }
  if (rule.window > 0) visible.logical_and_((positions.unsqueeze(1) - positions.unsqueeze(0)).lt(rule.window));
  const auto keys = k.repeat_interleave(group, 1);
  const auto values = v.repeat_interleave(group, 1);
  auto scores = at::einsum("qhd,khd->hqk", {q, keys}) * rule.scale;
  if (rule.softcap > 0.0) scores = rule.softcap * at::tanh(scores / rule.softcap);
  scores = scores.masked_fill(visible.logical_not().to(q.device()), -std::numeric_limits<double>::infinity());
  return at::einsum("hqk,khd->qhd", {at::softmax(scores, -1), values});
}

at::Tensor tree_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const SegmentTree& tree,
                          const AttentionRule& rule) {
  GRPO_CHECK(q.dim() == 3 && k.dim() == 3 && v.dim() == 3, "q, k and v are [rows, heads, head width]");
  GRPO_CHECK_EQ(q.size(0), tree.rows, "one query per packed row");
  GRPO_CHECK_EQ(k.sizes(), v.sizes(), "keys and values have one shape");
  GRPO_CHECK_EQ(q.size(1) % k.size(1), 0, "query heads are a multiple of key heads");
  if (!q.device().is_cpu()) return tree_attention_by_segments(q, k, v, tree, rule);
  if (q.scalar_type() != at::kFloat) return tree_attention_reference(q, k, v, tree, rule);
  return TreeAttention::apply(q.contiguous(), k.contiguous(), v.contiguous(), encode_tree(tree), rule);
}

}  // namespace grpo
