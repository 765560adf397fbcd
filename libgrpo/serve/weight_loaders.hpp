/// Weights that clients give to a server, read and checked before they are put in use.
#pragma once

#include "libgrpo/policy/causal_lm.hpp"

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

namespace grpo::serve {

struct Loaded {
  std::shared_ptr<const CausalLm> model;
  std::string checksum;  ///< WeightChecksum of what was stored
};

/// Each throws Error{data} and leaves nothing behind. Empty where weights may not be changed.
struct WeightLoaders {
  /// A Hugging Face folder. Copied, so that it may go away.
  std::function<Loaded(const std::filesystem::path&)> folder = {};
  /// A safetensors image in sealed memory of another process: /proc/PID/fd/N (memory_channel.hpp of remote/).
  std::function<Loaded(const std::filesystem::path&)> memory = {};
  /// A PEFT folder, on a model without adapters, whose weights are shared.
  std::function<Loaded(const std::filesystem::path&, const CausalLm&)> adapters = {};
};

/// For a served model of this shape; what is loaded has its type.
WeightLoaders weight_loaders(const ModelConfig& config);

}  // namespace grpo::serve
