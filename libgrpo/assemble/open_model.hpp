/// From where a model is to a model, as the recipe's policy options say.
#pragma once

#include "libgrpo/assemble/find_model.hpp"
#include "libgrpo/policy/causal_lm.hpp"

#include <memory>

namespace grpo {

/// The configuration, with torch_dtype decided. throws: Error{data}
ModelConfig open_config(const ModelPlace& place, TorchDtype dtype);

/// A model that is not trained: adapters, if there are any, are merged into it. throws: Error{data}
std::unique_ptr<CausalLm> open_model(const ModelPlace& place, TorchDtype dtype);
/// The same of model_name_or_path.
std::unique_ptr<CausalLm> open_model(const Recipe& recipe);

/// The model to be trained: with adapters (those of `place`, or new ones) if use_peft, weights frozen and gradient checkpointing
/// as the recipe says. throws: Error{data}; Error{recipe} for modules and patterns that fit nothing
std::unique_ptr<CausalLm> open_policy(const ModelPlace& place, const ModelConfig& config, const Recipe& recipe);

/// Floats that training would change, without loading anything. throws: as open_policy
std::int64_t count_trainable(const ModelPlace& place, const ModelConfig& config, const Recipe& recipe);

}  // namespace grpo
