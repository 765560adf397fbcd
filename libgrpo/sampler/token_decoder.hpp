/// The model side of sampling: tokens go in, their keys and values are kept, logits come out on the CPU.
#pragma once

#include "libgrpo/policy/causal_lm.hpp"
#include "libgrpo/sampler/kv_pages.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace grpo {

/// Seconds spent, for benchmarks.
struct DecoderTimes {
  double matrices = 0.0, attention = 0.0, head = 0.0, other = 0.0;
};

/// thread: one caller at a time. The model must not change while runs are alive.
class TokenDecoder {
 public:
  virtual ~TokenDecoder() = default;

  struct Input {
    TextRun* run;
    std::int32_t token;
    bool logits = true;  ///< whether the logits that follow are wanted
  };
  /// Appends tokens to runs, in order: a run may get several at once, behind those of its parent. A new run is an empty TextRun.
  /// Returns the logits that were wanted, in order; valid until the next step. shape: [wanted, V] f32
  /// throws: Error{contract} for ids outside the vocabulary; Error{data} for positions beyond the rotary embedding (rope.hpp)
  virtual const float* step(const std::vector<Input>& inputs) = 0;

  /// Pages of keys and values that lived at once.
  [[nodiscard]] virtual std::int64_t pages() const = 0;
  [[nodiscard]] virtual const DecoderTimes& times() const = 0;
};

/// By kernels of our own on the CPU (decoder.hpp), by tensor operations elsewhere (tensor_decoder.hpp).
std::unique_ptr<TokenDecoder> make_decoder(const CausalLm& model);

}  // namespace grpo
