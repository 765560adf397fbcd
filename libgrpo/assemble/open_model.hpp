/// From where a model is to a model, as the recipe's policy options say.
#pragma once

#include "libgrpo/assemble/find_model.hpp"
#include "libgrpo/policy/causal_lm.hpp"

#include <memory>

namespace grpo {

/// The configuration, with torch_dtype decided. throws: Error{data}
ModelConfig open_config(const ModelPlace& place, TorchDtype dtype);

/// A model that is not trained: adapters, if there are any, are merged into it. throws: Error{data}
std::unique_ptr<CausalLm> open_model(const ModelPlace& place, TorchDtype dtype, at::Device device = at::kCPU);
/// The same of model_name_or_path, on the CPU.
std::unique_ptr<CausalLm> open_model(const Recipe& recipe);

/// A model that never moves and that scores alone, with the bits of open_model(): on the CPU, where its file holds the weights in fewer bytes
/// than they are computed in, they stay in the file (policy/file_weights.hpp). throws: Error{data}
std::unique_ptr<Scorer> open_reference(const ModelPlace& place, TorchDtype dtype, at::Device device = at::kCPU);

/// The bytes of weights that a run's reference leaves in their file; 0 where there are none: no reference, one that moves, adapters that are
/// switched off, or weights that are read whole. throws: Error{data}
double stored_reference_bytes(const Recipe& recipe);

/// The model to be trained: with adapters (those of `place`, or new ones) if use_peft, weights frozen and gradient checkpointing
/// as the recipe says. throws: Error{data}; Error{recipe} for modules and patterns that fit nothing
std::unique_ptr<CausalLm> open_policy(const ModelPlace& place, const ModelConfig& config, const Recipe& recipe,
                                      at::Device device = at::kCPU);

/// Floats that training would change, without loading anything. throws: as open_policy
std::int64_t count_trainable(const ModelPlace& place, const ModelConfig& config, const Recipe& recipe);

}  // namespace grpo
