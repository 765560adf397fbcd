#include "libgrpo/sampler/engine.hpp"

#include "libgrpo/base/check.hpp"
#include "libgrpo/tensor/attention.hpp"
#include "libgrpo/tensor/decode_attention.hpp"
#include "libgrpo/tensor/precompiled.hpp"

namespace grpo {

using std::int64_t;

/// Attends within the packed prompts and keeps their keys and values.
class Engine::Prefill final : public Attend {
 public:
  explicit Prefill(Engine& engine) : engine_(engine) {}
  at::Tensor operator()(int64_t layer, const AttentionRule& rule, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) override {
    auto& cache = engine_.layers_[static_cast<std::size_t>(layer)];
    cache.prompt_k = k.contiguous();
    cache.prompt_v = v.contiguous();
    return tree_attention(q, cache.prompt_k, cache.prompt_v, engine_.prompts_.tree, rule);
  }

 private:
  Engine& engine_;
};

/// Appends one key and value per row, then attends to the row's prompt and its own tokens.
class Engine::Decode final : public Attend {
 public:
  Decode(Engine& engine, const std::vector<int64_t>& rows) : engine_(engine), rows_(rows), spans_(rows.size()) {}

  at::Tensor operator()(int64_t layer, const AttentionRule& rule, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) override {
    auto& cache = engine_.layers_[static_cast<std::size_t>(layer)];
    const int64_t width = k.size(1) * k.size(2);
    const auto keys = k.contiguous(), values = v.contiguous();
    const float *prompt_k = cache.prompt_k.const_data_ptr<float>(), *prompt_v = cache.prompt_v.const_data_ptr<float>();
    auto *own_k = cache.own_k.mutable_data_ptr<float>(), *own_v = cache.own_v.mutable_data_ptr<float>();
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      const int64_t row = rows_[i], length = engine_.lengths_[static_cast<std::size_t>(row)];
      const int64_t at = row * engine_.capacity_ * width;
      const auto from = static_cast<int64_t>(i) * width;
      std::copy_n(keys.const_data_ptr<float>() + from, width, own_k + at + length * width);
      std::copy_n(values.const_data_ptr<float>() + from, width, own_v + at + length * width);
      spans_[i].clear();
      const auto& path = engine_.prompt_paths_[static_cast<std::size_t>(row / engine_.rows_per_prompt_)];
      const int64_t position = path.back().position + path.back().length + length;
      const int64_t first = rule.window > 0 ? std::max<int64_t>(0, position + 1 - rule.window) : 0;  // that the new token sees
      for (const Segment& s : path)
        add_span(i, prompt_k + s.begin * width, prompt_v + s.begin * width, s.length, first - s.position, width);
      add_span(i, own_k + at, own_v + at, length + 1, first - (position - length), width);
    }
    return decode_attention(q.contiguous(), k.size(1), spans_, static_cast<float>(rule.scale), static_cast<float>(rule.softcap));
  }

 private:
  /// The tokens of a run, without the first `skip` ones, which lie outside the window.
  void add_span(std::size_t i, const float* keys, const float* values, int64_t length, int64_t skip, int64_t width) {
    skip = std::max<int64_t>(0, skip);
    if (skip < length) spans_[i].push_back({keys + skip * width, values + skip * width, length - skip});
  }

  Engine& engine_;
  const std::vector<int64_t>& rows_;
  std::vector<std::vector<KeySpan>> spans_;
};

at::Tensor Engine::prefill(const std::vector<std::vector<std::int32_t>>& prompts, int64_t rows_per_prompt) {
  const at::NoGradGuard no_grad;
  prompts_ = pack_prompts(prompts);
  rows_per_prompt_ = rows_per_prompt;
  prompt_paths_.clear();
  for (const int64_t leaf : prompts_.leaf) prompt_paths_.push_back(prompts_.tree.path(leaf));
  lengths_.assign(prompts.size() * static_cast<std::size_t>(rows_per_prompt), 0);
  layers_.assign(static_cast<std::size_t>(model_.config().num_layers), {});
  capacity_ = 0;
  Prefill attend(*this);
  const auto states = model_.hidden(prompts_.ids, prompts_.positions, attend);
  return model_.logits(states.index_select(0, at::tensor(prompts_.last_row, at::kLong)));
}

void Engine::grow(int64_t capacity) {
  const auto& c = model_.config();
  for (LayerCache& cache : layers_) {
    for (at::Tensor* own : {&cache.own_k, &cache.own_v}) {
      auto larger = at::empty({static_cast<int64_t>(lengths_.size()), capacity, c.num_kv_heads, c.head_dim}, at::kFloat);
      if (capacity_ > 0) larger.narrow(1, 0, capacity_).copy_(*own);
      *own = larger;
    }
  }
  capacity_ = capacity;
}

at::Tensor Engine::decode(const std::vector<int64_t>& rows, const std::vector<std::int32_t>& tokens) {
  GRPO_CHECK_EQ(rows.size(), tokens.size(), "one token per row");
  const at::NoGradGuard no_grad;
  int64_t longest = 0;
  std::vector<int64_t> ids, positions;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const int64_t length = lengths_[static_cast<std::size_t>(rows[i])];
    const Segment& prompt = prompt_paths_[static_cast<std::size_t>(rows[i] / rows_per_prompt_)].back();
    ids.push_back(tokens[i]);
    positions.push_back(prompt.position + prompt.length + length);
    longest = std::max(longest, length);
  }
  if (longest >= capacity_) grow(std::max<int64_t>(32, 2 * capacity_));
  Decode attend(*this, rows);
  const auto states = model_.hidden(at::tensor(ids, at::kLong), at::tensor(positions, at::kLong), attend);
  for (const int64_t row : rows) ++lengths_[static_cast<std::size_t>(row)];
  return model_.logits(states);
}

}  // namespace grpo
