#include "libgrpo/tensor/attention_kernel.hpp"

#include "libgrpo/tensor/gemm.hpp"
#include "libgrpo/tensor/precompiled.hpp"
#include "libgrpo/tensor/simd.hpp"

namespace grpo {
namespace {

using std::int64_t;

constexpr int64_t kQueryBlock = 64;  // query tokens whose scores are alive at once, so memory stays linear in the path length

struct Shape {
  int64_t hq, hkv, d, group;
  explicit Shape(const at::Tensor& q, const at::Tensor& k) : hq(q.size(1)), hkv(k.size(1)), d(q.size(2)), group(hq / hkv) {}
};

/// Copies strided rows into a dense matrix.
void gather_rows(float* to, const float* from, int64_t rows, int64_t stride, int64_t width) {
  for (int64_t i = 0; i < rows; ++i) std::copy_n(from + i * stride, width, to + i * width);
}

void scatter_add_rows(float* to, const float* from, int64_t rows, int64_t stride, int64_t width) {
  for (int64_t i = 0; i < rows; ++i) simd::axpy(to + i * stride, from + i * width, 1.0F, width);
}

/// One key head's rows along a path, dense. shape: [path length, D]
std::vector<float> gather_path(const at::Tensor& from, const std::vector<Segment>& path, int64_t head, const Shape& s) {
  const Segment& own = path.back();
  std::vector<float> rows(static_cast<std::size_t>((own.position + own.length) * s.d));
  float* to = rows.data();
  for (const Segment& segment : path) {
    gather_rows(to, from.const_data_ptr<float>() + (segment.begin * s.hkv + head) * s.d, segment.length, s.hkv * s.d, s.d);
    to += segment.length * s.d;
  }
  return rows;
}

/// Columns [begin, end) of a score row are visible.
struct Visible {
  int64_t begin, end;
};

/// Softmax over the visible entries in place; the rest becomes 0. Returns the log-sum-exp.
GRPO_SIMD_CLONES float softmax_row(float* x, Visible v, int64_t width) {
  std::fill(x, x + v.begin, 0.0F);
  const float lse = simd::softmax(x + v.begin, v.end - v.begin);
  std::fill(x + v.end, x + width, 0.0F);
  return lse;
}

/// x <- exp(x - lse) over the visible entries, 0 elsewhere.
GRPO_SIMD_CLONES void probabilities_row(float* x, float lse, Visible v, int64_t width) {
  std::fill(x, x + v.begin, 0.0F);
#pragma omp simd
  for (int64_t i = v.begin; i < v.end; ++i) x[i] = simd::exp(x[i] - lse);
  std::fill(x + v.end, x + width, 0.0F);
}

/// p <- p * (dp - delta): gradient of the scores.
GRPO_SIMD_CLONES void score_gradient_row(float* p, const float* dp, float delta, Visible v) {
#pragma omp simd
  for (int64_t i = v.begin; i < v.end; ++i) p[i] *= dp[i] - delta;
}

/// x <- softcap tanh(x / softcap)
GRPO_SIMD_CLONES void cap_scores(float* x, int64_t n, float softcap) {
  const float inverse = 1.0F / softcap;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) x[i] = softcap * simd::tanh(x[i] * inverse);
}

/// The same, and slope <- its derivative 1 - tanh^2.
GRPO_SIMD_CLONES void cap_scores_with_slope(float* x, float* slope, int64_t n, float softcap) {
  const float inverse = 1.0F / softcap;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const float t = simd::tanh(x[i] * inverse);
    x[i] = softcap * t;
    slope[i] = 1.0F - t * t;
  }
}

GRPO_SIMD_CLONES void multiply(float* x, const float* y, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) x[i] *= y[i];
}

/// The keys that a block of consecutive queries sees, as columns of its score matrix: path positions low .. low + columns.
struct KeyRange {
  int64_t low, columns, first, window;
  KeyRange(const Segment& own, int64_t first_token, int64_t tokens, int64_t window_)
      : low(window_ > 0 ? std::max<int64_t>(0, own.position + first_token - window_ + 1) : 0),
        columns(own.position + first_token + tokens - low),
        first(own.position + first_token),
        window(window_) {}
  [[nodiscard]] Visible of(int64_t token) const {
    const int64_t position = first + token;
    return {window > 0 ? std::max<int64_t>(0, position - window + 1) - low : 0, position + 1 - low};
  }
};

/// One work item is one segment under one key head: its queries of all `group` heads against its whole path.
template <class F>
void for_each_item(const SegmentTree& tree, int64_t heads, const F& f) {
  const auto items = static_cast<int64_t>(tree.segments.size()) * heads;
  at::parallel_for(0, items, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) f(i / heads, i % heads);
  });
}

}  // namespace

std::tuple<at::Tensor, at::Tensor> tree_attention_forward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                                          const SegmentTree& tree, const AttentionRule& rule) {
  const Shape s(q, k);
  const auto scale = static_cast<float>(rule.scale), softcap = static_cast<float>(rule.softcap);
  auto out = at::empty_like(q);
  auto lse = at::empty({q.size(0), s.hq}, q.options());
  const float* q_data = q.const_data_ptr<float>();
  auto* out_data = out.mutable_data_ptr<float>();
  auto* lse_data = lse.mutable_data_ptr<float>();

  for_each_item(tree, s.hkv, [&](int64_t index, int64_t head) {
    const Segment& own = tree.segments[static_cast<std::size_t>(index)];
    const auto path = tree.path(index);
    const int64_t length = own.position + own.length, width = s.group * s.d, block = std::min(kQueryBlock, own.length);
    const auto keys = gather_path(k, path, head, s), values = gather_path(v, path, head, s);
    std::vector<float> queries(static_cast<std::size_t>(block * width)), result(queries.size());
    std::vector<float> scores(static_cast<std::size_t>(block * s.group * length));

    for (int64_t first = 0; first < own.length; first += block) {
      const int64_t tokens = std::min(block, own.length - first);
      const int64_t rows = tokens * s.group;
      const KeyRange range(own, first, tokens, rule.window);
      const int64_t reach = range.columns;
      const float *block_keys = keys.data() + range.low * s.d, *block_values = values.data() + range.low * s.d;
      const int64_t at_row = own.begin + first;
      gather_rows(queries.data(), q_data + (at_row * s.hq + head * s.group) * s.d, tokens, s.hq * s.d, width);
      gemm(rows, reach, s.d, scale, queries.data(), s.d, block_keys, s.d, true, 0.0F, scores.data(), reach);
      if (softcap > 0.0F) cap_scores(scores.data(), rows * reach, softcap);
      for (int64_t r = 0; r < rows; ++r) {
        const int64_t token = r / s.group;
        lse_data[(at_row + token) * s.hq + head * s.group + r % s.group] = softmax_row(scores.data() + r * reach, range.of(token), reach);
      }
      gemm(rows, s.d, reach, 1.0F, scores.data(), reach, block_values, s.d, false, 0.0F, result.data(), s.d);
      for (int64_t t = 0; t < tokens; ++t)
        std::copy_n(result.data() + t * width, width, out_data + ((at_row + t) * s.hq + head * s.group) * s.d);
    }
  });
  return {out, lse};
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> tree_attention_backward(const at::Tensor& dout, const at::Tensor& q, const at::Tensor& k,
                                                                       const at::Tensor& v, const at::Tensor& out, const at::Tensor& lse,
                                                                       const SegmentTree& tree, const AttentionRule& rule) {
  const Shape s(q, k);
  const auto scale = static_cast<float>(rule.scale), softcap = static_cast<float>(rule.softcap);
  auto dq = at::empty_like(q);
  // Segments share their ancestors' keys, so each thread sums into buffers of its own; the fixed split keeps sums reproducible.
  const int64_t threads = at::get_num_threads();
  auto dk = at::zeros({threads, k.size(0), s.hkv, s.d}, k.options());
  auto dv = at::zeros_like(dk);
  const auto delta = (dout * out).sum(-1);
  const float* q_data = q.const_data_ptr<float>();
  const float* dout_data = dout.const_data_ptr<float>();
  const float* lse_data = lse.const_data_ptr<float>();
  const float* delta_data = delta.const_data_ptr<float>();
  auto* dq_data = dq.mutable_data_ptr<float>();

  for_each_item(tree, s.hkv, [&](int64_t index, int64_t head) {
    const Segment& own = tree.segments[static_cast<std::size_t>(index)];
    const auto path = tree.path(index);
    const int64_t length = own.position + own.length, width = s.group * s.d, block = std::min(kQueryBlock, own.length);
    const auto keys = gather_path(k, path, head, s), values = gather_path(v, path, head, s);
    std::vector<float> dkeys(keys.size(), 0.0F), dvalues(keys.size(), 0.0F);
    std::vector<float> queries(static_cast<std::size_t>(block * width)), douts(queries.size()), dqueries(queries.size());
    std::vector<float> scores(static_cast<std::size_t>(block * s.group * length)), dscores(scores.size());
    std::vector<float> slopes(softcap > 0.0F ? scores.size() : 0);

    for (int64_t first = 0; first < own.length; first += block) {
      const int64_t tokens = std::min(block, own.length - first);
      const int64_t rows = tokens * s.group;
      const KeyRange range(own, first, tokens, rule.window);
      const int64_t reach = range.columns;
      const float *block_keys = keys.data() + range.low * s.d, *block_values = values.data() + range.low * s.d;
      const int64_t at_row = own.begin + first;
      const int64_t offset = (at_row * s.hq + head * s.group) * s.d;
      gather_rows(queries.data(), q_data + offset, tokens, s.hq * s.d, width);
      gather_rows(douts.data(), dout_data + offset, tokens, s.hq * s.d, width);
      gemm(rows, reach, s.d, scale, queries.data(), s.d, block_keys, s.d, true, 0.0F, scores.data(), reach);
      if (softcap > 0.0F) cap_scores_with_slope(scores.data(), slopes.data(), rows * reach, softcap);
      for (int64_t r = 0; r < rows; ++r)
        probabilities_row(scores.data() + r * reach, lse_data[(at_row + r / s.group) * s.hq + head * s.group + r % s.group],
                          range.of(r / s.group), reach);
      gemm_at_b(reach, s.d, rows, scores.data(), reach, douts.data(), s.d, dvalues.data() + range.low * s.d, s.d);
      gemm(rows, reach, s.d, 1.0F, douts.data(), s.d, block_values, s.d, true, 0.0F, dscores.data(), reach);
      for (int64_t r = 0; r < rows; ++r)
        score_gradient_row(scores.data() + r * reach, dscores.data() + r * reach,
                           delta_data[(at_row + r / s.group) * s.hq + head * s.group + r % s.group], range.of(r / s.group));
      if (softcap > 0.0F) multiply(scores.data(), slopes.data(), rows * reach);
      gemm(rows, s.d, reach, scale, scores.data(), reach, block_keys, s.d, false, 0.0F, dqueries.data(), s.d);
      for (int64_t t = 0; t < tokens; ++t)
        std::copy_n(dqueries.data() + t * width, width, dq_data + ((at_row + t) * s.hq + head * s.group) * s.d);
      for (float& x : queries) x *= scale;
      gemm_at_b(reach, s.d, rows, scores.data(), reach, queries.data(), s.d, dkeys.data() + range.low * s.d, s.d);
    }
    const int64_t thread_base = at::get_thread_num() * k.numel();
    int64_t at_key = 0;
    for (const Segment& segment : path) {
      const int64_t to = thread_base + (segment.begin * s.hkv + head) * s.d;
      scatter_add_rows(dk.mutable_data_ptr<float>() + to, dkeys.data() + at_key * s.d, segment.length, s.hkv * s.d, s.d);
      scatter_add_rows(dv.mutable_data_ptr<float>() + to, dvalues.data() + at_key * s.d, segment.length, s.hkv * s.d, s.d);
      at_key += segment.length;
    }
  });
  return {dq, dk.sum(0), dv.sum(0)};
}

}  // namespace grpo
