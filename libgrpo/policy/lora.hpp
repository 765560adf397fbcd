/// Low-rank adapters on a causal language model, and the folder they are kept in.
///
///     W_adapted = W + s B A,   s = alpha / r, or alpha / sqrt(r)
///
/// Source: Hu et al. 2021, "LoRA", section 4.1; Kalajdzievski 2023, "Rank stabilization scaling factor", section 3 (rsLoRA).
/// A begins uniform in +-1/sqrt(in), B at zero, so the adapted model begins as the model itself. Names and files are PEFT's:
/// adapter_config.json and adapter_model.safetensors. The model's own weights stay as they are; switching the adapters off gives
/// it back, which is what makes it its own reference.
#pragma once

#include "libgrpo/policy/policy.hpp"
#include "libgrpo/policy/weights.hpp"
#include "libgrpo/tensor/adapted_linear.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace grpo {

/// Defaults are TRL's.
struct LoraOptions {
  std::int64_t rank = 16;
  double alpha = 32.0;
  double dropout = 0.05;                          ///< of an adapter's inputs, in noisy passes
  std::vector<std::string> target_modules = {};   ///< last parts of module names, or "all-linear"; empty: q_proj and v_proj
  std::vector<std::string> modules_to_save = {};  ///< trained whole: a copy beside the model's own
  bool rslora = false;
  std::uint64_t seed = 42;
  std::string base_model = {};  ///< what adapter_config.json calls the model

  [[nodiscard]] double scale() const;
};

/// The adapters of one layer, by the fused matrix they are on.
struct LayerAdapters {
  std::vector<LowRank> qkv, o, gate_up, down;
};

class Lora {
 public:
  /// New adapters. throws: Error{recipe} if a module is not there or cannot be adapted, naming those that can
  Lora(LoraOptions options, const ModelConfig& config, const Weights& weights);
  /// Those of a PEFT folder. throws: Error{data} naming file and field or tensor: missing, of another shape, not supported
  static Lora read(const std::filesystem::path& folder, const ModelConfig& config, const Weights& weights);

  [[nodiscard]] const LoraOptions& options() const { return options_; }
  [[nodiscard]] const LayerAdapters& layer(std::int64_t index) const { return layers_[static_cast<std::size_t>(index)]; }
  /// The model's weights with the modules that are trained whole in place of its own.
  [[nodiscard]] const Weights& weights() const { return weights_; }
  /// A, B and the whole modules, under PEFT's names. shape: A [r, in], B [rows, r] f32; modules as the model has them, f32
  [[nodiscard]] std::vector<Parameter> parameters() const;
  /// Adds s B A to the model's own matrices, in place. The adapters must not be used any more.
  void merge() const;
  /// throws: Error{backend}
  void write(const std::filesystem::path& folder) const;

 private:
  struct Matrix {
    std::string module;  ///< "model.layers.0.self_attn.q_proj"
    at::Tensor slice;    ///< of the model's weight
    LowRank adapter;
  };
  struct Module {
    std::string name;  ///< as in model files, "lm_head.weight"
    at::Tensor tensor;
  };
  Lora(LoraOptions options, const Weights& weights) : options_(std::move(options)), weights_(weights), layers_(weights.layers.size()) {}
  static std::vector<NamedSlice> slices(const Weights& weights, const ModelConfig& config);  // with the head, if it is tied
  void adapt(const Weights& weights, const NamedSlice& slice, at::Tensor a, at::Tensor b);
  void train_whole(const Weights& weights, const NamedSlice& slice, at::Tensor tensor);

  LoraOptions options_;
  Weights weights_;
  std::vector<LayerAdapters> layers_;
  std::vector<Matrix> matrices_;
  std::vector<Module> modules_;
};

inline constexpr const char *kAdapterConfigFile = "adapter_config.json", *kAdapterWeightsFile = "adapter_model.safetensors";

/// What a PEFT folder says of itself, without its tensors. throws: Error{data}
LoraOptions read_adapter_config(const std::filesystem::path& folder);
/// Whether a folder holds adapters: adapter_config.json.
bool is_adapter_folder(const std::filesystem::path& folder);

}  // namespace grpo
