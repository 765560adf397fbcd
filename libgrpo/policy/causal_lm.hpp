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
/// Source: Touvron et al. 2023, "Llama 2", section 2.2; the other families' in families.hpp. Weights are float32.
#pragma once

#include "libgrpo/policy/model_config.hpp"
#include "libgrpo/policy/policy.hpp"
#include "libgrpo/policy/rope.hpp"
#include "libgrpo/policy/weights.hpp"
#include "libgrpo/tensor/attention.hpp"

#include <filesystem>
#include <memory>
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
  /// throws: Error{data} on anything wrong with the model (see read_model_config, load_weights)
  static std::unique_ptr<CausalLm> load(const std::filesystem::path& model);
  CausalLm(ModelConfig config, Weights weights);

  /// Final hidden states, after the last norm. shape: ids and positions [L] i64 -> [L, hidden] f32
  /// throws: Error{contract} for ids outside the vocabulary; Error{data} for positions that the model's rotary embedding
  /// does not reach (rope.hpp)   cost: 2 x parameters x L FLOPs
  [[nodiscard]] at::Tensor hidden(const at::Tensor& ids, const at::Tensor& positions, Attend& attend) const;
  /// shape: hidden [R, hidden] -> [R, V] f32
  [[nodiscard]] at::Tensor logits(const at::Tensor& hidden) const;

  [[nodiscard]] TokenScores score(const Part& part, double temperature) const override;
  [[nodiscard]] std::vector<Parameter> parameters() const override;
  void save(const std::filesystem::path& folder) const override;

  [[nodiscard]] const ModelConfig& config() const { return config_; }
  [[nodiscard]] const Weights& weights() const { return weights_; }
  /// Scale, window and softcap of a layer's attention.
  [[nodiscard]] AttentionRule attention_rule(std::int64_t layer) const;
  /// Switches training on: parameters() become leaves with gradients. A frozen reference never calls it.
  void require_grad();

 private:
  ModelConfig config_;
  Weights weights_;
  Rope rope_, local_rope_;  // local: of sliding layers, where they have their own
};

/// Copies weights in by name. throws: Error{data} if one is missing or has another shape
void restore_parameters(const CausalLm& model, const std::vector<std::pair<std::string, at::Tensor>>& named);

/// Attention over a packed forest, with gradients.
class TreeAttend final : public Attend {
 public:
  explicit TreeAttend(const SegmentTree& tree) : tree_(tree) {}
  at::Tensor operator()(std::int64_t layer, const AttentionRule& rule, const at::Tensor& q, const at::Tensor& k,
                        const at::Tensor& v) override;

 private:
  const SegmentTree& tree_;
};

}  // namespace grpo
