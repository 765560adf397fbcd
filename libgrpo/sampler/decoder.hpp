/// The sampler's forward pass: tokens go in, one per row of a small batch, their keys and values are kept, logits come out.
///
/// The arithmetic is CausalLm::hidden()'s, for every family, with adapters on; Engine (engine.hpp), which calls it, is the readable
/// twin. Here activations are [features][rows] (lane_linear.hpp), so a token's result is the same to the last bit whatever is
/// computed beside it: prompts and completions may share a step, and rows come and go (continuous batching). Weights are read where
/// they lie, buffers stay from step to step, and one parallel region with barriers covers a whole step.
/// CPU only; tensor_decoder.hpp is for other devices.
#pragma once

#include "libgrpo/policy/causal_lm.hpp"
#include "libgrpo/sampler/token_decoder.hpp"
#include "libgrpo/tensor/lane_linear.hpp"
#include "libgrpo/tensor/page_attention.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace grpo {

/// thread: one caller at a time. The model must not change while runs are alive.
class Decoder final : public TokenDecoder {
 public:
  explicit Decoder(const CausalLm& model, Isa isa = best_isa());

  const float* step(const std::vector<Input>& inputs) override;
  [[nodiscard]] std::int64_t pages() const override { return pool_.made(); }
  [[nodiscard]] const DecoderTimes& times() const override { return times_; }

 private:
  struct Team;
  struct Linear {
    LaneMatrix matrix;
    std::vector<float> bias;
    struct Adapter {
      LaneMatrix a, b;
      std::int64_t first_row;
      float scale;
    };
    std::vector<Adapter> adapters;
  };
  struct Layer {
    Linear qkv, o, gate_up, down;
    std::vector<float> input_norm, q_norm, k_norm, attention_output_norm, post_attention_norm, mlp_output_norm;
  };
  struct Angles {
    at::Tensor cos, sin;  // [half][rows]
  };
  /// One token of a step: where its keys go, and what it sees.
  struct Row {
    float* page;
    std::int64_t slot, position;
    std::vector<PageSpan> spans;
  };

  static Linear linear_of(const at::Tensor& weight, const at::Tensor& bias, const std::vector<LowRank>& adapters);
  [[nodiscard]] std::vector<float> norm_of(const at::Tensor& weight) const;
  void reserve(std::int64_t rows);
  void place(const Input* inputs, std::int64_t count);
  void turn(const Rope& rope, Angles& angles) const;
  void chunk(const Input* inputs, std::int64_t count, float* logits);
  // Phases of a chunk; every thread of the team calls each.
  void embed(const Input* inputs, Team& team);
  void layer(std::int64_t index, Team& team);
  void multiply(float* y, const float* x, const Linear& linear, Team& team);
  void prepare_heads(std::int64_t index, Team& team);
  void attend(std::int64_t index, Team& team);
  void finish_block(const std::vector<float>& output_norm, const std::vector<float>& next_norm, Team& team);
  void head(float* logits, Team& team);
  // Parts of phases.
  void normalise(float* y, const float* x, const std::vector<float>& weight, std::int64_t lanes) const;
  void store(std::int64_t layer, std::int64_t row, const float* k, const float* v) const;
  [[nodiscard]] const float* input_of(const std::vector<float>& norm) const {
    return (norm.empty() ? x_ : normed_).const_data_ptr<float>();
  }

  const CausalLm& model_;
  const Isa isa_;
  const Weights& weights_;
  PagePool pool_;
  std::vector<Layer> layers_;
  std::vector<float> final_norm_;
  LaneMatrix head_;
  Rope rope_, local_rope_;
  Angles angles_, local_angles_;

  std::vector<Row> tokens_;           // of this chunk
  std::vector<std::int64_t> wanted_;  // lanes whose logits are wanted
  std::int64_t rows_ = 0;             // lanes of this chunk: tokens, filled up to a multiple of kLanes
  std::int64_t capacity_ = 0;         // lanes the buffers hold
  at::Tensor x_, normed_, qkv_, seen_, added_, gate_up_, gated_, low_rank_, last_, logits_;
  std::vector<at::Tensor> scratch_;  // one per thread
  DecoderTimes times_;
};

}  // namespace grpo
