#include "libgrpo/tensor/segment_attention.hpp"

#include "libgrpo/tensor/precompiled.hpp"

#include <limits>

namespace grpo {
namespace {

using std::int64_t;

/// shape: q [B,H,n,D], k and v [B,H,L,D], visible [B or 1,1,n,L]
at::Tensor capped_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& visible,
                            const AttentionRule& rule) {
  const auto scores = rule.softcap * at::tanh(at::matmul(q, k.transpose(2, 3)) * (rule.scale / rule.softcap));
  const auto seen = scores.masked_fill(visible.logical_not(), -std::numeric_limits<double>::infinity());
  return at::matmul(at::softmax(seen, -1), v);
}

}  // namespace

at::Tensor masked_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& visible,
                            const AttentionRule& rule) {
  const int64_t texts = q.size(0), rows = q.size(1), heads = k.size(2), group = q.size(2) / heads, width = q.size(3);
  const auto queries = q.reshape({texts, rows, heads, group, width}).permute({0, 2, 3, 1, 4}).reshape({texts, heads, group * rows, width});
  const auto keys = k.transpose(1, 2), values = v.transpose(1, 2);
  const auto mask =
      visible.unsqueeze(1).expand({visible.size(0), group, rows, k.size(1)}).reshape({visible.size(0), 1, group * rows, k.size(1)});
  const auto out = rule.softcap > 0.0 ? capped_attention(queries, keys, values, mask, rule)
                                      : at::scaled_dot_product_attention(queries, keys, values, mask, 0.0, false, rule.scale);
  return out.reshape({texts, heads, group, rows, width}).permute({0, 3, 1, 2, 4}).reshape({texts, rows, heads * group, width});
}

at::Tensor causal_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const AttentionRule& rule) {
  const int64_t before = k.size(0) - q.size(0);
  auto visible = at::ones({q.size(0), k.size(0)}, q.options().dtype(at::kBool)).tril(before);
  if (rule.window > 0) visible = visible.triu(before - rule.window + 1);
  return masked_attention(q.unsqueeze(0), k.unsqueeze(0), v.unsqueeze(0), visible.unsqueeze(0), rule).squeeze(0);
}

at::Tensor tree_attention_by_segments(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const SegmentTree& tree,
                                      const AttentionRule& rule) {
  std::vector<at::Tensor> outputs;
  for (std::size_t i = 0; i < tree.segments.size(); ++i) {
    std::vector<at::Tensor> keys, values;
    for (const Segment& s : tree.path(static_cast<int64_t>(i))) {
      keys.push_back(k.narrow(0, s.begin, s.length));
      values.push_back(v.narrow(0, s.begin, s.length));
    }
    const Segment& own = tree.segments[i];
    outputs.push_back(causal_attention(q.narrow(0, own.begin, own.length), at::cat(keys), at::cat(values), rule));
  }
  return at::cat(outputs);  // segments follow each other as their rows do
}

}  // namespace grpo
