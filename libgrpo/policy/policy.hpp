/// The model being trained, as the trainer sees it.
#pragma once

#include "libgrpo/rollout/batch.hpp"
#include "libgrpo/tensor/token_scores.hpp"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace grpo {

/// A trainable tensor. Its storage is shared with the policy: the optimizer updates it in place.
struct Parameter {
  std::string name;
  at::Tensor tensor;   ///< leaf with requires_grad
  bool decays = true;  ///< weight decay applies (matrices yes; norms and biases no, as in transformers)
};

/// What gives tokens their log-probs: a policy, or a reference that is never trained.
/// thread: one caller at a time
class Scorer {
 public:
  virtual ~Scorer() = default;

  /// Log-probs and entropies of a part's completion tokens.
  /// shape: [T] f32 each on the CPU, wherever the model is, in the order of part.targets   unit: nats, of softmax(logits / temperature)
  /// grad: to the parameters, unless gradients are switched off (at::NoGradGuard)
  /// cost: one forward over the part's packed rows
  [[nodiscard]] virtual TokenScores score(const Part& part, double temperature) const = 0;
};

class Policy : public Scorer {
 public:
  /// Trainable tensors, in a fixed order that checkpoints rely on.
  [[nodiscard]] virtual std::vector<Parameter> parameters() const = 0;

  /// score() of tokens whose scores are known, because their sampler had these very weights: the same gradient at less cost.
  /// shape: known as score() gives it, without gradient   throws: Error{contract}, perhaps not before the backward pass, if they are not
  [[nodiscard]] virtual TokenScores score_known(const Part& part, double temperature, const TokenScores& /*known*/) const {
    return score(part, temperature);
  }

  /// From here on score() is noisy (dropout), and all of the noise follows from `key`; nothing: no noise, as in the beginning.
  virtual void set_noise(std::optional<std::uint64_t> /*key*/) {}

  /// Writes config.json, generation_config.json and weights as a Hugging Face model folder (which must exist).
  /// throws: Error{backend} if writing fails
  virtual void save(const std::filesystem::path& folder) const = 0;
};

}  // namespace grpo
