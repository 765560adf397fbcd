/// One decoder for all model families (families.hpp): one forward pass, used for scoring, training and sampling alike.
///
///     x = m_e embed[ids]
///     per layer:  x += m_r norm(o(attend(rotary(norm(q)), rotary(norm(k)), v))),  q|k|v = qkv(norm(x))
///                 x += m_r norm(down(act(gate) * up)),                            gate|up = gate_up(norm(x))
///     hidden = norm(x);  logits = cap(hidden head^T / divisor)
///
/// A norm whose weights a family lacks is the identity, a bias it lacks is nothing, multipliers m are 1 where it has none:
/// what is left in Llama is x += o(..), x += down(..), q|k|v and gate|up from norm(x).
/// How a token attends is the caller's: over a packed forest of segments (training) or over a cache (sampling).
/// Source: Touvron et al. 2023, "Llama 2", section 2.2; the other families' in families.hpp. Weights are held in the config's
/// dtype. On the CPU arithmetic is in float32; on another device, where the weights lie there, in their dtype, and in float32 from the
/// logits on. Low-rank adapters (lora.hpp), where there are any, are added to the products with weights.
#pragma once

#include "libgrpo/policy/lora.hpp"
#include "libgrpo/policy/model_config.hpp"
#include "libgrpo/policy/policy.hpp"
#include "libgrpo/policy/rope.hpp"
#include "libgrpo/policy/weight_source.hpp"
#include "libgrpo/tensor/attention.hpp"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace grpo {

/// How queries see keys. Called once per layer, in order.
class Attend {
 public:
  virtual ~Attend() = default;
  /// rule: the layer's   shape: q [L,Hq,D], k and v [L,Hkv,D] of the new rows -> [L,Hq,D]
  virtual at::Tensor operator()(std::int64_t layer, const AttentionRule& rule, const at::Tensor& q, const at::Tensor& k,
                                const at::Tensor& v) = 0;
};

class CausalLm final : public Policy {
 public:
  /// The model of a folder or .gguf file, in float32, without adapters.
  /// throws: Error{data} on anything wrong with the model (see read_model_config, load_weights)
  static std::unique_ptr<CausalLm> load(const std::filesystem::path& model);
  CausalLm(ModelConfig config, Weights weights);

  /// Final hidden states, after the last norm, with the adapters on.
  /// shape: ids and positions [L] i64 on the CPU -> [L, hidden] on the weights' device
  /// throws: Error{contract} for ids outside the vocabulary; Error{data} for positions that the model's rotary embedding
  /// does not reach (rope.hpp)   cost: 2 x parameters x L FLOPs
  [[nodiscard]] at::Tensor hidden(const at::Tensor& ids, const at::Tensor& positions, Attend& attend) const;
  /// shape: hidden [R, hidden] -> [R, V] f32, on the device of hidden
  [[nodiscard]] at::Tensor logits(const at::Tensor& hidden) const;

  [[nodiscard]] TokenScores score(const Part& part, double temperature) const override;
  [[nodiscard]] TokenScores score_known(const Part& part, double temperature, const TokenScores& known) const override;
  /// The same without adapters: the model as it was before training.
  [[nodiscard]] TokenScores score_base(const Part& part, double temperature) const;
  /// Those of the adapters, if there are any; else all weights but the frozen ones.
  [[nodiscard]] std::vector<Parameter> parameters() const override;
  void set_noise(std::optional<std::uint64_t> key) override { noise_ = key; }
  /// With adapters: these alone, as a PEFT folder.
  void save(const std::filesystem::path& folder) const override;

  [[nodiscard]] const ModelConfig& config() const { return config_; }
  /// Where the weights lie; at::kMeta where they are read from elsewhere (read_from).
  [[nodiscard]] at::Device device() const { return weights_.embed.device(); }
  /// The model's own; with adapters on, modules that are trained whole are in lora()->weights().
  [[nodiscard]] const Weights& weights() const { return weights_; }
  [[nodiscard]] const std::optional<Lora>& lora() const { return lora_; }
  /// Scale, window and softcap of a layer's attention.
  [[nodiscard]] AttentionRule attention_rule(std::int64_t layer) const;

  /// Puts adapters on; training trains them alone.
  void adapt(Lora lora) { lora_ = std::move(lora); }
  /// Makes the adapted model the model itself, and forgets the adapters.
  void merge_adapters();
  /// Leaves weights out of parameters(): those whose names in model files fit a pattern (* any text, ? any character).
  /// throws: Error{recipe} for a pattern that fits nothing, or only a part of weights that are stored in one matrix
  void freeze(const std::vector<std::string>& patterns);
  /// Forward passes take the weights from `source` from now on, and layers are computed again in the backward pass; weights() may be
  /// shapes alone (at::kMeta), and then only what computes works: hidden(), logits(), score().
  void read_from(std::shared_ptr<WeightSource> source) { source_ = std::move(source); }
  /// Keeps only the inputs of layers for the backward pass.
  void set_gradient_checkpointing(bool on) { checkpointing_ = on; }
  /// Switches training on: parameters() become leaves with gradients. A frozen reference never calls it.
  void require_grad();

 private:
  struct Pass;
  [[nodiscard]] std::shared_ptr<WeightSource> source(bool adapted) const;
  [[nodiscard]] std::shared_ptr<Pass> new_pass(std::shared_ptr<Attend> attend, const at::Tensor& positions, bool adapted) const;
  [[nodiscard]] at::Tensor layer(std::int64_t index, const at::Tensor& x, const Pass& pass) const;
  [[nodiscard]] at::Tensor run(const at::Tensor& ids, std::shared_ptr<Pass> pass) const;
  [[nodiscard]] TokenScores score(const Part& part, double temperature, bool adapted, const TokenScores& known = {}) const;

  ModelConfig config_;
  Weights weights_;
  std::shared_ptr<WeightSource> source_;  // null: weights_ themselves
  Rope rope_, local_rope_;                // local: of sliding layers, where they have their own
  std::optional<Lora> lora_;
  std::vector<std::string> frozen_;  // names as in parameters()
  bool checkpointing_ = false;
  std::optional<std::uint64_t> noise_;
};

/// A model with its adapters off, as the reference of its own training.
class AdaptersOff final : public Scorer {
 public:
  explicit AdaptersOff(const CausalLm& model) : model_(model) {}
  [[nodiscard]] TokenScores score(const Part& part, double temperature) const override { return model_.score_base(part, temperature); }

 private:
  const CausalLm& model_;
};

/// Copies weights in by name. throws: Error{data} if one is missing or has another shape
void restore_parameters(const CausalLm& model, const std::vector<std::pair<std::string, at::Tensor>>& named);

/// Attention over a packed forest, with gradients.
class TreeAttend final : public Attend {
 public:
  explicit TreeAttend(SegmentTree tree) : tree_(std::move(tree)) {}
  at::Tensor operator()(std::int64_t layer, const AttentionRule& rule, const at::Tensor& q, const at::Tensor& k,
                        const at::Tensor& v) override;

 private:
  SegmentTree tree_;
};

}  // namespace grpo
