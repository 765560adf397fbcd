#include "libgrpo/policy/causal_lm.hpp"

#include "libgrpo/base/check.hpp"
#include "libgrpo/base/random.hpp"
#include "libgrpo/tensor/attention.hpp"
#include "libgrpo/tensor/embedding.hpp"
#include "libgrpo/tensor/layers.hpp"
#include "libgrpo/tensor/precompiled.hpp"
#include "libgrpo/tensor/recompute.hpp"

#include <cmath>

namespace grpo {
namespace {

using std::int64_t;

at::Tensor scaled(const at::Tensor& x, double factor) { return factor == 1.0 ? x : x * factor; }

/// The identity where the family has no such norm.
at::Tensor norm(const at::Tensor& x, const at::Tensor& weight, const ModelConfig& c) {
  if (!weight.defined()) return x;
  const auto full = weight.to(at::kFloat);
  return rms_norm(x, c.norm_offset == 0.0 ? full : full + c.norm_offset, c.rms_norm_eps);
}

/// cos and sin of every row's angles. shape: [L, rotary_dim / 2]
struct Angles {
  at::Tensor cos, sin;
  Angles(const Rope& rope, const at::Tensor& positions) {
    const auto angles = positions.to(at::kFloat).unsqueeze(1) * rope.inverse_frequencies.to(positions.device());
    cos = scaled(angles.cos(), rope.attention_factor);
    sin = scaled(angles.sin(), rope.attention_factor);
  }
};

/// q or k of one layer from its columns of the fused product: norm, then rotation. shape: [L, H * head_dim] -> [L, H, head_dim]
at::Tensor heads(const at::Tensor& columns, const at::Tensor& norm_weight, const Angles* angles, const ModelConfig& c) {
  const std::int64_t rows = columns.size(0), count = columns.size(1) / c.head_dim;
  at::Tensor x = columns;
  if (norm_weight.defined()) x = norm(columns.reshape({-1, norm_weight.size(0)}), norm_weight, c);
  x = x.view({rows, count, c.head_dim});
  return angles != nullptr ? rotary(x, angles->cos, angles->sin) : x;
}

/// Weights that are all there.
class HeldWeights final : public WeightSource {
 public:
  explicit HeldWeights(const Weights& weights) : weights_(weights) {}
  OuterWeights outer() override { return {weights_.embed, weights_.norm, weights_.head}; }
  LayerWeights layer(std::int64_t index) override { return weights_.layers[static_cast<std::size_t>(index)]; }

 private:
  const Weights& weights_;
};

}  // namespace

/// What all layers of one forward pass share. It lives until the backward pass if layers are computed again there.
struct CausalLm::Pass {
  std::shared_ptr<Attend> attend;
  at::Tensor positions;
  std::optional<Angles> angles, local;  // local: of sliding layers
  std::shared_ptr<WeightSource> weights;
  OuterWeights outer;
  const Lora* lora;  // null: adapters off
  Dropout dropout = {};

  /// Dropout of one matrix in this pass.
  [[nodiscard]] Dropout dropout_of(int64_t layer, int64_t matrix) const {
    return {dropout.rate, derive_seed(dropout.key, static_cast<std::uint64_t>(layer * 4 + matrix + 1) << 8)};
  }
};

CausalLm::CausalLm(ModelConfig config, Weights weights)
    : config_(std::move(config)),
      weights_(std::move(weights)),
      rope_(make_rope(config_)),
      local_rope_(config_.rope_local_theta > 0.0 ? make_rope(config_, true) : rope_) {}

std::unique_ptr<CausalLm> CausalLm::load(const std::filesystem::path& model) {
  const ModelConfig config = read_model_config(model);
  return std::make_unique<CausalLm>(config, load_weights(model, config, WeightPlace::mapped));
}

AttentionRule CausalLm::attention_rule(int64_t layer) const {
  const ModelConfig& c = config_;
  const double scale = c.attention_multiplier > 0.0 ? c.attention_multiplier : 1.0 / std::sqrt(static_cast<double>(c.head_dim));
  return {scale, c.layer(layer).sliding ? c.sliding_window : 0, c.attention_softcap};
}

at::Tensor TreeAttend::operator()(int64_t /*layer*/, const AttentionRule& rule, const at::Tensor& q, const at::Tensor& k,
                                  const at::Tensor& v) {
  return tree_attention(q, k, v, tree_, rule);
}

at::Tensor CausalLm::layer(int64_t i, const at::Tensor& x, const Pass& pass) const {
  static const LayerAdapters kNone;
  const ModelConfig& c = config_;
  const LayerWeights w = pass.weights->layer(i);
  const LayerAdapters& adapters = pass.lora != nullptr ? pass.lora->layer(i) : kNone;
  const LayerKind kind = c.layer(i);
  const Angles* turn = !kind.rotates ? nullptr : kind.sliding ? &*pass.local : &*pass.angles;
  const int64_t rows = x.size(0), q_width = c.num_heads * c.head_dim, kv_width = c.num_kv_heads * c.head_dim;
  // Cheap to make again, and half as wide as a layer is: not kept.
  const auto normed = [&c](const at::Tensor& from, const at::Tensor& weight) {
    return Derived{from, [&c, weight](const at::Tensor& input) { return norm(input, weight, c); }};
  };
  const auto qkv = adapted_linear(normed(x, w.input_norm), w.qkv, w.qkv_bias, adapters.qkv, pass.dropout_of(i, 0));
  const auto q = heads(qkv.narrow(1, 0, q_width), w.q_norm, turn, c);
  const auto k = heads(qkv.narrow(1, q_width, kv_width), w.k_norm, turn, c);
  const auto v = qkv.narrow(1, q_width + kv_width, kv_width).view({rows, c.num_kv_heads, c.head_dim});
  const auto seen = (*pass.attend)(i, attention_rule(i), q, k, v).reshape({rows, q_width});
  const auto attended = adapted_linear(seen, w.o, w.o_bias, adapters.o, pass.dropout_of(i, 1));
  const auto y = x + scaled(norm(attended, w.attention_output_norm, c), c.residual_multiplier);
  const auto gate_up = adapted_linear(normed(y, w.post_attention_norm), w.gate_up, w.gate_up_bias, adapters.gate_up, pass.dropout_of(i, 2));
  const Derived gated{gate_up, c.activation == Activation::silu ? swiglu : geglu_tanh};
  const auto down = adapted_linear(gated, w.down, w.down_bias, adapters.down, pass.dropout_of(i, 3));
  return y + scaled(norm(down, w.mlp_output_norm, c), c.residual_multiplier);
}

at::Tensor CausalLm::run(const at::Tensor& ids, std::shared_ptr<Pass> pass) const {
  const ModelConfig& c = config_;
  const at::Device device = pass->outer.embed.device();
  const auto positions = pass->positions.to(device);
  GRPO_CHECK(ids.numel() > 0 && ids.min().item<int64_t>() >= 0 && ids.max().item<int64_t>() < c.vocab_size,
             "token ids lie inside the vocabulary");
  check_position(c, pass->positions.max().item<int64_t>());
  pass->angles.emplace(rope_, positions);
  pass->local = pass->angles;
  if (c.rope_local_theta > 0.0) pass->local.emplace(local_rope_, positions);
  // An embedding that is trained whole beside half-precision weights is float32; off the CPU the pass stays in the weights' type.
  const auto rows = grpo::embedding(pass->outer.embed, ids.to(device));
  auto x = scaled(device.is_cpu() ? rows : rows.to(weights_.embed.scalar_type()), c.embedding_multiplier);
  const bool again = checkpointing_ || source_ != nullptr;
  for (int64_t i = 0; i < c.num_layers; ++i)
    x = again ? recomputed(x, [this, i, pass](const at::Tensor& input) { return layer(i, input, *pass); }) : layer(i, x, *pass);
  return norm(x, pass->outer.norm, c);
}

std::shared_ptr<WeightSource> CausalLm::source(bool adapted) const {
  return source_ ? source_ : std::make_shared<HeldWeights>(adapted && lora_ ? lora_->weights() : weights_);
}

std::shared_ptr<CausalLm::Pass> CausalLm::new_pass(std::shared_ptr<Attend> attend, const at::Tensor& positions, bool adapted) const {
  auto weights = source(adapted);
  auto outer = weights->outer();
  return std::make_shared<Pass>(
      Pass{std::move(attend), positions, {}, {}, std::move(weights), std::move(outer), adapted && lora_ ? &*lora_ : nullptr});
}

at::Tensor CausalLm::hidden(const at::Tensor& ids, const at::Tensor& positions, Attend& attend) const {
  return run(ids, new_pass(std::shared_ptr<Attend>(std::shared_ptr<Attend>(), &attend), positions, true));
}

at::Tensor CausalLm::logits(const at::Tensor& hidden) const {
  const auto product = adapted_linear(hidden, source(true)->outer().head, {}).to(at::kFloat);
  const auto z = scaled(product, 1.0 / config_.logits_divisor);
  return config_.logits_softcap > 0.0 ? config_.logits_softcap * at::tanh(z / config_.logits_softcap) : z;
}

/// A divisor of the logits is a temperature; no family has both a divisor and a softcap.
TokenScores CausalLm::score(const Part& part, double temperature, bool adapted, const TokenScores& known) const {
  const auto pass = new_pass(std::make_shared<TreeAttend>(part.tree), part.positions, adapted);
  // The same token of a step drops the same entries, whatever the part's place among the parts.
  if (pass->lora != nullptr && noise_)
    pass->dropout = {lora_->options().dropout, derive_seed(*noise_, static_cast<std::uint64_t>(part.tokens[0].item<int64_t>()) << 32)};
  const auto states = run(part.ids, pass);
  const auto scored = states.index_select(0, part.source.to(states.device()));
  const TokenScores scores = token_scores(scored, pass->outer.head, part.targets.to(states.device()), temperature * config_.logits_divisor,
                                          config_.logits_softcap, known);
  return {scores.log_probs.to(at::kCPU), scores.entropies.to(at::kCPU)};
}

TokenScores CausalLm::score(const Part& part, double temperature) const { return score(part, temperature, true); }
TokenScores CausalLm::score_known(const Part& part, double temperature, const TokenScores& known) const {
  return score(part, temperature, true, known);
}
TokenScores CausalLm::score_base(const Part& part, double temperature) const { return score(part, temperature, false); }

}  // namespace grpo
