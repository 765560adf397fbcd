/// The sampler's forward pass by tensor operations, for models that lie on a GPU; it runs on any device.
///
/// It is CausalLm::hidden() over the new tokens alone, whose attention writes their keys and values into a cache on the device and reads
/// those of the whole text from it. The cache is one tensor of keys and one of values per layer, [slots, Hkv, D]; a page is 64 slots.
/// Rows that get one token are attended to together, texts side by side, shorter ones filled up and masked; a run that gets several
/// (a prompt) is attended to by itself. Unlike decoder.hpp, what is computed beside a token may change its last bits.
#pragma once

#include "libgrpo/sampler/token_decoder.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace grpo {

class TensorDecoder final : public TokenDecoder {
 public:
  explicit TensorDecoder(const CausalLm& model);

  /// cost: one forward pass, in chunks of 4096 tokens, and the logits sent to the CPU
  const float* step(const std::vector<Input>& inputs) override;
  [[nodiscard]] std::int64_t pages() const override { return made_; }
  [[nodiscard]] const DecoderTimes& times() const override { return times_; }

 private:
  class Cached;
  struct Layer {
    at::Tensor keys, values;  // [slots, Hkv, D]
  };
  /// Consecutive tokens of a chunk that one run gets, and all slots of its text so far.
  struct Block {
    TextRun* run;
    std::int64_t first, count, end;  // tokens of the chunk; position behind the last
    std::vector<std::int64_t> slots = {};
  };

  Page take_page();
  void make_room();
  std::vector<std::int64_t> place(const Input* inputs, std::int64_t count);
  at::Tensor chunk(const Input* inputs, std::int64_t count);

  const CausalLm& model_;
  std::shared_ptr<std::vector<std::int64_t>> free_;  // pages; shared with those that are in use
  std::int64_t made_ = 0;
  std::vector<Layer> layers_;
  std::vector<Block> blocks_;            // of this chunk
  std::vector<std::int64_t> new_slots_;  // of its tokens
  at::Tensor logits_;                    // [wanted, V] f32 on the CPU
  DecoderTimes times_;
};

}  // namespace grpo
